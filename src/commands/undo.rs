//! `undo`

use std::cell::RefCell;

use super::completing;
use super::history::{Chosen, chosen, settled};
use super::writing::{WriteOptions, report};
use crate::change::{Batch, ChangeOptions, Needs};
use crate::context::Context;
use crate::domain::history::{ChangeId, Entry, State};
use crate::domain::outcome::Status;
use crate::domain::plan::{Action, Refusal, Snapshot, plan_undo};
use crate::domain::setting::{Setting, SettingName};
use crate::domain::target::Target;
use crate::error::{CommandError, ErrorKind};
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
    #[arg(value_name = "ID", add = completing::undoable_changes())]
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
            // Of a whole run, the parts that can be; of one change alone, why it cannot.
            let any = is_whole_run && entries.iter().any(stands);
            entries.into_iter().filter(|entry| !any || stands(entry)).collect()
        }
        None => last(cx, &entries)?,
    };
    if asked.is_empty() {
        return Err(nothing());
    }
    let targets = asked.iter().map(|entry| entry.target.clone()).collect();
    // Several at once are confirmed, as when a pattern picks them.
    let by_pattern = asked.len() > 1;
    let targets = Targets { names: targets, by_pattern, ..Targets::default() };
    let needs = Needs { service: true, constraints: lets_in(&asked), above: false };
    let options = ChangeOptions {
        notes: what_it_was(cx, &asked),
        warnings: what_runs_as(cx, &asked).await,
        undoes: asked.iter().map(|entry| (entry.target.clone(), entry.id)).collect(),
        always_ask: args.id.is_none(),
        may_be_meant: may_be_meant(cx, &args, &asked, &entries),
        ..args.write.options(Action::Undo, needs)
    };
    // What is found of each where it was last looked at.
    let gone: RefCell<Vec<ChangeId>> = RefCell::default();
    let planner = |snapshot: &Snapshot| {
        let Some(entry) = of(&asked, &snapshot.name) else {
            return Err(Refusal::ServiceUnread { service: snapshot.name.short() });
        };
        let found = entry.effect().found(snapshot);
        gone.borrow_mut().retain(|id| *id != entry.id);
        gone.borrow_mut().extend((found == Some(State::EffectAbsent)).then_some(entry.id));
        plan_undo(snapshot, entry)
    };
    let batch = Batch::read(cx, targets, &options).await?;
    let result = batch.plan(cx, &planner, &options).carry_out(cx, &planner, &options).await?;
    // Nothing of it is there any more: others were faster.
    let unchanged = result.outcomes.iter().filter(|outcome| outcome.status == Status::Unchanged);
    let unchanged = unchanged.filter_map(|outcome| of(&asked, &outcome.target));
    let gone = gone.take();
    let overtaken: Vec<ChangeId> =
        unchanged.map(|entry| entry.id).filter(|id| gone.contains(id)).collect();
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

fn of<'a>(entries: &'a [Entry], target: &Target) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.target == *target)
}

/// The last run of this project and account that did something and stands.
fn last(cx: &Context, entries: &[Entry]) -> Result<Vec<Entry>, CommandError> {
    let (project, account) = (cx.project()?.value, cx.identity()?.account.clone());
    let is_ours = |entry: &Entry| {
        entry.target.project() == project
            && entry.account == account
            && entry.undoes.is_none()
            && entry.stands()
    };
    let last = entries.iter().rev().find(|entry| is_ours(entry)).map(|entry| entry.id.whole());
    let Some(run) = last else { return Ok(Vec::new()) };
    let of_run = |entry: &&Entry| entry.id.whole() == run && is_ours(entry);
    Ok(entries.iter().filter(of_run).cloned().collect())
}

/// What may be meant where a change cannot be undone: the one that undid it, or without a name the one
/// before it.
fn may_be_meant(cx: &Context, args: &Args, asked: &[Entry], entries: &[Entry]) -> Option<String> {
    let id = match asked.iter().find_map(|entry| entry.undone_by) {
        Some(by) => by.whole(),
        None if args.id.is_none() => {
            let run = asked.first()?.id.run;
            let earlier: Vec<Entry> =
                entries.iter().filter(|entry| entry.id.run < run).cloned().collect();
            last(cx, &earlier).ok()?.first()?.id.whole()
        }
        None => return None,
    };
    Some(cx.suggest(&format!("undo {id}")))
}

/// Whether anybody may be let in by the undoing.
fn lets_in(entries: &[Entry]) -> bool {
    let gives = |entry: &Entry| {
        let effect = entry.effect();
        let mut settings = effect.settings.iter();
        let opens = settings.any(|setting| setting.inverse().opens());
        opens || !effect.removed.is_empty()
    };
    entries.iter().any(gives)
}

/// What runs as an account that the undoing deletes, as far as that can be listed.
async fn what_runs_as(cx: &Context, entries: &[Entry]) -> Vec<String> {
    let mut warnings = Vec::new();
    for entry in entries {
        let made = |setting: &&Setting| setting.name == SettingName::Account;
        let mut made = entry.effect().settings.iter().filter(made);
        let Some(address) = made.find_map(|setting| Some(&setting.after).filter(|a| !a.is_empty()))
        else {
            continue;
        };
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

/// What was done, and by whom if that was somebody else.
fn what_it_was(cx: &Context, entries: &[Entry]) -> Vec<String> {
    let Some(first) = entries.first() else { return Vec::new() };
    let id = if entries.len() == 1 { first.id } else { first.id.whole() };
    let by = first.account.as_deref().unwrap_or("somebody who was not named");
    let reason = first.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let acting = cx.identity().ok().and_then(|identity| identity.account.clone());
    let by = if acting == first.account { String::new() } else { format!(", by {by}") };
    vec![format!("`{id}` was: {}{reason}{by}", first.command)]
}
