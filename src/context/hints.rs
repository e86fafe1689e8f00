//! The commands that errors suggest.

use std::time::Duration;

use super::Context;
use super::command_line::CommandLine;
use crate::domain::error::{CommandError, ErrorKind, Hint, quoted};
use crate::domain::resource::ServiceName;
use crate::domain::target::{Kind, TargetRef};

/// The longest timeout that a hint suggests.
const LONGEST: Duration = Duration::from_hours(24);

impl Context {
    fn command_line(&self) -> CommandLine {
        CommandLine::read(&self.arguments.borrow(), &self.settings.definition)
    }

    fn rendered(&self, line: &CommandLine) -> String {
        line.render(self.settings.sandbox)
    }

    /// The typed command.
    pub fn command(&self) -> String {
        self.rendered(&self.command_line())
    }

    /// The typed command with an additional option and its value.
    pub fn command_with_option(&self, option: &str, value: Option<&str>) -> String {
        self.rendered(&self.command_line().with(option, value))
    }

    /// The typed `curl` command with one of this program's options, and its value, moved before the
    /// service.
    pub fn command_with_moved(&self, option: &str) -> String {
        self.rendered(&self.command_line().with_moved(option, &self.settings.definition))
    }

    /// The typed arguments under another command's name, without the options that the other command
    /// does not accept.
    pub fn command_as(&self, name: &str) -> String {
        self.rendered(&self.command_line().of_command(name, &self.settings.definition))
    }

    /// The typed command with two of its operands swapped.
    pub fn command_with_swapped(&self, one: &str, other: &str) -> String {
        self.rendered(&self.command_line().with_swapped(one, other))
    }

    /// Records the words that the user chose at a prompt, for later hints.
    pub fn record_choice(&self, words: &[String]) {
        self.arguments.borrow_mut().extend_from_slice(words);
    }

    /// The typed command without some options and their values.
    pub fn command_without(&self, options: &[&str]) -> String {
        self.rendered(&self.command_line().without(options))
    }

    /// The typed command with another value for one of its options.
    pub fn command_with_instead(&self, option: &str, value: &str) -> String {
        self.rendered(&self.command_line().without(&[option]).with(option, Some(value)))
    }

    /// Another command of this program for the same sandbox, project and account.
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

    /// Another command of this program, for another person in the same project.
    pub fn suggest_to_others(&self, command: &str) -> String {
        let place = if self.settings.sandbox { "--sandbox " } else { "" };
        format!("runaccess {place}{command}")
    }

    /// gcloud's flags for the active account, if the command line names one.
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

    /// Adapts the hints of an error. In the sandbox, no login helps. A command that was too slow is
    /// suggested with a longer timeout; one without a usable response, with `--verbose`.
    pub fn adapt_hints(&self, mut error: CommandError) -> CommandError {
        if self.settings.sandbox {
            for hint in &mut error.hints {
                match hint {
                    Hint::Accounts | Hint::Login => *hint = "runaccess sandbox status".into(),
                    // gcloud knows nothing of the sandbox.
                    Hint::Gcloud(command) => {
                        *hint = format!("gcloud {command} # asks Google, not the sandbox").into();
                    }
                    Hint::Own(command) => *hint = self.suggest_to_others(command).into(),
                    Hint::Ready(_) => {}
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
                error.hint(self.command_with_option("--verbose", None))
            }
            _ => error,
        }
    }

    /// Replaces the general login hint with the command for the active account. A token from a file
    /// or variable has no such command; the hint names its origin.
    fn fit_login(&self, error: &mut CommandError) {
        let Some(identity) = self.identity.get() else { return };
        let Some(at) = error.hints.iter().position(|hint| *hint == Hint::Login) else { return };
        if let Some(login) = &identity.login {
            error.hints[at] = Hint::Gcloud(login.clone());
        } else {
            error.hints.remove(at);
            error.causes.push(format!("the credential is that of {}", identity.source));
        }
    }

    /// The typed command with another text for the argument that names a service, job or function,
    /// in any form.
    pub fn command_with_target(&self, wanted: &TargetRef, instead: &str) -> String {
        self.command_with_targets(wanted.kind(), instead, |typed| match wanted.project() {
            Some(project) => {
                let is_its = |own: &str| self.are_known_as_one(own, project);
                typed.project().is_some_and(is_its) && typed.clone().in_project(project) == *wanted
            }
            None => typed == wanted,
        })
    }

    /// Like [`Self::command_with_target`], for an argument that may name this service.
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
        // An argument may contain several members; each is corrected.
        let line = self.command_line().with_operands(|one| {
            let (before, name) = match one.strip_prefix("service:") {
                Some(name) => ("service:", name),
                None => ("", one),
            };
            let parsed = TargetRef::parse(name, None).ok().filter(&is_it);
            let parsed = parsed
                .or_else(|| TargetRef::parse(name, Some(kind)).ok().filter(|typed| is_it(typed)));
            parsed.map_or_else(|| one.to_owned(), |_| format!("{before}{instead}"))
        });
        self.rendered(&line)
    }

    /// The typed command with another text for an argument: an operand with this text, else an
    /// option's value.
    pub fn command_with_argument(&self, typed: &str, instead: &str) -> String {
        self.rendered(&self.command_line().with_argument(typed, instead))
    }
}
