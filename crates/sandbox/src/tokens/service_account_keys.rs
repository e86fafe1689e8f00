//! Keys of service accounts: made by the IAM API, which keeps what is public of them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::super::api_error::ApiError;
use super::super::query::Query;
use super::super::run_v2::Site;
use super::super::schema::known_fields;
use super::super::service_body::{stamp, without_own as shown};
use super::super::world::{Collection, PageRequest, World};
use super::issuer::Claims;
use super::keys::{PublicKey, generate};
use runaccess_ground::jwt;

/// How many keys one account may have (documented).
const MOST: usize = 10;

fn place() -> Collection<'static> {
    Collection::global("serviceAccountKeys")
}

/// The routes below an account's `keys`; `None` for one that is not there.
pub(in super::super) fn keys_of(
    site: &Site<'_>,
    account: &Value,
    (method, rest): (&str, &[&str]),
    query: &Query,
    body: &Value,
) -> Option<Result<Value, ApiError>> {
    Some(match (method, rest) {
        ("GET", []) => query.only(&["keyTypes"]).and_then(|()| {
            let keys: Vec<Value> = all(site, account)?.into_iter().map(shown).collect();
            Ok(if keys.is_empty() { json!({}) } else { json!({"keys": keys}) })
        }),
        ("POST", []) => query.only(&[]).and_then(|()| create(site, account, body)),
        ("GET", [id]) => {
            query.only(&["publicKeyType"]).and_then(|()| one(site, account, id)).map(shown)
        }
        ("DELETE", [id]) => query.only(&[]).and_then(|()| {
            let key = one(site, account, id)?;
            let full = key["name"].as_str().unwrap_or_default();
            site.world.delete_resource(place(), id, full)?;
            Ok(json!({}))
        }),
        _ => return None,
    })
}

fn all(site: &Site<'_>, account: &Value) -> Result<Vec<Value>, ApiError> {
    let page = PageRequest { after: 0, limit: MOST };
    let email = &account["email"];
    let (keys, _) =
        site.world.resources_newest_first(place(), page, &|key| key["_account"] == *email)?;
    Ok(keys)
}

fn one(site: &Site<'_>, account: &Value, id: &str) -> Result<Value, ApiError> {
    let found = site.world.resource(place(), id)?;
    found
        .filter(|key| key["_account"] == account["email"])
        .ok_or_else(|| ApiError::not_found(format!("Service account key {id} does not exist.")))
}

/// Makes a key. What is secret of it is in this one answer and nowhere else.
fn create(site: &Site<'_>, account: &Value, body: &Value) -> Result<Value, ApiError> {
    known_fields(body, &["privateKeyType", "keyAlgorithm"], "")?;
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
    site.world.put_resource(place(), id, &key)?;
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

/// The claims of a token that the key of a service account signed; `None` if it was none.
pub(in super::super) fn signed_by_key(
    world: &World<'_>,
    token: &str,
) -> Result<Option<Claims>, ApiError> {
    let header = jwt::header(token).unwrap_or_default();
    let Some(id) = header["kid"].as_str() else { return Ok(None) };
    let Some(key) = world.resource(place(), id)? else { return Ok(None) };
    let text = |name: &str| key[name].as_str().unwrap_or_default();
    let claims = PublicKey::new(text("_n"), text("_e")).and_then(|key| key.claims(token));
    let claims = claims.and_then(|claims| serde_json::from_value::<Claims>(claims).ok());
    // A key ends with its account.
    let account = world.service_account(text("_account"))?;
    Ok(claims.filter(|claims| account.is_some() && claims.iss == text("_account")))
}
