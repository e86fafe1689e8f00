//! Who asks an API, by the bearer that came along.

use time::OffsetDateTime;

use super::super::api_error::ApiError;
use super::super::seed::DEFAULT_ACCOUNT;
use super::super::settings::Settings;
use super::super::store::Sandbox;
use super::issuer::check_times;
use super::service_account_keys::signed_by_key;
use super::{TokenFault, is_jwt};
use crate::domain::member::Member;

/// What a request carries to say who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Bearer<'a> {
    None,
    Token(&'a str),
}

impl<'a> Bearer<'a> {
    /// Reads a header. The scheme's case and the blanks after it do not matter, as observed.
    pub(in super::super) fn parse(header: Option<&'a str>) -> Self {
        let Some((scheme, token)) = header.and_then(|header| header.trim().split_once(' ')) else {
            return Self::None;
        };
        let token = token.trim();
        if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
            Self::Token(token)
        } else {
            Self::None
        }
    }
}

/// Who asks an API. A token in the form of a JWT must be an access token of the issuer, or one
/// that a service account signed with its key. An opaque one is the default account's, unless
/// `strict`.
pub(in super::super) fn caller(
    sandbox: &Sandbox,
    authorization: Option<&str>,
    strict: bool,
    settings: &Settings,
    now: OffsetDateTime,
) -> Result<Member, ApiError> {
    let Bearer::Token(token) = Bearer::parse(authorization) else {
        return Err(ApiError::no_credentials());
    };
    if !is_jwt(token) {
        if strict {
            return Err(ApiError::bad_credentials());
        }
        return Ok(Member::of_account(DEFAULT_ACCOUNT));
    }
    match sandbox.issuer().verify(token, settings, now) {
        Ok(claims) => {
            let principal = claims.principal.ok_or_else(ApiError::bad_credentials)?;
            Ok(Member::from_policy(principal))
        }
        Err(TokenFault::Foreign) => {
            let signed = sandbox.read(|world| signed_by_key(world, token))?;
            let signed = signed.ok_or_else(ApiError::bad_credentials)?;
            // Such a token names its account twice (documented).
            if signed.iss != signed.sub || check_times(&signed, settings, now).is_err() {
                return Err(ApiError::bad_credentials());
            }
            Ok(Member::of_account(&signed.iss))
        }
        Err(TokenFault::Expired | TokenFault::NotYetGood) => Err(ApiError::bad_credentials()),
    }
}
