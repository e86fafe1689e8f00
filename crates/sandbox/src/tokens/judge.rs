//! Who asks an API, by the bearer that came along.

use time::OffsetDateTime;

use crate::dialect::api_error::ApiError;
use crate::records::account_keys::signed_by_key;
use crate::records::accounts::is_off;
use crate::records::home::DEFAULT_ACCOUNT;
use crate::records::store::Sandbox;
use crate::settings::Settings;
use crate::signing::issuer::{TokenFault, check_times};
use runaccess_domain::member::{Member, MemberKind};
use runaccess_ground::jwt;

/// The token of a header. The scheme's case and the blanks after it do not matter, as observed.
pub(crate) fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Who asks an API. A token in the form of a JWT must be an access token of the issuer, or one
/// that a service account signed with its key. An opaque one is the default account's, unless
/// `strict`.
pub(crate) fn caller(
    sandbox: &Sandbox,
    authorization: Option<&str>,
    strict: bool,
    settings: &Settings,
    now: OffsetDateTime,
) -> Result<Member, ApiError> {
    let token = authorization.and_then(bearer).ok_or_else(ApiError::no_credentials)?;
    if jwt::header(token).is_none() {
        if strict {
            return Err(ApiError::bad_credentials());
        }
        return Ok(Member::of_account(DEFAULT_ACCOUNT));
    }
    let member = match sandbox.issuer().verify(token, settings, now) {
        Ok(claims) => {
            let principal = claims.principal.ok_or_else(ApiError::bad_credentials)?;
            Member::from_policy(principal)
        }
        Err(TokenFault::Foreign) => {
            let signed = sandbox.read(|world| signed_by_key(world, token))?;
            let signed = signed.ok_or_else(ApiError::bad_credentials)?;
            // Such a token names its account twice (documented).
            if signed.iss != signed.sub || check_times(&signed, settings, now).is_err() {
                return Err(ApiError::bad_credentials());
            }
            Member::of_account(&signed.iss)
        }
        Err(TokenFault::Expired | TokenFault::NotYetGood) => {
            return Err(ApiError::bad_credentials());
        }
    };
    if member.kind() == MemberKind::ServiceAccount {
        let account = sandbox.read(|world| Ok(world.service_account(member.address())?))?;
        if account.as_ref().is_some_and(is_off) {
            return Err(ApiError::bad_credentials());
        }
    }
    Ok(member)
}
