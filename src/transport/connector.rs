//! Connections: plain HTTP, and TLS with certificate checks. They go through a proxy if the
//! environment sets one, or to an address that replaces the real one.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tower_service::Service;

use super::TransportError;
use super::network::Network;
use super::stream::Stream;

/// Time limit for a connection, its TLS handshake included.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time limit for one address.
const KNOCK: Duration = Duration::from_secs(10);
/// The interval of TCP keep-alive probes.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The destination of connections.
#[derive(Clone, Debug, Default)]
pub struct Destination {
    /// The requested address. Determines plain HTTP or TLS, and the proxy.
    pub address: Uri,
    /// The address that replaces the requested one.
    pub at: Option<SocketAddr>,
    /// The only trusted certificate authority, instead of this machine's.
    pub authority: Option<PathBuf>,
    /// How it is reached, unless it is on this machine.
    pub network: Network,
    /// Whether to offer HTTP/1.1 only.
    pub only_http1: bool,
}

/// Opens connections to a destination.
#[derive(Clone, Debug)]
pub struct Connector(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Plain(HttpConnector<Resolver>),
    Tls(HttpsConnector<HttpConnector<Resolver>>),
    /// TLS through the proxy of the environment.
    Proxied(HttpsConnector<Tunnel<HttpConnector<Resolver>>>),
}

/// Resolves a name, or returns the address that replaces it.
#[derive(Clone, Debug)]
struct Resolver {
    system: GaiResolver,
    at: Option<SocketAddr>,
}

impl Connector {
    /// A connector for a destination. Opens no connection; reads certificates only for TLS.
    pub fn along(to: &Destination) -> Result<Self, TransportError> {
        if to.address.scheme_str() == Some("http") {
            return Ok(Self::plain(to.at));
        }
        let mut connector = http(to.at);
        connector.enforce_http(false);
        // A replacement address is on this machine, so no proxy applies.
        if to.at.is_some() {
            return Ok(Self(Kind::Tls(tls(to, connector)?)));
        }
        if let Some(proxy) = &to.network.proxy {
            let tunnel = Tunnel::new(proxy.address.clone(), connector);
            let tunnel = match &proxy.authorization {
                Some(authorization) => tunnel.with_auth(authorization.clone()),
                None => tunnel,
            };
            return Ok(Self(Kind::Proxied(tls(to, tunnel)?)));
        }
        Ok(Self(match Matcher::from_env().intercept(&to.address) {
            None => Kind::Tls(tls(to, connector)?),
            Some(proxy) => {
                let tunnel = tunnel(&proxy, connector).map_err(TransportError::Unusable)?;
                Kind::Proxied(tls(to, tunnel)?)
            }
        }))
    }

    /// A connector for plain connections.
    pub fn plain(at: Option<SocketAddr>) -> Self {
        Self(Kind::Plain(http(at)))
    }
}

fn http(at: Option<SocketAddr>) -> HttpConnector<Resolver> {
    let resolver = Resolver { system: GaiResolver::new(), at };
    let mut connector = HttpConnector::new_with_resolver(resolver);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(KNOCK));
    connector.set_keepalive(Some(KEEP_ALIVE));
    connector
}

fn tls<C>(to: &Destination, connector: C) -> Result<HttpsConnector<C>, TransportError> {
    let failed = |error: &dyn std::error::Error| {
        TransportError::Unusable(format!("cannot read root certificates: {error}"))
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = HttpsConnectorBuilder::new();
    let builder = match to.authority.as_ref().or(to.network.authorities.as_ref()) {
        None => {
            builder.with_provider_and_platform_verifier(provider).map_err(|error| failed(&error))?
        }
        Some(path) => {
            let mut roots = RootCertStore::empty();
            let found = CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))?;
            for certificate in found {
                let certificate = certificate.map_err(|error| failed(&error))?;
                roots.add(certificate).map_err(|error| failed(&error))?;
            }
            let versions = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|error| failed(&error))?;
            builder.with_tls_config(versions.with_root_certificates(roots).with_no_client_auth())
        }
    };
    let builder = builder.https_only();
    Ok(if to.only_http1 {
        builder.enable_http1().wrap_connector(connector)
    } else {
        builder.enable_all_versions().wrap_connector(connector)
    })
}

fn tunnel<C>(proxy: &Intercept, connector: C) -> Result<Tunnel<C>, String> {
    if proxy.uri().scheme_str() != Some("http") {
        return Err(format!("the proxy {} is not one of plain HTTP", proxy.uri()));
    }
    let tunnel = Tunnel::new(proxy.uri().clone(), connector);
    Ok(match proxy.basic_auth() {
        Some(auth) => tunnel.with_auth(auth.clone()),
        None => tunnel,
    })
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Failure>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        match &mut self.0 {
            Kind::Plain(connector) => connector.poll_ready(cx).map_err(Into::into),
            Kind::Tls(connector) => connector.poll_ready(cx),
            Kind::Proxied(connector) => connector.poll_ready(cx),
        }
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "it takes too long to connect");
        match &mut self.0 {
            Kind::Plain(connector) => {
                let connecting = connector.call(address);
                Box::pin(async move { Ok(Stream::new(MaybeHttpsStream::Http(connecting.await?))) })
            }
            Kind::Tls(connector) => {
                let connecting = connector.call(address);
                Box::pin(async move {
                    let connected = tokio::time::timeout(PATIENCE, connecting).await;
                    Ok(Stream::new(connected.map_err(|_| late())??))
                })
            }
            Kind::Proxied(connector) => {
                let connecting = connector.call(address);
                Box::pin(async move {
                    let connected = tokio::time::timeout(PATIENCE, connecting).await;
                    Ok(Stream::new(connected.map_err(|_| late())??))
                })
            }
        }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        if let Some(at) = self.at {
            return Box::pin(std::future::ready(Ok(vec![at].into_iter())));
        }
        let looking = self.system.call(name);
        Box::pin(async move { Ok(looking.await?.collect::<Vec<_>>().into_iter()) })
    }
}
