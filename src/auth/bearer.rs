//! A token's text, and the header that carries it.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use http::HeaderValue;
use thiserror::Error;

/// No server takes a longer header, and no pipe holds much more.
const LONGEST: usize = 12 * 1024;

/// A token used as it stands. Its text is in no debug output.
#[derive(Clone)]
pub struct BearerToken(String);

/// Why a text cannot be a token. The text itself is never quoted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TokenError {
    #[error("it is empty")]
    Empty,
    #[error("it holds characters that no token has")]
    IllFormed,
    #[error("it is longer than a header may be")]
    TooLong,
}

impl BearerToken {
    /// Takes a token's text.
    pub fn new(token: &str) -> Result<Self, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::TooLong);
        }
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        if !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(TokenError::IllFormed);
        }
        Ok(Self(token.to_owned()))
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// What stands in the header that carries it.
    pub fn text_of_header(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// The value of the header that carries it.
    pub fn header(&self) -> HeaderValue {
        let value = HeaderValue::from_str(&self.text_of_header());
        // Only characters that a header may hold are taken in.
        let mut value = value.unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
        value.set_sensitive(true);
        value
    }
}

/// Why a file holds no ID token.
#[derive(Debug, Error)]
pub enum IdTokenFileError {
    #[error("cannot read the ID token in `{}`", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("what stands in `{}` is not an ID token", path.display())]
    NoToken { path: PathBuf, source: TokenError },
}

impl BearerToken {
    /// The ID token that a file holds.
    pub fn in_file(path: &Path) -> Result<Self, IdTokenFileError> {
        let text = fs::read_to_string(path)
            .map_err(|source| IdTokenFileError::Unreadable { path: path.to_owned(), source })?;
        Self::new(text.trim())
            .map_err(|source| IdTokenFileError::NoToken { path: path.to_owned(), source })
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(…)")
    }
}
