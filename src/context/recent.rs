//! Recent grants from this machine. A grant takes time to propagate, which may explain a refusal
//! shortly after it.

use time::Duration;

use super::Context;
use crate::domain::history::Entry;
use crate::domain::resource::ServiceName;
use crate::domain::target::Target;

/// How long a grant may take to propagate, with a margin (Google: "potentially 7 minutes or
/// longer").
const SPREADS_WITHIN: Duration = Duration::minutes(15);

impl Context {
    /// Whether access was granted recently: to this service, or to any service if it is unknown.
    /// Only the latest of several changes counts. If the journal cannot be read, only a hint is
    /// missing. In the sandbox, a change takes effect at once.
    pub fn was_granted_lately(&self, service: Option<&ServiceName>) -> bool {
        if self.is_sandbox() {
            return false;
        }
        let journal = self.existing_journal().ok().flatten();
        let since = self.now().saturating_sub(SPREADS_WITHIN);
        let lately = journal.and_then(|journal| journal.entries_since(since).ok());
        let lately = lately.unwrap_or_default();
        let mut seen: Vec<&Target> = Vec::new();
        for entry in lately.iter().rev().filter(|entry| entry.stands()) {
            let is_latest = !seen.contains(&&entry.target);
            seen.push(&entry.target);
            if is_latest && service.is_none_or(|name| entry.target == *name) && lets_in(entry) {
                return true;
            }
        }
        false
    }
}

fn lets_in(entry: &Entry) -> bool {
    !entry.effect().added.is_empty()
}
