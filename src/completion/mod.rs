//! Shell completion of services, regions, members and tags, from a short-lived cache, so that Tab
//! never waits. An expired cache is used once more while a background process renews it.

mod candidates;
mod shell;

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

pub use self::candidates::{Candidate, members, regions, services, tags};
pub use self::shell::SHELLS;
use crate::private_files;

/// The age at which a cache is renewed.
const FRESH: Duration = Duration::from_secs(20);

/// The minimum pause between two attempts to renew the cache.
const BETWEEN_TRIES: Duration = Duration::from_secs(5);

/// The cached facts of a project.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Known {
    pub services: Vec<KnownService>,
    pub regions: Vec<String>,
    /// In the form that policies use.
    pub members: Vec<String>,
}

/// A service for completion.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct KnownService {
    pub name: String,
    pub region: String,
    pub tags: Vec<String>,
    pub exposure: String,
}

/// The cache file of one project, as one account sees it.
#[derive(Clone, Debug)]
pub struct Cache {
    path: PathBuf,
}

/// The right to renew a cache; one process at a time has it.
#[derive(Debug)]
pub struct Renewal {
    _lock: File,
}

impl Cache {
    /// The cache of a project, account and endpoint; their order must stay the same.
    pub fn of(state: &Path, place: &[&str]) -> Self {
        let mut hasher = DefaultHasher::new();
        place.hash(&mut hasher);
        Self { path: state.join("completion").join(format!("{:016x}.json", hasher.finish())) }
    }

    /// The cached facts; empty if the cache does not exist or cannot be read.
    pub fn read(&self) -> Known {
        let text = fs::read(&self.path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Whether the cache is recent enough.
    pub fn is_fresh(&self, now: SystemTime) -> bool {
        // A file with a time in the future counts as old.
        private_files::age(&self.path, now).is_some_and(|age| age < FRESH)
    }

    /// Whether no process has tried to renew the cache recently, with or without success. Records
    /// this attempt.
    pub fn may_try(&self, now: SystemTime) -> bool {
        let stamp = self.path.with_extension("tried");
        let recently = private_files::age(&stamp, now).is_some_and(|age| age < BETWEEN_TRIES);
        if !recently {
            // If the timestamp file cannot be written, each Tab renews the cache: slower, but
            // correct.
            drop(self.folder().and_then(|()| private_files::open(&stamp)?.set_modified(now)));
        }
        !recently
    }

    /// Acquires the right to renew; `None` if another process has it.
    pub fn renewal(&self) -> std::io::Result<Option<Renewal>> {
        self.folder()?;
        let lock = private_files::open(&self.path.with_extension("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Renewal { _lock: lock })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn folder(&self) -> std::io::Result<()> {
        self.path.parent().map_or(Ok(()), private_files::folder)
    }

    /// Replaces the cache atomically.
    pub fn write(&self, _: &Renewal, known: &Known) -> std::io::Result<()> {
        private_files::replace(&self.path, &serde_json::to_vec(known)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_grows_old() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::of(folder.path(), &["p", "a"]);
        assert_eq!(cache.read(), Known::default());
        assert!(!cache.is_fresh(SystemTime::now()));
        let start = SystemTime::now();
        assert!(cache.may_try(start) && !cache.may_try(start));
        assert!(cache.may_try(start + BETWEEN_TRIES * 2));
        let renewal = cache.renewal().unwrap().unwrap();
        assert!(cache.renewal().unwrap().is_none());
        let known = Known { members: vec!["user:a@x.com".to_owned()], ..Known::default() };
        cache.write(&renewal, &known).unwrap();
        assert_eq!(cache.read(), known);
        let now = SystemTime::now();
        assert!(cache.is_fresh(now) && !cache.is_fresh(now + FRESH * 2));
        assert_eq!(Cache::of(folder.path(), &["p", "b"]).read(), Known::default());
        fs::write(&cache.path, b"{\"services\": 3}").unwrap();
        assert_eq!(cache.read(), Known::default());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            cache.write(&renewal, &known).unwrap();
            let mode = fs::metadata(&cache.path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
