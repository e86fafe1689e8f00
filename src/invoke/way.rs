//! The route to a service: over the network, or to the sandbox, which serves the service's URL.

use std::net::ToSocketAddrs;

use http::Uri;

use super::Call;
use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind};
use crate::sandbox::DEFAULT_PORT;
use crate::transport::{Destination, Endpoint, on_this_machine};

/// The route to an address, as curl's options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    pub url: String,
    /// Long options of curl with their values, added to every request.
    pub options: Vec<(&'static str, String)>,
    /// Whether the sandbox answers.
    pub is_near: bool,
}

/// The route of requests from this process.
pub fn destination(cx: &Context, call: &Call) -> Result<Destination, CommandError> {
    let address = |text: &str| {
        text.parse::<Uri>().map_err(|_| CommandError::usage(format!("`{text}` is not an address")))
    };
    if !call.is_services || !cx.is_on_this_machine()? {
        let address = address(&call.origin)?;
        return Ok(Destination {
            at: on_this_machine(&address),
            address,
            network: cx.network().clone(),
            ..Destination::default()
        });
    }
    let endpoint = cx.endpoint()?;
    let near = endpoint.authority();
    let at = near.to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or_else(|| {
        CommandError::new(ErrorKind::Unavailable, format!("`{near}` is no address here"))
    })?;
    let is_own = cx.served_sandbox().is_some_and(|served| served.authority() == near);
    let scheme = if endpoint.is_plain() { "http" } else { "https" };
    Ok(Destination {
        // Without the port: the replacement address has its own.
        address: address(&format!("{scheme}://{}", call.host()))?,
        at: Some(at),
        authority: cx.sandbox_authority().filter(|_| is_own).map(Into::into),
        ..Destination::default()
    })
}

/// Finds the route to an address. `elsewhere` if another process will send the request: an
/// in-process sandbox is then assumed to listen on its default port.
pub fn way(cx: &Context, call: &Call, url: &str, elsewhere: bool) -> Result<Way, CommandError> {
    let endpoint = cx.endpoint()?;
    // A host that the user allowed is used unchanged, even on this machine.
    if !cx.is_on_this_machine()? || !call.is_services {
        // A redirect on the same host must not use plain HTTP, and no proxy may see a plain
        // request.
        let options = if url.starts_with("http://") {
            vec![("noproxy", "*".to_owned())]
        } else {
            let mut options = vec![("proto-redir", "=https".to_owned())];
            let network = cx.network();
            let authorities = network.authorities.as_ref();
            options.extend(authorities.map(|path| ("cacert", path.display().to_string())));
            options.extend(network.proxy.as_ref().map(|it| ("proxy", it.address.to_string())));
            options
        };
        return Ok(Way { url: url.to_owned(), options, is_near: false });
    }
    let served = cx.served_sandbox();
    let usual = || Endpoint::loopback(DEFAULT_PORT);
    let endpoint = if elsewhere && cx.is_sandbox() {
        served.clone().unwrap_or_else(usual)
    } else {
        endpoint.clone()
    };
    let (scheme, port) = if endpoint.is_plain() { ("http", 80) } else { ("https", 443) };
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let has_port = authority.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok());
    let from = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    let to = endpoint.authority();
    let mut options = vec![("connect-to", format!("{from}:{to}")), ("noproxy", "*".to_owned())];
    if !endpoint.is_plain() && served.is_some_and(|served| served.authority() == to) {
        // The sandbox's own certificate authority; nothing else needs to trust it.
        options.extend(cx.sandbox_authority().map(|path| ("cacert", path)));
    }
    Ok(Way { url: format!("{scheme}://{rest}"), options, is_near: true })
}
