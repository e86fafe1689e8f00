//! Deny policies (IAM v2): what they take away, whatever is granted.
//!
//! They are attached to a project, a folder or the organisation and hold for all below
//! (documented). Their principals are written in forms of their own; `domain::principal` knows both.

use super::condition::Condition;
use super::member::Member;

/// One rule of a deny policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DenyRule {
    /// The policy that it stands in, such as `policies/…/denypolicies/no-contractors`.
    pub policy: String,
    pub denied_principals: Vec<Member>,
    pub exception_principals: Vec<Member>,
    /// Such as `run.googleapis.com/routes.invoke`, or a group of them: `run.googleapis.com/*.*`.
    pub denied_permissions: Vec<String>,
    pub exception_permissions: Vec<String>,
    pub condition: Option<Condition>,
}

impl DenyRule {
    /// The policy's own id.
    pub fn policy_id(&self) -> &str {
        self.policy.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it is about a permission, in the form that allow policies have:
    /// `run.routes.invoke`.
    pub fn covers(&self, permission: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| names(pattern, permission));
        any(&self.denied_permissions) && !any(&self.exception_permissions)
    }
}

/// Whether a deny policy's permission, or group of permissions (`SERVICE/*.*`, `SERVICE/KIND.*`,
/// `SERVICE/*.VERB`: documented), names a permission.
fn names(pattern: &str, permission: &str) -> bool {
    let Some((service, rest)) = permission.split_once('.') else { return false };
    let Some((kind, verb)) = rest.rsplit_once('.') else { return false };
    let Some((host, denied)) = pattern.split_once('/') else { return false };
    // Each API's host is its permissions' first word, but for the Resource Manager's.
    let service = if service == "resourcemanager" { "cloudresourcemanager" } else { service };
    let Some((denied_kind, denied_verb)) = denied.rsplit_once('.') else { return false };
    host.strip_suffix(".googleapis.com") == Some(service)
        && (denied_kind == "*" || denied_kind == kind)
        && (denied_verb == "*" || denied_verb == verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_and_their_groups_are_named_in_a_form_of_their_own() {
        for (pattern, permission, is_named) in [
            ("run.googleapis.com/routes.invoke", "run.routes.invoke", true),
            ("run.googleapis.com/routes.*", "run.routes.invoke", true),
            ("run.googleapis.com/*.invoke", "run.routes.invoke", true),
            ("run.googleapis.com/*.*", "run.routes.invoke", true),
            ("run.googleapis.com/services.*", "run.routes.invoke", false),
            ("run.googleapis.com/*.get", "run.routes.invoke", false),
            ("iam.googleapis.com/*.*", "run.routes.invoke", false),
            ("run.routes.invoke", "run.routes.invoke", false),
            ("run.googleapis.com/*", "run.routes.invoke", false),
            (
                "cloudresourcemanager.googleapis.com/projects.get",
                "resourcemanager.projects.get",
                true,
            ),
            (
                "iap.googleapis.com/webServiceVersions.accessViaIAP",
                "iap.webServiceVersions.accessViaIAP",
                true,
            ),
        ] {
            assert_eq!(names(pattern, permission), is_named, "{pattern} {permission}");
        }
    }

    #[test]
    fn an_exception_takes_a_permission_out() {
        let rule = DenyRule {
            denied_permissions: vec!["run.googleapis.com/*.*".to_owned()],
            exception_permissions: vec!["run.googleapis.com/*.get".to_owned()],
            ..DenyRule::default()
        };
        assert!(rule.covers("run.routes.invoke"));
        assert!(!rule.covers("run.services.get"));
    }
}
