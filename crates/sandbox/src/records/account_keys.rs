//! The public keys of service accounts that are kept.

use serde_json::Value;

use super::world::{Collection, World};
use crate::dialect::api_error::ApiError;
use crate::signing::issuer::Claims;
use crate::signing::keys::PublicKey;
use runaccess_ground::jwt;

pub(crate) fn account_keys() -> Collection<'static> {
    Collection::global("serviceAccountKeys")
}

/// The claims of a token that a key of a service account signed; `None` if it was none. A token that
/// does not name its key is tried against all of the account that it names.
pub(crate) fn signed_by_key(world: &World<'_>, token: &str) -> Result<Option<Claims>, ApiError> {
    let header = jwt::header(token).unwrap_or_default();
    let keys = if let Some(id) = header["kid"].as_str() {
        world.resource(account_keys(), id)?.into_iter().collect()
    } else {
        let said = jwt::claims(token).unwrap_or_default();
        let is_named = |key: &Value| key["_account"].is_string() && key["_account"] == said["iss"];
        world.resources_where(account_keys().kind, &is_named)?
    };
    for key in keys {
        let text = |name: &str| key[name].as_str().unwrap_or_default();
        let claims = PublicKey::new(text("_n"), text("_e")).and_then(|key| key.claims(token));
        let claims = claims.and_then(|claims| serde_json::from_value::<Claims>(claims).ok());
        let claims = claims.filter(|claims| claims.iss == text("_account"));
        // A key ends with its account.
        if claims.is_some() && world.service_account(text("_account"))?.is_some() {
            return Ok(claims);
        }
    }
    Ok(None)
}
