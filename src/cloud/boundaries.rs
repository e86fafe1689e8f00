//! Principal access boundaries (IAM v3): the policies bound in a project, folder or organization,
//! and their contents.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use serde_json::Value;

use super::api::Api;
use super::cache::ReadResult;
use super::evidence::{WIDTH, is_of_another};
use super::gateway::Gateway;
use super::request::Read;
use crate::domain::access::{ABOVE, Hierarchy};
use crate::domain::boundary::{Boundary, bound_at, places_of};
use crate::domain::condition::Condition;
use crate::domain::evidence::{PolicyLayer, ResourceEvidence};
use crate::domain::member::{Member, MemberKind};

const KIND: &str = "PRINCIPAL_ACCESS_BOUNDARY";

impl Gateway {
    /// The boundaries that may bind the caller of a job and, if the caller is a group, its members;
    /// without a caller, the boundaries of the job's own hierarchy. Looks up the hierarchies of
    /// other projects' service accounts.
    pub(super) async fn boundaries(
        &self,
        caller: Option<&Member>,
        around: &mut ResourceEvidence,
    ) -> Vec<PolicyLayer<Boundary>> {
        let place = &around.place;
        let members = around.members.iter().flat_map(|members| &members.read);
        let callers: Vec<&Member> = caller.into_iter().chain(members).collect();
        let strangers = callers.iter().filter(|caller| {
            caller.kind() == MemberKind::ServiceAccount
                && is_of_another(caller, place)
                && bound_at(caller, place).is_none()
        });
        let homes = stream::iter(strangers).map(|account| self.home_of(account.address()));
        let homes: Vec<Option<Hierarchy>> = homes.buffered(WIDTH).collect().await;
        around.place.homes.extend(homes.into_iter().flatten());
        let place = &around.place;
        let mut places = if callers.is_empty() {
            places_of(place)
        } else {
            let at = callers.iter().filter_map(|caller| bound_at(caller, place));
            at.flat_map(|(_, places)| places).collect()
        };
        places.sort();
        places.dedup();
        // If an ancestor could not be read, its boundaries cannot be read either.
        let unread: BTreeMap<&str, &String> = around
            .allow
            .iter()
            .filter(|layer| layer.resource.starts_with(ABOVE))
            .filter_map(|layer| Some((layer.resource.as_str(), layer.read.as_ref().err()?)))
            .collect();
        let read = stream::iter(places).map(async |resource| {
            let read = match unread.get(resource.as_str()) {
                Some(why) => Err((*why).clone()),
                None => self.boundaries_at(&resource).await,
            };
            PolicyLayer { resource, read }
        });
        read.buffered(WIDTH).collect().await
    }

    async fn boundaries_at(&self, resource: &str) -> ReadResult<Vec<Boundary>> {
        let read = async {
            let call = format!("read the principal access boundaries of `{resource}`");
            let path = format!("/v3/{resource}/locations/global/policyBindings");
            let mut bound = Vec::new();
            let list = self.told_pages((Api::Iam, &call, &path), |page| {
                let bindings = page["policyBindings"].as_array().into_iter().flatten();
                bound.extend(bindings.filter(|one| one["policyKind"] == KIND).map(binding));
                true
            });
            list.await?;
            let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for boundary in &mut bound {
                if !known.contains_key(&boundary.policy) {
                    let path = format!("/v3/{}", boundary.policy);
                    let policy: Value = self.told(Read::of(Api::Iam, &call, &path)).await?;
                    known.insert(boundary.policy.clone(), resources(&policy));
                }
                boundary.resources = known.get(&boundary.policy).cloned().unwrap_or_default();
            }
            Ok(bound)
        };
        self.seen.boundaries.get(resource, read).await
    }
}

/// A binding, without the contents of its policy.
fn binding(binding: &Value) -> Boundary {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let condition = &binding["condition"];
    Boundary {
        policy: text(&binding["policy"]),
        principal_set: text(&binding["target"]["principalSet"]),
        condition: condition.is_object().then(|| Condition {
            title: text(&condition["title"]),
            description: text(&condition["description"]),
            expression: text(&condition["expression"]),
        }),
        resources: Vec::new(),
    }
}

/// The resources that the rules of a policy make accessible.
fn resources(policy: &Value) -> Vec<String> {
    let rules = policy["details"]["rules"].as_array().into_iter().flatten();
    let named = rules.flat_map(|rule| rule["resources"].as_array().into_iter().flatten());
    named.filter_map(Value::as_str).map(str::to_owned).collect()
}
