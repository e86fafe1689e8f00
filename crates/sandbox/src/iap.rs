//! Identity-Aware Proxy v1: the policies of who may pass, at a project, a region and a service. The
//! names of these resources are observed.

use serde_json::Value;

use super::api_error::ApiError;
use super::authority::{self, Visit};
use super::iam;
use super::policy_check::Rules;
use super::query::Query;
use super::resource_manager::is_permission;
use super::world::{Project, World};
use runaccess_domain::invokers::Grant;
use runaccess_domain::resource::ServiceName;

const WEB: &str = "iap_web";
const RUN: &str = "cloud_run-";

/// The names under which the policies on a service's way are kept, the nearest first.
fn on_the_way(name: &ServiceName) -> [String; 3] {
    let web = format!("projects/{}/{WEB}", name.project());
    let region = format!("{web}/{RUN}{}", name.region());
    [format!("{region}/services/{}", name.service()), region, web]
}

/// The grants on a service's way, the nearest resource first.
pub(super) fn grants(
    world: &World<'_>,
    name: &ServiceName,
) -> Result<Vec<(String, Vec<Grant>)>, ApiError> {
    let of = |resource: String| Ok((resource.clone(), authority::grants(world, &resource)?));
    on_the_way(name).into_iter().map(of).collect()
}

/// A verb of IAM below `v1/projects/P/iap_web`; `None` for what is not there.
pub(super) fn answer(
    visit: Visit<'_>,
    project: &Project,
    (rest, verb): (&[&str], &str),
    query: &Query,
    body: &Value,
) -> Option<Result<Value, ApiError>> {
    let web = format!("projects/{}/{WEB}", project.id);
    let (resource, kind) = match rest {
        [] => (web, "web"),
        [kind] => (format!("{web}/{kind}"), "webTypes"),
        [kind, "services", service] => {
            let region = kind.strip_prefix(RUN)?;
            let name = ServiceName::new(&project.id, region, *service);
            match visit.world.service(&name) {
                Ok(Some(_)) => {}
                Ok(None) => {
                    return Some(Err(ApiError::no_service(&project.id, region, service)));
                }
                Err(error) => return Some(Err(error.into())),
            }
            (format!("{web}/{kind}/services/{service}"), "webServices")
        }
        _ => return None,
    };
    if verb != "testIamPermissions" {
        let permission = format!("iap.{kind}.{verb}");
        if let Err(error) = visit.require(&permission, &resource) {
            return Some(Err(error));
        }
    }
    let (domain, constraints) = (project.domain.as_str(), project.constraints.as_slice());
    let rules = Rules { domain, constraints, run_roles_only: false, named_only: false };
    let asker = (visit.who, visit.now);
    iam::verb(visit.world, asker, verb, &resource, rules, (query, body), is_permission)
}
