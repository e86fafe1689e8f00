//! IAM v1: keys of service accounts, of which what is public is kept.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::call::{Answer, Call, Site};
use super::service_accounts::load;
use super::service_body::without_own as shown;
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::PageRequest;
use crate::records::account_keys::account_keys;
use crate::records::stamps::stamp;
use crate::signing::keys::generate;

/// How many keys one account may have (documented).
const MOST: usize = 10;

pub(crate) fn list(call: &Call<'_>) -> Answer {
    let keys = all(call.site()?, &load(call)?)?.into_iter().map(shown);
    let keys: Vec<Value> = keys.collect();
    Ok(if keys.is_empty() { json!({}) } else { json!({"keys": keys}) })
}

pub(crate) fn get(call: &Call<'_>) -> Answer {
    one(call.site()?, &load(call)?, call.after("keys")).map(shown)
}

pub(crate) fn delete(call: &Call<'_>) -> Answer {
    let key = one(call.site()?, &load(call)?, call.after("keys"))?;
    let full = key["name"].as_str().unwrap_or_default();
    call.visit.world.delete_resource(account_keys(), call.after("keys"), full)?;
    Ok(json!({}))
}

fn all(site: &Site<'_>, account: &Value) -> Result<Vec<Value>, ApiError> {
    let page = PageRequest { after: 0, limit: MOST };
    let email = &account["email"];
    let (keys, _) = site
        .world
        .resources_newest_first(account_keys(), page, &|key| key["_account"] == *email)?;
    Ok(keys)
}

fn one(site: &Site<'_>, account: &Value, id: &str) -> Result<Value, ApiError> {
    let found = site.world.resource(account_keys(), id)?;
    found
        .filter(|key| key["_account"] == account["email"])
        .ok_or_else(|| ApiError::not_found(format!("Service account key {id} does not exist.")))
}

/// Makes a key. What is secret of it is in this one answer and nowhere else.
pub(crate) fn create(call: &Call<'_>) -> Answer {
    let (site, account, body) = (call.site()?, &load(call)?, call.body);
    if !matches!(
        body["keyAlgorithm"].as_str(),
        None | Some("KEY_ALG_RSA_2048" | "KEY_ALG_UNSPECIFIED")
    ) {
        return Err(ApiError::not_implemented("keys other than KEY_ALG_RSA_2048"));
    }
    if all(site, account)?.len() >= MOST {
        return Err(ApiError::failed_precondition("Precondition check failed."));
    }
    let (pem, public) =
        generate().map_err(|error| ApiError::internal(format!("No key: {error}.")))?;
    let (id, email) = (public.id.as_str(), account["email"].as_str().unwrap_or_default());
    let mut key = json!({
        "name": format!("{}/keys/{id}", account["name"].as_str().unwrap_or_default()),
        "validAfterTime": stamp(site.now),
        "validBeforeTime": "9999-12-31T23:59:59Z",
        "keyAlgorithm": "KEY_ALG_RSA_2048",
        "keyOrigin": "GOOGLE_PROVIDED",
        "keyType": "USER_MANAGED",
        "_account": email,
        "_n": public.modulus,
        "_e": public.exponent,
    });
    site.world.put_resource(account_keys(), id, &key)?;
    let file = json!({
        "type": "service_account",
        "project_id": site.project.id,
        "private_key_id": id,
        "private_key": pem,
        "client_email": email,
        "client_id": account["uniqueId"],
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        // If the sandbox answers, so that no client takes this key to Google.
        "token_uri": format!("{}/token", site.base),
        "universe_domain": "googleapis.com",
    });
    key["privateKeyType"] = Value::from("TYPE_GOOGLE_CREDENTIALS_FILE");
    let text = serde_json::to_string_pretty(&file).unwrap_or_default();
    key["privateKeyData"] = Value::from(BASE64_STANDARD.encode(text));
    Ok(shown(key))
}
