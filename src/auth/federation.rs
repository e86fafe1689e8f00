//! Workload and workforce identity federation: the subject token of another provider, exchanged for
//! an access token of Google's (RFC 8693; the fields of the file are documented).

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::AuthError;
use crate::transport::{Destination, Network, Transport};

/// The variable without which no executable is run (documented).
pub(super) const ALLOW_EXECUTABLES: &str = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES";
/// Time limit for a subject token.
const PATIENCE: Duration = Duration::from_secs(20);

/// A source of subject tokens.
#[derive(Clone, Debug)]
pub(super) enum Source<'a> {
    File {
        path: &'a str,
        format: &'a Value,
    },
    Url {
        url: &'a str,
        headers: &'a Value,
        format: &'a Value,
    },
    /// An executable or AWS, which the official client asks.
    Official,
}

/// Checks the source that a file names; the error says what is wrong with it.
pub(super) fn source(file: &Value) -> Result<Source<'_>, String> {
    let source = &file["credential_source"];
    if !source.is_object() {
        return Err("it lacks `credential_source`".to_owned());
    }
    if source.get("certificate").is_some() {
        return Err(
            "it takes its token by an X.509 certificate (`credential_source.certificate`), \
            which this program does not support: it supports a file, a URL, an executable and AWS"
                .to_owned(),
        );
    }
    let format = &source["format"];
    if let Some(path) = source["file"].as_str() {
        return Ok(Source::File { path, format });
    }
    let is_aws = source["environment_id"].as_str().is_some_and(|id| id.starts_with("aws"));
    if is_aws || source.get("executable").is_some() {
        return Ok(Source::Official);
    }
    match source["url"].as_str() {
        Some(url) => Ok(Source::Url { url, headers: &source["headers"], format }),
        None => Err("its `credential_source` names no file, URL, executable or AWS".to_owned()),
    }
}

/// Reads the subject token. Errors name the file, the URL and the status: none of them is a secret.
pub(super) async fn subject_token(
    source: &Source<'_>,
    place: &str,
    network: &Network,
) -> Result<String, AuthError> {
    let failed = |why: String| AuthError::SubjectToken { place: place.to_owned(), why };
    match source {
        Source::Official => Err(failed("the official client reads it".to_owned())),
        Source::File { path, format } => {
            let text = fs::read_to_string(path)
                .map_err(|error| failed(format!("the file `{path}` cannot be read: {error}")))?;
            token_in(&text, format).map_err(|why| failed(format!("the file `{path}` {why}")))
        }
        Source::Url { url, headers, format } => {
            let shown = without_query(url);
            let uri =
                Uri::try_from(*url).map_err(|_| failed(format!("`{shown}` is no address")))?;
            let mut head = HeaderMap::new();
            for (name, value) in headers.as_object().into_iter().flatten() {
                let name = HeaderName::try_from(name.as_str());
                let value = HeaderValue::from_str(value.as_str().unwrap_or_default());
                let (Ok(name), Ok(mut value)) = (name, value) else {
                    return Err(failed(
                        "a header of `credential_source.headers` is none".to_owned(),
                    ));
                };
                value.set_sensitive(true);
                head.insert(name, value);
            }
            let is_plain = uri.scheme_str() == Some("http");
            if is_plain && head.contains_key(AUTHORIZATION) && !is_near(&uri) {
                return Err(failed(format!(
                    "`{shown}` is plain http, and its headers hold a secret"
                )));
            }
            let unreachable = |why: String| AuthError::Unreachable { url: shown.to_owned(), why };
            let (address, network) = (uri.clone(), network.clone());
            let to = Destination { address, network, ..Destination::default() };
            let transport = if is_plain {
                Transport::plain()
            } else {
                Transport::along(&to).map_err(|error| unreachable(error.to_string()))?
            };
            let asked = transport.send(Method::GET, uri, head, bytes::Bytes::new());
            let answer = timeout(PATIENCE, asked).await;
            let answer = answer.map_err(|_| unreachable("no answer in time".to_owned()))?;
            let answer = answer.map_err(|error| unreachable(error.to_string()))?;
            let status = answer.status.as_u16();
            if answer.status.is_server_error() || status == 429 {
                return Err(unreachable(format!("HTTP {status}")));
            }
            if !answer.status.is_success() {
                return Err(failed(format!("`{shown}` answers HTTP {status}")));
            }
            let text = String::from_utf8_lossy(&answer.body);
            token_in(&text, format).map_err(|why| failed(format!("the answer of `{shown}` {why}")))
        }
    }
}

/// The parameters of the exchange.
pub(super) fn exchange(file: &Value, subject: &str, scope: &str) -> Vec<(&'static str, String)> {
    let text = |name: &str| file[name].as_str().unwrap_or_default().to_owned();
    let mut pairs = vec![
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange".to_owned()),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token".to_owned()),
        ("audience", text("audience")),
        ("scope", scope.to_owned()),
        ("subject_token_type", text("subject_token_type")),
        ("subject_token", subject.to_owned()),
    ];
    // The project of a workforce pool's user, unless a client authenticates itself (documented).
    let project = file["workforce_pool_user_project"].as_str();
    if let Some(project) = project.filter(|_| file["client_id"].as_str().is_none()) {
        pairs.push(("options", json!({"userProject": project}).to_string()));
    }
    pairs
}

/// The subject token in a text or in a field of JSON, as `format` says.
fn token_in(text: &str, format: &Value) -> Result<String, String> {
    let token = if format["type"].as_str() == Some("json") {
        let Some(field) = format["subject_token_field_name"].as_str() else {
            return Err("is JSON, and `subject_token_field_name` is missing".to_owned());
        };
        let Ok(json) = serde_json::from_str::<Value>(text) else {
            return Err("is not JSON".to_owned());
        };
        match json[field].as_str() {
            Some(token) => token.to_owned(),
            None => return Err(format!("has no text in the field `{field}`")),
        }
    } else {
        text.trim().to_owned()
    };
    if token.is_empty() { Err("is empty".to_owned()) } else { Ok(token) }
}

/// A URL without its query, which may hold what nobody else should read.
fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// Whether a host is this machine, or is reached by its link alone, as metadata servers are.
fn is_near(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| match address {
            IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
            IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
        })
}
