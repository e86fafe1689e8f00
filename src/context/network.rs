//! The way to the network, by gcloud's properties: honoured, or refused by name.

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};

use super::Context;
use crate::auth::UNIVERSE;
use crate::domain::error::CommandError;
use crate::gcloud::{Properties, Property, PropertySource};
use crate::transport::{Network, Proxy};

impl Context {
    /// How requests leave this machine.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The universe that requests go to: the credential's, else the one that is set.
    pub fn universe(&self) -> String {
        let Some(properties) = &self.properties else { return UNIVERSE.to_owned() };
        match self.identity() {
            Ok(identity) => identity.universe.clone(),
            Err(_) => properties
                .value("core", "universe_domain")
                .ok()
                .flatten()
                .map_or_else(|| UNIVERSE.to_owned(), |property| property.value),
        }
    }
}

/// Reads the properties that say how to reach Google. What this program does not do is refused: to
/// go another way than the one that was set could show a token to whoever is on it.
pub(super) fn network_of(properties: &Properties) -> Result<Network, CommandError> {
    let value = |section: &str, key: &str| properties.value(section, key);
    if properties.flag("context_aware", "use_client_certificate")? {
        let property = value("context_aware", "use_client_certificate")?;
        return Err(not_done("context_aware/use_client_certificate", property.as_ref())
            .because("this program presents no client certificate"));
    }
    if let Some(mode) = value("regional", "endpoint_mode")?
        && mode.value == "regional"
    {
        return Err(not_done("regional/endpoint_mode", Some(&mode)).because(
            "this program searches every region with one request, which goes to the global endpoint",
        ));
    }
    let authorities = match value("core", "custom_ca_certs_file")? {
        None => None,
        Some(file) => {
            let path = PathBuf::from(&file.value);
            if let Err(error) = std::fs::File::open(&path) {
                let message = format!("cannot read `{}`", path.display());
                let error = CommandError::usage(message).because(error.to_string());
                let source = format!("it is set by `core/custom_ca_certs_file` ({})", file.source);
                return Err(error.because(source));
            }
            Some(path)
        }
    };
    Ok(Network { authorities, proxy: proxy_of(properties)? })
}

fn proxy_of(properties: &Properties) -> Result<Option<Proxy>, CommandError> {
    let value = |key: &str| properties.value("proxy", key);
    let (kind, address, port) = (value("type")?, value("address")?, value("port")?);
    let (kind, address, port) = match (kind, address, port) {
        (None, None, None) => return Ok(None),
        (Some(kind), Some(address), Some(port)) => (kind, address, port),
        _ => {
            let message = "`proxy/type`, `proxy/address` and `proxy/port` are not all set";
            return Err(CommandError::usage(message)
                .because("gcloud takes all of them or none")
                .hint_gcloud("config list proxy"));
        }
    };
    if !kind.value.eq_ignore_ascii_case("http") {
        return Err(not_done("proxy/type", Some(&kind)).because(
            "this program takes a proxy of the type `http`, which is asked for a tunnel",
        ));
    }
    let uri = format!("http://{}:{}", address.value, port.value);
    let uri: Uri = uri.parse().map_err(|_| {
        CommandError::usage("`proxy/address` and `proxy/port` make no address")
            .hint_gcloud("config list proxy")
    })?;
    let (name, password) = (value("username")?, value("password")?);
    let authorization = name.map(|name| {
        let password = password.map(|password| password.value).unwrap_or_default();
        let pair = BASE64_STANDARD.encode(format!("{}:{password}", name.value));
        let mut header = HeaderValue::from_str(&format!("Basic {pair}"))
            .unwrap_or_else(|_| HeaderValue::from_static(""));
        header.set_sensitive(true);
        header
    });
    Ok(Some(Proxy { address: uri, authorization }))
}

fn not_done(name: &str, property: Option<&Property>) -> CommandError {
    let value = property.map_or("", |property| property.value.as_str());
    let error = CommandError::usage(format!("`{name}` is `{value}`, which is not supported"));
    match property.map(|property| &property.source) {
        Some(PropertySource::Variable(variable)) => error.hint(format!("unset {variable}")),
        _ => error.hint_gcloud(format!("config unset {name}")),
    }
}
