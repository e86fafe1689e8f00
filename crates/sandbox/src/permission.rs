//! Which permission a request needs, and of which resource: documented for each method, but for
//! those of domain mappings, which no predefined role names and which are taken to be a route's.

/// What a request is about, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    /// The path, at its slashes.
    pub(super) parts: &'a [&'a str],
    /// What stands after the path's colon.
    pub(super) verb: &'a str,
    /// The region of the host name.
    pub(super) host_region: Option<&'a str>,
}

/// A permission, and the resource on which it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needed {
    pub(super) permission: String,
    pub(super) resource: String,
}

/// What a request needs; `None` if everybody may ask, or if the one who answers decides.
/// `project` is the id of the project that the path names, whichever way it does.
pub(super) fn needed(asked: Asked<'_>, project: Option<&str>) -> Option<Needed> {
    if matches!(asked.verb, "testIamPermissions" | "generateAccessToken" | "generateIdToken") {
        return None;
    }
    let of = |permission: &str, resource: String| {
        Some(Needed { permission: permission.to_owned(), resource })
    };
    let home = format!("projects/{}", project.unwrap_or_default());
    match (asked.parts, project) {
        (["v1", "projects", _, "serviceAccounts", rest @ ..], Some(_)) => {
            let resource = match rest.first() {
                Some(account) if account.contains('@') => {
                    format!("{home}/serviceAccounts/{}", account.to_lowercase())
                }
                _ => home,
            };
            match rest {
                [_, "keys", keys @ ..] => {
                    let verb = verb(asked, keys.len());
                    of(&format!("iam.serviceAccountKeys.{verb}"), resource)
                }
                _ => of(&format!("iam.serviceAccounts.{}", verb(asked, rest.len())), resource),
            }
        }
        (["v1", "projects", _, "services", ..], Some(_)) => {
            let verb = if asked.verb == "enable" { "enable" } else { "get" };
            of(&format!("serviceusage.services.{verb}"), home)
        }
        (["v1" | "v3", "projects", _], Some(_)) => {
            let verb = match verb(asked, 1) {
                "getAncestry" => "get",
                verb => verb,
            };
            of(&format!("resourcemanager.projects.{verb}"), home)
        }
        (
            ["v3", kind @ ("folders" | "organizations"), id]
            | ["v2", kind @ "folders", id]
            | ["v1", kind @ "organizations", id],
            _,
        ) => of(&format!("resourcemanager.{kind}.{}", verb(asked, 1)), format!("{kind}/{id}")),
        (["v1", "projects", _, "locations"], Some(_)) => of("run.locations.list", home),
        // Which one it is stands nowhere.
        (["v1", "projects", _, "authorizeddomains"], Some(_)) => of("run.services.list", home),
        (["v2", "projects", _, "locations", _, "functions", rest @ ..], Some(_)) => {
            of(&format!("cloudfunctions.functions.{}", verb(asked, rest.len())), home)
        }
        (["v1" | "v2", "projects", _, "locations", region, rest @ ..], Some(_)) => {
            run(asked, &home, region, rest)
        }
        (["apis", _, "v1", "namespaces", _, rest @ ..], Some(_)) => {
            run(asked, &home, asked.host_region.unwrap_or("-"), rest)
        }
        _ => None,
    }
}

fn run(asked: Asked<'_>, home: &str, region: &str, rest: &[&str]) -> Option<Needed> {
    let (kind, below) = match rest {
        [_, _, sub @ ("revisions" | "executions"), below @ ..] => (*sub, below),
        [kind, below @ ..] => (*kind, below),
        [] => return None,
    };
    let kind = if kind == "workerPools" { "workerpools" } else { kind };
    let verb = verb(asked, below.len());
    let permission = match (kind, verb) {
        ("domainmappings", "create" | "delete" | "update") => "run.services.update".to_owned(),
        ("authorizeddomains", _) => "run.services.list".to_owned(),
        ("domainmappings", _) => format!("run.routes.{verb}"),
        _ => format!("run.{kind}.{verb}"),
    };
    let resource = match rest {
        [kind @ ("services" | "jobs" | "workerPools"), name, ..] => {
            format!("{home}/locations/{region}/{kind}/{name}")
        }
        _ => home.to_owned(),
    };
    Some(Needed { permission, resource })
}

fn verb(asked: Asked<'_>, below: usize) -> &str {
    match (asked.method, asked.verb, below) {
        ("POST", "wait" | "exportMetadata", _) => "get",
        (_, verb, _) if !verb.is_empty() => verb,
        ("GET", _, 0) => "list",
        ("POST", "", 0) => "create",
        ("PUT" | "PATCH", ..) => "update",
        ("DELETE", ..) => "delete",
        _ => "get",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_needs_what_is_documented() {
        for (method, path, permission, resource) in [
            (
                "GET",
                "v2/projects/p/locations/r/services/s",
                "run.services.get",
                "p/locations/r/services/s",
            ),
            ("GET", "v2/projects/p/locations/r/services", "run.services.list", "p"),
            ("POST", "v2/projects/p/locations/r/services", "run.services.create", "p"),
            (
                "PATCH",
                "v2/projects/p/locations/r/services/s",
                "run.services.update",
                "p/locations/r/services/s",
            ),
            (
                "GET",
                "v2/projects/p/locations/r/services/s/revisions",
                "run.revisions.list",
                "p/locations/r/services/s",
            ),
            (
                "GET",
                "v1/projects/p/locations/r/services/s:getIamPolicy",
                "run.services.getIamPolicy",
                "p/locations/r/services/s",
            ),
            (
                "POST",
                "v2/projects/p/locations/r/services/s:setIamPolicy",
                "run.services.setIamPolicy",
                "p/locations/r/services/s",
            ),
            (
                "GET",
                "apis/serving.knative.dev/v1/namespaces/p/services/s",
                "run.services.get",
                "p/locations/h/services/s",
            ),
            ("GET", "v1/projects/p/locations/-/domainmappings", "run.routes.list", "p"),
            ("GET", "v1/projects/p/locations", "run.locations.list", "p"),
            ("GET", "v2/projects/p/locations/r/operations/o", "run.operations.get", "p"),
            ("GET", "v3/projects/p", "resourcemanager.projects.get", "p"),
            ("POST", "v3/projects/p:getIamPolicy", "resourcemanager.projects.getIamPolicy", "p"),
            (
                "POST",
                "v1/projects/-/serviceAccounts/A@p.iam.gserviceaccount.com/keys",
                "iam.serviceAccountKeys.create",
                "p/serviceAccounts/a@p.iam.gserviceaccount.com",
            ),
            ("GET", "v1/projects/p/serviceAccounts", "iam.serviceAccounts.list", "p"),
        ] {
            let (path, verb) = path.rsplit_once(':').unwrap_or((path, ""));
            let parts: Vec<&str> = path.split('/').collect();
            let asked = Asked { method, parts: &parts, verb, host_region: Some("h") };
            let needed = needed(asked, Some("p")).unwrap();
            let resource = format!("projects/{resource}");
            assert_eq!(
                (needed.permission.as_str(), needed.resource),
                (permission, resource),
                "{path}"
            );
        }
    }
}
