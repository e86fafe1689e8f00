//! A parsed command line. clap's definitions of the commands determine which argument each word is.

use clap::{Arg, Command};

use crate::domain::error::quoted;

/// Options whose value is free text: a hint that replaces an argument does not change it.
const OWN_WORDS: [&str; 4] =
    ["--reason", "--condition", "--condition-title", "--condition-description"];

/// The words of a command line, without the program's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommandLine(Vec<Word>);

/// A word, or an option with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    /// The name of a command or subcommand.
    Command(String),
    Option(Opt),
    Operand(String),
    /// `--`
    Dashes,
    /// A word for another program: after a `--`, or after the service of `curl`.
    Anothers(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Opt {
    /// The long name, even if the short name was typed.
    name: String,
    /// The option as it was typed, without its value.
    typed: String,
    value: Option<Value>,
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Value {
    text: String,
    /// The separator between option and value; `None` if the value is a word of its own.
    joined: Option<&'static str>,
}

impl CommandLine {
    /// Parses words by clap's definition of the program. An unknown word counts as an operand, or
    /// as an option without a value.
    pub(super) fn read(words: &[String], program: &Command) -> Self {
        let mut line = Vec::with_capacity(words.len());
        let (mut command, mut words) = (program, words.iter());
        while let Some(word) = words.next() {
            let has_operand = line.iter().any(|word| matches!(word, Word::Operand(_)));
            if word == "--" {
                line.push(Word::Dashes);
                line.extend(words.by_ref().cloned().map(Word::Anothers));
            } else if let Some(long) = word.strip_prefix("--") {
                line.push(Word::Option(read_long(long, [command, program], &mut words)));
            } else if let Some(options) = read_short(word, [command, program], &mut words) {
                line.extend(options.into_iter().map(Word::Option));
            } else if let Some(own) = command.find_subcommand(word).filter(|_| !has_operand) {
                line.push(Word::Command(word.clone()));
                command = own;
            } else {
                line.push(Word::Operand(word.clone()));
                if command.get_positionals().any(Arg::is_trailing_var_arg_set) {
                    line.extend(words.by_ref().cloned().map(Word::Anothers));
                }
            }
        }
        Self(line)
    }

    /// The command as a user can type it, for the sandbox or not. Omits `--yes`: no hint may accept
    /// a plan that the user has not seen.
    pub(super) fn render(&self, in_sandbox: bool) -> String {
        let says_sandbox = |word: &Word| match word {
            Word::Command(name) => name == "sandbox",
            Word::Option(option) => option.name == "--sandbox",
            _ => false,
        };
        let unsaid = in_sandbox && !self.0.iter().any(says_sandbox);
        let place = unsaid.then(|| "--sandbox".to_owned());
        let is_yes = |word: &&Word| matches!(word, Word::Option(option) if option.name == "--yes");
        let words = self.0.iter().filter(|word| !is_yes(word)).map(Word::render);
        let program = std::iter::once("runaccess".to_owned());
        program.chain(place).chain(words).collect::<Vec<_>>().join(" ")
    }

    /// The command with an additional option at its end, but before a `--` and before the words for
    /// another program.
    #[must_use]
    pub(super) fn with(mut self, option: &str, value: Option<&str>) -> Self {
        let is_curl = |word: &Word| matches!(word, Word::Command(name) if name == "curl");
        let curl = self.0.iter().position(is_curl);
        let end = || self.0.iter().position(|word| *word == Word::Dashes).unwrap_or(self.0.len());
        let at = curl.map_or_else(end, |at| at + 1);
        let value = value.map(|text| Value { text: text.to_owned(), joined: None });
        let (name, typed) = (option.to_owned(), option.to_owned());
        self.0.insert(at, Word::Option(Opt { name, typed, value }));
        self
    }

    /// The command without these options and their values.
    #[must_use]
    pub(super) fn without(mut self, options: &[&str]) -> Self {
        self.0.retain(|word| match word {
            Word::Option(option) => !options.contains(&option.name.as_str()),
            _ => true,
        });
        self
    }

    /// The command `curl` with one of this program's options, and its value, moved from curl's
    /// words to before the service.
    #[must_use]
    pub(super) fn with_moved(mut self, option: &str, program: &Command) -> Self {
        let is_it = |word: &Word| matches!(word, Word::Anothers(text) if text.split('=').next() == Some(option));
        let Some(at) = self.0.iter().rposition(is_it) else { return self };
        let texts = self.0[at..].iter().filter_map(|word| match word {
            Word::Anothers(text) => Some(text.clone()),
            _ => None,
        });
        let texts: Vec<String> = texts.collect();
        let curl = program.find_subcommand("curl").unwrap_or(program);
        let (first, mut rest) = (texts[0].trim_start_matches('-'), texts[1..].iter());
        let moved = read_long(first, [curl, program], &mut rest);
        let taken = texts.len() - rest.len();
        self.0.drain(at..at + taken);
        let to =
            self.0.iter().position(|word| matches!(word, Word::Command(_))).map_or(0, |at| at + 1);
        self.0.insert(to, Word::Option(moved));
        self
    }

    /// The same arguments under another command's name, without the options that the other command
    /// does not accept.
    #[must_use]
    pub(super) fn of_command(mut self, name: &str, program: &Command) -> Self {
        let other = program.find_subcommand(name);
        let takes =
            |option: &Opt| other.is_none_or(|other| long(&option.name, [other, program]).is_some());
        self.0.retain(|word| !matches!(word, Word::Option(option) if !takes(option)));
        for word in &mut self.0 {
            if let Word::Command(own) = word {
                name.clone_into(own);
            }
        }
        self
    }

    /// The command with two of its operands swapped.
    #[must_use]
    pub(super) fn with_swapped(mut self, one: &str, other: &str) -> Self {
        let place = |text: &str| {
            self.0.iter().position(|word| matches!(word, Word::Operand(own) if own == text))
        };
        if let (Some(one), Some(other)) = (place(one), place(other)) {
            self.0.swap(one, other);
        }
        self
    }

    /// The command with `put_right` applied to every operand, including each part of a
    /// comma-separated one.
    #[must_use]
    pub(super) fn with_operands(mut self, put_right: impl Fn(&str) -> String) -> Self {
        for word in &mut self.0 {
            if let Word::Operand(text) = word {
                *text = text.split(',').map(&put_right).collect::<Vec<_>>().join(",");
            }
        }
        self
    }

    /// The command with another text for an argument: an operand with this text, else an option's
    /// value. The same text in free text is unchanged.
    #[must_use]
    pub(super) fn with_argument(mut self, typed: &str, instead: &str) -> Self {
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
        let mut is_replaced = false;
        for word in &mut self.0 {
            if let Word::Operand(text) = word {
                let put = replaced(text);
                is_replaced |= put != *text;
                *text = put;
            }
        }
        if is_replaced {
            return self;
        }
        for word in &mut self.0 {
            if let Word::Option(Opt { name, value: Some(value), .. }) = word
                && !OWN_WORDS.contains(&name.as_str())
            {
                value.text = replaced(&value.text);
            }
        }
        self
    }
}

impl Word {
    fn render(&self) -> String {
        match self {
            Self::Command(text) | Self::Operand(text) | Self::Anothers(text) => quoted(text),
            Self::Dashes => "--".to_owned(),
            Self::Option(Opt { typed, value, .. }) => match value {
                None => quoted(typed),
                Some(Value { text, joined: None }) => format!("{} {}", quoted(typed), quoted(text)),
                Some(Value { text, joined: Some(sign) }) => quoted(&format!("{typed}{sign}{text}")),
            },
        }
    }
}

/// The option with this name or alias, of a command or of the whole program.
fn long<'a>(name: &str, of: [&'a Command; 2]) -> Option<&'a Arg> {
    let name = name.trim_start_matches('-');
    of.into_iter().flat_map(Command::get_arguments).find(|option| {
        let names = option.get_long_and_visible_aliases();
        names.is_some_and(|names| names.contains(&name))
    })
}

/// The name of an option in this command.
fn name_of(option: &Arg) -> String {
    format!("--{}", option.get_long().unwrap_or(option.get_id().as_str()))
}

/// Whether the word after an option is its value.
fn takes_next(option: &Arg) -> bool {
    option.get_action().takes_values() && !option.is_require_equals_set()
}

/// Parses an option by its long name; `rest` are the words after it.
fn read_long(word: &str, of: [&Command; 2], rest: &mut std::slice::Iter<'_, String>) -> Opt {
    let (text, joined) = match word.split_once('=') {
        Some((text, value)) => (text, Some(value)),
        None => (word, None),
    };
    let known = long(text, of);
    let value = match joined {
        Some(value) => Some(Value { text: value.to_owned(), joined: Some("=") }),
        None if known.is_some_and(takes_next) => {
            rest.next().map(|text| Value { text: text.clone(), joined: None })
        }
        None => None,
    };
    let typed = format!("--{text}");
    Opt { name: known.map_or_else(|| typed.clone(), name_of), typed, value }
}

/// The options in a word such as `-nojson`; `None` if it is not a group of short options.
fn read_short(
    word: &str,
    of: [&Command; 2],
    rest: &mut std::slice::Iter<'_, String>,
) -> Option<Vec<Opt>> {
    let letters = word.strip_prefix('-').filter(|letters| !letters.is_empty())?;
    let mut options = Vec::new();
    for (at, letter) in letters.char_indices() {
        let mut own = of.into_iter().flat_map(Command::get_arguments);
        let option = own.find(|option| option.get_short() == Some(letter))?;
        let (name, typed) = (name_of(option), format!("-{letter}"));
        if !option.get_action().takes_values() {
            options.push(Opt { name, typed, value: None });
            continue;
        }
        let behind = &letters[at + letter.len_utf8()..];
        let value = match behind.strip_prefix('=') {
            Some(text) => Some(Value { text: text.to_owned(), joined: Some("=") }),
            None if behind.is_empty() => {
                rest.next().map(|text| Value { text: text.clone(), joined: None })
            }
            None => Some(Value { text: behind.to_owned(), joined: Some("") }),
        };
        options.push(Opt { name, typed, value });
        break;
    }
    Some(options)
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;

    use super::*;

    fn program() -> Command {
        let text = |id: &'static str| Arg::new(id).long(id);
        let flag = |id: &'static str| text(id).action(ArgAction::SetTrue);
        let globals = [
            flag("sandbox").global(true),
            flag("yes").short('y').global(true),
            flag("verbose").short('v').global(true),
            text("output").short('o').global(true),
        ];
        let operands = || Arg::new("operands").num_args(0..);
        let wait = text("wait").num_args(0..=1).require_equals(true);
        let words =
            Arg::new("words").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
        Command::new("runaccess").args(globals).subcommands([
            Command::new("grant").arg(operands()).args([
                text("role"),
                text("reason"),
                flag("dry-run").short('n'),
                wait,
            ]),
            Command::new("revoke").arg(operands()).args([text("role")]),
            Command::new("curl").arg(words).arg(text("path")),
            Command::new("audience")
                .subcommand(Command::new("add").arg(operands()))
                .subcommand(Command::new("remove").arg(operands())),
        ])
    }

    fn line(typed: &str) -> CommandLine {
        let words: Vec<String> = typed.split_whitespace().map(str::to_owned).collect();
        CommandLine::read(&words, &program())
    }

    fn shown(line: &CommandLine) -> String {
        line.render(false)
    }

    #[test]
    fn what_is_read_is_rendered_without_its_yes() {
        for (typed, left) in [
            ("grant a b --yes", "grant a b"),
            ("grant -y a b", "grant a b"),
            ("-nv -y", "-nv"),
            ("grant a b -vy", "grant a b -v"),
            ("grant a b -yojson", "grant a b -ojson"),
            ("grant a b -vyo json", "grant a b -v -o json"),
            ("grant a b -ojsony", "grant a b -ojsony"),
            ("grant a b -o=yaml", "grant a b -o=yaml"),
            ("grant a b --role=--yes", "grant a b --role=--yes"),
            ("grant a b --role --yes", "grant a b --role --yes"),
            ("grant a b --wait --yes", "grant a b --wait"),
            ("grant - -/b", "grant - -/b"),
            ("curl s --yes -y", "curl s --yes -y"),
            ("curl -y s -- -y", "curl s -- -y"),
        ] {
            assert_eq!(shown(&line(typed)), format!("runaccess {left}"), "{typed}");
        }
        assert_eq!(line("grant a b").render(true), "runaccess --sandbox grant a b");
        assert_eq!(line("grant a b --sandbox").render(true), "runaccess grant a b --sandbox");
    }

    #[test]
    fn an_argument_is_replaced_and_nothing_that_reads_alike() {
        for (typed, left) in [
            ("grant x y", "grant z y"),
            ("grant x x --role x", "grant z z --role x"),
            ("grant a,x service:x", "grant a,z service:z"),
            ("grant y --role x", "grant y --role z"),
            ("grant y --role=x", "grant y --role=z"),
            ("grant y --reason x", "grant y --reason x"),
            ("grant y --wait x", "grant y --wait z"),
            ("curl y x", "curl y x"),
            ("curl x -H x", "curl z -H x"),
        ] {
            let replaced = line(typed).with_argument("x", "z");
            assert_eq!(shown(&replaced), format!("runaccess {left}"), "{typed}");
        }
        // A command's name is not an argument.
        assert_eq!(
            shown(&line("grant grant y").with_argument("grant", "z")),
            "runaccess grant z y"
        );
    }

    #[test]
    fn options_come_and_go_with_their_values() {
        let grant = || line("grant a b --role r -n --wait=5m --reason why");
        let without = |options: &[&str]| shown(&grant().without(options));
        assert_eq!(without(&["--role", "--dry-run"]), "runaccess grant a b --wait=5m --reason why");
        assert_eq!(without(&["--wait"]), "runaccess grant a b --role r -n --reason why");
        let more = line("grant a -- b").with("--role", Some("r"));
        assert_eq!(shown(&more), "runaccess grant a --role r -- b");
        let more = line("curl s -H x").with("--path", Some("/p"));
        assert_eq!(shown(&more), "runaccess curl --path /p s -H x");
        let program = program();
        for (typed, moved) in [
            ("curl s -H x --path /p -v", "curl --path /p s -H x -v"),
            ("curl s --path=/p", "curl --path=/p s"),
            ("curl s --sandbox -v", "curl --sandbox s -v"),
        ] {
            let option = if typed.contains("--path") { "--path" } else { "--sandbox" };
            let line = line(typed).with_moved(option, &program);
            assert_eq!(shown(&line), format!("runaccess {moved}"), "{typed}");
        }
        let revoke = grant().of_command("revoke", &program);
        assert_eq!(shown(&revoke), "runaccess revoke a b --role r");
        assert_eq!(shown(&line("grant a b").with_swapped("b", "a")), "runaccess grant b a");
        let add = line("audience add add u");
        assert_eq!(shown(&add.with_argument("add", "z")), "runaccess audience add z u");
    }
}
