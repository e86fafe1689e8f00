//! What became of a change.

use super::action::Action;
use super::difference::{Difference, Etags};
use super::effect::Effect;
use super::error::CommandError;
use super::exposure::Exposure;
use super::history::ChangeId;
use super::member::Member;
use super::plan::Remaining;
use super::target::Target;

serialized_as_words!(Status);

/// The outcome of a change on one resource.
#[derive(Clone, Debug)]
pub struct ChangeOutcome {
    /// Its id in the journal; `None` if nothing was written, or the change is not recorded.
    pub id: Option<ChangeId>,
    pub target: Target,
    pub action: Action,
    pub status: Status,
    pub difference: Difference,
    /// Exposure before and after; `None` if the change cannot alter it.
    pub exposure: Option<(Exposure, Exposure)>,
    /// What the policy still grants to members that lost something.
    pub remaining: Vec<Remaining>,
    /// Deleted principals, which an undo or a restore omits.
    pub left_out: Vec<Member>,
    /// Whether a member whose access was revoked can still invoke, or may.
    pub leaves_access: bool,
    /// Whether nothing is left of the earlier change that it would undo.
    pub finds_nothing: bool,
    /// The versions that the last write, or the plan, was based on.
    pub before: Etags,
    /// The versions after the change, if the answers to its writes contained them.
    pub after: Etags,
    /// Whether a part was found only by reading, after a write without an answer: who wrote it is unknown.
    pub inferred: bool,
    /// Whether a write without an answer may have been applied.
    pub fate_unknown: bool,
    /// Its effect on access.
    pub effect: Vec<Effect>,
    /// What the change needs and could not read, so that it did a part only.
    pub unread: Option<String>,
    /// Whether the policy contains a condition.
    pub is_conditional: bool,
    /// The number of attempts.
    pub attempts: u32,
    pub error: Option<CommandError>,
}

/// The status of a change on one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Changed,
    Failed,
    Planned,
    Refused,
    Unchanged,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::Planned => "planned",
            Self::Refused => "refused",
            Self::Unchanged => "unchanged",
        }
    }

    /// Whether the resource is now as requested.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Changed | Self::Unchanged)
    }
}
