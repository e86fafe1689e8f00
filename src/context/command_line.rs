//! The command as it was typed, and commands that are worth typing next.

use std::time::Duration;

use super::Context;
use crate::error::{CommandError, ErrorKind, quoted};

/// No hint asks for a longer time than this.
const LONGEST: Duration = Duration::from_hours(24);

impl Context {
    /// The command as it was typed.
    pub fn command(&self) -> String {
        self.command_with(str::to_owned)
    }

    /// The command as it was typed, with its arguments changed. A `--yes` is left out: nobody is
    /// led to accept a plan that has not been seen.
    pub fn command_with(&self, change: impl Fn(&str) -> String) -> String {
        self.rendered(&self.arguments.borrow(), change)
    }

    fn rendered(&self, arguments: &[String], change: impl Fn(&str) -> String) -> String {
        let words = arguments
            .iter()
            .filter_map(|argument| without_yes(argument))
            .map(|argument| quoted(&change(&argument)));
        let said = ["--sandbox", "sandbox"];
        let unsaid =
            self.settings.sandbox && !arguments.iter().any(|word| said.contains(&word.as_str()));
        let place = unsaid.then(|| "--sandbox".to_owned());
        let program = std::iter::once("runaccess".to_owned());
        program.chain(place).chain(words).collect::<Vec<_>>().join(" ")
    }

    /// Takes words that were chosen for words that were typed behind the options.
    pub fn stand_for(&self, words: &[String]) {
        self.arguments.borrow_mut().extend_from_slice(words);
    }

    /// The command as it was typed, but for one option and its value.
    pub fn command_without(&self, option: &str) -> String {
        let mut left = Vec::new();
        let mut words = self.arguments.borrow().clone().into_iter();
        let joined = format!("{option}=");
        while let Some(word) = words.next() {
            if word == option {
                words.next();
            } else if !word.starts_with(&joined) {
                left.push(word);
            }
        }
        self.rendered(&left, str::to_owned)
    }

    /// Another command of this program, in the same place: sandbox, project, account.
    pub fn suggest(&self, command: &str) -> String {
        let settings = &self.settings;
        let mut words = vec!["runaccess".to_owned()];
        words.extend(settings.sandbox.then(|| "--sandbox".to_owned()));
        for (flag, value) in [
            ("--project", &settings.project),
            ("--account", &settings.account),
            ("--configuration", &settings.configuration),
        ] {
            words.extend(value.iter().flat_map(|value| [flag.to_owned(), quoted(value)]));
        }
        let file = settings.access_token_file.iter();
        words.extend(
            file.flat_map(|path| {
                ["--access-token-file".to_owned(), quoted(&path.to_string_lossy())]
            }),
        );
        words.push(command.to_owned());
        words.join(" ")
    }

    /// Gcloud's flags for who acts, where the command line said so.
    pub fn gcloud_flags(&self) -> Vec<String> {
        let settings = &self.settings;
        let account = settings.account.iter().map(|account| format!("--account={account}"));
        let configuration = settings.configuration.iter();
        let file = settings.access_token_file.iter();
        account
            .chain(configuration.map(|name| format!("--configuration={name}")))
            .chain(file.map(|path| format!("--access-token-file={}", path.display())))
            .collect()
    }

    /// Makes the hints of an error fit the place: in the sandbox no login helps, and what was too
    /// slow or not understood can be looked at more closely.
    pub fn fit(&self, mut error: CommandError) -> CommandError {
        if self.settings.sandbox {
            for hint in &mut error.hints {
                if hint.starts_with("gcloud ") {
                    "runaccess sandbox status".clone_into(hint);
                }
            }
        }
        match error.kind {
            ErrorKind::Deadline => {
                let longer = self.settings.timeout.saturating_mul(2).max(Duration::from_mins(5));
                let longer = humantime::format_duration(longer.min(LONGEST)).to_string();
                let longer = longer.replace(' ', "");
                let arguments = self.arguments.borrow().clone();
                let mut words = arguments.iter();
                let command = match words.find(|word| word.starts_with("--timeout")) {
                    Some(word) if word.contains('=') => {
                        self.command_with_word(word, &format!("--timeout={longer}"))
                    }
                    Some(_) => {
                        let value = words.next().map(String::as_str).unwrap_or_default();
                        self.command_with_word(value, &longer)
                    }
                    None => format!("{} --timeout {longer}", self.command()),
                };
                error.hint(command)
            }
            ErrorKind::MalformedResponse | ErrorKind::RateLimited | ErrorKind::Unavailable
                if !self.settings.verbose =>
            {
                let command = format!("{} --verbose", self.command());
                error.hint(command)
            }
            _ => error,
        }
    }

    /// The command as it was typed, but for one word.
    pub fn command_with_word(&self, typed: &str, instead: &str) -> String {
        let put_right = |word: &str| match word.strip_prefix("service:") {
            Some(name) if name == typed => format!("service:{instead}"),
            _ if word == typed => instead.to_owned(),
            _ => word.to_owned(),
        };
        self.command_with(|argument| {
            let whole = put_right(argument);
            if whole == argument {
                argument.split(',').map(put_right).collect::<Vec<_>>().join(",")
            } else {
                whole
            }
        })
    }
}

/// A word of the command line without its yes; `None` where nothing else is in it.
fn without_yes(word: &str) -> Option<String> {
    if word == "--yes" {
        return None;
    }
    let Some(cluster) = word.strip_prefix('-').filter(|rest| !rest.starts_with('-')) else {
        return Some(word.to_owned());
    };
    // Short flags may share a word; what follows `o` is its value.
    let at = cluster.find(|flag| !matches!(flag, 'n' | 'q' | 'v' | 'y')).unwrap_or(cluster.len());
    let (flags, rest) = cluster.split_at(at);
    if !(rest.is_empty() || rest.starts_with('o')) || !flags.contains('y') {
        return Some(word.to_owned());
    }
    let left = flags.replace('y', "") + rest;
    (!left.is_empty()).then(|| format!("-{left}"))
}

#[cfg(test)]
mod tests {
    use super::without_yes;

    #[test]
    fn a_yes_is_found_in_every_form() {
        for (word, left) in [
            ("--yes", None),
            ("-y", None),
            ("-qy", Some("-q")),
            ("-yojson", Some("-ojson")),
            ("-vyo", Some("-vo")),
            ("-ojsony", Some("-ojsony")),
            ("-oyaml", Some("-oyaml")),
            ("--style=y", Some("--style=y")),
            ("y", Some("y")),
            ("-", Some("-")),
        ] {
            assert_eq!(without_yes(word).as_deref(), left, "{word}");
        }
    }
}
