//! Reads each resource once per command, however many callers need it at the same time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::domain::boundary::Boundary;
use crate::domain::deny::DenyRule;
use crate::domain::evidence::RoleFacts;
use crate::domain::invokers::Grant;

/// The result of a read, or why it failed.
pub(super) type ReadResult<T> = Result<T, String>;

/// The results of this command's reads.
#[derive(Debug, Default)]
pub(super) struct ReadCache {
    pub(super) projects: Memo<ReadResult<ProjectFacts>>,
    pub(super) parents: Memo<ReadResult<Option<String>>>,
    pub(super) customers: Memo<Option<(String, String)>>,
    pub(super) allow: Memo<ReadResult<Vec<Grant>>>,
    pub(super) deny: Memo<ReadResult<Vec<DenyRule>>>,
    pub(super) boundaries: Memo<ReadResult<Vec<Boundary>>>,
    pub(super) roles: Memo<ReadResult<RoleFacts>>,
    pub(super) effective: Memo<ReadResult<google_cloud_orgpolicy_v2::model::Policy>>,
}

/// The attributes of a project.
#[derive(Clone, Debug)]
pub(super) struct ProjectFacts {
    pub(super) id: String,
    pub(super) number: String,
    pub(super) parent: String,
}

/// Values by name. A second caller waits for a read that is in progress.
pub(super) struct Memo<T>(Mutex<HashMap<String, Arc<OnceCell<T>>>>);

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> fmt::Debug for Memo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo(…)")
    }
}

impl<T: Clone> Memo<T> {
    /// The value of this name; reads it if it is not cached.
    pub(super) async fn get(&self, name: &str, read: impl Future<Output = T>) -> T {
        let cell = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(name.to_owned()).or_default())
        };
        cell.get_or_init(|| Box::pin(read)).await.clone()
    }
}
