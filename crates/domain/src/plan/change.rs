//! A change as a value: what its plan rests on, and what it would do to what was read.

use std::fmt;

use super::{Plan, Refusal};
use crate::action::Action;
use crate::history::ChangeId;
use crate::member::Member;
use crate::snapshot::Snapshot;
use crate::target::Target;

/// A change that is asked for. Whoever carries changes out knows of them what is here, and nothing else.
pub trait Change: fmt::Debug {
    /// The command that it is of.
    fn action(&self) -> Action;

    /// What its plan rests on, seen from an account of `own_domain`; `None` if that is not known.
    fn needs(&self, own_domain: Option<&str>) -> Needs;

    /// What it would do to the resource that was read.
    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal>;

    /// Whether what was done to a resource is taken back if the rest of its plan is refused.
    fn is_whole(&self) -> bool {
        false
    }

    /// Whether nothing is changed if one of the resources cannot be planned.
    fn goes_together(&self) -> bool {
        false
    }

    /// Whether it gives back what was taken away earlier: principals that are deleted since are left out.
    fn gives_back(&self) -> bool {
        false
    }

    /// Accounts that may be so new that policies do not take them yet: that is waited for.
    fn new_accounts(&self) -> Vec<Member> {
        Vec::new()
    }

    /// The earlier change of this resource that it takes back.
    fn undoes(&self, _: &Target) -> Option<ChangeId> {
        None
    }
}

/// What a plan rests on, beside the policy of the resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// What the service itself, which is read beside the policy, is for.
    pub service: Use,
    /// The organisation policies in force, as far as they may be read.
    pub constraints: bool,
    /// What is granted above the service.
    pub above: bool,
    /// The ingress that is set, which may differ from the one in force.
    pub ingress: bool,
    /// Whether the change is about settings alone: the policy is wanted then, and not needed.
    pub settings_only: bool,
    /// Which roles of the policy invoke that are in no table.
    pub roles: bool,
}

/// What the service that a change is made on is read for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Use {
    /// To tell what the change comes to; the change goes on without it.
    #[default]
    Effect,
    /// To tell what it does to exposure, too; the change goes on without it.
    Exposure,
    /// The change cannot be planned without it.
    Needed,
}
