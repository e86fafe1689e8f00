//! How the sandbox serves.

use std::collections::BTreeMap;

use http::Uri;
use thiserror::Error;

use crate::records::store::{Sandbox, StoreError};
use crate::settings::Settings;

/// The applications of a user's own, by `NAME` or `REGION/NAME`.
pub(crate) type Backends = BTreeMap<String, Uri>;

/// What a server is told beside the world that it serves.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub settings: Settings,
    /// Whether an opaque bearer is refused rather than taken for the default account's.
    pub strict_auth: bool,
    pub(crate) backends: Backends,
    /// Whether it speaks TLS too.
    pub tls: bool,
}

/// An application of the user's own behind a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    service: String,
    address: Uri,
}

/// Why a text is no backend.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BackendError {
    #[error("write it as NAME=URL, such as hello=http://127.0.0.1:3000")]
    Form,
    #[error("`{0}` is not the address of an application, such as http://127.0.0.1:3000")]
    Address(String),
}

impl Backend {
    /// Parses `NAME=URL` or `REGION/NAME=URL`.
    pub fn parse(text: &str) -> Result<Self, BackendError> {
        let (service, url) = text.split_once('=').ok_or(BackendError::Form)?;
        if service.is_empty() {
            return Err(BackendError::Form);
        }
        let refused = || BackendError::Address(url.to_owned());
        let address: Uri = url.parse().map_err(|_| refused())?;
        let whole = matches!(address.path(), "" | "/") && address.query().is_none();
        let is_http = address.scheme_str() == Some("http") && address.authority().is_some();
        if !is_http || !whole {
            return Err(refused());
        }
        Ok(Self { service: service.to_owned(), address })
    }
}

impl Options {
    /// The services that backends are for and that are not there.
    pub fn unknown_backends(&self, sandbox: &Sandbox) -> Result<Vec<String>, StoreError> {
        let mut unknown = Vec::new();
        for name in self.backends.keys() {
            let (region, service) = match name.split_once('/') {
                Some((region, service)) => (Some(region), service),
                None => (None, name.as_str()),
            };
            if !sandbox.has_service(region, service)? {
                unknown.push(name.clone());
            }
        }
        Ok(unknown)
    }

    /// Puts applications behind services.
    #[must_use]
    pub fn with_backends(mut self, backends: Vec<Backend>) -> Self {
        self.backends = backends.into_iter().map(|b| (b.service, b.address)).collect();
        self
    }
}
