//! The issuer: what stands in its tokens, and what it finds wrong with others.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::dialect::api_error::ApiError;
use crate::dialect::names::fnv1a;
use crate::settings::Settings;
use crate::signing::keys::SigningKey;
use runaccess_domain::member::Member;

const FILE: &str = "issuer.pem";
/// What Google's tokens say (documented). A token of the sandbox is told from Google's by its
/// key alone, which no other verifier knows.
const ISSUER: &str = "https://accounts.google.com";
const ID_TOKEN: &str = "JWT";
/// The header's type of an access token (RFC 9068). Google's own are opaque.
const ACCESS_TOKEN: &str = "at+jwt";
/// More verified tokens than these are forgotten, all at once.
const REMEMBERED: usize = 10_000;

/// What a verified token says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: Option<String>,
    pub(crate) sub: String,
    pub(crate) scope: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) exp: i64,
    pub(crate) iat: i64,
    pub(crate) nbf: Option<i64>,
    /// Of an access token: the principal, as a policy names it.
    pub(crate) principal: Option<String>,
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenFault {
    /// It is no JWT, or not signed by this issuer.
    Foreign,
    Expired,
    NotYetGood,
}

/// Signs and verifies.
pub(crate) struct Issuer {
    directory: PathBuf,
    key: OnceLock<SigningKey>,
    verified: Mutex<HashMap<String, Claims>>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Issuer {
    /// The issuer whose key is in a folder. It is read, or made, when it is first needed.
    pub(crate) fn new(directory: &Path) -> Self {
        let (key, verified) = (OnceLock::new(), Mutex::default());
        Self { directory: directory.to_owned(), key, verified }
    }

    fn key(&self) -> Result<&SigningKey, ApiError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let path = self.directory.join(FILE);
        let key = SigningKey::kept_in(&path).map_err(|error| {
            ApiError::internal(format!("The issuer's key `{}`: {error}.", path.display()))
        })?;
        Ok(self.key.get_or_init(|| key))
    }

    /// The public keys, as `https://www.googleapis.com/oauth2/v3/certs` has Google's.
    pub(crate) fn jwks(&self) -> Result<Value, ApiError> {
        let key = &self.key()?.public;
        Ok(json!({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": key.id,
            "n": key.modulus, "e": key.exponent}]}))
    }

    /// The same as certificates, as `https://www.googleapis.com/oauth2/v1/certs` has Google's.
    pub(crate) fn certificates(&self, now: OffsetDateTime) -> Result<Value, ApiError> {
        let key = self.key()?;
        let pem = key.certificate(now);
        let pem = pem.map_err(|error| ApiError::internal(format!("No certificate: {error}.")))?;
        Ok(json!({key.public.id.as_str(): pem}))
    }

    /// An ID token for an address; `unique_id` and `authorized_party` as Google's hold them.
    pub(crate) fn id_token(
        &self,
        who: &Subject<'_>,
        audience: &str,
        settings: &Settings,
        now: OffsetDateTime,
    ) -> Result<String, ApiError> {
        let mut claims = times(settings, now);
        claims["iss"] = Value::from(ISSUER);
        claims["aud"] = Value::from(audience);
        claims["azp"] = Value::from(who.authorized_party.unwrap_or(who.id));
        claims["sub"] = Value::from(who.id);
        if let Some(email) = who.email {
            claims["email"] = Value::from(email);
            claims["email_verified"] = Value::from(true);
        }
        self.sign(ID_TOKEN, &claims)
    }

    /// An access token for a principal.
    pub(crate) fn access_token(
        &self,
        principal: &Member,
        settings: &Settings,
        now: OffsetDateTime,
    ) -> Result<String, ApiError> {
        let mut claims = times(settings, now);
        claims["iss"] = Value::from(ISSUER);
        claims["sub"] = Value::from(unique_id(principal.as_str()));
        claims["scope"] = Value::from("https://www.googleapis.com/auth/cloud-platform");
        claims["principal"] = Value::from(principal.as_str());
        self.sign(ACCESS_TOKEN, &claims)
    }

    /// Signs claims as a service account's own key would; with the key's ID.
    pub(crate) fn sign_claims(&self, claims: &Value) -> Result<(String, String), ApiError> {
        Ok((self.key()?.public.id.clone(), self.sign(ID_TOKEN, claims)?))
    }

    /// Signs bytes; with the key's ID.
    pub(crate) fn sign_bytes(&self, bytes: &[u8]) -> Result<(String, Vec<u8>), ApiError> {
        let key = self.key()?;
        let signed = key.sign_bytes(bytes);
        let failed = |error| ApiError::internal(format!("Nothing could be signed: {error}."));
        Ok((key.public.id.clone(), signed.map_err(failed)?))
    }

    /// The claims of a token that this issuer signed for a service account, whatever they are.
    pub(crate) fn signed_for_account(&self, token: &str) -> Option<Claims> {
        let claims = self.key().ok()?.public.claims(token)?;
        let claims: Claims = serde_json::from_value(claims).ok()?;
        (claims.iss != ISSUER).then_some(claims)
    }

    fn sign(&self, kind: &str, claims: &Value) -> Result<String, ApiError> {
        let signed = self.key()?.sign(kind, claims);
        signed.map_err(|error| ApiError::internal(format!("No token could be signed: {error}.")))
    }

    /// The claims of a token that this issuer signed and whose time it is.
    pub(crate) fn verify(
        &self,
        token: &str,
        settings: &Settings,
        now: OffsetDateTime,
    ) -> Result<Claims, TokenFault> {
        let remembered = || self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let known = settings.verified_token_cache.then(|| remembered().get(token).cloned());
        let claims = if let Some(claims) = known.flatten() {
            claims
        } else {
            let key = self.key().map_err(|_| TokenFault::Foreign)?;
            let claims = key.public.claims(token).ok_or(TokenFault::Foreign)?;
            let claims: Claims = serde_json::from_value(claims).map_err(|_| TokenFault::Foreign)?;
            if claims.iss != ISSUER {
                return Err(TokenFault::Foreign);
            }
            if settings.verified_token_cache {
                let mut remembered = remembered();
                if remembered.len() >= REMEMBERED {
                    remembered.clear();
                }
                remembered.insert(token.to_owned(), claims.clone());
            }
            claims
        };
        check_times(&claims, settings, now).map(|()| claims)
    }
}

/// Whom an ID token is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) id: &'a str,
    pub(crate) email: Option<&'a str>,
    /// The client that asked; the subject itself if there is none.
    pub(crate) authorized_party: Option<&'a str>,
}

/// Checks a token's times by the clock.
pub(crate) fn check_times(
    claims: &Claims,
    settings: &Settings,
    now: OffsetDateTime,
) -> Result<(), TokenFault> {
    let skew = i64::try_from(settings.clock_skew.as_secs()).unwrap_or(i64::MAX);
    let now = now.unix_timestamp();
    if claims.exp.saturating_add(skew) <= now {
        return Err(TokenFault::Expired);
    }
    // A token is good from the second in which it was issued on.
    if claims.nbf.unwrap_or(claims.iat).saturating_sub(skew) > now {
        return Err(TokenFault::NotYetGood);
    }
    Ok(())
}

/// The number by which Google would know a principal, the same each time.
pub(crate) fn unique_id(principal: &str) -> String {
    let digits = fnv1a(principal.to_lowercase().bytes()) % 10_u64.pow(19);
    format!("10{digits:019}")
}

fn times(settings: &Settings, now: OffsetDateTime) -> Value {
    let lifetime = i64::try_from(settings.token_lifetime.as_secs()).unwrap_or(i64::MAX);
    let now = now.unix_timestamp();
    json!({"iat": now, "exp": now.saturating_add(lifetime)})
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 14:00 UTC);

    #[test]
    fn a_token_is_good_for_its_time_and_by_its_own_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::default();
        let issuer = Issuer::new(folder.path());
        let dev = Subject { id: "1", email: Some("dev@x.com"), authorized_party: None };
        let token = issuer.id_token(&dev, "https://a.run.app", &settings, NOW).unwrap();
        // The key persists: another process takes the token, with and without remembering it.
        let again = Issuer::new(folder.path());
        let mut forgetful = settings.clone();
        forgetful.set("verified-token-cache=off").unwrap();
        for settings in [&settings, &settings, &forgetful] {
            let claims = again.verify(&token, settings, NOW).unwrap();
            assert_eq!(
                (claims.aud.as_deref(), claims.email.as_deref()),
                (Some("https://a.run.app"), dev.email)
            );
        }
        let at = |time| again.verify(&token, &settings, time).map(|_| ());
        assert_eq!(at(NOW + Duration::HOUR), Err(TokenFault::Expired));
        assert_eq!(at(NOW + Duration::HOUR - Duration::SECOND), Ok(()));
        assert_eq!(at(NOW - Duration::SECOND), Err(TokenFault::NotYetGood));
        let other = tempfile::tempdir().unwrap();
        let stranger = Issuer::new(other.path());
        assert!(matches!(stranger.verify(&token, &settings, NOW), Err(TokenFault::Foreign)));
        let (head, tail) = token.rsplit_once('.').unwrap();
        let other = if tail.starts_with('x') { 'y' } else { 'x' };
        for bad in ["", "a.b.c", head, &format!("{head}.{other}{}", &tail[1..])] {
            assert!(
                matches!(issuer.verify(bad, &settings, NOW), Err(TokenFault::Foreign)),
                "{bad}"
            );
        }
    }
}
