//! The metadata server of Google's machines, as a last source of the project.

use std::time::Duration;

use reqwest::Client;

/// It answers at once or is not there.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks the metadata server at `host` for the project's id; `None` where there is no answer that
/// carries the header by which the real one is known (documented).
pub async fn project_id(host: &str) -> Option<String> {
    let client = Client::builder().timeout(PATIENCE).no_proxy().build().ok()?;
    let url = format!("http://{host}/computeMetadata/v1/project/project-id");
    let answer = client.get(url).header("Metadata-Flavor", "Google").send().await.ok()?;
    let genuine = answer.headers().get("Metadata-Flavor").is_some_and(|value| value == "Google");
    if !answer.status().is_success() || !genuine {
        return None;
    }
    let text = answer.text().await.ok()?;
    let id = text.trim();
    let good =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | ':' | '.');
    (!id.is_empty() && id.chars().all(good)).then(|| id.to_owned())
}
