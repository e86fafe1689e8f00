//! The journal entry of a change: begun before a request is sent, finished with the outcome. If it
//! is left open, a later read of the resource settles it.

use std::cell::RefCell;

use futures::{StreamExt, stream};

use super::read::read;
use super::{ChangeOptions, Planned, WIDTH};
use crate::context::Context;
use crate::domain::difference::Difference;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::history::{ChangeId, Entry, Intent, State};
use crate::domain::outcome::{ChangeOutcome, Status};
use crate::domain::plan::{Change, Needs, Use};
use crate::domain::snapshot::Snapshot;
use crate::domain::target::Target;
use crate::journal::{Ended, Journal, RunFacts};

/// Entries that earlier runs left open, with their journal. Usually there are none; that is known
/// without opening the journal.
pub(super) fn left_open(cx: &Context, options: &ChangeOptions) -> Option<(Journal, Vec<Entry>)> {
    if options.only_show || !cx.may_have_open_changes() {
        return None;
    }
    let journal = cx.existing_journal().ok().flatten()?;
    let open = journal.unsettled(cx.now()).ok()?;
    Some((journal, open))
}

/// Opens the journal for a change; `None` if the change is not recorded. Fails before the user is asked.
pub(super) fn open(cx: &Context, options: &ChangeOptions) -> Result<Option<Journal>, CommandError> {
    if !options.journal {
        return Ok(None);
    }
    cx.journal().map(Some).map_err(|error| without(cx, error))
}

/// The error for an unusable journal: running without one requires an explicit `--no-journal`.
fn without(cx: &Context, error: CommandError) -> CommandError {
    error
        .because("every change is journalled before it is made; nothing was changed")
        .hint(format!("{} --no-journal", cx.command()))
}

/// The journal entries of one run.
pub(super) struct Record {
    journal: Option<RefCell<Journal>>,
    ids: Vec<(Target, ChangeId)>,
}

impl Record {
    /// Writes the intent of the plans.
    pub(super) fn begin(
        cx: &Context,
        journal: Option<Journal>,
        plans: &[Planned],
        change: &impl Change,
        options: &ChangeOptions,
    ) -> Result<Self, CommandError> {
        let none = Self { journal: None, ids: Vec::new() };
        let Some(mut journal) = journal else { return Ok(none) };
        let plans = plans.iter().filter_map(|(_, plan)| plan.as_ref().ok());
        let intents: Vec<Intent> = plans
            .filter(|plan| !plan.is_empty())
            .map(|plan| Intent {
                target: plan.target().clone(),
                action: plan.action(),
                difference: plan.difference().clone(),
                before: plan.etags().clone(),
                undoes: change.undoes(plan.target()),
            })
            .collect();
        if intents.is_empty() {
            return Ok(none);
        }
        let run = RunFacts {
            account: cx.identity()?.account.clone(),
            command: cx.command(),
            reason: options.reason.clone(),
        };
        let ids = journal.begin(&run, &intents, cx.now());
        let ids = ids.map_err(|error| without(cx, error.into()))?;
        let ids = intents.into_iter().map(|intent| intent.target).zip(ids).collect();
        Ok(Self { journal: Some(RefCell::new(journal)), ids })
    }

    /// Records the outcome of one resource and returns it with its ID. An entry whose result is
    /// unknown stays open until a read of the resource settles it.
    pub(super) fn end(&self, cx: &Context, outcome: ChangeOutcome) -> ChangeOutcome {
        let id = self.ids.iter().find(|(target, _)| *target == outcome.target);
        let (Some(journal), Some((_, id))) = (&self.journal, id) else { return outcome };
        let wrote = !outcome.difference.is_empty() || outcome.fate_unknown;
        let stays_open = outcome.fate_unknown || {
            let ended = journal.borrow_mut().finish(*id, &how_it_ended(&outcome), cx.now());
            if let Err(error) = &ended {
                cx.terminal.warning(&format!(
                    "how the change of `{}` ended could not be journalled: {error}",
                    cx.named(&outcome.target)
                ));
            }
            ended.is_err()
        };
        if stays_open {
            journal.borrow_mut().leave_open();
        }
        let mut outcome = ChangeOutcome { id: wrote.then_some(*id), ..outcome };
        if let Some(error) = outcome.error.as_mut().filter(|_| outcome.fate_unknown) {
            // `history` settles the entry once the resource can be read.
            error.hints = vec![cx.suggest(&format!("history {id}")).into()];
        }
        outcome
    }
}

fn how_it_ended(outcome: &ChangeOutcome) -> Ended {
    let (state, done) = match outcome.status {
        // A read showed the change; whether this run wrote it is unknown.
        Status::Changed if outcome.inferred => (State::EffectPresent, None),
        Status::Changed => (State::Applied, Some(outcome.difference.clone())),
        Status::Unchanged if !outcome.left_out.is_empty() => {
            (State::Failed, Some(Difference::default()))
        }
        Status::Unchanged => (State::EffectPresent, Some(Difference::default())),
        Status::Failed | Status::Planned | Status::Refused => {
            (State::Failed, Some(outcome.difference.clone()))
        }
    };
    let (before, after) = (outcome.before.clone(), outcome.after.clone());
    let said = |error: &CommandError| format!("{}: {}", error.kind.code(), error.in_one_line());
    Ended { state, done, before, after, error: outcome.error.as_ref().map(said) }
}

/// Settles open entries of the resources that were read. An entry that cannot be settled stays
/// open.
pub(super) async fn settle_read(
    cx: &Context,
    mut journal: Journal,
    open: Vec<Entry>,
    snapshots: &[(Target, Result<Snapshot, CommandError>)],
) {
    let mut found = Vec::new();
    for entry in open {
        let read = snapshots.iter().find(|(name, _)| cx.are_one_target(name, &entry.target));
        let Some((_, Ok(snapshot))) = read else { continue };
        match entry.intended.found(snapshot) {
            Some(state) => found.push((entry.id, state)),
            None => found.extend(what_is_there(cx, &entry).await.map(|state| (entry.id, state))),
        }
    }
    tell(cx, &mut journal, &found);
}

/// Settles these open entries by reading their resources. If a read fails, the entry stays open.
pub async fn settle(cx: &Context, journal: &mut Journal, open: &[Entry]) {
    let looks = stream::iter(open)
        .map(|entry| async move { (entry.id, what_is_there(cx, entry).await) })
        .buffered(WIDTH);
    let looks: Vec<(ChangeId, Option<State>)> = looks.collect().await;
    let found: Vec<(ChangeId, State)> =
        looks.into_iter().filter_map(|(id, state)| Some((id, state?))).collect();
    tell(cx, journal, &found);
}

fn tell(cx: &Context, journal: &mut Journal, found: &[(ChangeId, State)]) {
    if found.is_empty() {
        return;
    }
    let settled = match journal.settle(found) {
        Ok(settled) => settled,
        Err(error) => {
            cx.terminal.warning(&CommandError::from(error).in_one_line());
            return;
        }
    };
    for (id, state) in settled {
        let what = match state {
            State::EffectPresent => "what it meant to do is there",
            State::EffectAbsent => "what it meant to do is not there",
            _ => "what is there is neither what was nor what it meant to do",
        };
        cx.terminal.note(&format!("the end of change `{id}` was not noted: {what}"));
    }
}

/// The state of a change, from its resource; `None` if the resource cannot be read.
async fn what_is_there(cx: &Context, entry: &Entry) -> Option<State> {
    let settings = !entry.intended.settings.is_empty();
    let service = if settings { Use::Needed } else { Use::Effect };
    match read(cx, &entry.target, Needs { service, ..Needs::default() }).await {
        Ok(snapshot) => entry.intended.found(&snapshot),
        // The change is gone together with its resource.
        Err(error) if error.kind == ErrorKind::NotFound => Some(State::Overtaken),
        Err(_) => None,
    }
}
