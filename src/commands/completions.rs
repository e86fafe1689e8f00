//! `completions`: prints the code that makes a shell complete command lines, and renews its cache.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::args::complete;
use crate::completion::SHELLS;
use crate::context::{self, Context};
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::exit_code::ExitCode;

/// Print what makes a shell complete commands, options, services, regions, members and tags
///
/// Services and members are those of the project that the command line is about, from a cache
/// that is renewed in the background: Tab never waits.
#[derive(clap::Args, Debug)]
#[command(after_help = "Put it where your shell starts:
  bash:        echo 'source <(runaccess completions bash)' >> ~/.bashrc
  zsh:         echo 'source <(runaccess completions zsh)' >> ~/.zshrc
  fish:        echo 'runaccess completions fish | source' >> ~/.config/fish/config.fish
  PowerShell:  Add-Content $PROFILE 'runaccess completions powershell | Out-String | iex'")]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum, value_name = "SHELL", required_unless_present = "renew")]
    shell: Option<Shell>,
    /// Read anew what is completed
    #[arg(long, hide = true, conflicts_with = "shell")]
    renew: bool,
}

/// A shell with a completion script.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

impl Args {
    /// Whether the command concerns a project, not only a shell.
    pub(super) fn needs_project(&self) -> bool {
        self.renew
    }
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    let Some(shell) = args.shell else {
        complete::renew(cx).await?;
        return Ok(ExitCode::Done.number());
    };
    let failed = |error: std::io::Error| {
        CommandError::new(ErrorKind::Failed, "cannot print completions").because(error.to_string())
    };
    let program = context::this_program().map_err(failed)?;
    let mut script = Vec::new();
    let value = shell.to_possible_value();
    let name = value.as_ref().map(PossibleValue::get_name).unwrap_or_default();
    if let Some(completer) = SHELLS.iter().find(|known| known.is(name)) {
        let program = program.to_string_lossy();
        completer
            .write_registration(complete::ASKED, "runaccess", "runaccess", &program, &mut script)
            .map_err(failed)?;
    }
    cx.print(String::from_utf8_lossy(&script).trim_start())?;
    Ok(ExitCode::Done.number())
}
