//! The public keys of service accounts that are kept.

use super::world::{Collection, World};
use crate::dialect::api_error::ApiError;
use crate::signing::issuer::Claims;
use crate::signing::keys::PublicKey;
use runaccess_ground::jwt;

pub(crate) fn account_keys() -> Collection<'static> {
    Collection::global("serviceAccountKeys")
}

/// The claims of a token that the key of a service account signed; `None` if it was none.
pub(crate) fn signed_by_key(world: &World<'_>, token: &str) -> Result<Option<Claims>, ApiError> {
    let header = jwt::header(token).unwrap_or_default();
    let Some(id) = header["kid"].as_str() else { return Ok(None) };
    let Some(key) = world.resource(account_keys(), id)? else { return Ok(None) };
    let text = |name: &str| key[name].as_str().unwrap_or_default();
    let claims = PublicKey::new(text("_n"), text("_e")).and_then(|key| key.claims(token));
    let claims = claims.and_then(|claims| serde_json::from_value::<Claims>(claims).ok());
    // A key ends with its account.
    let account = world.service_account(text("_account"))?;
    Ok(claims.filter(|claims| account.is_some() && claims.iss == text("_account")))
}
