//! The metadata server of Google's machines: the last source of the project.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Uri};
use tokio::time::timeout;

use crate::transport::Transport;

/// A metadata server answers at once or does not exist.
const PATIENCE: Duration = Duration::from_secs(1);
/// The header that identifies a real metadata server, in both directions (documented).
const FLAVOR: &str = "metadata-flavor";

/// Asks the metadata server at `host` for the project ID; `None` if no real metadata server
/// answers.
pub async fn project_id(host: &str) -> Option<String> {
    let uri = format!("http://{host}/computeMetadata/v1/project/project-id");
    let uri = Uri::try_from(uri).ok()?;
    let mut headers = HeaderMap::new();
    headers.insert(FLAVOR, HeaderValue::from_static("Google"));
    let transport = Transport::plain();
    let answer = transport.get(uri, headers);
    let answer = timeout(PATIENCE, answer).await.ok()?.ok()?;
    let genuine = answer.headers.get(FLAVOR).is_some_and(|value| value == "Google");
    if !answer.status.is_success() || !genuine {
        return None;
    }
    let text = std::str::from_utf8(&answer.body).ok()?;
    let id = text.trim();
    let good =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | ':' | '.');
    (!id.is_empty() && id.chars().all(good)).then(|| id.to_owned())
}
