//! Reads everything that affects who may invoke a service, in parallel: its policy, those of its
//! ancestors, roles, groups, tags, Identity-Aware Proxy, and Cloud Run's own answer about the
//! caller.

use futures::{StreamExt, stream};
use google_cloud_iam_v1::model::TestIamPermissionsResponse;
use google_cloud_resourcemanager_v3::model::{EffectiveTag, ListEffectiveTagsResponse};
use serde_json::json;

use super::ancestors::{AT_VERSION_3, Ancestors, why};
use super::api::Api;
use super::cache::ReadResult;
use super::failure::Failure;
use super::failure_kind::FailureKind;
use super::gateway::Gateway;
use super::groups::Memberships;
use super::request::{Read, parsed};
use crate::domain::access::{ABOVE, Hierarchy, iap_agent};
use crate::domain::condition::{Tag, Tags};
use crate::domain::evidence::{
    Groups, PolicyLayer, ResourceEvidence, ServiceEvidence, named_in, unknown_roles,
};
use crate::domain::invokers::{Grant, grants};
use crate::domain::member::{Member, MemberKind, OF_A_PLACE};
use crate::domain::permission::Permission;
use crate::domain::policy::Policy;
use crate::domain::principal::project_in;
use crate::domain::resource::{Invoked, ServiceName};
use crate::domain::role::{PASS_IAP, RUN_JOB, RUN_JOB_WITH_OVERRIDES};
use crate::domain::target::Target;
use crate::transport::encoded;

/// The number of group members that are looked up in parallel.
pub(super) const WIDTH: usize = 8;

/// The evidence on a resource and its ancestors, before groups are looked up.
struct Collected {
    around: ResourceEvidence,
    memberships: Memberships,
    /// Why the resource's own policy was not read.
    own: Option<Failure>,
}

/// The principal for which evidence is gathered.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// No particular principal: every role counts, and groups are not read.
    Anyone,
    /// A principal. `is_self` if it is the active account, about which Cloud Run itself can be
    /// asked.
    One { member: &'a Member, is_self: bool },
}

impl<'a> Subject<'a> {
    fn member(self) -> Option<&'a Member> {
        match self {
            Self::Anyone => None,
            Self::One { member, .. } => Some(member),
        }
    }
}

impl Gateway {
    /// Gathers the evidence on who may invoke a service. Fails only if the service itself cannot be
    /// read.
    pub async fn gather(
        &self,
        name: &ServiceName,
        whose: Subject<'_>,
    ) -> Result<ServiceEvidence, Failure> {
        // Boxed: the future is large, and every command would carry it.
        Box::pin(self.gathered(name, whose)).await
    }

    async fn gathered(
        &self,
        name: &ServiceName,
        whose: Subject<'_>,
    ) -> Result<ServiceEvidence, Failure> {
        let caller = whose.member();
        let asked = async {
            match whose {
                Subject::One { is_self: true, .. } => self.may_invoke(name).await.ok().flatten(),
                _ => None,
            }
        };
        let service = async {
            let service = self.service(name).await?;
            let iap = if service.iap { self.iap_policies(name, caller).await } else { Vec::new() };
            Ok::<_, Failure>((service, iap))
        };
        let target = Target::from(name.clone());
        let (service, around, told) = tokio::join!(service, self.around(&target, caller), asked);
        let (service, iap) = service?;
        let Collected { around, memberships, .. } = around;
        let mut gathered = ServiceEvidence { service, around, iap, told };
        // Behind Identity-Aware Proxy, the proxy's own service account must be granted access.
        let agent =
            iap_agent(&gathered.around.place).filter(|_| gathered.service.iap && caller.is_some());
        let around = &gathered.around;
        let layers = || around.allow.iter().chain(&gathered.iap);
        let of_caller = async {
            match caller {
                Some(caller) => self.groups(caller, memberships, layers(), &around.deny).await,
                None => Groups::new(),
            }
        };
        let of_agent = async {
            match &agent {
                Some(agent) => {
                    let memberships = self.memberships(Some(agent)).await;
                    self.groups(agent, memberships, layers(), &around.deny).await
                }
                None => Groups::new(),
            }
        };
        let (mut groups, more) = tokio::join!(of_caller, of_agent);
        groups.extend(more);
        gathered.around.groups = groups;
        let layers: Vec<_> = gathered.around.allow.iter().chain(&gathered.iap).cloned().collect();
        gathered.around.roles.extend(self.roles_in(&layers, caller).await);
        if let Some(agent) = &agent {
            let granted =
                gathered.around.allow.iter().flat_map(|layer| layer.read.iter().flatten());
            self.know_roles(unknown_roles(granted, Some(agent))).await;
            let more = self.roles_in(&gathered.around.allow, Some(agent)).await;
            gathered.around.roles.extend(more);
        }
        if let Some(caller) = caller {
            let ServiceEvidence { service, around, iap, .. } = &mut gathered;
            let (own, permission) = if service.iap {
                (iap.as_slice(), PASS_IAP.into())
            } else {
                (&[][..], service.name.permission())
            };
            if service.iap || service.invoker_check {
                self.look_into(caller, around, own, permission).await;
            }
        }
        Ok(gathered)
    }

    /// If the subject is a group whose access can depend on its members, reads the members and
    /// their groups. `iap` are the policies that apply instead of the resource's own.
    async fn look_into(
        &self,
        group: &Member,
        around: &mut ResourceEvidence,
        iap: &[PolicyLayer<Grant>],
        permission: Permission<'_>,
    ) {
        let own = usize::from(!iap.is_empty());
        let layers = || iap.iter().chain(around.allow.iter().skip(own));
        let is_group = group.kind() == MemberKind::Group;
        // Boundaries apply to each member separately. Only jobs are checked for them.
        let of_jobs = [RUN_JOB, RUN_JOB_WITH_OVERRIDES].map(Permission::new);
        let is_bound = of_jobs.contains(&permission);
        if !is_group || !(is_bound || around.turns_on_members(group, permission, layers())) {
            return;
        }
        let Some(members) = self.members_of(group.address()).await else { return };
        let read = stream::iter(&members.read).map(async |member| {
            let memberships = self.memberships(Some(member)).await;
            let met = around.allow.iter().chain(iap);
            let groups = self.groups(member, memberships, met, &around.deny).await;
            (groups, self.home_of_caller(member, around).await)
        });
        let read: Vec<_> = read.buffered(WIDTH).collect().await;
        let (groups, homes): (Vec<Groups>, Vec<Option<Hierarchy>>) = read.into_iter().unzip();
        around.groups.extend(groups.into_iter().flatten());
        let in_it = members.read.iter().map(Member::key);
        let address = group.address().to_lowercase();
        around.groups.extend(in_it.map(|key| ((address.clone(), key), Some(true))));
        around.place.homes.extend(homes.into_iter().flatten());
        around.members = Some(members);
    }

    /// Gathers the evidence on who holds a permission on a job, with Cloud Run's own answer about
    /// the active account. Fails if the job does not exist.
    pub async fn gather_workload(
        &self,
        job: &Target,
        whose: Subject<'_>,
        permission: Permission<'_>,
    ) -> Result<(ResourceEvidence, Option<bool>), Failure> {
        let caller = whose.member();
        let asked = async {
            match whose {
                Subject::One { is_self: true, .. } => {
                    self.may(job, permission).await.ok().flatten()
                }
                _ => None,
            }
        };
        let (around, told) = tokio::join!(Box::pin(self.around(job, caller)), asked);
        let Collected { mut around, memberships, own } = around;
        if let Some(failure) = own.filter(|failure| failure.kind == FailureKind::NotFound) {
            return Err(failure);
        }
        if let Some(caller) = caller {
            let (allow, deny) = (around.allow.iter(), &around.deny);
            around.groups = self.groups(caller, memberships, allow, deny).await;
        }
        let more = self.roles_in(&around.allow, caller).await;
        around.roles.extend(more);
        if let Some(caller) = caller {
            self.look_into(caller, &mut around, &[], permission).await;
        }
        around.boundaries = Some(self.boundaries(caller, &mut around).await);
        Ok((around, told))
    }

    /// Reads the policies of a resource and its ancestors.
    async fn around(&self, target: &Target, caller: Option<&Member>) -> Collected {
        let own = async {
            let read = self.policy_of(target).await.map(|policy| grants(&policy));
            if let Ok(granted) = &read {
                self.know_roles(unknown_roles(granted, caller)).await;
            }
            read
        };
        // Read in any case: whether a condition uses tags is known only at the end, and a later
        // read would cost one more round trip.
        let tags = async {
            let number = self.project_number(target.project()).await.ok();
            self.tags(target, number.as_deref()).await.ok()
        };
        let (own, above, memberships, tags) =
            tokio::join!(own, self.above(target.project(), caller), self.memberships(caller), tags);
        let Ancestors { place, allow, deny, roles } = above;
        let read = own.clone().map_err(|failure| why(&failure));
        let layer = PolicyLayer { resource: target.to_string(), read };
        let (own, allow) = (own.err(), std::iter::once(layer).chain(allow).collect());
        let groups = Groups::new();
        let mut around = ResourceEvidence {
            allow,
            deny,
            boundaries: None,
            place,
            roles,
            groups,
            members: None,
            tags,
        };
        if let Some(caller) = caller {
            around.place.homes.extend(self.home_of_caller(caller, &around).await);
        }
        Collected { around, memberships, own }
    }

    /// The hierarchy of a caller's project, if it is another project than the resource's and a
    /// policy names the service accounts of a project, folder or organization.
    async fn home_of_caller(
        &self,
        caller: &Member,
        around: &ResourceEvidence,
    ) -> Option<Hierarchy> {
        if caller.kind() != MemberKind::ServiceAccount {
            return None;
        }
        let place = &around.place;
        let mut named = named_in(around.allow.iter(), &around.deny);
        if !is_of_another(caller, place)
            || !named.any(|member| member.as_str().starts_with(OF_A_PLACE))
        {
            return None;
        }
        self.home_of(caller.address()).await
    }

    /// Asks Cloud Run whether the active account may invoke a service or an instance: one call that
    /// takes groups, inheritance and deny policies into account. `None` if its answer does not tell.
    pub async fn may_invoke(&self, name: &ServiceName) -> Result<Option<bool>, Failure> {
        self.may(&name.clone().into(), name.permission()).await
    }

    /// Asks Cloud Run whether the active account holds a permission on a resource.
    async fn may(
        &self,
        target: &Target,
        permission: Permission<'_>,
    ) -> Result<Option<bool>, Failure> {
        let does = if target.service().is_some() { "invoked" } else { "run" };
        let call = format!("ask whether `{}` may be {does}", target.short());
        let path = format!("/v2/{target}:testIamPermissions");
        let body = json!({"permissions": permission.names().collect::<Vec<_>>()}).to_string();
        let read = Read::of(Api::Run, &call, &path).with_body(&body);
        let answer: TestIamPermissionsResponse = parsed(&call, &self.ask(read).await?)?;
        Ok(permission.held(|name| Some(answer.permissions.iter().any(|held| held == name))))
    }

    /// The policies that may allow principals to obtain tokens of a service account: its own, and
    /// those of its project and the project's ancestors, with the roles in them that are not in the
    /// built-in tables. Does not read deny policies or groups. `home` is a project whose number and
    /// ID are known.
    pub async fn account_policies(&self, address: &str, home: &Hierarchy) -> ResourceEvidence {
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
            PolicyLayer { resource: resource.clone(), read }
        };
        let above = async {
            match project_in(address) {
                Some(number) if home.number.as_deref() == Some(number) => {
                    self.above(&home.project, None).await
                }
                Some(project) => self.above(project, None).await,
                None => Ancestors {
                    allow: vec![PolicyLayer {
                        resource: format!("{ABOVE}{resource}"),
                        read: Err("its address does not say of which project it is".to_owned()),
                    }],
                    ..Ancestors::default()
                },
            }
        };
        let (own, above) = tokio::join!(own, above);
        let own = vec![own];
        let mut roles = above.roles;
        roles.extend(self.roles_in(&own, None).await);
        let allow = own.into_iter().chain(above.allow).collect();
        let (deny, groups) = (Vec::new(), Groups::new());
        ResourceEvidence {
            allow,
            deny,
            boundaries: None,
            place: home.clone(),
            roles,
            groups,
            members: None,
            tags: None,
        }
    }

    /// The Identity-Aware Proxy policies that apply to a service, nearest first. The names of these
    /// resources are observed; they contain the project's number.
    async fn iap_policies(
        &self,
        name: &ServiceName,
        caller: Option<&Member>,
    ) -> Vec<PolicyLayer<Grant>> {
        let number = self.project_number(name.project()).await;
        let project = number.unwrap_or_else(|_| name.project().to_owned());
        let web = format!("projects/{project}/iap_web");
        let region = format!("{web}/cloud_run-{}", name.region());
        let service = format!("{region}/services/{}", name.service());
        let own = match name.kind() {
            Invoked::Service => Some(service),
            // Under which name it is there was not found.
            Invoked::Instance => None,
        };
        let read = [own, Some(region), Some(web)].map(async |resource| {
            let Some(resource) = resource else {
                let why = "where Identity-Aware Proxy keeps that of an instance is not known";
                return PolicyLayer { resource: name.to_string(), read: Err(why.to_owned()) };
            };
            let call = format!("read the IAP policy of `{resource}`");
            let path = format!("/v1/{resource}:getIamPolicy");
            let asked = Read::of(Api::Iap, &call, &path).with_body(AT_VERSION_3);
            let read = self.told::<Policy>(asked).await.map(|policy| grants(&policy));
            if let Ok(granted) = &read {
                self.know_roles(unknown_roles(granted, caller)).await;
            }
            PolicyLayer { resource, read }
        });
        futures::future::join_all(read).await
    }

    /// The tags in force on a service. The resource name contains the project's number
    /// (documented). Tags of regional resources are read at their region's endpoint (reported for
    /// bindings, assumed for effective tags).
    async fn tags(&self, target: &Target, number: Option<&str>) -> ReadResult<Tags> {
        let project = number.unwrap_or(target.project());
        let name = target.to_string();
        let below = name.splitn(3, '/').nth(2).unwrap_or_default();
        let full = format!("//run.googleapis.com/projects/{project}/{below}");
        let call = format!("read the tags of `{}`", target.short());
        let (mut tags, mut page) = (Vec::new(), String::new());
        loop {
            let query = encoded(&[("parent", &full), ("pageSize", "300"), ("pageToken", &page)]);
            let read = Read::of(Api::ResourceManager, &call, "/v3/effectiveTags");
            let read = read.with_query(&query).in_region(target.region().unwrap_or_default());
            let list: ListEffectiveTagsResponse = self.told(read).await?;
            tags.extend(list.effective_tags.into_iter().map(tag));
            page = list.next_page_token;
            if page.is_empty() {
                return Ok(tags.into());
            }
        }
    }
}

/// Whether a service account belongs to another project, by its address.
pub(super) fn is_of_another(account: &Member, place: &Hierarchy) -> bool {
    project_in(account.address())
        .is_some_and(|home| home != place.project && Some(home) != place.number.as_deref())
}

fn tag(tag: EffectiveTag) -> Tag {
    let value = tag.namespaced_tag_value.rsplit('/').next().unwrap_or_default().to_owned();
    Tag { key: tag.namespaced_tag_key, key_id: tag.tag_key, value, value_id: tag.tag_value }
}
