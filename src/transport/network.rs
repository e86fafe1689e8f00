//! How this machine reaches the network, by gcloud's properties.

use std::path::PathBuf;

use http::{HeaderValue, Uri};

/// The way out of this machine. By default the environment's proxy and this machine's certificates.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// The only trusted certificate authorities, in a file (`core/custom_ca_certs_file`).
    pub authorities: Option<PathBuf>,
    /// The proxy of every request beyond this machine (`proxy/*`).
    pub proxy: Option<Proxy>,
}

/// An HTTP proxy that is asked for a tunnel.
#[derive(Clone, Debug)]
pub struct Proxy {
    pub address: Uri,
    /// The value of `Proxy-Authorization`; `Debug` does not print it.
    pub authorization: Option<HeaderValue>,
}

impl Network {
    /// Whether everything is as on a machine without gcloud.
    pub fn is_usual(&self) -> bool {
        self.authorities.is_none() && self.proxy.is_none()
    }
}
