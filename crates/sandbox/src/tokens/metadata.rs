//! The metadata server: what a program on Google's machines asks of itself.

use serde_json::json;

use crate::dialect::api_error::ApiError;
use crate::records::accounts;
use crate::records::home::{DEFAULT_PROJECT, HOME_REGION};
use crate::records::store::Sandbox;
use crate::request::ApiRequest;
use crate::settings::Settings;
use crate::signing::issuer::Subject;
use runaccess_domain::member::Member;

/// What the identity of an agent begins with.
const AGENT: &str = "principal:";
/// What tells an instance from others: long digits (observed).
const INSTANCE: &str = "00a1b2c3d4e5f60718293a4b5c6d7e8f9012";
const ROOT: &str = "/computeMetadata/v1/";

/// Whether a request is for the metadata server: by its path, or, for the root, by the header
/// that its clients send.
pub(crate) fn is_for_metadata(path: &str, has_flavor: bool) -> bool {
    path.starts_with("/computeMetadata/") || (path == "/" && has_flavor)
}

/// What it answers: a status and a text. `flavor` is the header that tells a client of it from a
/// page in a browser.
pub(crate) fn metadata(
    sandbox: &Sandbox,
    settings: &Settings,
    request: &ApiRequest,
    flavor: Option<&str>,
) -> (u16, String) {
    if flavor != Some("Google") {
        return (403, "Missing Metadata-Flavor:Google header.\n".to_owned());
    }
    match found(sandbox, settings, request) {
        Ok(Some(text)) => (200, text),
        Ok(None) => (404, "Not Found\n".to_owned()),
        Err(error) => (error.code, error.message),
    }
}

fn found(
    sandbox: &Sandbox,
    settings: &Settings,
    request: &ApiRequest,
) -> Result<Option<String>, ApiError> {
    if request.path == "/" {
        return Ok(Some("computeMetadata/\n".to_owned()));
    }
    let Some(path) = request.path.strip_prefix(ROOT) else { return Ok(None) };
    let (email, id, number) = sandbox.read(|world| {
        let project =
            world.project(DEFAULT_PROJECT)?.ok_or_else(|| ApiError::not_found("No project."))?;
        let email = match settings.metadata_account.as_str() {
            "default" => project.compute_account(),
            address => address.to_owned(),
        };
        Ok((email.clone(), accounts::unique_id_of(world, &email)?, project.number))
    })?;
    let account = path
        .strip_prefix("instance/service-accounts/")
        .map(|path| path.split_once('/').unwrap_or((path, "")));
    let account = account.filter(|(name, _)| *name == "default" || *name == email);
    let below = |name: &str| account.filter(|(_, rest)| *rest == name);
    let recursive = request.query.get("recursive");
    let recursive = recursive.is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let one = json!({"aliases": ["default"], "email": email,
        "scopes": ["https://www.googleapis.com/auth/cloud-platform"]});
    let accounts = json!({"default": one, email.as_str(): one});
    let issuer = sandbox.issuer();
    let text = match path.trim_end_matches('/') {
        "project/project-id" => DEFAULT_PROJECT.to_owned(),
        "project/numeric-project-id" => number,
        "instance/region" => format!("projects/{number}/regions/{HOME_REGION}"),
        // A zone that no machine is in (observed).
        "instance/zone" => format!("projects/{number}/zones/{HOME_REGION}-1"),
        "instance/id" => INSTANCE.to_owned(),
        "universe/universe-domain" | "universe/universe_domain" => "googleapis.com".to_owned(),
        "" | "instance" | "project" if recursive => {
            let instance = json!({"id": INSTANCE,
                "region": format!("projects/{number}/regions/{HOME_REGION}"),
                "serviceAccounts": accounts,
                "zone": format!("projects/{number}/zones/{HOME_REGION}-1")});
            let project = json!({"projectId": DEFAULT_PROJECT, "numericProjectId": number});
            match path.trim_end_matches('/') {
                "instance" => instance.to_string(),
                "project" => project.to_string(),
                _ => json!({"instance": instance, "project": project}).to_string(),
            }
        }
        "" => "instance/\nproject/\nuniverse/\n".to_owned(),
        "instance" => "id\nregion\nservice-accounts/\nzone\n".to_owned(),
        "project" => "numeric-project-id\nproject-id\n".to_owned(),
        "instance/service-accounts" if recursive => accounts.to_string(),
        "instance/service-accounts" => format!("default/\n{email}/\n"),
        _ if below("").is_some() && recursive => one.to_string(),
        _ if below("").is_some() => "aliases\nemail\nidentity\nscopes\ntoken\n".to_owned(),
        _ if below("email").is_some() => email,
        _ if below("scopes").is_some() => {
            "https://www.googleapis.com/auth/cloud-platform\n".to_owned()
        }
        _ if below("token").is_some() => {
            let who = if email.starts_with(AGENT) {
                Member::from_policy(email.as_str())
            } else {
                Member::of_account(&email)
            };
            let token = issuer.access_token(&who, settings, request.now)?;
            json!({"access_token": token, "expires_in": settings.token_lifetime.as_secs(),
                "token_type": "Bearer"})
            .to_string()
        }
        _ if below("identity").is_some() => {
            let audience = request.query.get("audience").filter(|audience| !audience.is_empty());
            let Some(audience) = audience else {
                return Err(ApiError::invalid("non-empty audience parameter required\n"));
            };
            let is_agent = email.starts_with(AGENT);
            // How a token names an agent is not documented: here by its principal.
            let id = match id {
                _ if is_agent => email.clone(),
                Some(id) => id,
                None => crate::signing::issuer::unique_id(&email),
            };
            // Without `format=full` the token holds no address (observed).
            let full = !is_agent && request.query.get("format") == Some("full");
            let who = Subject { id: &id, email: full.then_some(&email), authorized_party: None };
            issuer.id_token(&who, audience, settings, request.now)?
        }
        _ => return Ok(None),
    };
    Ok(Some(text))
}
