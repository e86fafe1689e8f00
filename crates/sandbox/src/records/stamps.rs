//! What Cloud Run and IAM stamp on what is kept: times, versions and ids.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970.
pub(crate) fn millis(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// The time as Google writes it.
pub(crate) fn stamp(time: OffsetDateTime) -> String {
    let time = time.replace_nanosecond(time.microsecond() * 1_000).unwrap_or(time);
    time.format(&Rfc3339).unwrap_or_default()
}

pub(crate) fn quoted_etag() -> String {
    format!("\"{}\"", new_etag())
}

pub(crate) fn new_uid() -> String {
    let n = fastrand::u128(..);
    let hex = format!("{n:032x}");
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// Whether two etags are the same bytes, in whichever of base64's two alphabets.
pub(crate) fn same_bytes(a: &str, b: &str) -> bool {
    let standard = |text: &str| text.replace('-', "+").replace('_', "/");
    standard(a).trim_end_matches('=') == standard(b).trim_end_matches('=')
}

/// A new etag: eight bytes, as Google's are, in base64.
pub(crate) fn new_etag() -> String {
    let mut bytes = [0_u8; 8];
    fastrand::fill(&mut bytes);
    bytes[0] = 7;
    BASE64_STANDARD.encode(bytes)
}
