//! `history`: shows the changes made from this machine.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::args::complete;
use super::args::members::{resolve, service_or_instance};
use super::args::times::{Since, span};
use crate::change;
use crate::context::Context;
use crate::domain::action::Action;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::exit_code::ExitCode;
use crate::domain::history::{ChangeId, Entry};
use crate::domain::member::{Member, MemberArg};
use crate::domain::resource::{InstanceRef, Invoked, ServiceName, ServiceRef, glob_matches};
use crate::domain::target::{Target, TargetRef};
use crate::journal::Journal;
use crate::lookup;
use crate::report::{EntryReport, HistoryReport};
use crate::terminal;

/// Show the changes that were made from this machine, the latest first
///
/// A change whose end was not noted, because its process was killed or no answer came, is settled by what
/// is there: `effect-present`, `effect-absent`, or `overtaken` where it is neither. Who brought that
/// about cannot be told from it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  runaccess history --since 7d
  runaccess history --member dev@example.com --action grant
  runaccess history 17
  runaccess history --prune 365d")]
pub(super) struct Args {
    /// One change, or one run of several, with all that is known of it
    #[arg(value_name = "ID", conflicts_with_all = ["service", "member", "since", "action", "prune"], add = complete::changes())]
    id: Option<String>,
    /// Only changes of this service, job, service account or domain mapping (by its full name)
    #[arg(long, value_name = "SERVICE", add = complete::services())]
    service: Option<String>,
    /// Only changes that gave this principal something, or took it away
    #[arg(long, value_name = "MEMBER", add = complete::members())]
    member: Option<String>,
    /// Only changes since then: a time, or how long ago
    #[arg(long, value_name = "TIME", value_parser = Since::parse)]
    since: Option<Since>,
    /// Only changes by this command
    #[arg(long, value_name = "COMMAND", value_parser = actions())]
    action: Option<Action>,
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Forget the changes that are older than this; those whose end is not known stay
    #[arg(long, value_name = "SPAN", value_parser = span, conflicts_with_all = ["service", "member", "since", "action"])]
    prune: Option<Duration>,
}

/// Commands that change something.
fn actions() -> impl TypedValueParser<Value = Action> {
    let words = PossibleValuesParser::new(Action::all().into_iter().map(Action::as_str));
    words.try_map(|word| Action::parse(&word).ok_or("it changes nothing"))
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    match &args.id {
        Some(_) => cx.check_format::<EntryReport>()?,
        None => cx.check_format::<HistoryReport>()?,
    }
    // Invalid filters are refused even if there is no journal yet.
    let filter = Filter::of(cx, &args).await?;
    let Some(mut journal) = cx.existing_journal()? else {
        return match &args.id {
            Some(typed) => Err(not_there(cx, typed)),
            None => show(cx, &[]),
        };
    };
    if let Some(age) = args.prune {
        return prune(cx, &mut journal, age).await;
    }
    let entries = settled(cx, &mut journal).await?;
    if let Some(typed) = &args.id {
        let Chosen { entries, .. } = chosen(cx, &entries, typed)?;
        cx.report(&EntryReport::new(cx.is_sandbox(), &entries))?;
        return Ok(ExitCode::Done.number());
    }
    let wanted = entries.into_iter().rev().filter(|entry| filter.takes(cx, entry));
    let mut shown: Vec<Entry> = wanted.take(args.limit.saturating_add(1)).collect();
    let is_more = shown.len() > args.limit;
    shown.truncate(args.limit);
    let code = show(cx, &shown)?;
    if is_more {
        cx.terminal.note(&format!("there are more than these {}: see `--limit`", args.limit));
    }
    Ok(code)
}

fn show(cx: &Context, entries: &[Entry]) -> Result<u8, CommandError> {
    if entries.is_empty() {
        cx.terminal.note("no such change was made from this machine");
    }
    cx.report(&HistoryReport::new(cx.is_sandbox(), entries))?;
    Ok(ExitCode::Done.number())
}

/// Every change; open ones are settled by reading the resources.
pub(super) async fn settled(
    cx: &Context,
    journal: &mut Journal,
) -> Result<Vec<Entry>, CommandError> {
    let open = journal.unsettled(cx.now())?;
    if !open.is_empty() {
        change::settle(cx, journal, &open).await;
    }
    let entries = journal.entries()?;
    for entry in &entries {
        let project = entry.target.project();
        if let Some(number) = entry.before.project_number.as_deref() {
            cx.learn_project(number, project);
        }
    }
    // An entry from before the project's ID was known is of the same project.
    for entry in &entries {
        cx.project_id(entry.target.project()).await;
    }
    Ok(entries)
}

/// The changes that a name identifies.
pub(super) struct Chosen {
    pub(super) entries: Vec<Entry>,
    pub(super) is_whole_run: bool,
}

/// Finds the changes of a name.
pub(super) fn chosen(cx: &Context, entries: &[Entry], typed: &str) -> Result<Chosen, CommandError> {
    let Ok(id) = typed.parse::<ChangeId>() else {
        return Err(CommandError::usage(format!("`{typed}` is not the name of a change"))
            .hint(cx.suggest("history")));
    };
    let is_it = |entry: &&Entry| entry.id == id || (id.part.is_none() && entry.id.whole() == id);
    let found: Vec<Entry> = entries.iter().filter(is_it).cloned().collect();
    if found.is_empty() {
        return Err(not_there(cx, typed));
    }
    let is_whole_run = found.iter().any(|entry| entry.id != id);
    Ok(Chosen { entries: found, is_whole_run })
}

/// The error for a name that no change made from this machine has.
fn not_there(cx: &Context, typed: &str) -> CommandError {
    let error = CommandError::new(
        ErrorKind::NotFound,
        format!("no change `{typed}` was made from this machine"),
    );
    match typed.parse::<ChangeId>() {
        Ok(id) if id.sandbox && !cx.is_sandbox() => error
            .because("a name with `s` is a change in the sandbox")
            .hint(cx.command_with_option("--sandbox", None)),
        Ok(id) if !id.sandbox && cx.is_sandbox() => error
            .because("the names of changes in the sandbox begin with `s`")
            .hint(cx.suggest("history")),
        _ => error.hint(cx.suggest("history")),
    }
}

/// The filter that selects the changes to show.
struct Filter {
    project: Option<String>,
    service: Option<Wanted>,
    member: Option<Member>,
    since: Option<time::OffsetDateTime>,
    action: Option<Action>,
}

enum Wanted {
    Is(ServiceName),
    InProject {
        project: String,
        service: String,
    },
    /// A job, a worker pool, an account or a domain, by its full or short name.
    Beside(String),
    Matches {
        kind: Invoked,
        region: Option<String>,
        name: String,
    },
}

impl Wanted {
    fn matches(region: Option<String>, name: String) -> Self {
        Self::Matches { kind: Invoked::Service, region, name }
    }
}

impl Filter {
    async fn of(cx: &Context, args: &Args) -> Result<Self, CommandError> {
        let beside = args.service.as_deref().filter(|typed| {
            let of_workload = |found: &TargetRef| matches!(found, TargetRef::Workload(..));
            (typed.contains('@') && !typed.contains("://"))
                || TargetRef::parse(typed, None).is_ok_and(|found| of_workload(&found))
                || Target::parse(typed).is_some_and(|target| target.service().is_none())
        });
        let typed = args.service.as_deref().filter(|_| beside.is_none());
        let service = match typed.map(|typed| service_or_instance(cx, typed)).transpose()? {
            None => beside.map(|typed| Wanted::Beside(typed.to_owned())),
            Some(ServiceRef::Full(name)) => Some(Wanted::Is(name)),
            Some(ServiceRef::InProject { project, service }) => {
                Some(Wanted::InProject { project: cx.project_id(&project).await, service })
            }
            Some(ServiceRef::Name(name)) => Some(Wanted::matches(None, name)),
            Some(ServiceRef::Glob { region, pattern }) => Some(Wanted::matches(region, pattern)),
            Some(ServiceRef::Instance(InstanceRef { region, pattern, .. })) => {
                Some(Wanted::Matches { kind: Invoked::Instance, region, name: pattern })
            }
            Some(ServiceRef::Regional { region, service }) => {
                let region = Some(region).filter(|region| region != "-");
                Some(Wanted::matches(region, service))
            }
            // An address alone does not identify a service.
            Some(url @ ServiceRef::Url(_)) => Some(Wanted::Is(lookup::find(cx, &url).await?.name)),
        };
        let member = match &args.member {
            None => None,
            // A deleted principal is found by its full name.
            Some(typed) => {
                resolve(cx, &[MemberArg::parse_held(typed)]).await?.members.into_iter().next()
            }
        };
        Ok(Self {
            project: cx.project_of_the_command_line(),
            service,
            member,
            since: args.since.map(|since| since.from(cx.now())),
            action: args.action,
        })
    }

    fn takes(&self, cx: &Context, entry: &Entry) -> bool {
        let target = &entry.target;
        let of_service = self.service.as_ref().is_none_or(|wanted| match wanted {
            Wanted::Is(name) => cx.are_one_target(target, &Target::from(name.clone())),
            Wanted::InProject { project, service } => target.service().is_some_and(|name| {
                name.service() == service && cx.are_known_as_one(name.project(), project)
            }),
            Wanted::Beside(typed) => {
                let named = match TargetRef::parse(typed, None) {
                    Ok(TargetRef::Workload(kind, ServiceRef::Name(name))) => Some((kind, name)),
                    _ => None,
                };
                let is_it = matches!((target, named), (Target::Workload(known), Some((kind, name)))
                    if known.kind == kind && known.name == name);
                is_it || target.short() == *typed || target.to_string() == *typed
            }
            Wanted::Matches { kind, region, name } => target.service().is_some_and(|service| {
                service.kind() == *kind
                    && region.as_ref().is_none_or(|region| region == service.region())
                    && glob_matches(name, service.service())
            }),
        });
        let of_member = self.member.as_ref().is_none_or(|member| {
            let difference = entry.effect();
            let mut grants = difference.added.iter().chain(&difference.removed);
            grants.any(|grant| grant.member.same_as(member))
        });
        of_service
            && of_member
            && self
                .project
                .as_ref()
                .is_none_or(|project| cx.are_known_as_one(project, target.project()))
            && self.since.is_none_or(|since| entry.time >= since)
            && self.action.is_none_or(|action| action == entry.action)
    }
}

async fn prune(cx: &Context, journal: &mut Journal, age: Duration) -> Result<u8, CommandError> {
    // By Google's clock, if known, because the journal uses it too.
    if let Ok(gateway) = cx.gateway().await {
        drop(gateway.server_time().await);
    }
    let before = Since::Ago(age).from(cx.now());
    let count = journal.count_before(before)?;
    if count > 0 && !cx.yes() {
        let changes = if count == 1 { "1 change".to_owned() } else { format!("{count} changes") };
        let question = format!("Forget {changes}, which can then not be undone?");
        if !cx.terminal.interactive {
            let message = format!("this must be confirmed: {changes} would be forgotten");
            return Err(CommandError::new(ErrorKind::ConfirmationRequired, message)
                .because("there is no terminal to ask at; `--yes` accepts it")
                .hint(cx.suggest("history")));
        }
        if !cx.ask(&question, terminal::confirm).await? {
            return Err(cx.cancelled());
        }
    }
    let forgotten = if count > 0 { journal.forget_before(before)? } else { 0 };
    cx.terminal.note(&format!("forgotten: {forgotten} of the changes made from this machine"));
    Ok(ExitCode::Done.number())
}
