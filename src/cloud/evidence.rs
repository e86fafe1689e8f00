//! Everything that bears on who may invoke a service, read side by side: its own policy, those above
//! it, roles, groups, tags, Identity-Aware Proxy, and what Cloud Run itself says of the caller.

use std::collections::BTreeMap;

use google_cloud_iam_v1::model::{Policy, TestIamPermissionsResponse};
use google_cloud_resourcemanager_v3::model::{EffectiveTag, ListEffectiveTagsResponse};
use serde_json::{Value, json};

use super::above::{AT_VERSION_3, Above, Told, why};
use super::api::Api;
use super::failure::Failure;
use super::gateway::Gateway;
use super::reading::{Read, parsed};
use crate::domain::access::{ABOVE, Place, iap_agent};
use crate::domain::condition::{Tag, Tags};
use crate::domain::deny::DenyRule;
use crate::domain::evidence::{Gathered, Groups, Layered, Roles, groups_of, unknown_roles};
use crate::domain::invokers::{Grant, grants};
use crate::domain::member::{Member, MemberKind};
use crate::domain::principal::project_in;
use crate::domain::resource::ServiceName;
use crate::domain::role::INVOKE;
use crate::transport::encoded;

/// The label of groups that addresses can be written to, which are those that IAM takes (documented).
const DISCUSSION: &str = "cloudidentity.googleapis.com/groups.discussion_forum";

/// For whom evidence is gathered.
#[derive(Clone, Copy, Debug)]
pub enum For<'a> {
    /// Nobody in particular: every role counts, and no group is looked into.
    Anyone,
    /// A principal; `is_self` where it is who asks, of whom Cloud Run itself can be asked.
    One { member: &'a Member, is_self: bool },
}

impl<'a> For<'a> {
    fn member(self) -> Option<&'a Member> {
        match self {
            Self::Anyone => None,
            Self::One { member, .. } => Some(member),
        }
    }
}

/// What a search for a member's groups said: their addresses, where it may be asked.
type Memberships = Option<Vec<String>>;

impl Gateway {
    /// Gathers what bears on who may invoke a service. Only the service itself must be readable.
    pub async fn gather(&self, name: &ServiceName, whose: For<'_>) -> Result<Gathered, Failure> {
        // It is large, and would make every command's future so.
        Box::pin(self.gathered(name, whose)).await
    }

    async fn gathered(&self, name: &ServiceName, whose: For<'_>) -> Result<Gathered, Failure> {
        let caller = whose.member();
        let resource = name.to_string();
        let own = async {
            let read = self.policy(name).await.map(|policy| grants(&policy));
            if let Ok(granted) = &read {
                self.know_roles(unknown_roles(granted, caller)).await;
            }
            read
        };
        let asked = async {
            match whose {
                For::One { is_self: true, .. } => self.may_invoke(name).await.ok(),
                _ => None,
            }
        };
        let service = async {
            let service = self.service(name).await?;
            let iap = if service.iap { self.iap_policies(name, caller).await } else { Vec::new() };
            Ok::<_, Failure>((service, iap))
        };
        // Whether a condition asks for tags is known at the end only, and would cost one more round.
        let tags = async {
            let number = self.project_number(name.project()).await.ok();
            self.tags(name, number.as_deref()).await.ok()
        };
        let (service, own, above, memberships, told, tags) = tokio::join!(
            service,
            own,
            self.above(name.project(), caller),
            self.memberships(caller),
            asked,
            tags
        );
        let (service, iap) = service?;
        let Above { place, allow, deny, roles } = above;
        let own = Layered { resource, read: own.map_err(|failure| why(&failure)) };
        let mut allow_all = vec![own];
        allow_all.extend(allow);
        let mut gathered = Gathered {
            service,
            allow: allow_all,
            deny,
            iap,
            place,
            roles,
            groups: Groups::new(),
            tags,
            told,
        };
        // Behind Identity-Aware Proxy it is that one's own account which must be let in.
        let agent = iap_agent(&gathered.place).filter(|_| gathered.service.iap && caller.is_some());
        let of_caller = async {
            match caller {
                Some(caller) => self.groups(caller, memberships, &gathered).await,
                None => Groups::new(),
            }
        };
        let of_agent = async {
            match &agent {
                Some(agent) => {
                    let memberships = self.memberships(Some(agent)).await;
                    self.groups(agent, memberships, &gathered).await
                }
                None => Groups::new(),
            }
        };
        let (mut groups, more) = tokio::join!(of_caller, of_agent);
        groups.extend(more);
        gathered.groups = groups;
        let layers: Vec<_> = gathered.allow.iter().chain(&gathered.iap).cloned().collect();
        gathered.roles.extend(self.roles_in(&layers, caller).await);
        if let Some(agent) = &agent {
            let granted = gathered.allow.iter().flat_map(|layer| layer.read.iter().flatten());
            self.know_roles(unknown_roles(granted, Some(agent))).await;
            gathered.roles.extend(self.roles_in(&gathered.allow, Some(agent)).await);
        }
        Ok(gathered)
    }

    /// Asks Cloud Run whether whoever asks may invoke a service: one call that weighs groups,
    /// inheritance and deny policies.
    pub async fn may_invoke(&self, name: &ServiceName) -> Result<bool, Failure> {
        let call = format!("ask whether `{}` may be invoked", name.short());
        let path = format!("/v2/{name}:testIamPermissions");
        let body = json!({"permissions": [INVOKE]}).to_string();
        let read = Read::of(Api::Run, &call, &path).with_body(&body);
        let answer: TestIamPermissionsResponse = parsed(&call, &self.ask(read).await?)?;
        Ok(answer.permissions.iter().any(|permission| permission == INVOKE))
    }

    /// The policies by which somebody may have tokens of a service account: its own, and those of its
    /// project and above; with the roles in them that are in no table. `home` is a project of which the
    /// number and the id are known.
    pub async fn account_policies(
        &self,
        address: &str,
        home: &Place,
    ) -> (Vec<Layered<Grant>>, Roles) {
        let resource = format!("projects/-/serviceAccounts/{address}");
        let own = async {
            let call = format!("read the policy of `{address}`");
            let path = format!("/v1/{resource}:getIamPolicy");
            let query = "options.requestedPolicyVersion=3";
            let read = Read::of(Api::Iam, &call, &path).with_query(query).with_body("{}");
            let read = self.told::<Policy>(read).await.map(|policy| grants(&policy));
            if let Ok(granted) = &read {
                self.know_roles(unknown_roles(granted, None)).await;
            }
            Layered { resource: resource.clone(), read }
        };
        let above = async {
            match project_in(address) {
                Some(number) if home.number.as_deref() == Some(number) => {
                    self.above(&home.project, None).await
                }
                Some(project) => self.above(project, None).await,
                None => Above {
                    allow: vec![Layered {
                        resource: format!("{ABOVE}{resource}"),
                        read: Err("its address does not say of which project it is".to_owned()),
                    }],
                    ..Above::default()
                },
            }
        };
        let (own, above) = tokio::join!(own, above);
        let own = vec![own];
        let mut roles = above.roles;
        roles.extend(self.roles_in(&own, None).await);
        (own.into_iter().chain(above.allow).collect(), roles)
    }

    /// The policies by which Identity-Aware Proxy decides at a service, nearest first. The names of
    /// these resources are observed; they go by the project's number.
    async fn iap_policies(
        &self,
        name: &ServiceName,
        caller: Option<&Member>,
    ) -> Vec<Layered<Grant>> {
        let number = self.project_number(name.project()).await;
        let project = number.unwrap_or_else(|_| name.project().to_owned());
        let web = format!("projects/{project}/iap_web");
        let region = format!("{web}/cloud_run-{}", name.region());
        let service = format!("{region}/services/{}", name.service());
        let read = [service, region, web].map(async |resource| {
            let call = format!("read the IAP policy of `{resource}`");
            let path = format!("/v1/{resource}:getIamPolicy");
            let asked = Read::of(Api::Iap, &call, &path).with_body(AT_VERSION_3);
            let read = self.told::<Policy>(asked).await.map(|policy| grants(&policy));
            if let Ok(granted) = &read {
                self.know_roles(unknown_roles(granted, caller)).await;
            }
            Layered { resource, read }
        });
        futures::future::join_all(read).await
    }

    /// The tags in force on a service. Resources go by the project's number there (documented); those of
    /// regional resources are asked for at their region's address (reported for bindings, and taken to
    /// be so for what is in force).
    async fn tags(&self, name: &ServiceName, number: Option<&str>) -> Told<Tags> {
        let project = number.unwrap_or(name.project());
        let full = format!(
            "//run.googleapis.com/projects/{project}/locations/{}/services/{}",
            name.region(),
            name.service()
        );
        let call = format!("read the tags of `{}`", name.short());
        let (mut tags, mut page) = (Vec::new(), String::new());
        loop {
            let query = encoded(&[("parent", &full), ("pageSize", "300"), ("pageToken", &page)]);
            let read = Read::of(Api::ResourceManager, &call, "/v3/effectiveTags");
            let read = read.with_query(&query).in_region(name.region());
            let list: ListEffectiveTagsResponse = self.told(read).await?;
            tags.extend(list.effective_tags.into_iter().map(tag));
            page = list.next_page_token;
            if page.is_empty() {
                return Ok(tags.into());
            }
        }
    }

    /// The groups that a member is in, directly or through others, by one search. It is for accounts
    /// alone, it comes with paid editions, and it takes that all of these groups may be looked into
    /// (documented).
    async fn memberships(&self, caller: Option<&Member>) -> Memberships {
        let caller = caller.filter(|caller| caller.is_account())?;
        let query = format!("member_key_id == '{}' && '{DISCUSSION}' in labels", caller.address());
        let call = format!("look up the groups of `{caller}`");
        let (mut found, mut page) = (Vec::new(), String::new());
        loop {
            let query =
                encoded(&[("query", query.as_str()), ("pageSize", "1000"), ("pageToken", &page)]);
            let path = "/v1/groups/-/memberships:searchTransitiveGroups";
            let read = Read::of(Api::CloudIdentity, &call, path).with_query(&query);
            let answer: Value = self.told(read).await.ok()?;
            let groups = answer["memberships"].as_array().into_iter().flatten();
            let keys = groups.filter_map(|group| group["groupKey"]["id"].as_str());
            found.extend(keys.map(str::to_lowercase));
            match answer["nextPageToken"].as_str().filter(|token| !token.is_empty()) {
                Some(next) => next.clone_into(&mut page),
                None => return Some(found),
            }
        }
    }

    /// Whether the caller is in each group that was met.
    async fn groups(
        &self,
        caller: &Member,
        memberships: Memberships,
        gathered: &Gathered,
    ) -> Groups {
        let policies = gathered.allow.iter().chain(&gathered.iap);
        let granted = policies.flat_map(|layer| layer.read.iter().flatten());
        let rules = gathered.deny.iter().flat_map(|layer| layer.read.iter().flatten());
        let denied = rules.flat_map(|rule: &DenyRule| {
            rule.denied_principals.iter().chain(&rule.exception_principals)
        });
        let met = groups_of(granted.map(|grant| &grant.member).chain(denied));
        let key = caller.key();
        let holds = met.iter().map(|group| self.holds(group, caller, memberships.as_deref()));
        let holds = futures::future::join_all(holds).await;
        met.iter().map(|group| (group.clone(), key.clone())).zip(holds).collect::<BTreeMap<_, _>>()
    }

    /// Whether a group holds the caller. The search tells of the groups of the member's own customer;
    /// of others, and where there was none, the group itself is asked.
    async fn holds(
        &self,
        group: &str,
        caller: &Member,
        memberships: Option<&[String]>,
    ) -> Option<bool> {
        let domain = |address: &str| address.rsplit('@').next().unwrap_or_default().to_lowercase();
        match memberships {
            Some(groups) if groups.iter().any(|known| known == group) => return Some(true),
            Some(_) if domain(group) == domain(caller.address()) => return Some(false),
            _ => {}
        }
        let by_address = matches!(
            caller.kind(),
            MemberKind::User | MemberKind::ServiceAccount | MemberKind::Group
        );
        if !by_address {
            // Federated identities have no address by which a group could be asked.
            return None;
        }
        let call = format!("look into the group `{group}`");
        let ask = async |path: String, query: String| -> Option<Value> {
            self.told(Read::of(Api::CloudIdentity, &call, &path).with_query(&query)).await.ok()
        };
        let found = ask("/v1/groups:lookup".to_owned(), encoded(&[("groupKey.id", group)])).await?;
        let memberships = format!("/v1/{}/memberships", found["name"].as_str()?);
        let key = caller.address();
        let query = encoded(&[("query", &format!("member_key_id == '{key}'"))]);
        let check = ask(format!("{memberships}:checkTransitiveMembership"), query).await;
        match check.map(|answer| answer["hasMembership"] == true) {
            Some(true) => return Some(true),
            // It tells of what may be seen alone (documented): the whole list must say no.
            Some(false) => {
                let mut page = String::new();
                loop {
                    let query = encoded(&[("pageSize", "1000"), ("pageToken", &page)]);
                    let path = format!("{memberships}:searchTransitiveMemberships");
                    let list = ask(path, query).await?;
                    let members = list["memberships"].as_array().into_iter().flatten();
                    let mut keys = members.flat_map(|member| {
                        member["preferredMemberKey"].as_array().into_iter().flatten()
                    });
                    if keys.any(|other| {
                        other["id"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(key))
                    }) {
                        return Some(true);
                    }
                    match list["nextPageToken"].as_str().filter(|token| !token.is_empty()) {
                        Some(next) => next.clone_into(&mut page),
                        None => return Some(false),
                    }
                }
            }
            None => {}
        }
        // Without a paid edition, who is in it directly can still be told; who is not, may be so
        // through another group.
        let query = encoded(&[("memberKey.id", key)]);
        ask(format!("{memberships}:lookup"), query).await.map(|_| true)
    }
}

fn tag(tag: EffectiveTag) -> Tag {
    let value = tag.namespaced_tag_value.rsplit('/').next().unwrap_or_default().to_owned();
    Tag { key: tag.namespaced_tag_key, key_id: tag.tag_key, value, value_id: tag.tag_value }
}
