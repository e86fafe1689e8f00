//! The command as it was typed, and commands that are worth typing next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Context;
use crate::domain::resource::ServiceName;
use crate::domain::target::{Kind, TargetRef};
use crate::error::{CommandError, ErrorKind, quoted};

/// Options whose values are a person's own words, in which nothing that was typed elsewhere is meant.
const OWN_WORDS: [&str; 4] =
    ["--reason", "--condition", "--condition-title", "--condition-description"];

/// What of the commands' own definitions tells what a word of a command line is.
#[derive(Clone, Debug, Default)]
pub struct Grammar {
    /// The options of every command that take no value, and those whose value must be joined to them.
    pub switches: BTreeSet<String>,
    /// Commands that have commands of their own, and those.
    pub groups: BTreeMap<String, Vec<String>>,
    /// The options that each command takes.
    pub options: BTreeMap<String, BTreeSet<String>>,
}

/// What a word of the command line is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Command,
    /// An option, with its value where that is joined to it.
    Option,
    Operand,
    ValueOf(String),
    /// Another program's, behind a `--` or the service of `curl`.
    Anothers,
}

/// No hint asks for a longer time than this.
const LONGEST: Duration = Duration::from_hours(24);

impl Context {
    /// The command as it was typed.
    pub fn command(&self) -> String {
        self.rendered(&self.arguments.borrow())
    }

    /// These arguments as a command. A `--yes` is left out: nobody is led to accept a plan that has not
    /// been seen.
    fn rendered(&self, arguments: &[String]) -> String {
        let words = arguments
            .iter()
            .filter_map(|argument| without_yes(argument))
            .map(|argument| quoted(&argument));
        let said = ["--sandbox", "sandbox"];
        let unsaid =
            self.settings.sandbox && !arguments.iter().any(|word| said.contains(&word.as_str()));
        let place = unsaid.then(|| "--sandbox".to_owned());
        let program = std::iter::once("runaccess".to_owned());
        program.chain(place).chain(words).collect::<Vec<_>>().join(" ")
    }

    /// The command as it was typed, with an option more: at its end, but for `curl`, where what
    /// follows the service is another program's, and before a `--`.
    pub fn command_with_option(&self, option: &str, value: &str) -> String {
        let mut words = self.arguments.borrow().clone();
        let at = self.place_of("curl").map_or_else(|| end_of_options(&words), |at| at + 1);
        let added = [option.to_owned(), value.to_owned()];
        words.splice(at..at, added.into_iter().filter(|word| !word.is_empty()));
        self.rendered(&words)
    }

    /// The command `curl` as it was typed, with one of our options, and its value, moved before the
    /// service.
    pub fn command_with_moved(&self, option: &str) -> String {
        let mut words = self.arguments.borrow().clone();
        let of = |word: &String| word.split('=').next() == Some(option);
        let Some(from) = words.iter().rposition(of) else { return self.command() };
        let takes_value = !words[from].contains('=') && !self.is_switch(option);
        let end = (from + 1 + usize::from(takes_value)).min(words.len());
        let moved: Vec<String> = words.drain(from..end).collect();
        let at = self.place_of("curl").map_or(0, |at| at + 1);
        words.splice(at..at, moved);
        self.rendered(&words)
    }

    /// Where a command's name stands among the arguments.
    fn place_of(&self, name: &str) -> Option<usize> {
        let words = self.arguments.borrow();
        let parts = self.parts(&words);
        (0..words.len()).find(|at| parts[*at] == Part::Command && words[*at] == name)
    }

    /// Whether an option takes no value.
    fn is_switch(&self, option: &str) -> bool {
        (self.settings.grammar)().switches.contains(option)
    }

    /// What each word is.
    fn parts(&self, words: &[String]) -> Vec<Part> {
        let Grammar { switches, groups, .. } = (self.settings.grammar)();
        let takes_value = |word: &str| {
            if word.starts_with("--") {
                !word.contains('=') && !switches.contains(word)
            } else {
                // Of short options only the format has a value, in the same word or the next.
                word.ends_with('o')
            }
        };
        let mut parts: Vec<Part> = Vec::with_capacity(words.len());
        let (mut command, mut waiting, mut ended) = (None, None, false);
        for word in words {
            let part = if ended {
                Part::Anothers
            } else if let Some(option) = waiting.take() {
                Part::ValueOf(option)
            } else if word == "--" {
                ended = true;
                Part::Anothers
            } else if word.len() > 1 && word.starts_with('-') && !word.starts_with("-/") {
                waiting = takes_value(word).then(|| word.clone());
                Part::Option
            } else if command.is_none() {
                command = Some(word.clone());
                Part::Command
            } else {
                let own = command.as_ref().and_then(|command| groups.get(command));
                let is_first = !parts.contains(&Part::Operand);
                match own {
                    Some(names) if is_first && names.contains(word) => Part::Command,
                    _ => {
                        ended = command.as_deref() == Some("curl");
                        Part::Operand
                    }
                }
            };
            parts.push(part);
        }
        parts
    }

    /// The command as it was typed, under another command's name, without the options that this one does
    /// not take.
    pub fn command_as(&self, name: &str) -> String {
        let typed = self.arguments.borrow().clone();
        let grammar = (self.settings.grammar)();
        let takes = |option: &str| {
            let option = option.split('=').next().unwrap_or(option);
            !option.starts_with("--")
                || grammar.options.get(name).is_none_or(|own| own.contains(option))
        };
        let mut words = Vec::with_capacity(typed.len());
        for (word, part) in typed.iter().zip(self.parts(&typed)) {
            match part {
                Part::Command => words.push(name.to_owned()),
                Part::Option if !takes(word) => {}
                Part::ValueOf(option) if !takes(&option) => {}
                _ => words.push(word.clone()),
            }
        }
        self.rendered(&words)
    }

    /// The command as it was typed, with two of its operands in each other's place.
    pub fn command_with_swapped(&self, one: &str, other: &str) -> String {
        let mut words = self.arguments.borrow().clone();
        let parts = self.parts(&words);
        let place = |word: &str| {
            (0..words.len()).find(|at| parts[*at] == Part::Operand && words[*at] == word)
        };
        if let (Some(first), Some(second)) = (place(one), place(other)) {
            words.swap(first, second);
        }
        self.rendered(&words)
    }

    /// Whether the command that was typed is one that takes an ID token from a file.
    pub fn takes_id_token_file(&self) -> bool {
        self.place_of("curl").is_some() || self.place_of("proxy").is_some()
    }

    /// Takes words that were chosen for words that were typed behind the options.
    pub fn stand_for(&self, words: &[String]) {
        self.arguments.borrow_mut().extend_from_slice(words);
    }

    /// The command as it was typed, but for some options and their values.
    pub fn command_without(&self, options: &[&str]) -> String {
        self.rendered(&self.words_without(options, true))
    }

    /// The same, of an option whose value, if it has one, is joined to it.
    pub fn command_without_flag(&self, flag: &str) -> String {
        self.rendered(&self.words_without(&[flag], false))
    }

    /// The command as it was typed, with another value for one of its options.
    pub fn command_with_instead(&self, option: &str, value: &str) -> String {
        let mut words = self.words_without(&[option], true);
        let end = end_of_options(&words);
        words.splice(end..end, [option.to_owned(), value.to_owned()]);
        self.rendered(&words)
    }

    fn words_without(&self, options: &[&str], have_values: bool) -> Vec<String> {
        let mut left = Vec::new();
        let mut words = self.arguments.borrow().clone().into_iter();
        while let Some(word) = words.next() {
            let (option, is_joined) = match word.split_once('=') {
                Some((option, _)) => (option, true),
                None => (word.as_str(), false),
            };
            if !options.contains(&option) {
                left.push(word);
            } else if have_values && !is_joined {
                words.next();
            }
        }
        left
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
        if !settings.impersonate.is_empty() {
            words.push("--impersonate-service-account".to_owned());
            words.push(quoted(&settings.impersonate.join(",")));
        }
        words.push(command.to_owned());
        words.join(" ")
    }

    /// Another command of this program, for somebody else to run in the same place.
    pub fn suggest_to_others(&self, command: &str) -> String {
        let place = if self.settings.sandbox { "--sandbox " } else { "" };
        format!("runaccess {place}{command}")
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
                } else if let Some(("runaccess", command)) = hint.split_once(' ')
                    && !command.contains("sandbox")
                    && !command.starts_with("help")
                {
                    *hint = self.suggest_to_others(command);
                }
            }
        }
        self.fit_login(&mut error);
        match error.kind {
            ErrorKind::Deadline => {
                let longer = self.settings.timeout.saturating_mul(2).max(Duration::from_mins(5));
                let longer = humantime::format_duration(longer.min(LONGEST)).to_string();
                let longer = longer.replace(' ', "");
                let command = self.command_with_instead("--timeout", &longer);
                error.hint(command)
            }
            ErrorKind::MalformedResponse | ErrorKind::RateLimited | ErrorKind::Unavailable
                if !self.settings.verbose =>
            {
                error.hint(self.command_with_option("--verbose", ""))
            }
            _ => error,
        }
    }

    /// Puts the command that logs in who acts in place of the general one; for a token that was
    /// given there is none, and where it came from is said.
    fn fit_login(&self, error: &mut CommandError) {
        let Some(identity) = self.identity.get() else { return };
        let Some(at) = error.hints.iter().position(|hint| hint == "gcloud auth login") else {
            return;
        };
        if let Some(login) = &identity.login {
            error.hints[at].clone_from(login);
        } else {
            error.hints.remove(at);
            error.causes.push(format!("the credential is that of {}", identity.source));
        }
    }

    /// The command as it was typed, with another text for what names a service, a job or a function, in
    /// whichever form that was typed.
    pub fn command_with_target(&self, wanted: &TargetRef, instead: &str) -> String {
        self.command_with_targets(wanted.kind(), instead, |typed| match wanted.project() {
            Some(project) => {
                let is_its = |own: &str| self.are_known_as_one(own, project);
                typed.project().is_some_and(is_its) && typed.clone().in_project(project) == *wanted
            }
            None => typed == wanted,
        })
    }

    /// The same, for what names a service and may name this one.
    pub fn command_with_service(&self, name: &ServiceName, instead: &str) -> String {
        self.command_with_targets(Kind::Service, instead, |typed| match typed {
            TargetRef::Service(reference) => {
                let is_its = |own: &str| self.are_known_as_one(own, name.project());
                reference.may_name(name) && reference.project().is_none_or(is_its)
            }
            _ => false,
        })
    }

    fn command_with_targets(
        &self,
        kind: Kind,
        instead: &str,
        is_it: impl Fn(&TargetRef) -> bool,
    ) -> String {
        let mut words = self.arguments.borrow().clone();
        let parts = self.parts(&words);
        for (word, part) in words.iter_mut().zip(&parts) {
            // Of what a member is, and of several, each part is put right.
            let put_right = |one: &str| {
                let (before, name) = match one.strip_prefix("service:") {
                    Some(name) => ("service:", name),
                    None => ("", one),
                };
                let parsed = TargetRef::parse(name, None).ok().filter(&is_it);
                let parsed = parsed.or_else(|| {
                    TargetRef::parse(name, Some(kind)).ok().filter(|typed| is_it(typed))
                });
                parsed.map_or_else(|| one.to_owned(), |_| format!("{before}{instead}"))
            };
            if *part == Part::Operand {
                *word = word.split(',').map(put_right).collect::<Vec<_>>().join(",");
            }
        }
        self.rendered(&words)
    }

    /// The command as it was typed, with another text where one was typed: as an operand, else as the
    /// value of an option. What stands alike in a person's own words stays.
    pub fn command_with_word(&self, typed: &str, instead: &str) -> String {
        let mut words = self.arguments.borrow().clone();
        let parts = self.parts(&words);
        let put_right = |word: &str| match word.strip_prefix("service:") {
            Some(name) if name == typed => format!("service:{instead}"),
            _ if word == typed => instead.to_owned(),
            _ => word.to_owned(),
        };
        let replaced = |word: &str| {
            let whole = put_right(word);
            if whole == word {
                word.split(',').map(put_right).collect::<Vec<_>>().join(",")
            } else {
                whole
            }
        };
        let is_own = |option: &str| OWN_WORDS.contains(&option);
        let mut changed = false;
        for (word, part) in words.iter_mut().zip(&parts) {
            if *part == Part::Operand {
                let put = replaced(word);
                changed |= put != *word;
                *word = put;
            }
        }
        for (word, part) in words.iter_mut().zip(&parts).filter(|_| !changed) {
            match part {
                Part::ValueOf(option) if !is_own(option) => *word = replaced(word),
                Part::Option => match word.split_once('=') {
                    Some((option, value)) if !is_own(option) => {
                        *word = format!("{option}={}", replaced(value));
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        self.rendered(&words)
    }
}

/// Where options end: at a bare `--`, else behind the last word.
fn end_of_options(words: &[String]) -> usize {
    words.iter().position(|word| word == "--").unwrap_or(words.len())
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
