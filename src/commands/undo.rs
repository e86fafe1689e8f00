//! `undo`: undoes changes that were made from this machine.

use super::args::complete;
use super::args::write::{WriteOptions, report};
use super::history::{Chosen, chosen, settled};
use crate::change::{self, Remarks};
use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::history::{ChangeId, Entry, State};
use crate::domain::outcome::{ChangeOutcome, Status};
use crate::domain::plan::{Change, Undo};
use crate::domain::setting::Setting;
use crate::lookup::Targets;

/// Take back a change that was made from this machine
///
/// It is the change's inverse on what is there today: what it added goes, what it took away comes back,
/// what it turned is turned back, and whatever others changed since stays. It is planned, shown and
/// journalled like any change, and can itself be undone. Without ID it is the last change of this
/// project and account that is neither an undo nor undone, and is asked about.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  runaccess undo 17
  runaccess undo 17.2
  runaccess undo --dry-run")]
pub(super) struct Args {
    /// The change, or the run of several, as `history` names it
    #[arg(value_name = "ID", add = complete::undoable_changes())]
    id: Option<String>,
    #[command(flatten)]
    write: WriteOptions,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    args.write.check_format(cx)?;
    let nothing = || {
        CommandError::new(ErrorKind::NotFound, "there is no change to be undone")
            .hint(cx.suggest("history"))
    };
    let Some(mut journal) = cx.existing_journal()? else { return Err(nothing()) };
    let entries = settled(cx, &mut journal).await?;
    let asked = match &args.id {
        Some(typed) => {
            let Chosen { entries, is_whole_run } = chosen(cx, &entries, typed)?;
            let stands = |entry: &Entry| entry.stands() || entry.state == State::Overtaken;
            // For a run, every part that can be undone; for a single change, the reason if it cannot
            // be undone.
            let any = is_whole_run && entries.iter().any(stands);
            entries.into_iter().filter(|entry| !any || stands(entry)).collect()
        }
        None => last(cx, &entries).await?,
    };
    if asked.is_empty() {
        return Err(nothing());
    }
    let targets = asked.iter().map(|entry| entry.target.clone()).collect();
    // Several changes are confirmed, as if a pattern selected them.
    let by_pattern = asked.len() > 1;
    let targets = Targets { names: targets, by_pattern, ..Targets::default() };
    let remarks = Remarks {
        notes: what_it_was(cx, &asked),
        warnings: what_runs_as(cx, &asked).await,
        may_be_meant: may_be_meant(cx, &args, &asked, &entries).await,
        ..Remarks::default()
    };
    let mut options = args.write.remarking(remarks);
    options.always_ask = args.id.is_none();
    let undo = Undo { entries: asked };
    let result = change::run(cx, targets, &undo, &options).await?;
    // Nothing of the change is left: another writer undid it. A change whose principals are all
    // deleted cannot be undone either.
    let is_overtaken = |outcome: &&ChangeOutcome| {
        let cannot_come_back = outcome.finds_nothing || !outcome.left_out.is_empty();
        outcome.status == Status::Unchanged && cannot_come_back
    };
    let overtaken = result.outcomes.iter().filter(is_overtaken);
    let overtaken: Vec<ChangeId> =
        overtaken.filter_map(|outcome| undo.undoes(&outcome.target)).collect();
    let reported = report(cx, result, &args.write)?;
    if !options.only_show
        && options.journal
        && let Err(error) = journal.mark_overtaken(&overtaken)
    {
        cx.terminal.warning(&CommandError::from(error).in_one_line());
    }
    let code = reported.code;
    reported.tell_undo(cx);
    Ok(code)
}

/// The newest run of this project and account that changed something and is not undone. Fails if the
/// project of a later run is unknown, because that run may be the one.
async fn last(cx: &Context, entries: &[Entry]) -> Result<Vec<Entry>, CommandError> {
    let (project, account) = (cx.project()?.value, cx.identity()?.account.clone());
    let may_be_ours =
        |entry: &Entry| entry.account == account && entry.undoes.is_none() && entry.stands();
    let mut run = None;
    for entry in entries.iter().rev().filter(|entry| may_be_ours(entry)) {
        match cx.is_one_project(entry.target.project(), &project).await {
            Ok(true) => {
                run = Some(entry.id.whole());
                break;
            }
            Ok(false) => {}
            Err(why) => return Err(of_which_project(cx, entry, &project, &why)),
        }
    }
    let Some(run) = run else { return Ok(Vec::new()) };
    let is_ours = |entry: &&Entry| {
        entry.id.whole() == run
            && may_be_ours(entry)
            && cx.are_known_as_one(entry.target.project(), &project)
    };
    Ok(entries.iter().filter(is_ours).cloned().collect())
}

fn of_which_project(cx: &Context, entry: &Entry, project: &str, why: &str) -> CommandError {
    let id = entry.id;
    let message = format!("cannot tell whether the change `{id}` is of project `{project}`");
    let named = entry.target.project();
    CommandError::new(ErrorKind::Undetermined, message)
        .because(format!(
            "it is of project `{named}`, and whether that is the same is not known: {why}"
        ))
        .hint(cx.suggest(&format!("undo {id}")))
}

/// The alternative if a change cannot be undone and none was named: the change before it. `None` if
/// the change is itself undone: undoing the undo would apply it again.
async fn may_be_meant(
    cx: &Context,
    args: &Args,
    asked: &[Entry],
    entries: &[Entry],
) -> Option<String> {
    if args.id.is_some() {
        return None;
    }
    let run = asked.first()?.id.run;
    let earlier: Vec<Entry> = entries.iter().filter(|entry| entry.id.run < run).cloned().collect();
    let id = last(cx, &earlier).await.ok()?.first()?.id.whole();
    Some(cx.suggest(&format!("undo {id}")))
}

/// The workloads that run as an account that the undo deletes, as far as they can be listed.
async fn what_runs_as(cx: &Context, entries: &[Entry]) -> Vec<String> {
    let mut warnings = Vec::new();
    for entry in entries {
        let made = |setting| match setting {
            &Setting::Account { ref address, present: true } => Some(address),
            _ => None,
        };
        let Some(address) = entry.effect().settings.iter().find_map(made) else { continue };
        let Ok(gateway) = cx.gateway().await else { continue };
        let Ok(listing) = gateway.services(entry.target.project(), "-").await else { continue };
        for service in &listing.services {
            if service.service_account.as_ref() == Some(address) {
                let short = cx.named(&service.name);
                warnings.push(format!("`{short}` runs as `{address}`, and fails once it is gone"));
            }
        }
    }
    warnings
}

/// What was changed, and which account changed it if it was another one.
fn what_it_was(cx: &Context, entries: &[Entry]) -> Vec<String> {
    let Some(first) = entries.first() else { return Vec::new() };
    let id = if entries.len() == 1 { first.id } else { first.id.whole() };
    let by = first.account.as_deref().unwrap_or("somebody who was not named");
    let reason = first.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let acting = cx.identity().ok().and_then(|identity| identity.account.clone());
    let by = if acting == first.account { String::new() } else { format!(", by {by}") };
    vec![format!("`{id}` was: {}{reason}{by}", first.command)]
}
