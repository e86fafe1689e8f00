//! IAM v1: the service accounts of a project, and who may act as them.

use serde_json::{Value, json};

use super::api_error::ApiError;
use super::iam::{self, new_etag};
use super::pages::{page, page_request};
use super::policy_check::Rules;
use super::query::Query;
use super::resource_manager::is_permission;
use super::run_v2::Site;
use super::schema::known_fields;
use super::settings::Settings;
use super::tokens::{self, Issuer, VERBS, keys_of};
use super::world::{Collection, World};

const DEFAULT_PAGE: usize = 20;
const LARGEST_PAGE: usize = 100;

/// The routes below a project's `serviceAccounts`; `None` for one that is not there.
pub(super) fn answer(
    site: &Site<'_>,
    (method, rest, verb): (&str, &[&str], &str),
    tokens: (&Issuer, &Settings),
    query: &Query,
    body: &Value,
) -> Option<Result<Value, ApiError>> {
    Some(match (method, rest, verb) {
        ("GET", [], "") => list(site, query),
        ("POST", [], "") => create(site, query, body),
        (_, [account, "keys", rest @ ..], "") => match get(site, account) {
            Ok(account) => return keys_of(site, &account, (method, rest), query, body),
            Err(error) => Err(error),
        },
        ("DELETE", [account], "") => delete(site, account, query),
        ("GET", [account], "") => query.only(&[]).and_then(|()| get(site, account)),
        ("POST", [account], "getIamPolicy" | "setIamPolicy" | "testIamPermissions") => {
            let found = match get(site, account) {
                Ok(found) => found,
                Err(error) => return Some(Err(error)),
            };
            let full = found["name"].as_str().unwrap_or_default();
            let rules = Rules { run_roles_only: false, ..site.rules() };
            return iam::verb(
                site.world,
                site.asker(),
                verb,
                full,
                rules,
                (query, body),
                is_permission,
            );
        }
        ("POST", [account], verb) if VERBS.contains(&verb) => match get(site, account) {
            Ok(account) => tokens::verb(site, tokens, &account, verb, (query, body)),
            Err(_) => Err(ApiError::no_account(verb)),
        },
        _ => return None,
    })
}

/// The unique id of an account, by its address.
pub(super) fn unique_id_of(world: &World<'_>, email: &str) -> Result<Option<String>, ApiError> {
    let found = world.service_account(email)?;
    Ok(found.and_then(|account| account["uniqueId"].as_str().map(str::to_owned)))
}

/// The address of an account, by its unique id.
pub(super) fn email_of(world: &World<'_>, unique_id: &str) -> Result<Option<String>, ApiError> {
    let found = world.service_account_by_id(unique_id)?;
    Ok(found.and_then(|account| account["email"].as_str().map(str::to_owned)))
}

/// The full name of an account, by its address.
pub(super) fn full_name(world: &World<'_>, email: &str) -> Result<Option<String>, ApiError> {
    let found = world.service_account(email)?;
    Ok(found.and_then(|account| account["name"].as_str().map(str::to_owned)))
}

fn list(site: &Site<'_>, query: &Query) -> Result<Value, ApiError> {
    query.only(&["pageSize", "pageToken"])?;
    let mut request = page_request(query, "pageSize", "pageToken", DEFAULT_PAGE)?;
    request.limit = request.limit.min(LARGEST_PAGE);
    let (accounts, next) =
        site.world.resources_newest_first(place(&site.project.id), request, &|_| true)?;
    Ok(page("accounts", accounts, next))
}

/// An account by its address or unique id.
fn get(site: &Site<'_>, account: &str) -> Result<Value, ApiError> {
    let place = place(&site.project.id);
    if let Some(found) = site.world.resource(place, &account.to_lowercase())? {
        return Ok(found);
    }
    let page = super::world::PageRequest { after: 0, limit: 1 };
    let by_id = |known: &Value| known["uniqueId"] == account;
    let (mut found, _) = site.world.resources_newest_first(place, page, &by_id)?;
    found.pop().ok_or_else(|| {
        // Google's text (observed).
        ApiError::not_found(format!(
            "Unknown service account {account} in project {}.",
            site.project.id
        ))
    })
}

fn create(site: &Site<'_>, query: &Query, body: &Value) -> Result<Value, ApiError> {
    query.only(&[])?;
    known_fields(body, &["accountId", "serviceAccount"], "")?;
    let fields = &body["serviceAccount"];
    known_fields(
        fields,
        &[
            "name",
            "projectId",
            "uniqueId",
            "email",
            "displayName",
            "etag",
            "description",
            "oauth2ClientId",
            "disabled",
        ],
        "service_account",
    )?;
    let id = body["accountId"].as_str().unwrap_or_default();
    let good = (6..=30).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !id.ends_with('-');
    if !good {
        return Err(ApiError::invalid(format!(
            "The account ID \"{id}\" does not have a length between 6 and 30, or other characters \
             than lower-case letters, digits and hyphens."
        )));
    }
    let email = format!("{id}@{}.iam.gserviceaccount.com", site.project.id);
    if site.world.has_service_account(&email)? {
        return Err(ApiError::already_exists(format!(
            "Service account {id} already exists within project projects/{}.",
            site.project.id
        )));
    }
    let mut account = account(&site.project.id, &email);
    for field in ["displayName", "description"] {
        if fields[field].is_string() {
            account[field] = fields[field].clone();
        }
    }
    site.world.put_resource(place(&site.project.id), &email, &account)?;
    Ok(account)
}

/// Deletes an account. Policies that name it do so by its unique id from then on (documented).
fn delete(site: &Site<'_>, account: &str, query: &Query) -> Result<Value, ApiError> {
    query.only(&[])?;
    let found = get(site, account)?;
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    let (email, full) = (text("email"), text("name"));
    site.world.delete_resource(place(&site.project.id), &email, &full)?;
    let living = format!("serviceAccount:{email}");
    let gone = format!("deleted:{living}?uid={}", text("uniqueId"));
    site.world.rename_member(&living, &gone)?;
    Ok(json!({}))
}

/// Keeps an account that is not there yet.
pub(super) fn put(world: &World<'_>, project: &str, email: &str) -> rusqlite::Result<()> {
    if world.has_service_account(email)? {
        return Ok(());
    }
    world.put_resource(place(project), email, &account(project, email))
}

fn account(project: &str, email: &str) -> Value {
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

fn place(project: &str) -> Collection<'_> {
    Collection { kind: "serviceAccounts", project, region: "" }
}
