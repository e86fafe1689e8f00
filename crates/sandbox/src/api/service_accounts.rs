//! IAM v1: the service accounts of a project, and who may act as them.

use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::iam;
use super::policy_check::Rules;
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::{PageSize, page, page_request};
use crate::dialect::wire::{camel, remove};
use crate::records::accounts::{self, new_account, place};
use crate::records::roles::is_permission;
use crate::records::stamps::{new_etag, same_bytes};

const COLLECTION: &str = "serviceAccounts";
const PAGE: PageSize = PageSize { usual: 20, most: 100 };

pub(crate) fn get(call: &Call<'_>) -> Answer {
    load(call)
}

/// A verb of IAM on an account.
pub(crate) fn policy(call: &Call<'_>) -> Answer {
    let found = load(call)?;
    let rules = Rules { run_roles_only: false, ..call.site()?.rules() };
    iam::verb(call, found["name"].as_str().unwrap_or_default(), rules, is_permission)
}

pub(crate) fn list(call: &Call<'_>) -> Answer {
    let site = call.site()?;
    let request = page_request(call.query, PAGE)?;
    let (accounts, next) =
        site.world.resources_newest_first(place(&site.project.id), request, &|_| true)?;
    Ok(page("accounts", accounts, next))
}

/// Changes what the mask names: the display name and the description alone (documented).
pub(crate) fn patch(call: &Call<'_>) -> Answer {
    let fields = &call.body["serviceAccount"];
    let mask = call.body["updateMask"].as_str().unwrap_or_default();
    let named: Vec<String> = mask.split(',').map(|path| camel(path.trim())).collect();
    let wanted = named.iter().filter(|name| !name.is_empty());
    if let Some(other) = wanted.clone().find(|name| !CHANGEABLE.contains(&name.as_str())) {
        return Err(ApiError::invalid(format!("Invalid value at 'update_mask': {other}.")));
    }
    change(call, fields, &wanted.map(String::as_str).collect::<Vec<_>>())
}

/// What may be changed of an account (documented).
const CHANGEABLE: [&str; 2] = ["displayName", "description"];

/// The same by the older method, which has no mask (documented: use `patch`).
pub(crate) fn update(call: &Call<'_>) -> Answer {
    change(call, call.body, &CHANGEABLE)
}

/// Refuses names and descriptions that are too long (documented, in bytes).
fn check_texts(fields: &Value) -> Result<(), ApiError> {
    for (name, most) in [("displayName", 100), ("description", 256)] {
        if fields[name].as_str().is_some_and(|text| text.len() > most) {
            return Err(ApiError::invalid(format!("The {name} is longer than {most} bytes.")));
        }
    }
    Ok(())
}

fn change(call: &Call<'_>, fields: &Value, names: &[&str]) -> Answer {
    check_texts(fields)?;
    let mut account = load(call)?;
    let etag = fields["etag"].as_str().filter(|etag| !etag.is_empty());
    if etag.is_some_and(|etag| !same_bytes(etag, account["etag"].as_str().unwrap_or_default())) {
        return Err(ApiError::aborted("There were concurrent changes of the service account."));
    }
    for name in names {
        match &fields[*name] {
            Value::String(text) if !text.is_empty() => account[*name] = Value::from(text.as_str()),
            _ => remove(&mut account, name),
        }
    }
    keep(call, account)
}

fn keep(call: &Call<'_>, mut account: Value) -> Answer {
    let site = call.site()?;
    account["etag"] = Value::from(new_etag());
    let email = account["email"].as_str().unwrap_or_default().to_owned();
    site.world.put_resource(place(&site.project.id), &email, &account)?;
    Ok(account)
}

pub(crate) fn disable(call: &Call<'_>) -> Answer {
    turn(call, true)
}

pub(crate) fn enable(call: &Call<'_>) -> Answer {
    turn(call, false)
}

fn turn(call: &Call<'_>, off: bool) -> Answer {
    let mut account = load(call)?;
    accounts::turn(&mut account, off);
    keep(call, account)?;
    Ok(json!({}))
}

/// An account by its address or unique id.
pub(crate) fn load(call: &Call<'_>) -> Answer {
    let (site, account) = (call.site()?, call.after(COLLECTION));
    let by_email = site.world.resource(place(&site.project.id), &account.to_lowercase())?;
    let found = match by_email {
        None => site.world.service_account_by_id(account)?,
        found => found,
    };
    found.filter(|found| found["projectId"] == site.project.id.as_str()).ok_or_else(|| {
        // Google's text (observed).
        ApiError::not_found(format!(
            "Unknown service account {account} in project {}.",
            site.project.id
        ))
    })
}

pub(crate) fn create(call: &Call<'_>) -> Answer {
    let (site, body) = (call.site()?, call.body);
    let fields = &body["serviceAccount"];
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
    check_texts(fields)?;
    let email = format!("{id}@{}.iam.gserviceaccount.com", site.project.id);
    if site.world.has_service_account(&email)? {
        return Err(ApiError::already_exists(format!(
            "Service account {id} already exists within project projects/{}.",
            site.project.id
        )));
    }
    let mut account = new_account(&site.project.id, &email);
    for field in ["displayName", "description"] {
        if fields[field].is_string() {
            account[field] = fields[field].clone();
        }
    }
    site.world.put_resource(place(&site.project.id), &email, &account)?;
    Ok(account)
}

/// Deletes an account. From then on, policies name it by its unique id (documented).
pub(crate) fn delete(call: &Call<'_>) -> Answer {
    let (site, found) = (call.site()?, load(call)?);
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    let (email, full) = (text("email"), text("name"));
    site.world.delete_resource(place(&site.project.id), &email, &full)?;
    let living = format!("serviceAccount:{email}");
    let gone = format!("deleted:{living}?uid={}", text("uniqueId"));
    site.world.rename_member(&living, &gone)?;
    Ok(json!({}))
}
