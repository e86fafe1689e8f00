//! IAM Credentials v1: tokens and signatures of a service account for who may act as it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::call::{Answer, Call, Site};
use super::service_accounts::load;
use crate::authority::require;
use crate::dialect::api_error::ApiError;
use crate::records::accounts;
use crate::signing::issuer::Subject;
use runaccess_domain::member::Member;

/// The account that a call is about, if whoever calls may do with it what the permission is for.
fn account(call: &Call<'_>, permission: &str) -> Answer {
    let account = load(call).map_err(|_| ApiError::no_account(call.verb()))?;
    check_chain(call, &account, permission)?;
    // The text is not certain.
    if accounts::is_off(&account) {
        return Err(ApiError::failed_precondition(format!(
            "Service account {} is disabled.",
            account["email"].as_str().unwrap_or_default()
        )));
    }
    Ok(account)
}

pub(crate) fn generate_id_token(call: &Call<'_>) -> Answer {
    let body = call.body;
    let account = account(call, "iam.serviceAccounts.getOpenIdToken")?;
    let audience = body["audience"].as_str().filter(|audience| !audience.is_empty());
    let audience =
        audience.ok_or_else(|| ApiError::invalid("Request contains an invalid argument."))?;
    let id = account["uniqueId"].as_str().unwrap_or_default();
    // Google's own library for Python sends it as a text.
    let with_email = body["includeEmail"] == true || body["includeEmail"] == "true";
    let email = account["email"].as_str().filter(|_| with_email);
    let who = Subject { id, email, authorized_party: None };
    let token = call.issuer.id_token(&who, audience, call.settings, call.visit.now)?;
    Ok(json!({"token": token}))
}

pub(crate) fn generate_access_token(call: &Call<'_>) -> Answer {
    let (body, now) = (call.body, call.visit.now);
    let account = account(call, "iam.serviceAccounts.getAccessToken")?;
    if body["scope"].as_array().is_none_or(Vec::is_empty) {
        return Err(ApiError::invalid("The scope field is required."));
    }
    let mut settings = call.settings.clone();
    let lifetime = &body["lifetime"];
    if !lifetime.is_null() {
        let seconds = lifetime.as_str().and_then(|text| text.strip_suffix('s')?.parse().ok());
        let seconds = seconds.filter(|seconds| *seconds > 0).ok_or_else(|| {
            ApiError::invalid(format!("Invalid value at 'lifetime': {lifetime}."))
        })?;
        settings.token_lifetime =
            settings.token_lifetime.min(std::time::Duration::from_secs(seconds));
    }
    let end = now
        .unix_timestamp()
        .saturating_add(i64::try_from(settings.token_lifetime.as_secs()).unwrap_or(i64::MAX));
    // In whole seconds, as Google's are: clients parse no others.
    let end = OffsetDateTime::from_unix_timestamp(end).unwrap_or(now);
    let email = account["email"].as_str().unwrap_or_default();
    let token = call.issuer.access_token(&Member::of_account(email), &settings, now)?;
    Ok(json!({"accessToken": token, "expireTime": end.format(&Rfc3339).unwrap_or_default()}))
}

/// Signs bytes, by the older API's names if they are said.
pub(crate) fn sign_blob(call: &Call<'_>) -> Answer {
    account(call, "iam.serviceAccounts.signBlob")?;
    let (said, answer) = match call.body["payload"].as_str() {
        Some(payload) => (payload, "signedBlob"),
        None => (call.body["bytesToSign"].as_str().unwrap_or_default(), "signature"),
    };
    let bytes = BASE64_STANDARD.decode(said);
    let bytes = bytes.map_err(|_| ApiError::invalid("Invalid value at 'payload'."))?;
    let (key, signature) = call.issuer.sign_bytes(&bytes)?;
    Ok(json!({"keyId": key, answer: BASE64_STANDARD.encode(signature)}))
}

/// Signs claims, given as a text of JSON.
pub(crate) fn sign_jwt(call: &Call<'_>) -> Answer {
    account(call, "iam.serviceAccounts.signJwt")?;
    let said = call.body["payload"].as_str().unwrap_or_default();
    let claims = serde_json::from_str::<Value>(said).ok().filter(Value::is_object);
    let claims = claims.ok_or_else(|| ApiError::invalid("Invalid value at 'payload'."))?;
    let (key, token) = call.issuer.sign_claims(&claims)?;
    Ok(json!({"keyId": key, "signedJwt": token}))
}

/// Each of a chain of delegates must be allowed to act for the next, and the last one, or the
/// caller if there are none, to have the token (documented).
fn check_chain(call: &Call<'_>, account: &Value, permission: &str) -> Result<(), ApiError> {
    let site = call.site()?;
    let mut actor = site.who.clone();
    for delegate in call.body["delegates"].as_array().into_iter().flatten() {
        let name = delegate.as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
        let full = accounts::full_name(site.world, name)?;
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
