//! An access token that is at hand, and the header that carries any token.

use std::fmt;

use google_cloud_auth::credentials::{
    CacheableResource, Credentials, CredentialsProvider, EntityTag,
};
use google_cloud_auth::errors::CredentialsError;
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderValue};
use thiserror::Error;

/// A token used as it stands and never refreshed. Its text is in no debug output.
#[derive(Clone)]
pub struct BearerToken {
    header: HeaderValue,
    entity_tag: EntityTag,
}

/// Why a text cannot be a token. The text itself is never quoted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TokenError {
    #[error("it is empty")]
    Empty,
    #[error("it holds characters that no token has")]
    IllFormed,
}

impl BearerToken {
    /// Takes a token's text.
    pub fn new(token: &str) -> Result<Self, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        if !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(TokenError::IllFormed);
        }
        let mut header =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| TokenError::IllFormed)?;
        header.set_sensitive(true);
        Ok(Self { header, entity_tag: EntityTag::new() })
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(…)")
    }
}

impl CredentialsProvider for BearerToken {
    async fn headers(
        &self,
        extensions: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        if extensions.get::<EntityTag>() == Some(&self.entity_tag) {
            return Ok(CacheableResource::NotModified);
        }
        let data = HeaderMap::from_iter([(AUTHORIZATION, self.header.clone())]);
        Ok(CacheableResource::New { entity_tag: self.entity_tag.clone(), data })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

/// The headers that authenticate a request which the official client does not send.
pub async fn authorization(credentials: &Credentials) -> Result<HeaderMap, CredentialsError> {
    match credentials.headers(Extensions::new()).await? {
        CacheableResource::New { data, .. } => Ok(data),
        CacheableResource::NotModified => Ok(HeaderMap::new()),
    }
}
