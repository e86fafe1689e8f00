//! `proxy`: the services that the proxy serves, and their local addresses.

use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

use super::table::{columns, exposure_cell, text};
use super::{Report, Style};
use crate::domain::exposure::Exposure;

/// The served services.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyReport {
    pub sandbox: bool,
    /// The address of the main port.
    pub address: String,
    /// The account that requests are sent as; `None` if the token does not say.
    pub account: Option<String>,
    /// When the first of the tokens expires; they are renewed before that.
    #[serde(with = "time::serde::rfc3339::option")]
    pub token_expiry: Option<OffsetDateTime>,
    /// The secret that clients must send if other machines are allowed.
    pub secret: Option<String>,
    pub services: Vec<ProxiedRow>,
}

/// A served service.
#[derive(Clone, Debug, Serialize)]
pub struct ProxiedRow {
    /// The local name.
    pub name: String,
    /// The full resource name, if the service was looked up.
    pub service: Option<String>,
    /// The local address.
    pub address: String,
    /// The URL that its requests are sent to.
    pub url: String,
    pub exposure: Option<Exposure>,
    pub tags: Vec<String>,
}

impl std::fmt::Debug for ProxyReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProxyReport").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Report for ProxyReport {
    const ROWS: Option<&'static str> = Some("services");
    const PATHS: &'static [&'static str] =
        &["name", "service", "address", "url", "exposure", "tags"];

    fn table(&self, style: Style) -> String {
        let who = self.account.as_deref().map(|who| format!(" as {who}")).unwrap_or_default();
        let until = match self.token_expiry {
            Some(end) => {
                let clock = format_description!("[hour]:[minute]:[second]");
                format!(", token until {} UTC", end.format(&clock).unwrap_or_default())
            }
            None => String::new(),
        };
        if let [only] = self.services.as_slice() {
            return format!("{} is at {}{who}{until}\n", only.name, only.address);
        }
        let cells = self.services.iter().map(|row| {
            let exposure = row.exposure.map_or_else(|| text(""), exposure_cell);
            vec![text(&row.name), exposure, text(&row.address), text(&row.url)]
        });
        let table = columns(&["NAME", "EXPOSURE", "ADDRESS", "URL"], cells.collect(), style);
        format!("serving at {}{who}{until}\n{table}", self.address)
    }
}
