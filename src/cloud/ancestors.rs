//! The ancestors of a service: its project, folders and organization, with the grants and deny
//! rules of each. All parts are read in parallel; one that fails does not affect the others.

use std::time::Duration;

use google_cloud_iam_v2::model::{ListPoliciesResponse, Policy as DenyPolicy};
use google_cloud_resourcemanager_v3::model::{Folder, Organization, Project};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::api::Api;
use super::cache::{ProjectFacts, ReadResult};
use super::convert;
use super::failure::Failure;
use super::failure_kind::FailureKind;
use super::gateway::Gateway;
use super::request::{Read, parsed};
use crate::domain::access::{ABOVE, Hierarchy};
use crate::domain::deny::DenyRule;
use crate::domain::evidence::{PolicyLayer, Roles, unknown_roles};
use crate::domain::invokers::{Grant, grants};
use crate::domain::member::Member;
use crate::domain::policy::Policy;
use crate::domain::principal::project_in;
use crate::transport::encoded;

/// The time limit of one read. A read that exceeds it is unknown and delays nothing else.
const PATIENCE: Duration = Duration::from_secs(15);
/// The maximal depth of an organization (documented: ten levels of folders).
const DEEPEST: usize = 13;
/// The request body that asks the Resource Manager for conditions (documented: POST, unlike Cloud
/// Run).
pub(super) const AT_VERSION_3: &str = r#"{"options":{"requestedPolicyVersion":3}}"#;

/// The ancestors of a service, nearest first.
#[derive(Clone, Debug, Default)]
pub struct Ancestors {
    pub place: Hierarchy,
    pub allow: Vec<PolicyLayer<Grant>>,
    pub deny: Vec<PolicyLayer<DenyRule>>,
    /// The roles in the allow policies that are not in the built-in tables.
    pub roles: Roles,
}

/// One ancestor.
struct Ancestor {
    resource: String,
    allow: ReadResult<Vec<Grant>>,
    deny: ReadResult<Vec<DenyRule>>,
    customer: Option<(String, String)>,
}

/// Why a read failed, in a few words.
pub fn why(failure: &Failure) -> String {
    match failure.kind {
        FailureKind::PermissionDenied => match failure.permission() {
            Some(permission) => format!("it takes the permission `{permission}`"),
            None => failure.message.trim_end_matches('.').to_owned(),
        },
        _ => failure.message.trim_end_matches('.').to_owned(),
    }
}

impl Gateway {
    /// Reads a resource of an API, with a time limit.
    pub(super) async fn told<T: DeserializeOwned>(&self, read: Read<'_>) -> ReadResult<T> {
        let answer = async {
            let body = self.ask(read).await?;
            parsed(read.call, &body)
        };
        // Boxed: dozens of these nested futures run at once, too many for the stack.
        match timeout(PATIENCE, Box::pin(answer)).await {
            Ok(answer) => answer.map_err(|failure: Failure| why(&failure)),
            Err(_) => Err(format!("no answer within {} seconds", PATIENCE.as_secs())),
        }
    }

    /// Reads the pages of a list, each with a time limit, until `take` returns `false`.
    pub(super) async fn told_pages(
        &self,
        (api, call, path): (Api, &str, &str),
        mut take: impl FnMut(&Value) -> bool,
    ) -> ReadResult<()> {
        let mut token = String::new();
        loop {
            let query = encoded(&[("pageSize", "1000"), ("pageToken", &token)]);
            let page: Value = self.told(Read::of(api, call, path).with_query(&query)).await?;
            let goes_on = take(&page);
            match page["nextPageToken"].as_str().filter(|token| goes_on && !token.is_empty()) {
                Some(next) => next.clone_into(&mut token),
                None => return Ok(()),
            }
        }
    }

    async fn manager<T: DeserializeOwned>(&self, what: &str, resource: &str) -> ReadResult<T> {
        let call = format!("read {what} `{resource}`");
        let path = format!("/v3/{resource}");
        self.told(Read::of(Api::ResourceManager, &call, &path)).await
    }

    /// Reads the ancestors of a project's services. Along with the policies, reads the roles that
    /// are not in the built-in tables and may matter to `caller` (to anyone if it is `None`).
    pub async fn above(&self, project: &str, caller: Option<&Member>) -> Ancestors {
        let resource = format!("projects/{project}");
        let (levels, facts) = tokio::join!(self.climb(resource, caller, 0), self.project(project));
        let (id, number) = match facts {
            Ok(facts) => (facts.id, Some(facts.number)),
            Err(_) => (project.to_owned(), None),
        };
        let place = Hierarchy {
            project: id,
            number,
            above: levels.iter().skip(1).map(|level| level.resource.clone()).collect(),
            customer: levels.iter().find_map(|level| level.customer.clone()),
            homes: Vec::new(),
        };
        let (mut allow, mut deny) = (Vec::new(), Vec::new());
        for level in levels {
            allow.push(PolicyLayer { resource: level.resource.clone(), read: level.allow });
            deny.push(PolicyLayer { resource: level.resource, read: level.deny });
        }
        let roles = self.roles_in(&allow, caller).await;
        Ancestors { place, allow, deny, roles }
    }

    /// The number of a project.
    pub async fn project_number(&self, project: &str) -> Result<String, String> {
        self.project(project).await.map(|facts| facts.number)
    }

    /// The ID and the number of a project, given either.
    pub async fn project_id_and_number(&self, project: &str) -> Result<(String, String), String> {
        let facts = self.project(project).await?;
        if facts.id.is_empty() || facts.number.is_empty() {
            return Err("the answer is not what this API sends".to_owned());
        }
        Ok((facts.id, facts.number))
    }

    /// The hierarchy of a service account's project, if the account's address names the project and
    /// it can be read.
    pub(super) async fn home_of(&self, address: &str) -> Option<Hierarchy> {
        let named = project_in(address)?;
        let facts = self.project(named).await.ok()?;
        // Ancestors that could not be read are omitted: the hierarchy is then incomplete.
        let (above, _) = self.ancestors(named).await;
        let number = Some(facts.number);
        Some(Hierarchy { project: facts.id, number, above, ..Hierarchy::default() })
    }

    async fn project(&self, project: &str) -> ReadResult<ProjectFacts> {
        let read = async {
            let resource = format!("projects/{project}");
            let found: Project = self.manager("the project", &resource).await?;
            let number = found.name.rsplit('/').next().unwrap_or_default().to_owned();
            Ok(ProjectFacts { id: found.project_id, number, parent: found.parent })
        };
        self.seen.projects.get(project, read).await
    }

    /// The parent of a resource; `None` for an organization, and for a project without a parent.
    async fn parent(&self, resource: &str) -> ReadResult<Option<String>> {
        let read = async {
            let parent = match resource.split_once('/') {
                Some(("projects", id)) => self.project(id).await?.parent,
                Some(("folders", _)) => {
                    self.manager::<Folder>("the folder", resource).await?.parent
                }
                _ => return Ok(None),
            };
            Ok(Some(parent).filter(|parent| !parent.is_empty()))
        };
        self.seen.parents.get(resource, read).await
    }

    /// The organization of a project.
    pub(super) async fn organization_of(&self, project: &str) -> ReadResult<Option<String>> {
        let (mut above, whole) = self.ancestors(project).await;
        whole?;
        Ok(above.pop().filter(|last| last.starts_with("organizations/")))
    }

    /// The ancestors of a project, nearest first, as far as they can be read, and why no further.
    async fn ancestors(&self, project: &str) -> (Vec<String>, ReadResult<()>) {
        let mut above: Vec<String> = Vec::new();
        let mut at = format!("projects/{project}");
        while above.len() < DEEPEST {
            match self.parent(&at).await {
                Ok(Some(parent)) => at = parent,
                Ok(None) => break,
                Err(why) => return (above, Err(why)),
            }
            above.push(at.clone());
        }
        (above, Ok(()))
    }

    /// Reads a resource and its ancestors: requests its parent while its own policies are read.
    async fn climb(
        &self,
        resource: String,
        caller: Option<&Member>,
        depth: usize,
    ) -> Vec<Ancestor> {
        let own = async {
            let (allow, deny, customer) = tokio::join!(
                self.allow_of(&resource, caller),
                self.deny_of(&resource),
                self.customer_of(&resource)
            );
            (allow, deny, customer)
        };
        let rest = async {
            match self.parent(&resource).await {
                Ok(Some(parent)) if depth < DEEPEST => {
                    Box::pin(self.climb(parent, caller, depth + 1)).await
                }
                Ok(_) => Vec::new(),
                Err(why) => vec![Ancestor {
                    resource: format!("{ABOVE}{resource}"),
                    allow: Err(why.clone()),
                    deny: Err(why),
                    customer: None,
                }],
            }
        };
        let ((allow, deny, customer), rest) = tokio::join!(own, rest);
        let mut levels = vec![Ancestor { resource, allow, deny, customer }];
        levels.extend(rest);
        levels
    }

    /// The customer ID and the domain of an organization. `None` has little effect.
    async fn customer_of(&self, resource: &str) -> Option<(String, String)> {
        if !resource.starts_with("organizations/") {
            return None;
        }
        let read = async {
            let found: ReadResult<Organization> = self.manager("the organisation", resource).await;
            let found = found.ok()?;
            let customer = found.directory_customer_id().cloned()?;
            Some((customer, found.display_name))
        };
        self.seen.customers.get(resource, read).await
    }

    async fn allow_of(&self, resource: &str, caller: Option<&Member>) -> ReadResult<Vec<Grant>> {
        let read = async {
            let call = format!("read the policy of `{resource}`");
            let path = format!("/v3/{resource}:getIamPolicy");
            let read = Read::of(Api::ResourceManager, &call, &path).with_body(AT_VERSION_3);
            self.told::<Policy>(read).await.map(|policy| grants(&policy))
        };
        let granted = self.seen.allow.get(resource, read).await?;
        self.know_roles(unknown_roles(&granted, caller)).await;
        Ok(granted)
    }

    /// The rules of a resource's deny policies. A list contains only their names (documented), so
    /// each policy is read.
    async fn deny_of(&self, resource: &str) -> ReadResult<Vec<DenyRule>> {
        let read = async {
            let call = format!("read the deny policies of `{resource}`");
            let point =
                format!("cloudresourcemanager.googleapis.com/{resource}").replace('/', "%2F");
            let path = format!("/v2/policies/{point}/denypolicies");
            let mut found = Vec::new();
            let mut page = String::new();
            loop {
                let query = encoded(&[("pageSize", "1000"), ("pageToken", &page)]);
                let list = Read::of(Api::Iam, &call, &path).with_query(&query);
                let list: ListPoliciesResponse = self.told(list).await?;
                found.extend(list.policies);
                page = list.next_page_token;
                if page.is_empty() {
                    break;
                }
            }
            let policies = found.iter().map(async |policy| {
                let path = format!("/v2/{}", policy.name);
                self.told::<DenyPolicy>(Read::of(Api::Iam, &call, &path)).await
            });
            let mut rules = Vec::new();
            for policy in futures::future::join_all(policies).await {
                rules.extend(convert::deny_rules(policy?)?);
            }
            Ok(rules)
        };
        self.seen.deny.get(resource, read).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_it_takes() {
        let refused =
            |message: &str| why(&Failure::new(FailureKind::PermissionDenied, "read it", message));
        assert_eq!(
            refused(
                "Permission 'resourcemanager.folders.get' denied on resource 'folders/1' (or \
                the folder may not exist)."
            ),
            "it takes the permission `resourcemanager.folders.get`"
        );
        assert_eq!(refused("The API is disabled."), "The API is disabled");
    }
}
