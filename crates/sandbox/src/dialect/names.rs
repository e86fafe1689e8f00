//! Regions, names, and the addresses of services.

use crate::dialect::api_error::ApiError;
use runaccess_domain::resource::ServiceRef;

/// Every region that Cloud Run has (discovery document, `endpoints`), with the short code that
/// ends a hashed host name. Codes are from observation and memory (not certain); a region without
/// a known one has a code made of its own letters.
const REGIONS: [(&str, &str); 48] = [
    ("africa-south1", "bq"),
    ("asia-east1", "de"),
    ("asia-east2", "df"),
    ("asia-northeast1", "an"),
    ("asia-northeast2", "dt"),
    ("asia-northeast3", "du"),
    ("asia-south1", "el"),
    ("asia-south2", "em"),
    ("asia-southeast1", "as"),
    ("asia-southeast2", "et"),
    ("asia-southeast3", "av"),
    ("asia-southeast4", "aw"),
    ("australia-southeast1", "ts"),
    ("australia-southeast2", "km"),
    ("europe-central2", "lm"),
    ("europe-north1", "lz"),
    ("europe-north2", "ln"),
    ("europe-southwest1", "no"),
    ("europe-west1", "ew"),
    ("europe-west10", "oe"),
    ("europe-west12", "og"),
    ("europe-west15", "oh"),
    ("europe-west2", "nw"),
    ("europe-west3", "ey"),
    ("europe-west4", "ez"),
    ("europe-west6", "oa"),
    ("europe-west8", "oc"),
    ("europe-west9", "od"),
    ("me-central1", "ww"),
    ("me-central2", "wx"),
    ("me-west1", "zf"),
    ("northamerica-northeast1", "nn"),
    ("northamerica-northeast2", "pd"),
    ("northamerica-south1", "pv"),
    ("southamerica-east1", "rj"),
    ("southamerica-west1", "tl"),
    ("us-central1", "uc"),
    ("us-central2", "ud"),
    ("us-east1", "ue"),
    ("us-east4", "uk"),
    ("us-east5", "ul"),
    ("us-east7", "um"),
    ("us-south1", "vp"),
    ("us-west1", "uw"),
    ("us-west2", "wl"),
    ("us-west3", "wm"),
    ("us-west4", "wn"),
    ("us-west8", "wo"),
];

/// The regions, by name.
pub(crate) fn regions() -> impl Iterator<Item = &'static str> {
    REGIONS.iter().map(|(region, _)| *region)
}

/// Whether Cloud Run has this region.
pub(crate) fn is_region(region: &str) -> bool {
    regions().any(|known| known == region)
}

/// Refuses what is not a region, as v2 does; v1 says that the location is not found.
pub(crate) fn check_region(region: &str) -> Result<(), ApiError> {
    if is_region(region) {
        return Ok(());
    }
    Err(ApiError::invalid(format!("Location '{region}' is not a valid region.")))
}

/// Refuses what cannot be the name of a new service or job (`kind`).
pub(crate) fn check_id(kind: &str, id: &str) -> Result<(), ApiError> {
    if matches!(ServiceRef::parse(id), Ok(ServiceRef::Name(name)) if name == id) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "Invalid {kind} id '{id}': only lowercase, digits, and hyphens; must begin with letter, \
         and cannot end with hyphen; must be less than 50 characters."
    )))
}

/// A number that stands for bytes, the same on every machine and in every build (FNV-1a).
pub(crate) fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What a hashed host name ends with.
pub(crate) const HASHED_END: &str = ".a.run.app";

/// `https://SERVICE-HASH-CODE.a.run.app`, the form that `status.url` shows.
pub(crate) fn hashed_url(service: &str, project_hash: &str, region: &str) -> String {
    format!("https://{}{HASHED_END}", hashed_label(service, project_hash, region))
}

/// The first label of a hashed host name.
pub(crate) fn hashed_label(service: &str, project_hash: &str, region: &str) -> String {
    let code = REGIONS.iter().find(|(known, _)| *known == region).map_or("xx", |(_, code)| code);
    format!("{service}-{project_hash}-{code}")
}

/// The service, the project's hash and the region of a hashed host name's first label.
pub(crate) fn parse_hashed(label: &str) -> Option<(&str, &str, &'static str)> {
    let (rest, code) = label.rsplit_once('-')?;
    let (service, hash) = rest.rsplit_once('-')?;
    let (region, _) = REGIONS.iter().find(|(_, known)| *known == code)?;
    Some((service, hash, region))
}

/// The service, the project's number and the region of a deterministic host name.
pub(crate) fn parse_deterministic(host: &str) -> Option<(&str, &str, &str)> {
    let (label, region) = host.strip_suffix(".run.app")?.split_once('.')?;
    let (service, number) = label.rsplit_once('-')?;
    Some((service, number, region))
}

/// `https://SERVICE-NUMBER.REGION.run.app`; `None` if its first label would be longer than
/// the 63 characters that DNS allows (documented).
pub(crate) fn deterministic_url(service: &str, number: &str, region: &str) -> Option<String> {
    let label = format!("{service}-{number}");
    (label.len() <= 63).then(|| format!("https://{label}.{region}.run.app"))
}

/// The address of a traffic tag: the documented prefix on the service's own.
pub(crate) fn tag_url(tag: &str, url: &str) -> String {
    url.replacen("https://", &format!("https://{tag}---"), 1)
}
