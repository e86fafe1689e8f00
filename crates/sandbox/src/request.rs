//! A request to an API, taken off the wire.

use time::OffsetDateTime;

use crate::dialect::query::Query;
use crate::faults::Effects;

/// A request to an API, taken off the wire.
#[derive(Clone, Debug)]
pub(crate) struct ApiRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Query,
    /// The `Authorization` header, if there is one.
    pub(crate) authorization: Option<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) now: OffsetDateTime,
    /// The region that the host name is of.
    pub(crate) host_region: Option<String>,
    /// Where this server is, as the client names it: such as `http://127.0.0.1:8787`.
    pub(crate) base: String,
    pub(crate) effects: Effects,
}

/// The region that a host name is of: `REGION-run.googleapis.com`, `run.REGION.rep.googleapis.com`
/// (discovery document), or what gcloud makes of an endpoint on loopback, `REGION-127.0.0.1`.
pub(crate) fn region_of_host(host: &str) -> Option<String> {
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.chars().all(|c| c.is_ascii_digit()) { name } else { host }
    });
    let region = ["-run.googleapis.com", "-127.0.0.1", "-localhost"]
        .into_iter()
        .find_map(|end| name.strip_suffix(end))
        .or_else(|| name.strip_prefix("run.")?.strip_suffix(".rep.googleapis.com"))?;
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (!region.is_empty() && region.chars().all(good)).then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_name_a_region() {
        for (host, region) in [
            ("us-central1-run.googleapis.com", Some("us-central1")),
            ("run.europe-west1.rep.googleapis.com:443", Some("europe-west1")),
            ("us-central1-127.0.0.1:8787", Some("us-central1")),
            ("europe-west10-localhost:80", Some("europe-west10")),
            ("run.googleapis.com", None),
            ("127.0.0.1:8787", None),
            ("nowhere1-127.0.0.1:8787", Some("nowhere1")),
            ("[::1]:8787", None),
        ] {
            assert_eq!(region_of_host(host).as_deref(), region, "{host}");
        }
    }
}
