//! `url`: the addresses of a service.

use serde::Serialize;

use super::{Report, Style};

/// The addresses of one service.
#[derive(Clone, Debug, Serialize)]
pub struct UrlReport {
    pub sandbox: bool,
    pub service: String,
    /// The requested address.
    pub url: String,
    /// All requested addresses, `url` first.
    pub urls: Vec<String>,
}

impl Report for UrlReport {
    const ROWS: Option<&'static str> = None;
    const PATHS: &'static [&'static str] = &["sandbox", "service", "url", "urls"];

    fn table(&self, _: Style) -> String {
        self.urls.iter().map(|url| url.clone() + "\n").collect()
    }
}
