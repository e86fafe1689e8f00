//! What was changed, as the journal remembers it, and what of it is there today.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;

use super::action::Action;
use super::difference::{Difference, Etags};
use super::invokers::{Grant, grants};
use super::setting::CurrentValue;
use super::snapshot::Snapshot;
use super::target::Target;

serialized_as_words!(Standing);

/// The id of a change: of a whole run of the program, or of its part on one resource. Ids of the sandbox begin with
/// `s`, so that the two are never confused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChangeId {
    pub sandbox: bool,
    pub run: u64,
    /// Number of the resource within the run, from 1; `None` if there is only one, or for the whole run.
    pub part: Option<u32>,
}

impl ChangeId {
    /// The id of its run.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { part: None, ..self }
    }
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.sandbox { "s" } else { "" };
        match self.part {
            None => write!(f, "{place}{}", self.run),
            Some(part) => write!(f, "{place}{}.{part}", self.run),
        }
    }
}

impl FromStr for ChangeId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        fn number<T: FromStr>(digits: &str) -> Result<T, ()> {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            if plain && !digits.starts_with('0') { digits.parse().map_err(drop) } else { Err(()) }
        }
        let (sandbox, numbers) = match text.strip_prefix('s') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (run, part) = match numbers.split_once('.') {
            Some((run, part)) => (run, Some(number(part)?)),
            None => (numbers, None),
        };
        Ok(Self { sandbox, run: number(run)?, part })
    }
}

/// The state of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was applied.
    Applied,
    /// Its outcome was not recorded, and the resource does not show its effect.
    EffectAbsent,
    /// Its outcome was not recorded, and the resource shows its effect, whoever wrote it.
    EffectPresent,
    /// It was refused or failed; the difference tells which part was applied.
    Failed,
    /// It was begun, and its outcome is unknown.
    Intended,
    /// The resource shows neither the state before the change nor its effect.
    Overtaken,
}

impl State {
    pub const ALL: [Self; 6] = [
        Self::Applied,
        Self::EffectAbsent,
        Self::EffectPresent,
        Self::Failed,
        Self::Intended,
        Self::Overtaken,
    ];

    /// The word for it in JSON, in tables and in the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::EffectAbsent => "effect-absent",
            Self::EffectPresent => "effect-present",
            Self::Failed => "failed",
            Self::Intended => "intended",
            Self::Overtaken => "overtaken",
        }
    }

    /// The state of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// The state of a change, including its undoing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is in the state in which it ended.
    Ended(State),
    /// A later change reversed it.
    Undone,
}

impl Standing {
    /// Its word in JSON and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended(state) => state.as_str(),
            Self::Undone => "undone",
        }
    }
}

/// A change that is about to be made.
#[derive(Clone, Debug)]
pub struct Intent {
    pub target: Target,
    pub action: Action,
    pub difference: Difference,
    pub before: Etags,
    /// The change that it reverses.
    pub undoes: Option<ChangeId>,
}

/// A journal entry.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: ChangeId,
    /// When it was begun.
    pub time: OffsetDateTime,
    pub account: Option<String>,
    /// The command line, without anything secret.
    pub command: String,
    pub reason: Option<String>,
    pub action: Action,
    pub target: Target,
    pub undoes: Option<ChangeId>,
    pub intended: Difference,
    /// What was certainly applied; `None` while that is unknown.
    pub done: Option<Difference>,
    pub before: Etags,
    pub after: Etags,
    pub state: State,
    /// The change that undid it, unless that was undone itself.
    pub undone_by: Option<ChangeId>,
    /// Why it failed.
    pub error: Option<String>,
}

impl Entry {
    /// What it did, or its intent if that is unknown.
    pub fn effect(&self) -> &Difference {
        self.done.as_ref().unwrap_or(&self.intended)
    }

    /// Its state, including its undoing.
    pub fn standing(&self) -> Standing {
        if self.undone_by.is_some() { Standing::Undone } else { Standing::Ended(self.state) }
    }

    /// Whether its effect is believed to exist, so that it can be undone.
    pub fn stands(&self) -> bool {
        let done = self.is_whole() || self.state == State::Failed;
        self.undone_by.is_none() && done && !self.effect().is_empty()
    }

    /// Whether its whole effect is believed to exist.
    fn is_whole(&self) -> bool {
        matches!(self.state, State::Applied | State::EffectPresent)
    }
}

impl Difference {
    /// The state by a snapshot; `None` if it sets something that was not read. The snapshot does not tell who wrote what it
    /// shows.
    pub fn found(&self, snapshot: &Snapshot) -> Option<State> {
        let held = grants(&snapshot.policy);
        let has = |grant: &Grant| held.iter().any(|held| held.same_as(grant));
        // Of each part: whether it is as it was meant to be, and whether it is as it was.
        let mut parts: Vec<(bool, bool)> =
            self.added.iter().map(|grant| (has(grant), !has(grant))).collect();
        parts.extend(self.removed.iter().map(|grant| (!has(grant), has(grant))));
        for setting in &self.settings {
            let today = snapshot.today(setting)?;
            parts.push((today == CurrentValue::AsMeant, today == CurrentValue::AsBefore));
        }
        Some(if parts.iter().all(|(meant, _)| *meant) {
            State::EffectPresent
        } else if parts.iter().all(|(_, was)| *was) {
            State::EffectAbsent
        } else {
            State::Overtaken
        })
    }
}

/// Sets for each entry the later entry that undid it: one that was applied completely and not undone itself.
pub fn mark_undone(entries: &mut [Entry]) {
    entries.sort_by_key(|entry| (entry.id.run, entry.id.part));
    // From the latest on: what undoes a change is settled before the change is.
    let mut undone: HashMap<ChangeId, ChangeId> = HashMap::new();
    for entry in entries.iter_mut().rev() {
        entry.undone_by = undone.get(&entry.id).copied();
        if let Some(earlier) = entry.undoes.filter(|_| entry.is_whole() && entry.stands()) {
            undone.entry(earlier).or_insert(entry.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;
    use crate::member::Member;
    use crate::policy::Policy;

    use crate::resource::ServiceName;
    use crate::service::{Ingress, Service};
    use crate::setting::{Setting, Switch, Turn};

    fn id(text: &str) -> ChangeId {
        text.parse().unwrap()
    }

    fn entry(name: &str, undoes: Option<&str>, state: State) -> Entry {
        Entry {
            id: id(name),
            time: datetime!(2026-11-26 10:00 UTC),
            account: None,
            command: "runaccess".to_owned(),
            reason: None,
            action: Action::Grant,
            target: ServiceName::new("p", "us-central1", "s").into(),
            undoes: undoes.map(id),
            intended: difference(),
            done: None,
            before: Etags::default(),
            after: Etags::default(),
            state,
            undone_by: None,
            error: None,
        }
    }

    fn difference() -> Difference {
        let turn = Turn::of(&Service::sample(), Switch::Ingress(Ingress::Internal));
        let setting = Setting::Switch(turn.unwrap());
        Difference { settings: vec![setting], ..Difference::default() }
    }

    #[test]
    fn names_of_changes() {
        for text in ["1", "17.2", "s3", "s3.12", "18446744073709551615"] {
            assert_eq!(id(text).to_string(), text);
        }
        for text in ["", "s", "0", "01", "1.", ".1", "1.0", "+1", "1.2.3", "S1", "-1", "1e3"] {
            assert!(text.parse::<ChangeId>().is_err(), "{text}");
        }
        assert_eq!(id("s3.2").whole(), id("s3"));
        assert!("18446744073709551616".parse::<ChangeId>().is_err());
    }

    #[test]
    fn what_is_found_of_a_change() {
        let grant = |member: &str| Grant {
            role: "roles/run.invoker".to_owned(),
            member: Member::from_policy(member),
            condition: None,
        };
        let on = Service::sample();
        let setting = Setting::Switch(Turn::of(&on, Switch::InvokerCheck(false)).unwrap());
        let difference = Difference {
            added: vec![grant("user:new@x.com")],
            removed: vec![grant("user:old@x.com")],
            settings: vec![setting],
        };
        let policy = |members: &[&str]| -> Policy {
            let bindings = json!([{"role": "roles/run.invoker", "members": members}]);
            serde_json::from_value(json!({"bindings": bindings})).unwrap()
        };
        let off = Switch::InvokerCheck(false).set(&on);
        for (members, service, expected) in [
            (&["user:NEW@x.com"][..], Some(&off), Some(State::EffectPresent)),
            (&["user:old@x.com"], Some(&on), Some(State::EffectAbsent)),
            (&["user:new@x.com", "user:old@x.com"], Some(&off), Some(State::Overtaken)),
            (&["user:new@x.com"], Some(&on), Some(State::Overtaken)),
            (&[], Some(&off), Some(State::Overtaken)),
            (&["user:new@x.com"], None, None),
        ] {
            let snapshot = Snapshot {
                name: ServiceName::new("p", "us-central1", "s").into(),
                service: service.cloned(),
                workload_uid: None,
                unread: None,
                weighs_exposure: true,
                policy: policy(members),
                existing: None,
                constraints: None,
                above: Vec::new(),
                roles: crate::evidence::Roles::new(),
                project_number: None,
                gone: Vec::new(),
                policy_unread: None,
                read_at: datetime!(2026-11-26 10:00 UTC),
            };
            assert_eq!(difference.found(&snapshot), expected, "{members:?}");
        }
    }

    #[test]
    fn undone_and_undone_again() {
        let mut entries = vec![
            entry("4", Some("3"), State::Applied),
            entry("1", None, State::Applied),
            entry("2", Some("1"), State::Failed),
            entry("3", Some("1"), State::Applied),
            entry("5", None, State::Applied),
            entry("6", Some("5"), State::EffectPresent),
            entry("7", None, State::Intended),
            // One that did nothing, and one of which a half was undone.
            Entry { done: Some(Difference::default()), ..entry("8", None, State::EffectPresent) },
            entry("9", None, State::Applied),
            entry("10", Some("9"), State::Failed),
        ];
        mark_undone(&mut entries);
        let words: Vec<_> =
            entries.iter().map(|e| (e.id.to_string(), e.standing().as_str())).collect();
        let expected = [
            ("1", "applied"),
            ("2", "failed"),
            ("3", "undone"),
            ("4", "applied"),
            ("5", "undone"),
            ("6", "effect-present"),
            ("7", "intended"),
            ("8", "effect-present"),
            ("9", "applied"),
            ("10", "failed"),
        ];
        assert_eq!(words, expected.map(|(id, word)| (id.to_owned(), word)));
        assert_eq!(entries[4].undone_by, Some(id("6")));
        let stands: Vec<bool> = entries.iter().map(Entry::stands).collect();
        assert_eq!(stands, [true, true, false, true, false, true, false, false, true, true]);
    }
}
