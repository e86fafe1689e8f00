//! Plans that bring a policy back to a saved one.

use crate::policy::Policy;
use serde_json::Value;
use thiserror::Error;

use super::grant::suits_a_workload;
use super::undo::left_out;
use super::{Change, Needs, Plan, Refusal, Use, obstacles};
use crate::action::Action;
use crate::condition::{self, ConditionError};
use crate::invokers::{Grant, grants};
use crate::member::{Member, MemberArg, MemberKind};
use crate::policy;
use crate::role::{self, Invokes, Role};
use crate::snapshot::Snapshot;

/// A policy that was saved, as `policy` and gcloud's `get-iam-policy` print one.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedPolicy {
    grants: Vec<Grant>,
    etag: Option<String>,
    audits: bool,
}

/// Why a document is no saved policy.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SavedError {
    #[error("`{0}` is not a field of a policy")]
    Field(String),
    #[error("it is not an IAM policy: {0}")]
    Shape(String),
    #[error("its binding of `{0}` was read without conditions, which would be lost")]
    WithoutConditions(String),
}

impl SavedPolicy {
    /// Takes a document as a policy. Whatever a policy may hold is taken; only what would be added is
    /// checked, as if it were typed, when that is known.
    pub fn parse(document: &Value) -> Result<Self, SavedError> {
        let shape = |why: &str| SavedError::Shape(why.to_owned());
        let Value::Object(fields) = document else { return Err(shape("it holds no fields")) };
        let known = ["auditConfigs", "bindings", "etag", "kind", "resourceId", "version"];
        if let Some(field) = fields.keys().find(|field| !known.contains(&field.as_str())) {
            return Err(SavedError::Field(field.clone()));
        }
        if !["bindings", "etag", "version"].iter().any(|field| fields.contains_key(*field)) {
            return Err(shape("it holds none of `bindings`, `etag` and `version`"));
        }
        let etag = fields.get("etag").and_then(Value::as_str).map(comparable);
        let audits = fields.contains_key("auditConfigs");
        // Written by people and tools, and of no use here.
        let bindings = fields.get("bindings").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
        let policy: Policy = serde_json::from_value(serde_json::json!({ "bindings": bindings }))
            .map_err(|error| SavedError::Shape(error.to_string()))?;
        let grants = grants(&policy);
        for grant in &grants {
            if grant.role.contains("_withcond_") {
                return Err(SavedError::WithoutConditions(grant.role.clone()));
            }
        }
        Ok(Self { grants, etag, audits })
    }
}

/// Whether a principal may stand in a policy as it is written. One of a kind that is not known here is
/// left for IAM to judge.
fn may_stand(member: &Member) -> bool {
    let text = member.as_str();
    match MemberArg::parse(text) {
        Ok(MemberArg::Member(whole)) => whole.as_str() == text,
        Ok(_) => false,
        Err(error) => {
            let has_value = text.split_once(':').is_some_and(|(_, value)| !value.is_empty());
            member.kind() == MemberKind::Other && has_value && error.instead.is_none()
        }
    }
}

/// Why a grant cannot be put into a policy; `None` if it can, as far as is known.
fn why_not(grant: &Grant) -> Option<String> {
    let Grant { role, member, condition } = grant;
    if Role::parse(role).is_err() {
        return Some(format!("`{role}` is not a role"));
    }
    if role == role::OF_FUNCTIONS {
        return Some(format!(
            "`{role}` lets nobody invoke a service of Cloud Run: `{}` does",
            role::INVOKER
        ));
    }
    if !may_stand(member) {
        return Some(format!("`{member}` is no principal that IAM takes"));
    }
    let condition = condition.as_ref()?;
    if member.is_public() {
        return Some(format!("`{member}` cannot be let in under a condition"));
    }
    if role::is_basic(role) {
        return Some(format!("`{role}` cannot be given under a condition"));
    }
    if condition.expression.trim().is_empty() {
        return Some(format!("the condition of `{member}` has no expression"));
    }
    match condition::check(condition) {
        // What Cloud Run does not give, others' resources may: IAM takes it.
        Ok(()) | Err(ConditionError::Attribute(_) | ConditionError::Weighed(_)) => None,
        Err(error) => Some(format!("the condition of `{member}` cannot be used: {error}")),
    }
}

/// An etag in one alphabet, as gcloud and the API write it in two.
fn comparable(etag: &str) -> String {
    etag.replace('-', "+").replace('_', "/").trim_end_matches('=').to_owned()
}

/// Brings a policy back to a saved one.
#[derive(Clone, Debug)]
pub struct Restore {
    pub saved: SavedPolicy,
    /// Whether that is refused if the policy was changed since it was saved; else the plan says so.
    pub same_etag: bool,
}

impl Change for Restore {
    fn action(&self) -> Action {
        Action::Restore
    }

    fn needs(&self, _: Option<&str>) -> Needs {
        Needs { service: Use::Exposure, constraints: true, ..Needs::default() }
    }

    fn gives_back(&self) -> bool {
        true
    }

    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal> {
        let Self { saved, same_etag } = self;
        let held = grants(&snapshot.policy);
        let is_saved = |grant: &Grant| saved.grants.iter().any(|saved| saved.same_as(grant));
        let missing =
            saved.grants.iter().filter(|saved| !held.iter().any(|held| held.same_as(saved)));
        let (gone, wanted): (Vec<Grant>, Vec<Grant>) =
            missing.cloned().partition(|grant| grant.member.kind() == MemberKind::Deleted);
        let is_gone = |grant: &Grant| snapshot.gone.iter().any(|gone| gone.same_as(&grant.member));
        let (not_there, wanted): (Vec<Grant>, Vec<Grant>) = wanted.into_iter().partition(is_gone);
        for grant in &wanted {
            suits_a_workload(snapshot, &grant.member, grant.condition.as_ref())?;
            if let Some(why) = why_not(grant) {
                return Err(Refusal::CannotStand { service: snapshot.name.short(), why });
            }
        }
        let edit = policy::edit(&snapshot.policy, |grant| !is_saved(grant), &wanted)
            .map_err(|limit| Refusal::Limit { service: snapshot.name.short(), limit })?;
        let after = grants(&edit.policy);
        let mut plan = Plan::from_edit(Action::Restore, snapshot, edit);
        let added: Vec<Member> =
            plan.difference.added.iter().map(|grant| grant.member.clone()).collect();
        plan.warnings.extend(obstacles::may_be_added(snapshot, &added)?);
        plan.warnings.extend(obstacles::cannot_be_undone(snapshot, &plan));
        plan.warnings.extend(not_there.iter().map(|grant| left_out(&grant.member)));
        for grant in &gone {
            plan.warnings
                .push(format!("`{}` was deleted, and cannot be granted again", grant.member));
        }
        plan.left_out = not_there.into_iter().chain(gone).map(|grant| grant.member).collect();
        let who = |grants: &[Grant], invokes: Invokes| -> Vec<Member> {
            let mut all: Vec<Member> = Vec::new();
            for grant in grants {
                let counts = grant.counts(snapshot.read_at) && grant.invokes() == invokes;
                if counts && !all.iter().any(|known| known.same_as(&grant.member)) {
                    all.push(grant.member.clone());
                }
            }
            all
        };
        for (invokes, gains, loses) in
            [(Invokes::Yes, "gains", "loses"), (Invokes::Unknown, "may gain", "may lose")]
        {
            let (before, after) = (who(&held, invokes), who(&after, invokes));
            for (here, there, what) in [(&after, &before, gains), (&before, &after, loses)] {
                for member in
                    here.iter().filter(|one| !there.iter().any(|other| other.same_as(one)))
                {
                    plan.notes
                        .push(format!("`{member}` {what} the right to invoke by this policy"));
                }
            }
        }
        if saved.audits {
            plan.notes.push("what the file says of audit logs is not restored".to_owned());
        }
        let today = snapshot.etags().policy.as_deref().map(comparable);
        if !plan.is_empty() && saved.etag != today {
            let why = match &saved.etag {
                Some(_) => "the policy was changed since it was saved",
                None => {
                    "the file has no etag, so that whether the policy was changed since is not known"
                }
            };
            if *same_etag {
                return Err(Refusal::SavedBefore { service: snapshot.name.short(), why });
            }
            plan.warnings.push(format!("{why}: what others did since is taken back too"));
        }
        Ok(plan)
    }
}
