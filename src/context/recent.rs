//! What was granted lately from this machine: a grant takes a while to count, and a refusal right
//! after it is most likely that.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::{Context, now};
use crate::domain::resource::ServiceName;
use crate::private_files;

/// How long a grant may take to spread, and somewhat more (Google: "potentially 7 minutes or
/// longer").
const SPREADS_WITHIN: i64 = 15 * 60;

impl Context {
    /// Remembers of changed services whether somebody was let in, and forgets those where the
    /// latest change let nobody in. Where that fails, one hint less is given.
    pub fn remember_grants(&self, changed: &[(String, bool)]) {
        let (path, now) = (self.recent_file(), now().unix_timestamp());
        let mut recent = self.recent();
        recent.retain(|_, at| now.saturating_sub(*at) < SPREADS_WITHIN);
        for (service, lets_in) in changed {
            if *lets_in {
                recent.insert(service.clone(), now);
            } else {
                recent.remove(service);
            }
        }
        let text = serde_json::to_vec(&recent).unwrap_or_default();
        let written = private_files::folder(&self.recent_folder())
            .and_then(|()| private_files::replace(&path, &text));
        drop(written);
    }

    /// Whether somebody was let in lately: to this service, or to any where it is not known which.
    pub fn was_granted_lately(&self, service: Option<&ServiceName>) -> bool {
        let (recent, now) = (self.recent(), now().unix_timestamp());
        let service = service.map(ToString::to_string);
        recent.iter().any(|(name, at)| {
            now.saturating_sub(*at) < SPREADS_WITHIN
                && service.as_ref().is_none_or(|service| service == name)
        })
    }

    fn recent(&self) -> BTreeMap<String, i64> {
        let text = fs::read(self.recent_file()).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn recent_file(&self) -> PathBuf {
        self.recent_folder().join("grants.json")
    }

    fn recent_folder(&self) -> PathBuf {
        self.state_folder().join("recent")
    }
}
