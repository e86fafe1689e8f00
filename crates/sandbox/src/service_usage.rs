//! Service Usage v1: which APIs are on, for which gcloud asks before it deploys, and that they be turned on,
//! as it does in each new project.

use serde_json::{Value, json};

use super::api_error::ApiError;
use super::world::Project;

/// The APIs that the sandbox has, as Service Usage names them.
const APIS: [&str; 6] = [
    "cloudidentity.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "iam.googleapis.com",
    "iap.googleapis.com",
    "orgpolicy.googleapis.com",
    "run.googleapis.com",
];

/// Whether an API may be turned on: those that are here, and the bundle that gcloud turns on in each new
/// project.
fn may_be_on(api: &str) -> bool {
    APIS.contains(&api) || api == "cloudapis.googleapis.com"
}

/// Service Usage v1's word on an API, for which `gcloud run deploy` asks before all else.
fn enabled(project: &Project, api: &str) -> Value {
    json!({
        "name": format!("projects/{}/services/{api}", project.number),
        "config": {"name": api},
        "state": "ENABLED",
        "parent": format!("projects/{}", project.number),
    })
}

/// The routes below `v1/projects/P/services/API`; `None` for one that is not there.
pub(super) fn answer(
    project: &Project,
    (method, api, verb): (&str, &str, &str),
) -> Option<Result<Value, ApiError>> {
    match (method, verb) {
        ("GET", "") => APIS.contains(&api).then(|| Ok(enabled(project, api))),
        // That an API is on already is what turning it on answers too.
        ("POST", "enable") if may_be_on(api) => Some(Ok(json!({
            "name": "operations/noop.DONE_OPERATION",
            "done": true,
            "response": {
                "@type": "type.googleapis.com/google.api.serviceusage.v1.EnableServiceResponse",
                "service": enabled(project, api),
            },
        }))),
        _ => None,
    }
}
