//! Times and durations of the command line.

use std::time::Duration;

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// The longest duration that makes sense.
const LONGEST: Duration = Duration::from_hours(24 * 3_660);

/// Parses a time: a day, from its start in UTC, or RFC 3339.
pub(in crate::commands) fn moment(text: &str) -> Result<OffsetDateTime, String> {
    let whole = match text.len() {
        // A day, or a time without seconds.
        10 => format!("{text}T00:00:00Z"),
        17 if text.ends_with('Z') => text.replace('Z', ":00Z"),
        _ => text.to_owned(),
    };
    let time = OffsetDateTime::parse(&whole, &Rfc3339).ok();
    // Converted to UTC, which fails at the ends of the range.
    time.and_then(|time| time.checked_to_offset(UtcOffset::UTC))
        .ok_or_else(|| "write a day as 2026-12-24, a time as 2026-12-24T18:00Z".to_owned())
}

/// Parses a duration such as `4h`, `90m` or `7d`.
pub(in crate::commands) fn span(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(span) if !span.is_zero() && span <= LONGEST => Ok(span),
        Ok(_) => Err("it must be longer than nothing and at most ten years".to_owned()),
        Err(_) => Err("write a span such as 90m, 4h or 7d".to_owned()),
    }
}

/// Parses a time in the past: a time, or how long ago it was.
#[derive(Clone, Copy, Debug)]
pub(in crate::commands) enum Since {
    Ago(Duration),
    At(OffsetDateTime),
}

impl Since {
    pub(in crate::commands) fn parse(text: &str) -> Result<Self, String> {
        let told = || "write a span such as 4h or 7d, or a time such as 2026-12-24".to_owned();
        moment(text).map(Self::At).or_else(|_| span(text).map(Self::Ago)).map_err(|_| told())
    }

    pub(in crate::commands) fn from(self, now: OffsetDateTime) -> OffsetDateTime {
        match self {
            Self::Ago(span) => {
                now.saturating_sub(time::Duration::try_from(span).unwrap_or(time::Duration::MAX))
            }
            Self::At(time) => time,
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_and_spans() {
        let now = datetime!(2026-11-26 10:00 UTC);
        for (text, expected) in [
            ("2h", datetime!(2026-11-26 08:00 UTC)),
            ("1d", datetime!(2026-11-25 10:00 UTC)),
            ("2026-11-20", datetime!(2026-11-20 0:00 UTC)),
            ("2026-11-20T10:30Z", datetime!(2026-11-20 10:30 UTC)),
            ("2026-11-20T10:00:00+02:00", datetime!(2026-11-20 8:00 UTC)),
        ] {
            assert_eq!(Since::parse(text).unwrap().from(now), expected, "{text}");
        }
        for text in
            ["", "soon", "0s", "20years", "2026-13-01", "-4h", "4", "9999-12-31T23:59:59-05:00"]
        {
            assert!(Since::parse(text).is_err(), "{text}");
        }
    }
}
