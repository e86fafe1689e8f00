//! Organization policies in force on a project.

use std::time::Duration;

use google_cloud_orgpolicy_v2::model::Policy;
use google_cloud_orgpolicy_v2::model::policy_spec::PolicyRule;
use google_cloud_orgpolicy_v2::model::policy_spec::policy_rule::Kind;
use tokio::time::timeout;

use super::api::Api;
use super::cache::ReadResult;
use super::gateway::Gateway;
use super::request::Read;
use crate::domain::constraint::{ALL, Effective, POLICY_MEMBERS};

/// The time limit of the preflight. A short one is enough: the change itself reports what is
/// forbidden.
const PATIENCE: Duration = Duration::from_secs(3);

impl Gateway {
    /// Reads, in parallel, the constraints in force on a project that restrict who may be granted
    /// access. Omits constraints that may not be read.
    pub async fn constraints(&self, project: &str) -> Vec<Effective> {
        let all = ALL.map(async |constraint| {
            let read = self.effective(project, constraint);
            timeout(PATIENCE, read).await.ok()?.ok()
        });
        futures::future::join_all(all).await.into_iter().flatten().collect()
    }

    async fn effective(&self, project: &str, constraint: &'static str) -> ReadResult<Effective> {
        let name = format!("projects/{project}/policies/{constraint}");
        let read = async {
            let call = format!("read the organisation policy `{constraint}`");
            let path = format!("/v2/{name}:getEffectivePolicy");
            self.told::<Policy>(Read::of(Api::OrgPolicy, &call, &path)).await
        };
        let policy = self.seen.effective.get(&name, read).await?;
        Ok(effective(constraint, &policy))
    }
}

fn effective(constraint: &'static str, policy: &Policy) -> Effective {
    let rules = policy.spec.iter().flat_map(|spec| &spec.rules);
    let mut found = Effective { constraint, ..Effective::default() };
    for rule in rules {
        let restricts = match &rule.kind {
            Some(Kind::Values(values)) => {
                found.allowed.extend(values.allowed_values.iter().cloned());
                found.denied.extend(values.denied_values.iter().cloned());
                true
            }
            Some(Kind::DenyAll(true)) => {
                found.denied.push("all".to_owned());
                true
            }
            Some(Kind::Enforce(denies)) => *denies,
            _ => false,
        };
        if constraint == POLICY_MEMBERS {
            found.allowed.extend(parameters(rule));
        }
        // A conditional rule excludes some resources, or includes more.
        if rule.condition.as_ref().is_some_and(|condition| !condition.expression.is_empty()) {
            found.is_conditional = true;
        }
        found.is_enforced |= restricts;
    }
    found
}

/// The members and the principal sets that the managed constraint allows.
fn parameters(rule: &PolicyRule) -> Vec<String> {
    let named = ["allowedMemberSubjects", "allowedPrincipalSets"];
    let lists = named.iter().filter_map(|name| rule.parameters.as_ref()?.get(*name)?.as_array());
    lists.flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}
