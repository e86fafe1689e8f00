//! The service accounts that are kept.

use serde_json::{Value, json};

use super::stamps::new_etag;
use super::world::{Collection, Project, World};
use crate::dialect::api_error::ApiError;
use crate::dialect::wire::remove;

/// The unique id of an account, by its address.
pub(crate) fn unique_id_of(world: &World<'_>, email: &str) -> Result<Option<String>, ApiError> {
    let found = world.service_account(email)?;
    Ok(found.and_then(|account| account["uniqueId"].as_str().map(str::to_owned)))
}

/// The address of an account, by its unique id.
pub(crate) fn email_of(world: &World<'_>, unique_id: &str) -> Result<Option<String>, ApiError> {
    let found = world.service_account_by_id(unique_id)?;
    Ok(found.and_then(|account| account["email"].as_str().map(str::to_owned)))
}

/// The full name of an account, by its address.
pub(crate) fn full_name(world: &World<'_>, email: &str) -> Result<Option<String>, ApiError> {
    let found = world.service_account(email)?;
    Ok(found.and_then(|account| account["name"].as_str().map(str::to_owned)))
}

/// What of an account says that it is turned off.
const OFF: &str = "disabled";

/// Whether an account is turned off: it gets no tokens, and those it has are rejected (documented).
pub(crate) fn is_off(account: &Value) -> bool {
    account[OFF] == true
}

/// Turns an account on or off.
pub(crate) fn turn(account: &mut Value, off: bool) {
    if off {
        account[OFF] = Value::from(true);
    } else {
        remove(account, OFF);
    }
}

/// Keeps an account that is not there yet.
pub(crate) fn put(world: &World<'_>, project: &str, email: &str) -> rusqlite::Result<()> {
    if world.has_service_account(email)? {
        return Ok(());
    }
    world.put_resource(place(project), email, &new_account(project, email))
}

pub(crate) fn new_account(project: &str, email: &str) -> Value {
    let unique = format!("1{:020}", fastrand::u64(..10_u64.pow(19)));
    json!({
        "name": format!("projects/{project}/serviceAccounts/{email}"),
        "projectId": project,
        "uniqueId": unique,
        "email": email,
        "etag": new_etag(),
        "oauth2ClientId": unique,
    })
}

pub(crate) fn place(project: &str) -> Collection<'_> {
    Collection { kind: "serviceAccounts", project, region: "" }
}

/// The address of the identity by which an API acts in a project, by the project's number
/// (documented: its table of service agents); `None` for what is no API.
pub(crate) fn agent_of(api: &str, number: &str) -> Option<String> {
    let domain = match api.strip_suffix(".googleapis.com")? {
        "run" => "serverless-robot-prod".to_owned(),
        "cloudfunctions" => "gcf-admin-robot".to_owned(),
        "compute" => "compute-system".to_owned(),
        name => format!("gcp-sa-{name}"),
    };
    Some(format!("service-{number}@{domain}.iam.gserviceaccount.com"))
}

/// The field of a project's facts that holds the identities of APIs that were made in it. A project of
/// the seeded world has none: its APIs have been in use, and all act.
const AGENTS: &str = "agents";

/// What is known of a new project's identities: Cloud Run, which is on, acts.
pub(crate) fn first_agents(number: &str) -> (&'static str, Value) {
    (AGENTS, json!([agent_of("run.googleapis.com", number)]))
}

/// Whether the identity of an API is there in a project.
pub(crate) fn has_agent(project: &Project, email: &str) -> bool {
    project.facts[AGENTS].as_array().is_none_or(|made| made.iter().any(|known| known == email))
}

/// Keeps the identity of an API in a project.
pub(crate) fn put_agent(world: &World<'_>, project: &str, email: &str) -> Result<(), ApiError> {
    let Some(mut project) = world.project(project)? else { return Ok(()) };
    if !has_agent(&project, email)
        && let Some(made) = project.facts[AGENTS].as_array_mut()
    {
        made.push(Value::from(email));
        world.put_facts(&project)?;
    }
    Ok(())
}
