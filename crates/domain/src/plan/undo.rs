//! Plans that reverse an earlier change on what is there today.
//!
//! It is the change's inverse, and never a replay of what was: what it added goes, what it took away
//! comes back, what it turned is turned back, and whatever others changed since stays.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::account::{create_account, delete_account};
use super::audience::set_audiences;
use super::mapping::{map, unmap};
use super::turn::turn;
use super::{Change, Needs, Plan, Refusal, Use, obstacles};
use crate::action::Action;
use crate::difference::Difference;
use crate::history::{ChangeId, Entry, State};
use crate::invokers::{Grant, GrantState, grants};
use crate::member::Member;
use crate::policy;
use crate::setting::{CurrentValue, Setting, Switch};
use crate::snapshot::Snapshot;
use crate::target::{Existing, Target};

/// The maximal difference between the journal's clock and Google's.
const CLOCKS_DIFFER: Duration = Duration::MINUTE;

/// Undoes earlier changes, each on its resource.
#[derive(Clone, Debug)]
pub struct Undo {
    pub entries: Vec<Entry>,
}

impl Undo {
    fn entry(&self, target: &Target) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.target == *target)
    }
}

impl Change for Undo {
    fn action(&self) -> Action {
        Action::Undo
    }

    fn needs(&self, _: Option<&str>) -> Needs {
        let settings = || self.entries.iter().flat_map(|entry| &entry.effect().settings);
        let is_of_settings = |entry: &Entry| {
            let effect = entry.effect();
            effect.added.is_empty() && effect.removed.is_empty()
        };
        let is_ingress = |setting: &Setting| matches!(setting, Setting::Switch(turn) if matches!(turn.to(), Switch::Ingress(_)));
        let gives_access = |entry: &Entry| !entry.effect().removed.is_empty();
        Needs {
            // Settings are turned back on what was read, grants without it.
            service: if settings().next().is_some() { Use::Needed } else { Use::Exposure },
            constraints: settings().any(|setting| setting.inverse().opens())
                || self.entries.iter().any(gives_access),
            ingress: settings().any(is_ingress),
            settings_only: self.entries.iter().all(is_of_settings),
            ..Needs::default()
        }
    }

    fn gives_back(&self) -> bool {
        true
    }

    fn undoes(&self, target: &Target) -> Option<ChangeId> {
        self.entry(target).map(|entry| entry.id)
    }

    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal> {
        match self.entry(&snapshot.name) {
            Some(entry) => undo(snapshot, entry),
            None => Err(Refusal::ServiceUnread { service: snapshot.name.short() }),
        }
    }
}

/// Rolls back the applied part of another change.
#[derive(Debug)]
pub struct TakeBack<'a, C> {
    pub change: &'a C,
    /// What it did.
    pub done: Difference,
}

impl<C: Change> Change for TakeBack<'_, C> {
    fn action(&self) -> Action {
        self.change.action()
    }

    fn needs(&self, own_domain: Option<&str>) -> Needs {
        self.change.needs(own_domain)
    }

    fn new_accounts(&self) -> Vec<Member> {
        self.change.new_accounts()
    }

    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal> {
        reverse(snapshot, self.action(), &self.done)
    }
}

/// Plans the undoing of one change on its resource.
fn undo(snapshot: &Snapshot, entry: &Entry) -> Result<Plan, Refusal> {
    let refused = |why: String| Refusal::NotToBeUndone { service: snapshot.name.short(), why };
    check_standing(entry).map_err(refused)?;
    let found = entry.effect().found(snapshot);
    if entry.state == State::EffectAbsent && found == Some(State::EffectAbsent) {
        return Err(refused("what it meant to do is not there".to_owned()));
    }
    if was_made_anew(snapshot, entry) {
        return Err(refused(format!(
            "the {} was deleted and made anew since",
            snapshot.name.noun()
        )));
    }
    let mut plan = reverse(snapshot, Action::Undo, entry.effect())?;
    let has_uid = matches!(snapshot.name, Target::Service(_) | Target::Workload(_));
    if has_uid && entry.before.uid.is_some() && snapshot.uid().is_none() && !plan.is_empty() {
        let why = "whether it was deleted and made anew since could not be read";
        plan.warnings.push(why.to_owned());
        plan.asks.push(format!("`{}`: {why}", snapshot.name.short()));
    }
    remark(&mut plan, snapshot, entry);
    plan.finds_nothing = found == Some(State::EffectAbsent);
    Ok(plan)
}

/// Plans the inverse of a difference on one resource, as far as the resource still shows it.
fn reverse(snapshot: &Snapshot, action: Action, effect: &Difference) -> Result<Plan, Refusal> {
    let short = || snapshot.name.short();
    let mut back: Vec<Setting> = Vec::new();
    for setting in &effect.settings {
        match snapshot.today(setting) {
            Some(CurrentValue::AsMeant) => back.push(setting.inverse()),
            Some(CurrentValue::AsBefore) => {}
            Some(CurrentValue::Otherwise(today)) => {
                let value = |value: Option<&str>| {
                    value.map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"))
                };
                let (before, after) = setting.values();
                let (name, before, after) = (setting.name(), value(before), value(after));
                let why =
                    format!("it set `{name}` from {before} to {after}, and today it is `{today}`");
                return Err(Refusal::NotToBeUndone { service: short(), why });
            }
            None => return Err(Refusal::ServiceUnread { service: short() }),
        }
    }
    let (wanted, notes, left_out) = to_be_restored(snapshot, &effect.removed);
    let goes = |grant: &Grant| effect.added.iter().any(|added| added.same_as(grant));
    let edit = policy::edit(&snapshot.policy, goes, &wanted)
        .map_err(|limit| Refusal::Limit { service: short(), limit })?;
    let mut plan = Plan::from_edit(action, snapshot, edit);
    plan.left_out = left_out;
    let added: Vec<Member> =
        plan.difference.added.iter().map(|grant| grant.member.clone()).collect();
    plan.warnings.extend(obstacles::may_be_added(snapshot, &added)?);
    let (mut switches, mut audiences) = (Vec::new(), Vec::new());
    for setting in &back {
        match setting {
            Setting::Account { present: true, .. } => create_account(&mut plan, snapshot, ""),
            Setting::Account { present: false, .. } => delete_account(&mut plan, snapshot),
            Setting::CustomAudience { audience, present } => {
                audiences.push((audience.as_str(), *present));
            }
            Setting::DomainMapping { service, present: true } => {
                map(&mut plan, snapshot, service, false)?;
            }
            Setting::DomainMapping { present: false, .. } => unmap(&mut plan, snapshot),
            Setting::Switch(turn) => switches.push(turn.to().clone()),
        }
    }
    if !switches.is_empty() {
        turn(&mut plan, snapshot, &switches)?;
    }
    set_audiences(&mut plan, snapshot, &audiences)?;
    if switches.contains(&Switch::InvokerCheck(false)) {
        plan.warnings.extend(obstacles::may_lose_its_check(snapshot)?);
    }
    plan.notes.extend(notes);
    Ok(plan)
}

/// Whether the changed resource was deleted and created again under the same name.
fn was_made_anew(snapshot: &Snapshot, entry: &Entry) -> bool {
    let existing = snapshot.existing.as_ref();
    if let Some(existing) = existing.filter(|existing| **existing != Existing::Nothing) {
        // What it left behind is told by what never changes of it.
        let left = entry.after.service.as_deref();
        return left.is_some() && existing.version() != left;
    }
    if let (Some(uid), Some(was)) = (snapshot.uid(), &entry.before.uid) {
        return uid != was;
    }
    // Of a change that an earlier version noted, the times tell.
    let made = snapshot.service.as_ref().and_then(|service| service.create_time.as_deref());
    let made = made.and_then(|time| OffsetDateTime::parse(time, &Rfc3339).ok());
    made.is_some_and(|made| made > entry.time.saturating_add(CLOCKS_DIFFER))
}

/// Checks that a change can be undone at all.
fn check_standing(entry: &Entry) -> Result<(), String> {
    if let Some(by) = entry.undone_by {
        return Err(format!("it was undone already, by `{by}`"));
    }
    match entry.state {
        State::Failed if entry.effect().is_empty() => Err("it failed, and did nothing".to_owned()),
        State::Intended => Err("whether it was done is not known yet".to_owned()),
        _ if entry.effect().is_empty() => Err("it did nothing itself".to_owned()),
        _ => Ok(()),
    }
}

/// What of the grants that were taken away can come back, what is to be said of the rest, and who of them
/// is deleted.
fn to_be_restored(
    snapshot: &Snapshot,
    removed: &[Grant],
) -> (Vec<Grant>, Vec<String>, Vec<Member>) {
    let (mut wanted, mut notes, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
    for grant in removed {
        if snapshot.gone.iter().any(|gone| gone.same_as(&grant.member)) {
            notes.push(left_out(&grant.member));
            deleted.push(grant.member.clone());
            continue;
        }
        match grant.state(snapshot.read_at) {
            GrantState::Active | GrantState::Conditional => wanted.push(grant.clone()),
            GrantState::Deleted => {
                let who = &grant.member;
                notes.push(format!("`{who}` was deleted, and cannot be granted anything again"));
                deleted.push(who.clone());
            }
            GrantState::Expired => notes.push(format!(
                "the grant of `{}` has ended meanwhile, and stays away",
                grant.member
            )),
        }
    }
    (wanted, notes, deleted)
}

/// Note that a principal was deleted.
pub fn left_out(member: &Member) -> String {
    format!("`{member}` does not exist any more, and is left out")
}

fn remark(plan: &mut Plan, snapshot: &Snapshot, entry: &Entry) {
    let held = grants(&snapshot.policy);
    let effect = entry.effect();
    let has = |grant: &Grant| held.iter().any(|held| held.same_as(grant));
    for grant in effect.added.iter().filter(|grant| !has(grant)) {
        let otherwise =
            |held: &&Grant| held.role == grant.role && held.member.same_as(&grant.member);
        plan.notes.push(match held.iter().find(otherwise) {
            None => format!("`{}` does not have `{}` any more", grant.member, grant.role),
            Some(other) => format!(
                "`{}` has `{}` otherwise by now, {}, and keeps it",
                grant.member,
                grant.role,
                other.condition.as_ref().map_or_else(
                    || "without a condition".to_owned(),
                    |condition| format!("under `{}`", condition.title)
                )
            ),
        });
    }
    for grant in effect.removed.iter().filter(|grant| has(grant)) {
        plan.notes.push(format!("`{}` has `{}` again already", grant.member, grant.role));
    }
    if entry.done.is_none() && !plan.is_empty() {
        // Killed before it was sent, it did nothing, and what is there is somebody else's.
        let why = "how that change ended is not known: what is there may be others' doing";
        plan.warnings.push(why.to_owned());
        plan.asks.push(format!("what `{}` takes back may be others' doing", entry.id));
    }
    let today = snapshot.etags().policy;
    if !plan.is_empty() && entry.after.policy.is_some() && entry.after.policy != today {
        plan.notes.push("the policy was changed since: the rest of it stays as it is".to_owned());
    }
}
