//! The tokens of a credential, cached if that saves a request.

use std::fmt;
use std::sync::Mutex;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use time::OffsetDateTime;

use super::bearer::BearerToken;
use super::cache::{Slot, TokenCache};
use super::credential::Credential;
use super::mint::{Brought, Mint};
use super::{AuthError, Kind};
use crate::jwt::expiry;
use crate::transport::Network;

/// The tokens of one credential.
pub struct Tokens {
    pub(super) credential: Credential,
    /// The credential's name in errors.
    pub(super) place: String,
    /// A valid access token, and a valid ID token for the credential's own client, if they need no
    /// request.
    pub(super) at_hand: Mutex<AtHand>,
    pub(super) cache: Option<TokenCache>,
    pub(super) clock: fn() -> OffsetDateTime,
    pub(super) network: Network,
    /// The command that logs the account in again.
    pub(super) login: Option<String>,
}

/// Tokens that need no request.
#[derive(Default)]
pub(super) struct AtHand {
    pub(super) access: Option<BearerToken>,
    pub(super) id: Option<String>,
}

/// An ID token.
#[derive(Clone)]
pub struct IdToken {
    pub token: String,
    pub expires: OffsetDateTime,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("credential", &self.credential).finish_non_exhaustive()
    }
}

impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdToken").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Tokens {
    /// The kind of the credential.
    pub fn kind(&self) -> Kind {
        self.credential.kind()
    }

    /// Whether an ID token can be issued for any audience.
    pub fn choose_audience(&self) -> bool {
        match &self.credential {
            Credential::User(user) => user.chooses_audience,
            Credential::Bearer(_) | Credential::External(_) => false,
            Credential::ServiceAccount(_)
            | Credential::Metadata { .. }
            | Credential::Impersonated(_) => true,
        }
    }

    /// Whether access tokens are signed on this machine, so that no server has seen them.
    pub fn signs(&self) -> bool {
        matches!(self.credential, Credential::ServiceAccount(_))
    }

    /// The header with an access token.
    pub async fn authorization(&self) -> Result<HeaderMap, AuthError> {
        let token = self.access().await?;
        Ok(HeaderMap::from_iter([(AUTHORIZATION, token.header())]))
    }

    async fn access(&self) -> Result<BearerToken, AuthError> {
        if let Credential::Bearer(token) = &self.credential {
            return Ok(token.clone());
        }
        let at_hand = self.at_hand(|at_hand| at_hand.access.clone());
        if let Some(token) = at_hand {
            return Ok(token);
        }
        // A key signs tokens without a request, so they are not cached.
        let signs = matches!(self.credential, Credential::ServiceAccount(_));
        let slot = if signs { None } else { self.slot(&["access"]) };
        let wanted = |brought: &Brought| brought.access.as_ref().map(|minted| minted.token.clone());
        let mint = async |mint: Mint<'_>| mint.access(&self.credential).await;
        let token = self.kept_or(slot, None, mint, wanted).await?;
        let token = BearerToken::new(&token)
            .map_err(|source| AuthError::Token { place: self.place.clone(), source })?;
        self.at_hand(|at_hand| at_hand.access = Some(token.clone()));
        Ok(token)
    }

    /// An ID token for an audience; without an audience, for the credential's own client, which
    /// only a Google account has.
    pub async fn id_token(&self, audience: Option<&str>) -> Result<IdToken, AuthError> {
        let of = |token: String| {
            let expires = expiry(&token).unwrap_or(OffsetDateTime::UNIX_EPOCH);
            IdToken { token, expires }
        };
        if audience.is_none()
            && let Some(token) = self.id_at_hand()
        {
            return Ok(of(token));
        }
        let slot = self.slot(&["id", audience.unwrap_or_default()]);
        let wanted = |brought: &Brought| brought.id.as_ref().map(|minted| minted.token.clone());
        let mint = async |mint: Mint<'_>| mint.id(&self.credential, audience).await;
        self.kept_or(slot, audience, mint, wanted).await.map(of)
    }

    /// An ID token for the credential's own client that does not expire soon.
    fn id_at_hand(&self) -> Option<String> {
        let soon = (self.clock)() + time::Duration::minutes(5);
        let token = self.at_hand(|at_hand| at_hand.id.clone())?;
        expiry(&token).is_some_and(|end| end > soon).then_some(token)
    }

    /// Discards an ID token that the server refused before its expiry.
    pub fn forget_id(&self, audience: Option<&str>, refused: &str) {
        self.at_hand(|at_hand| at_hand.id.take_if(|token| token == refused));
        let slot = self.slot(&["id", audience.unwrap_or_default()]);
        if let Some(slot) = slot
            && slot.read((self.clock)()).as_deref() == Some(refused)
        {
            slot.forget();
        }
    }

    /// The cached token, or a new one; processes take turns to obtain it.
    async fn kept_or(
        &self,
        slot: Option<Slot>,
        audience: Option<&str>,
        mint: impl AsyncFnOnce(Mint<'_>) -> Result<Brought, AuthError>,
        wanted: impl Fn(&Brought) -> Option<String>,
    ) -> Result<String, AuthError> {
        let mut turn = None;
        if let Some(slot) = &slot {
            if let Some(token) = slot.read((self.clock)()) {
                return Ok(token);
            }
            turn = slot.turn().await;
            // The process that held the lock before has usually stored a token.
            if let Some(token) = slot.read((self.clock)()) {
                return Ok(token);
            }
        }
        let now = (self.clock)();
        let (login, network) = (self.login.as_deref(), &self.network);
        let brought = Box::pin(mint(Mint { place: &self.place, login, now, network })).await?;
        let token =
            wanted(&brought).ok_or_else(|| AuthError::NoIdToken { place: self.place.clone() })?;
        if slot.is_some() {
            self.keep(&brought, audience, now);
        }
        drop(turn);
        Ok(token)
    }

    /// Stores the tokens of a response: the requested one and any other one.
    fn keep(&self, brought: &Brought, audience: Option<&str>, now: OffsetDateTime) {
        let kept = [
            (&brought.access, self.slot(&["access"])),
            (&brought.id, self.slot(&["id", audience.unwrap_or_default()])),
        ];
        for (minted, slot) in kept {
            if let (Some(minted), Some(slot)) = (minted, slot) {
                slot.write(minted, now);
            }
        }
    }

    fn slot(&self, parts: &[&str]) -> Option<Slot> {
        // Checked first: the fingerprint may read files, and is not needed without a cache.
        let cache = self.cache.as_ref()?;
        let fingerprint = self.credential.fingerprint()?;
        let parts: Vec<&str> =
            std::iter::once(fingerprint.as_str()).chain(parts.iter().copied()).collect();
        Some(cache.slot(&parts))
    }

    /// Discards the access token, which the server refused before its expiry. Returns whether
    /// another one can be obtained.
    pub fn forget_access(&self) -> bool {
        if matches!(self.credential, Credential::Bearer(_)) {
            return false;
        }
        let refused = self.at_hand(|at_hand| at_hand.access.take());
        if let (Some(slot), Some(refused)) = (self.slot(&["access"]), refused) {
            // Another process may have stored a new one meanwhile.
            if slot.read((self.clock)()).as_deref() == Some(refused.text()) {
                slot.forget();
            }
        }
        true
    }

    fn at_hand<T>(&self, work: impl FnOnce(&mut AtHand) -> T) -> T {
        work(&mut self.at_hand.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}
