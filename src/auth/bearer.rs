//! A bearer token and its `Authorization` header.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use http::HeaderValue;
use thiserror::Error;

/// No server accepts a longer header, and a pipe holds little more.
const LONGEST: usize = 12 * 1024;

/// A bearer token. `Debug` does not print it.
#[derive(Clone)]
pub struct BearerToken(String);

/// Why a text cannot be a token. Never quotes the text.
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
    /// Parses a token.
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

    /// The token text.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// The text of the `Authorization` header.
    pub fn text_of_header(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// The value of the `Authorization` header.
    pub fn header(&self) -> HeaderValue {
        let value = HeaderValue::from_str(&self.text_of_header());
        // `new` accepts only characters that a header may contain.
        let mut value = value.unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
        value.set_sensitive(true);
        value
    }
}

/// Why a file does not hold an ID token.
#[derive(Debug, Error)]
pub enum IdTokenFileError {
    #[error("cannot read the ID token in `{}`", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("what stands in `{}` is not an ID token", path.display())]
    NoToken { path: PathBuf, source: TokenError },
}

impl BearerToken {
    /// Reads the ID token in a file.
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
