//! Recent grants from this machine: a grant takes time to spread, and explains a refusal right after it.

use time::Duration;

use super::Context;
use crate::domain::history::Entry;
use crate::domain::resource::ServiceName;
use crate::domain::target::Target;

/// How long a grant may take to spread, and somewhat more (Google: "potentially 7 minutes or
/// longer").
const SPREADS_WITHIN: Duration = Duration::minutes(15);

impl Context {
    /// Whether somebody was let in lately: to this service, or to any if it is not known which. Of
    /// several changes of a service the latest counts. If the journal cannot be read, one hint less is
    /// given; in the sandbox a change counts at once.
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
