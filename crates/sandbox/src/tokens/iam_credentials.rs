//! IAM Credentials v1: tokens of a service account for who may act as it.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::api_error::ApiError;
use super::super::authority::require;
use super::super::query::Query;
use super::super::run_v2::Site;
use super::super::schema::known_fields;
use super::super::settings::Settings;
use super::Issuer;
use super::issuer::Subject;
use runaccess_domain::member::Member;

pub(in super::super) const VERBS: [&str; 2] = ["generateAccessToken", "generateIdToken"];

/// One of the verbs on an account that is there.
pub(in super::super) fn verb(
    site: &Site<'_>,
    (issuer, settings): (&Issuer, &Settings),
    account: &Value,
    verb: &str,
    (query, body): (&Query, &Value),
) -> Result<Value, ApiError> {
    query.only(&[])?;
    let email = account["email"].as_str().unwrap_or_default();
    if verb == "generateIdToken" {
        known_fields(
            body,
            &["audience", "includeEmail", "delegates", "organizationNumberIncluded", "useEmailAzp"],
            "",
        )?;
        check_chain(site, account, body, "iam.serviceAccounts.getOpenIdToken")?;
        let audience = body["audience"].as_str().filter(|audience| !audience.is_empty());
        let audience =
            audience.ok_or_else(|| ApiError::invalid("Request contains an invalid argument."))?;
        let id = account["uniqueId"].as_str().unwrap_or_default();
        // Google's own library for Python sends it as a text.
        let with_email = body["includeEmail"] == true || body["includeEmail"] == "true";
        let who = Subject { id, email: with_email.then_some(email), authorized_party: None };
        return Ok(json!({"token": issuer.id_token(&who, audience, settings, site.now)?}));
    }
    known_fields(body, &["scope", "lifetime", "delegates"], "")?;
    check_chain(site, account, body, "iam.serviceAccounts.getAccessToken")?;
    if body["scope"].as_array().is_none_or(Vec::is_empty) {
        return Err(ApiError::invalid("The scope field is required."));
    }
    let mut settings = settings.clone();
    let lifetime = &body["lifetime"];
    if !lifetime.is_null() {
        let seconds = lifetime.as_str().and_then(|text| text.strip_suffix('s')?.parse().ok());
        let seconds = seconds.filter(|seconds| *seconds > 0).ok_or_else(|| {
            ApiError::invalid(format!("Invalid value at 'lifetime': {lifetime}."))
        })?;
        settings.token_lifetime =
            settings.token_lifetime.min(std::time::Duration::from_secs(seconds));
    }
    let end = site
        .now
        .unix_timestamp()
        .saturating_add(i64::try_from(settings.token_lifetime.as_secs()).unwrap_or(i64::MAX));
    // In whole seconds, as Google's are: clients parse no others.
    let end = OffsetDateTime::from_unix_timestamp(end).unwrap_or(site.now);
    let token = issuer.access_token(&Member::of_account(email), &settings, site.now)?;
    Ok(json!({"accessToken": token, "expireTime": end.format(&Rfc3339).unwrap_or_default()}))
}

/// Each of a chain of delegates must be allowed to act for the next, and the last one, or the
/// caller if there are none, to have the token (documented).
fn check_chain(
    site: &Site<'_>,
    account: &Value,
    body: &Value,
    permission: &str,
) -> Result<(), ApiError> {
    let mut actor = site.principal.clone();
    for delegate in body["delegates"].as_array().into_iter().flatten() {
        let name = delegate.as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
        let full = super::super::service_accounts::full_name(site.world, name)?;
        check(site, &actor, full.as_deref(), "iam.serviceAccounts.implicitDelegation")?;
        actor = Member::of_account(name);
    }
    check(site, &actor, account["name"].as_str(), permission)
}

/// Google's text (observed) does not name the account.
fn check(
    site: &Site<'_>,
    actor: &Member,
    account: Option<&str>,
    permission: &str,
) -> Result<(), ApiError> {
    let denied = || {
        ApiError::permission_denied(format!(
            "Permission '{permission}' denied on resource (or it may not exist)."
        ))
    };
    let account = account.ok_or_else(denied)?;
    require(site.world, actor, account, permission, site.now)
        .map_err(|error| if error.code == 403 { denied() } else { error })
}
