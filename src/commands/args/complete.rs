//! Shell completion: a shell runs the program with `COMPLETE=SHELL` while a command line is typed.

use std::ffi::OsStr;
use std::process::{Command as Process, Stdio};
use std::time::{Duration, SystemTime};

use clap::{Command, CommandFactory};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;

use super::super::Cli;
use crate::auth::check_arguments;
use crate::completion::{self, Cache, Candidate, Known, SHELLS};
use crate::context::{self, Context, Settings};
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::exposure::judge;
use crate::domain::history::Entry;
use crate::domain::role;
use crate::terminal;

/// The variable that a shell sets for completion.
pub(in crate::commands) const ASKED: &str = "COMPLETE";
/// The most policies that are read for member candidates.
const POLICIES: usize = 200;
/// The most changes that are offered.
const CHANGES: usize = 40;
/// Time limit of a renewal.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers a shell that asks for completions. Returns the exit code; `None` if no shell asked.
pub(crate) fn asked() -> Option<u8> {
    let environment = CompleteEnv::with_factory(Cli::command).var(ASKED).shells(Shells(&SHELLS));
    let folder = context::working_folder().ok();
    match environment.try_complete(context::arguments(), folder.as_deref()) {
        Ok(true) => Some(0),
        Ok(false) => None,
        Err(error) => {
            terminal::print_rendered(&error.to_string(), true);
            Some(2)
        }
    }
}

/// Completes services.
pub(in crate::commands) fn services() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| shown(services_of(&text(typed))))
}

/// Completes regions.
pub(in crate::commands) fn regions() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| shown(completion::regions(&known(), &text(typed))))
}

/// Completes members.
pub(in crate::commands) fn members() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| shown(completion::members(&known(), &text(typed))))
}

/// Completes traffic tags.
pub(in crate::commands) fn tags() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        shown(completion::tags(&known(), &text(typed), &words()))
    })
}

/// Completes the names of changes, newest first; for a run over several services, the run's name
/// first.
pub(in crate::commands) fn changes() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| shown(changes_of(&text(typed), |_| true)))
}

/// Completes the names of changes that can be undone.
pub(in crate::commands) fn undoable_changes() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| shown(changes_of(&text(typed), Entry::stands)))
}

fn changes_of(typed: &str, wanted: impl Fn(&Entry) -> bool) -> Vec<Candidate> {
    let journal = surroundings().and_then(|cx| cx.existing_journal().ok().flatten());
    let entries = journal.and_then(|journal| journal.entries().ok()).unwrap_or_default();
    let mut candidates: Vec<Candidate> = Vec::new();
    for entry in entries.iter().rev().filter(|entry| wanted(entry)) {
        let about = format!(
            "{} {}, {}",
            entry.action.as_str(),
            entry.target.short(),
            entry.standing().as_str()
        );
        let run = Candidate { value: entry.id.whole().to_string(), about: entry.command.clone() };
        if entry.id.part.is_some() && !candidates.contains(&run) {
            candidates.push(run);
        }
        candidates.push(Candidate { value: entry.id.to_string(), about });
    }
    candidates.retain(|candidate| candidate.value.starts_with(typed));
    candidates.truncate(CHANGES);
    candidates
}

/// Completes the commands of this program.
pub(in crate::commands) fn commands() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let typed = text(typed);
        let root = Cli::command();
        let shown_ones = root.get_subcommands().filter(|command| !command.is_hide_set());
        let fitting = shown_ones.filter(|command| command.get_name().starts_with(&typed));
        let candidate = |command: &Command| Candidate {
            value: command.get_name().to_owned(),
            about: command.get_about().map(ToString::to_string).unwrap_or_default(),
        };
        shown(fitting.map(candidate).collect())
    })
}

/// Completes roles.
pub(in crate::commands) fn roles() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let typed = text(typed);
        let fitting = role::ROLES.iter().filter(|role| role.name.starts_with(&typed));
        let candidate = |role: &role::RoleInfo| Candidate {
            value: role.name.to_owned(),
            about: role.title.to_owned(),
        };
        shown(fitting.map(candidate).collect())
    })
}

/// Completes the operands of `grant` and `revoke`: the first word is members, unless `--member`
/// gave them; all others are services.
pub(in crate::commands) fn operands() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let (words, typed) = (words(), text(typed));
        let before = words.split_last().map(|(_, before)| before).unwrap_or_default();
        let is_member = operands_in(&Cli::command(), before) == 0
            && !before.iter().any(|word| word == "--member" || word.starts_with("--member="));
        shown(if is_member { completion::members(&known(), &typed) } else { services_of(&typed) })
    })
}

/// The number of operands on a command line, without options and their values.
fn operands_in(root: &Command, words: &[String]) -> usize {
    let mut command = root;
    let mut count = 0;
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        let takes_value = |argument: &&clap::Arg| argument.get_action().takes_values();
        let options = || root.get_arguments().chain(command.get_arguments()).filter(takes_value);
        if let Some(long) = word.strip_prefix("--") {
            if options().any(|option| option.get_long() == Some(long)) {
                words.next();
            }
        } else if let Some(short) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            if options()
                .any(|option| option.get_short().map(String::from).as_deref() == Some(short))
            {
                words.next();
            }
        } else if let Some(found) = command.find_subcommand(word) {
            command = found;
        } else {
            count += 1;
        }
    }
    count
}

/// Renews the cache for the next completion.
pub(in crate::commands) async fn renew(cx: &Context) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::new(ErrorKind::State, "cannot keep what is known for completion")
            .because(error.to_string())
    };
    let cache = cache(cx)?;
    let Some(renewal) = cache.renewal().map_err(failed)? else { return Ok(()) };
    let gateway = cx.gateway().await?;
    let project = cx.project()?.value;
    let listing = gateway.services(&project, "-").await?;
    // Without regions everything else is still completed.
    let regions = gateway.regions(&project).await.unwrap_or_default();
    let mut known = Known { regions, ..Known::default() };
    let read: Vec<_> = listing.services.iter().take(POLICIES).cloned().collect();
    for access in gateway.with_grants(read, |_, _| ()).await {
        for grant in access.grants.iter().flatten() {
            let member = grant.member.to_string();
            if !grant.member.is_public() && !known.members.contains(&member) {
                known.members.push(member);
            }
        }
        let exposure = judge(&access.service, access.grants.as_deref().ok(), cx.now());
        known.services.push(of(&access.service, exposure.exposure.as_str()));
    }
    let rest = listing.services.iter().skip(POLICIES);
    known.services.extend(rest.map(|service| of(service, "")));
    known.members.sort();
    cache.write(&renewal, &known).map_err(failed)
}

fn of(service: &crate::domain::service::Service, exposure: &str) -> completion::KnownService {
    completion::KnownService {
        name: service.name.service().to_owned(),
        region: service.name.region().to_owned(),
        tags: service.tags.iter().map(|tag| tag.tag.clone()).collect(),
        exposure: exposure.to_owned(),
    }
}

/// Services of the region that the command line or gcloud's configuration sets for bare names.
fn services_of(typed: &str) -> Vec<Candidate> {
    let Some(cx) = surroundings() else { return Vec::new() };
    let region = cx.region().ok().flatten();
    completion::services(&known_to(&cx), typed, region.as_deref())
}

/// The cached facts of the project that the command line names.
fn known() -> Known {
    surroundings().as_ref().map(known_to).unwrap_or_default()
}

/// The cached facts of a project. If they are old, a separate process is started to renew them;
/// completion does not wait for it.
fn known_to(cx: &Context) -> Known {
    let Ok(cache) = cache(cx) else { return Known::default() };
    let now = SystemTime::now();
    if !cache.is_fresh(now) && cache.may_try(now) {
        // A shell cannot show why the process did not start.
        drop(start_renewal());
    }
    cache.read()
}

fn cache(cx: &Context) -> Result<Cache, CommandError> {
    let project = cx.project()?.value;
    let sandbox = if cx.is_sandbox() { "sandbox" } else { "" };
    let endpoint = cx.endpoint_override()?.unwrap_or_default();
    let account = cx.account_that_is_set().unwrap_or_default();
    let token = cx.token_file_that_is_set().unwrap_or_default();
    Ok(Cache::of(&cx.state_folder(), &[sandbox, &project, &endpoint, &account, &token]))
}

fn start_renewal() -> std::io::Result<()> {
    // Every user of the machine can see arguments.
    check_arguments(&words()).map_err(std::io::Error::other)?;
    let mut process = Process::new(context::this_program()?);
    process.args(place_flags()).args(["--quiet", "completions", "--renew"]);
    process.arg(format!("--timeout={}s", PATIENCE.as_secs()));
    process.env_remove(ASKED);
    // Detached from the shell: neither its Ctrl-C nor its terminal belongs to this process.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut process, 0);
    process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(drop)
}

/// The words that are being completed: everything after the first `--`.
fn words() -> Vec<String> {
    let arguments = context::arguments();
    let words = arguments.iter().skip_while(|word| *word != "--").skip(1);
    words.map(|word| word.to_string_lossy().into_owned()).collect()
}

/// The options of the command line that select the project and the account.
fn place_flags() -> Vec<String> {
    let mut flags =
        flag_values(&["--project", "--account", "--configuration", "--access-token-file"]);
    flags.extend(words().into_iter().filter(|word| word == "--sandbox"));
    flags
}

/// These options of the command line, each joined to its value.
fn flag_values(names: &[&str]) -> Vec<String> {
    let mut flags = Vec::new();
    let mut words = words().into_iter();
    while let Some(word) = words.next() {
        if word.split_once('=').is_some_and(|(name, _)| names.contains(&name)) {
            flags.push(word);
        } else if names.contains(&word.as_str()) {
            flags.extend(words.next().map(|value| format!("{word}={value}")));
        }
    }
    flags
}

/// The context of the command line; `None` if its options are not valid.
fn surroundings() -> Option<Context> {
    let words = ["runaccess", "roles"].into_iter().map(str::to_owned);
    let flags = place_flags().into_iter().chain(flag_values(&["--region"]));
    let cli = <Cli as clap::Parser>::try_parse_from(words.chain(flags)).ok()?;
    let settings =
        Settings { unannounced: true, quiet: true, ..cli.global.settings(Cli::command()) };
    Context::new(settings, true).ok()
}

fn text(typed: &OsStr) -> String {
    typed.to_string_lossy().into_owned()
}

fn shown(candidates: Vec<Candidate>) -> Vec<CompletionCandidate> {
    let candidates = candidates.into_iter().enumerate();
    candidates
        .map(|(position, candidate)| {
            let about = Some(candidate.about).filter(|about| !about.is_empty());
            CompletionCandidate::new(candidate.value)
                .help(about.map(Into::into))
                .display_order(Some(position))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_are_told_from_options_and_their_values() {
        for (line, count) in [
            ("runaccess grant", 0),
            ("runaccess --sandbox --project p grant", 0),
            ("runaccess grant a@x.com", 1),
            ("runaccess grant --role roles/run.invoker -o json a@x.com", 1),
            ("runaccess grant --role=roles/run.invoker -n", 0),
            ("runaccess grant a@x.com hello orders", 3),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(operands_in(&Cli::command(), &words), count, "{line}");
        }
    }
}
