//! The program without arguments at a terminal: asks for a service, shows its access panel, asks
//! for an action and its arguments, shows the plan, asks for confirmation. The choices become a
//! command line, which is printed and run.

use clap::Parser;

use super::args::members::{ask_for_member, typed};
use super::{Cli, Command, describe, dispatch};
use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind, quoted};
use crate::domain::exit_code::ExitCode;
use crate::domain::exposure::{Callers, Exposure};
use crate::domain::resource::ServiceName;
use crate::domain::role::INVOKER;
use crate::lookup;
use crate::report::{InvokerRow, ServiceReport};
use crate::terminal;

/// An action on a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Grant,
    Revoke,
    MakePublic,
    MakePrivate,
    Url,
    Another,
    Leave,
}

impl Choice {
    /// The actions that make sense for the current state of a service.
    fn all(service: &ServiceReport) -> Vec<Self> {
        let open = service.exposure == Exposure::Unknown || is_open(service);
        let has_invokers = service.invokers.as_ref().is_none_or(|rows| rows.iter().any(can_go));
        let mut choices = vec![Self::Grant];
        choices.extend(has_invokers.then_some(Self::Revoke));
        choices.extend((service.callers != Callers::Anyone).then_some(Self::MakePublic));
        choices.extend(open.then_some(Self::MakePrivate));
        choices.extend(service.status.url.is_some().then_some(Self::Url));
        choices.extend([Self::Another, Self::Leave]);
        choices
    }

    fn words(self) -> &'static str {
        match self {
            Self::Grant => "Let someone invoke it (grant)",
            Self::Revoke => "Take someone's access away (revoke)",
            Self::MakePublic => "Let anyone invoke it, without a credential (make-public)",
            Self::MakePrivate => "Let nobody invoke it but those who are named (make-private)",
            Self::Url => "Print its URL (url)",
            Self::Another => "Look at another service",
            Self::Leave => "Leave",
        }
    }
}

pub(super) async fn run(cx: &Context) -> Result<u8, CommandError> {
    loop {
        let name = lookup::pick(cx, "Which service?").await?;
        // What cannot be read is unknown on the panel.
        let (service, _) = describe::read(cx, &name).await?;
        cx.show_panel(&service);
        match choose(cx, &name, &service).await? {
            Next::Another => {}
            Next::Leave => return Ok(ExitCode::Done.number()),
            Next::Run(words) => return carry_out(cx, &words).await,
        }
    }
}

/// The result of a choice.
enum Next {
    Another,
    Leave,
    /// The command with these arguments.
    Run(Vec<String>),
}

/// Asks for an action and its arguments. Escape in a later question returns to the list of actions;
/// Escape in the list ends the program.
async fn choose(
    cx: &Context,
    name: &ServiceName,
    service: &ServiceReport,
) -> Result<Next, CommandError> {
    let choices = Choice::all(service);
    loop {
        let items: Vec<String> = choices.iter().map(|choice| choice.words().to_owned()).collect();
        let at = cx
            .ask("What now?", move |question, color| terminal::pick(question, &items, color))
            .await?;
        match choices[at] {
            Choice::Another => return Ok(Next::Another),
            Choice::Leave => return Ok(Next::Leave),
            choice => match command(cx, choice, name, service).await {
                Err(error) if error.kind == ErrorKind::Cancelled => {}
                words => return words.map(Next::Run),
            },
        }
    }
}

/// Asks for the arguments of an action and returns the command line.
async fn command(
    cx: &Context,
    choice: Choice,
    name: &ServiceName,
    service: &ServiceReport,
) -> Result<Vec<String>, CommandError> {
    let target = cx.named(name);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Ok(match choice {
        Choice::Grant => {
            cx.terminal.note("an address, or group:TEAM@example.com, domain:example.com, me");
            let member = ask_for_member(cx, "Who may invoke it?").await?;
            with_member("grant", &typed(&member), &[], &target)
        }
        Choice::Revoke => {
            let rows = service.invokers.as_deref().unwrap_or_default();
            let rows: Vec<InvokerRow> = rows.iter().filter(|row| can_go(row)).cloned().collect();
            if rows.is_empty() {
                let member = ask_for_member(cx, "Whose access goes?").await?;
                return Ok(with_member("revoke", &typed(&member), &[], &target));
            }
            let items: Vec<String> = rows.iter().map(InvokerRow::sentence).collect();
            let at = cx
                .ask("Whose access goes?", move |question, color| {
                    terminal::choose(question, &items, color)
                })
                .await?;
            let row = &rows[at];
            let mut options = Vec::new();
            if let Some(role) = row.role.as_deref().filter(|role| *role != INVOKER) {
                options.extend(["--role".to_owned(), role.to_owned()]);
            }
            if let Some(condition) = &row.condition {
                options.extend(["--condition-title".to_owned(), condition.title.clone()]);
            }
            with_member("revoke", row.member.as_str(), &options, &target)
        }
        Choice::MakePublic => {
            let ways = [
                "By turning the invoker check off, as Google recommends".to_owned(),
                "By granting the invoker role to allUsers".to_owned(),
            ];
            let at = cx
                .ask("In which way?", move |question, color| {
                    terminal::choose(question, &ways, color)
                })
                .await?;
            let via = ["no-invoker-check", "all-users"][at];
            words(&["make-public", &target, "--via", via])
        }
        Choice::MakePrivate => words(&["make-private", &target]),
        Choice::Url | Choice::Another | Choice::Leave => words(&["url", &target]),
    })
}

/// Prints the command and runs it as if the user had typed it.
async fn carry_out(cx: &Context, words: &[String]) -> Result<u8, CommandError> {
    let command: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    cx.terminal.labelled_command(&cx.suggest(&command.join(" ")));
    cx.record_choice(words);
    let program = std::iter::once("runaccess".to_owned());
    let cli = Cli::try_parse_from(program.chain(words.iter().cloned())).map_err(|error| {
        CommandError::new(ErrorKind::Failed, "this command was not understood")
            .because(error.to_string())
    })?;
    let mut command = cli.command.ok_or_else(|| CommandError::usage("no command was chosen"))?;
    match &mut command {
        Command::Grant(args) => args.write.always_ask = true,
        Command::Revoke(args) => args.write.always_ask = true,
        _ => {}
    }
    Box::pin(dispatch(cx, command)).await
}

/// The command line with a member as one word; a member with a comma is given with `--member`.
fn with_member(verb: &str, member: &str, options: &[String], target: &str) -> Vec<String> {
    let mut words = vec![verb.to_owned()];
    if member.contains(',') {
        words.push("--member".to_owned());
    }
    words.push(member.to_owned());
    words.push(target.to_owned());
    words.extend_from_slice(options);
    words
}

/// Whether a way in is a binding that can be removed.
fn can_go(row: &InvokerRow) -> bool {
    row.via.is_own() && row.role.is_some()
}

/// Whether anyone, or any Google account, is allowed without being named.
fn is_open(service: &ServiceReport) -> bool {
    let rows = service.invokers.as_deref().unwrap_or_default();
    !service.invoker_check || rows.iter().any(|row| can_go(row) && row.member.is_public())
}
