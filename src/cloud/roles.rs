//! Roles: the permissions of roles that are not in the built-in tables, and the custom roles of a
//! project or organization.

use google_cloud_iam_admin_v1::model::role::RoleLaunchStage;
use google_cloud_iam_admin_v1::model::{ListRolesResponse, Role};

use super::ancestors::why;
use super::api::Api;
use super::cache::ReadResult;
use super::failure::Failure;
use super::gateway::Gateway;
use super::request::{Read, parsed};
use crate::domain::evidence::{PolicyLayer, RoleFacts, Roles, unknown_roles};
use crate::domain::invokers::Grant;
use crate::domain::member::Member;
use crate::domain::role::CustomRole;
use crate::transport::encoded;

impl Gateway {
    /// The known facts about the roles in policies that may matter to `caller`. Roles that are not
    /// in the built-in tables were read along with the policies that name them.
    pub(super) async fn roles_in(
        &self,
        layers: &[PolicyLayer<Grant>],
        caller: Option<&Member>,
    ) -> Roles {
        let granted = layers.iter().flat_map(|layer| layer.read.iter().flatten());
        let mut roles = Roles::new();
        for name in unknown_roles(granted, caller) {
            let facts = self.role(&name).await.ok();
            roles.insert(name, facts);
        }
        roles
    }

    /// The permissions of the roles in these grants that are not in the built-in tables.
    pub async fn roles_granted(&self, grants: &[Grant]) -> Roles {
        self.know_roles(unknown_roles(grants, None)).await;
        let layer = PolicyLayer { resource: String::new(), read: Ok(grants.to_vec()) };
        self.roles_in(&[layer], None).await
    }

    /// Reads roles in parallel.
    pub(super) async fn know_roles(&self, names: Vec<String>) {
        futures::future::join_all(names.iter().map(|name| self.role(name))).await;
    }

    /// The permissions of a role.
    pub(super) async fn role(&self, name: &str) -> ReadResult<RoleFacts> {
        let read = async {
            let call = format!("read the role `{name}`");
            let path = format!("/v1/{name}");
            let role: Role = self.told(Read::of(Api::Iam, &call, &path)).await?;
            Ok(RoleFacts {
                is_dead: role.deleted || role.stage == RoleLaunchStage::Disabled,
                permissions: role.included_permissions,
            })
        };
        self.seen.roles.get(name, read).await
    }

    /// The custom roles of a project and of its organization, with their permissions. If the
    /// organization's roles could not be read, also the reason.
    pub async fn custom_roles(
        &self,
        project: &str,
    ) -> Result<(Vec<CustomRole>, Vec<String>), Failure> {
        let of_project = format!("projects/{project}");
        let organization = async {
            match self.organization_of(project).await? {
                Some(organization) => {
                    self.roles_of(&organization).await.map_err(|error| why(&error))
                }
                None => Ok(Vec::new()),
            }
        };
        let (own, above) = tokio::join!(self.roles_of(&of_project), organization);
        let mut roles = own?;
        let mut unread = Vec::new();
        match above {
            Ok(more) => roles.extend(more),
            Err(why) => unread.push(format!("the organisation's roles could not be read: {why}")),
        }
        Ok((roles, unread))
    }

    async fn roles_of(&self, owner: &str) -> Result<Vec<CustomRole>, Failure> {
        let call = format!("list the roles of `{owner}`");
        let path = format!("/v1/{owner}/roles");
        let (mut roles, mut page) = (Vec::new(), String::new());
        loop {
            let query = encoded(&[("view", "FULL"), ("pageSize", "1000"), ("pageToken", &page)]);
            let read = Read::of(Api::Iam, &call, &path).with_query(&query);
            let list: ListRolesResponse = parsed(&call, &self.ask(read).await?)?;
            roles.extend(list.roles.into_iter().map(|role| CustomRole {
                name: role.name,
                title: role.title,
                stage: role.stage.name().unwrap_or("UNKNOWN").to_owned(),
                is_disabled: role.stage == RoleLaunchStage::Disabled,
                is_deleted: role.deleted,
                permissions: role.included_permissions,
            }));
            if list.next_page_token.is_empty() {
                return Ok(roles);
            }
            page = list.next_page_token;
        }
    }
}
