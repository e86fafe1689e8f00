//! What Cloud Run and IAM stamp on what is kept: times, versions and ids.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Milliseconds since 1970.
pub(crate) fn millis(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// The time as Google's JSON has it: to the microsecond (observed of Cloud Run), with no digits of the
/// second's fraction, three or six (documented for protobuf's JSON).
pub(crate) fn stamp(time: OffsetDateTime) -> String {
    let micros = time.microsecond();
    let whole = time.replace_nanosecond(0).unwrap_or(time).to_offset(UtcOffset::UTC);
    let mut text = whole.format(&Rfc3339).unwrap_or_default();
    let fraction = match (micros, micros % 1_000) {
        (0, _) => return text,
        (_, 0) => format!(".{:03}", micros / 1_000),
        _ => format!(".{micros:06}"),
    };
    let end = text.len().saturating_sub(1);
    text.insert_str(end, &fraction);
    text
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

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_stamp_has_no_three_or_six_digits_of_the_second() {
        for (time, expected) in [
            (datetime!(2026-12-01 10:00 UTC), "2026-12-01T10:00:00Z"),
            (datetime!(2026-12-01 10:00:00.5 UTC), "2026-12-01T10:00:00.500Z"),
            (datetime!(2026-12-01 10:00:00.193640 UTC), "2026-12-01T10:00:00.193640Z"),
            (datetime!(2026-12-01 10:00:00.000001999 UTC), "2026-12-01T10:00:00.000001Z"),
            (datetime!(2026-12-01 12:00 +2), "2026-12-01T10:00:00Z"),
        ] {
            assert_eq!(stamp(time), expected);
        }
    }
}
