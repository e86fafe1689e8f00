//! Service Usage v1: which APIs are on, for which gcloud asks before it deploys, and that they be turned on,
//! as it does in each new project; and the identities by which APIs act (v1beta1).

use serde_json::{Value, json};

use super::call::{Answer, Call};
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::{PageSize, page, page_request, slice};
use crate::records::accounts;
use crate::records::world::Project;

const PAGE: PageSize = PageSize { usual: 50, most: 200 };

/// The APIs that the sandbox has, as Service Usage names them: on in every project.
const APIS: [&str; 10] = [
    "cloudasset.googleapis.com",
    "cloudfunctions.googleapis.com",
    "cloudidentity.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "iap.googleapis.com",
    "orgpolicy.googleapis.com",
    "run.googleapis.com",
    "serviceusage.googleapis.com",
];

/// Service Usage's word on an API, for which `gcloud run deploy` asks before all else.
fn shown(project: &Project, api: &str) -> Value {
    json!({
        "name": format!("projects/{}/services/{api}", project.number),
        "config": {"name": api},
        "state": if APIS.contains(&api) { "ENABLED" } else { "DISABLED" },
        "parent": format!("projects/{}", project.number),
    })
}

pub(crate) fn get(call: &Call<'_>) -> Answer {
    Ok(shown(call.site()?.project, call.after("services")))
}

/// Lists the APIs that are on; those that are off are all others that Google has, of which the
/// sandbox has no list.
pub(crate) fn list(call: &Call<'_>) -> Answer {
    let project = call.site()?.project;
    let is_listed = match call.query.get("filter").unwrap_or_default() {
        "" | "state:ENABLED" => true,
        "state:DISABLED" => false,
        other => return Err(ApiError::invalid(format!("Invalid filter: {other}."))),
    };
    let on: &[&str] = if is_listed { &APIS } else { &[] };
    let request = page_request(call.query, PAGE)?;
    let (some, next) = slice(request, on);
    Ok(page("services", some.iter().map(|api| shown(project, api)).collect(), next))
}

/// Of up to thirty (documented), each by its name.
pub(crate) fn batch_get(call: &Call<'_>) -> Answer {
    let project = call.site()?.project;
    let names = call.query.all("names");
    if names.is_empty() || names.len() > 30 {
        return Err(ApiError::invalid("A batch has 1 to 30 names."));
    }
    let show = |name: &&str| shown(project, name.rsplit('/').next().unwrap_or_default());
    Ok(json!({"services": names.iter().map(show).collect::<Vec<_>>()}))
}

/// Turns an API on: those that are here are on already, and so is the bundle that gcloud turns on
/// in each new project.
pub(crate) fn enable(call: &Call<'_>) -> Answer {
    let (project, api) = (call.site()?.project, call.after("services"));
    if !APIS.contains(&api) && api != "cloudapis.googleapis.com" {
        return Err(ApiError::not_implemented(&format!("the API {api}, to be turned on")));
    }
    let mut service = shown(project, api);
    service["state"] = Value::from("ENABLED");
    Ok(json!({
        "name": "operations/noop.DONE_OPERATION",
        "done": true,
        "response": {
            "@type": "type.googleapis.com/google.api.serviceusage.v1.EnableServiceResponse",
            "service": service,
        },
    }))
}

/// Makes the identity by which an API acts in a project, if it is not there yet.
pub(crate) fn generate_identity(call: &Call<'_>) -> Answer {
    let (site, api) = (call.site()?, call.after("services"));
    let Some(email) = accounts::agent_of(api, &site.project.number) else {
        return Err(ApiError::invalid(format!("{api} has no identity that the sandbox knows.")));
    };
    accounts::put_agent(site.world, &site.project.id, &email)?;
    Ok(json!({
        "name": "operations/noop.DONE_OPERATION",
        "done": true,
        "response": {
            "@type": "type.googleapis.com/google.api.serviceusage.v1beta1.ServiceIdentity",
            "email": email,
            "uniqueId": crate::signing::issuer::unique_id(&email),
        },
    }))
}
