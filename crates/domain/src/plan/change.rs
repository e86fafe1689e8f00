//! A change as a value: what its plan rests on, and what it would do to what was read.

use std::fmt;

use super::{Plan, Refusal};
use crate::action::Action;
use crate::history::ChangeId;
use crate::member::Member;
use crate::snapshot::Snapshot;
use crate::target::Target;

/// A requested change. The driver of changes knows nothing of a change but this.
pub trait Change: fmt::Debug {
    /// The command that requests it.
    fn action(&self) -> Action;

    /// What its plan needs. `own_domain` is the domain of the active account; `None` if it is unknown.
    fn needs(&self, own_domain: Option<&str>) -> Needs;

    /// Plans it on the snapshot of one resource.
    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal>;

    /// Whether the applied steps of a resource are rolled back if a later step is refused.
    fn is_whole(&self) -> bool {
        false
    }

    /// Whether nothing is written if one of the resources cannot be planned.
    fn goes_together(&self) -> bool {
        false
    }

    /// Whether it restores removed grants: principals that were deleted since are omitted.
    fn gives_back(&self) -> bool {
        false
    }

    /// Accounts that may be too new for a policy: the driver waits for them.
    fn new_accounts(&self) -> Vec<Member> {
        Vec::new()
    }

    /// The earlier change of this resource that it undoes.
    fn undoes(&self, _: &Target) -> Option<ChangeId> {
        None
    }
}

/// What a plan needs, in addition to the policy of the resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// What the service is read for.
    pub service: Use,
    /// Organization policies in force, as far as they can be read.
    pub constraints: bool,
    /// Grants above the service.
    pub above: bool,
    /// The configured ingress, which may differ from the one in force.
    pub ingress: bool,
    /// Whether the change is about settings only: the policy is then optional.
    pub settings_only: bool,
    /// The permissions of roles that are not in the table of predefined roles.
    pub roles: bool,
}

/// What a service is read for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Use {
    /// To show the effect of the change, which continues without it.
    #[default]
    Effect,
    /// To show the effect on exposure, too; the change continues without it.
    Exposure,
    /// To plan the change, which fails without it.
    Needed,
}
