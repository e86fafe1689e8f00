//! `runaccess`: who may invoke a Google Cloud Run service.
//!
//! Every command follows args → request → snapshot → plan → effect → report. `docs/architecture.md`
//! describes the modules, and `tests/layering.rs` checks the direction of dependencies.

pub mod auth;
pub mod change;
pub mod cloud;
mod commands;
pub mod completion;
pub mod context;
pub mod gcloud;
pub mod invoke;
pub mod journal;
pub mod lookup;
pub mod proxy;
#[cfg(any(test, fuzzing))]
pub mod raw_bytes;
pub mod report;
pub mod terminal;
pub mod transport;

pub use runaccess_domain as domain;
pub use runaccess_ground::{hop_by_hop, jwt, private_files, secret_text, tunnel};
pub use runaccess_sandbox as sandbox;

use self::domain::error::{CommandError, ErrorKind};

/// Runs the program on this process's arguments and returns its exit code.
pub fn run() -> u8 {
    if let Some(code) = commands::asked() {
        return code;
    }
    match context::runtime() {
        Ok(runtime) => {
            let code = runtime.block_on(commands::run());
            // A prompt that Ctrl-C interrupted is not waited for.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            let error =
                CommandError::new(ErrorKind::Failed, "cannot start").because(error.to_string());
            context::bare_terminal().error(&error);
            error.exit_code().number()
        }
    }
}
