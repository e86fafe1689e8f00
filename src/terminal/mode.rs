//! Restores the terminal's mode and cursor after a prompt.

use std::io::{IsTerminal, stderr};

use console::Term;

#[cfg(unix)]
use self::unix::{drop_typed, put_back, remember_mode};

/// Stores the terminal's mode for `restore`.
pub fn remember() {
    #[cfg(unix)]
    remember_mode();
}

/// Discards input that was typed but not read.
pub(super) fn forget_typed() {
    #[cfg(unix)]
    drop_typed();
}

/// Restores the stored mode and shows the cursor.
pub fn restore() {
    #[cfg(unix)]
    put_back();
    if stderr().is_terminal() {
        // If the terminal is gone, the cursor does not matter.
        drop(Term::stderr().show_cursor());
    }
}

#[cfg(unix)]
mod unix {
    use std::io::stdin;
    use std::sync::{Mutex, PoisonError};

    use nix::sys::termios::{FlushArg, SetArg, Termios, tcflush, tcgetattr, tcsetattr};

    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

    pub(super) fn remember_mode() {
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = tcgetattr(stdin()).ok();
    }

    pub(super) fn drop_typed() {
        // If stdin is not a terminal, there is no typed input.
        let _ = tcflush(stdin(), FlushArg::TCIFLUSH);
    }

    pub(super) fn put_back() {
        let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(before) = before {
            // If the terminal refuses its old mode, nothing more can be done.
            let _ = tcsetattr(stdin(), SetArg::TCSANOW, &before);
        }
    }
}
