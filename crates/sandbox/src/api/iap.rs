//! Identity-Aware Proxy v1: the policies of who may pass, at a project, a region and a service. The
//! names of these resources are observed.

use super::call::{Answer, Call};
use super::iam;
use super::policy_check::Rules;
use crate::dialect::api_error::ApiError;
use crate::records::iap::{RUN, WEB};
use crate::records::roles::is_permission;
use runaccess_domain::resource::ServiceName;

/// A verb of IAM on what is below `v1/projects/P/iap_web`.
pub(crate) fn policy(call: &Call<'_>) -> Answer {
    let parts: Vec<&str> = call.path.parts.iter().map(String::as_str).collect();
    let elsewhere = || ApiError::no_such_method("POST", &call.path.parts.join("/"));
    let ["v1", "projects", _, "iap_web", rest @ ..] = parts.as_slice() else {
        return Err(elsewhere());
    };
    let site = call.site()?;
    let project = site.project;
    let web = format!("projects/{}/{WEB}", project.id);
    let (resource, kind) = match rest {
        [] => (web, "web"),
        [kind] => (format!("{web}/{kind}"), "webTypes"),
        [kind, "services", service] => {
            let region = kind.strip_prefix(RUN).ok_or_else(elsewhere)?;
            let name = ServiceName::new(&project.id, region, *service);
            if site.world.service(&name)?.is_none() {
                return Err(ApiError::no_service(&project.id, region, service));
            }
            (format!("{web}/{kind}/services/{service}"), "webServices")
        }
        _ => return Err(elsewhere()),
    };
    if call.verb() != "testIamPermissions" {
        call.visit.require(&format!("iap.{kind}.{}", call.verb()), &resource)?;
    }
    let rules = Rules { run_roles_only: false, ..site.rules() };
    iam::verb(call, &resource, rules, is_permission)
}
