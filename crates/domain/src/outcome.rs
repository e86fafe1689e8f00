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

/// What became of the change of one resource.
#[derive(Clone, Debug)]
pub struct ChangeOutcome {
    /// The journal's name for it; `None` if nothing was written, or nothing is journalled.
    pub id: Option<ChangeId>,
    pub target: Target,
    pub action: Action,
    pub status: Status,
    pub difference: Difference,
    /// Before and after; `None` if the change cannot alter it.
    pub exposure: Option<(Exposure, Exposure)>,
    /// What the policy still gives the members that lost something.
    pub remaining: Vec<Remaining>,
    /// Deleted principals, to whom an undo or a restore does not give access back.
    pub left_out: Vec<Member>,
    /// Whether a member that was to lose access can still invoke, or may.
    pub leaves_access: bool,
    /// Whether nothing is there of an earlier change that it would take back.
    pub finds_nothing: bool,
    /// The versions that the last write, or plan, rested on.
    pub before: Etags,
    /// The versions that it left behind, if the answers to its writes told.
    pub after: Etags,
    /// Whether some of what was done was only found to be there, after a write that had no answer: it is
    /// not known whose it is.
    pub inferred: bool,
    /// Whether a write may have been done of which no answer came.
    pub fate_unknown: bool,
    /// What the change comes to.
    pub effect: Vec<Effect>,
    /// What the change needs and could not read, so that it did a part alone.
    pub unread: Option<String>,
    /// Whether the policy that was read holds a condition.
    pub is_conditional: bool,
    /// How often the service was read and written until it was done.
    pub attempts: u32,
    pub error: Option<CommandError>,
}

/// How the change of one service ended.
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

    /// Whether the service is now as it was asked to be.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Changed | Self::Unchanged)
    }
}
