//! The current time: Google's, if this machine's clock differs from it.

use std::time::Duration;

use time::OffsetDateTime;

use super::{Context, now};
use crate::cloud::Gateway;

impl Context {
    /// The current time, by Google's clock if this machine's differs.
    pub fn now(&self) -> OffsetDateTime {
        self.gateway.get().map_or_else(now, Gateway::now)
    }

    /// Prints a note that Google's clock is used, if this machine's clock differs.
    pub fn warn_of_clock(&self) {
        if let Some(ahead) = self.gateway.get().and_then(Gateway::ahead) {
            let by = humantime::format_duration(Duration::from_secs(
                ahead.whole_seconds().unsigned_abs(),
            ));
            let behind = if ahead.is_positive() { "behind" } else { "ahead of" };
            self.terminal.warning(&format!(
                "this machine's clock is {by} {behind} Google's, which counts here"
            ));
        }
    }

    /// The time by this machine's own clock.
    pub fn local_time(&self) -> OffsetDateTime {
        now()
    }
}
