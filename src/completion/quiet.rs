//! Shells that are offered options only once one is begun: beside a dozen services they would be
//! in the way, and alone they would be taken for what was meant.

use std::ffi::OsString;
use std::io::{Error, Write};
use std::path::Path;

use clap::Command;
use clap_complete::env::EnvCompleter;

/// A shell that keeps options back.
#[derive(Clone, Copy, Debug)]
pub struct Quiet<S>(pub S);

/// What zsh needs before a completion can be registered, where nothing has brought it yet.
const ZSH: &str = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n";

impl<S: EnvCompleter> EnvCompleter for Quiet<S> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn is(&self, name: &str) -> bool {
        self.0.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> Result<(), Error> {
        let mut script = Vec::new();
        self.0.write_registration(var, name, bin, completer, &mut script)?;
        let script = String::from_utf8_lossy(&script);
        let script = script.trim_start();
        // The first line of zsh's is read by its own autoloader, and stays first.
        match script.split_once('\n') {
            Some((first, rest)) if first.starts_with("#compdef") => {
                write!(buf, "{first}\n{ZSH}{rest}")
            }
            _ => buf.write_all(script.as_bytes()),
        }
    }

    fn write_complete(
        &self,
        cmd: &mut Command,
        args: Vec<OsString>,
        current_dir: Option<&Path>,
        buf: &mut dyn Write,
    ) -> Result<(), Error> {
        let begun = args.last().is_some_and(|word| word.to_string_lossy().starts_with('-'));
        let mut answer = Vec::new();
        self.0.write_complete(cmd, args, current_dir, &mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        if begun {
            return buf.write_all(answer.as_bytes());
        }
        // Bash is answered with vertical tabs between the words, the others with lines.
        let sign = if answer.contains('\u{b}') { '\u{b}' } else { '\n' };
        let kept: Vec<&str> = answer.split(sign).filter(|word| !word.starts_with("--")).collect();
        buf.write_all(kept.join(&sign.to_string()).as_bytes())
    }
}
