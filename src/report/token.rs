//! `token`: an ID token, or its claims.

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::table::{facts, text};
use super::{Report, Style};

/// An ID token.
#[derive(Clone, Serialize)]
pub struct TokenReport {
    pub token: String,
    pub audience: Option<String>,
    /// When it expires.
    pub expiry: String,
    pub account: Option<String>,
    /// Whether the table shows the whole header.
    #[serde(skip)]
    pub as_header: bool,
}

impl std::fmt::Debug for TokenReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenReport").field("audience", &self.audience).finish_non_exhaustive()
    }
}

impl Report for TokenReport {
    const ROWS: Option<&'static str> = None;
    const PATHS: &'static [&'static str] = &["token", "audience", "expiry", "account"];

    fn table(&self, _: Style) -> String {
        let prefix = if self.as_header { "Authorization: Bearer " } else { "" };
        format!("{prefix}{}\n", self.token)
    }
}

/// The claims of a token.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct ClaimsReport {
    pub claims: Value,
    #[serde(skip)]
    pub now: OffsetDateTime,
}

impl Report for ClaimsReport {
    const ROWS: Option<&'static str> = None;
    const PATHS: &'static [&'static str] =
        &["iss", "aud", "azp", "sub", "email", "email_verified", "hd", "at_hash", "iat", "exp"];

    fn table(&self, style: Style) -> String {
        let shown = |(name, value): (&String, &Value)| {
            let shown = match (name.as_str(), value) {
                ("exp" | "iat" | "nbf", Value::Number(_)) => self.moment(value),
                (_, Value::String(text)) => text.clone(),
                (_, other) => other.to_string(),
            };
            (name.clone(), text(shown))
        };
        facts(self.claims.as_object().into_iter().flatten().map(shown).collect(), style)
    }
}

impl ClaimsReport {
    /// A time and its distance from now in words.
    fn moment(&self, seconds: &Value) -> String {
        let at = seconds.as_i64().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
        let Some(at) = at else { return seconds.to_string() };
        let written = at.format(&Rfc3339).unwrap_or_default();
        let away = (at - self.now).whole_seconds();
        let span = humantime::format_duration(std::time::Duration::from_secs(away.unsigned_abs()));
        if away > 0 { format!("{written} (in {span})") } else { format!("{written} ({span} ago)") }
    }
}
