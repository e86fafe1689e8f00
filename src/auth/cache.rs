//! Tokens cached between commands, so that the second command needs no token request. One file for
//! each token, with mode 0600 in a folder of mode 0700, named by a digest of credential and
//! audience.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::time::sleep;

use super::bearer::BearerToken;
use super::mint::Minted;
use crate::jwt::expiry;
use crate::private_files;

/// A token is replaced this long before it expires, or at a tenth of its lifetime if that is
/// shorter.
const MARGIN: time::Duration = time::Duration::minutes(5);
/// A file that has not been written for this long holds only expired tokens.
const OLD: Duration = Duration::from_hours(24);
/// How long to wait while another process renews the token.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(15);

/// The moment to replace a token that is valid from `from` until `until`.
pub fn renewal_time(from: OffsetDateTime, until: OffsetDateTime) -> OffsetDateTime {
    until - MARGIN.min((until - from) / 10)
}

/// The folder of the cached tokens.
#[derive(Clone, Debug)]
pub(super) struct TokenCache {
    folder: PathBuf,
}

/// The cache entry of one token.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    path: PathBuf,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    token: String,
    /// Seconds since 1970.
    good_until: i64,
}

impl TokenCache {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The cache entry of a token of this kind, audience and credential.
    pub(super) fn slot(&self, parts: &[&str]) -> Slot {
        let mut text = Vec::new();
        for part in parts {
            // Each part has its length as a prefix: otherwise different parts could produce the
            // same text.
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        let name = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, &text));
        Slot { path: self.folder.join(format!("{name}.json")) }
    }
}

impl Slot {
    /// The cached token, if it is still valid. A file that is damaged, or that other users may read
    /// or write, counts as empty.
    pub(super) fn read(&self, now: OffsetDateTime) -> Option<String> {
        let file = File::open(&self.path).ok()?;
        if !private_files::is_private(&file) {
            return None;
        }
        let kept: Kept = serde_json::from_reader(file).ok()?;
        let in_time = kept.good_until > now.unix_timestamp();
        // A JWT is never used after its own `exp`.
        let own_end = expiry(&kept.token).is_none_or(|end| end > now);
        let good = in_time && own_end && BearerToken::new(&kept.token).is_ok();
        good.then_some(kept.token)
    }

    /// Stores a token. If that fails, the next command requests a new one.
    pub(super) fn write(&self, minted: &Minted, now: OffsetDateTime) {
        let good_until = renewal_time(now, minted.expires).unix_timestamp();
        let kept = Kept { token: minted.token.clone(), good_until };
        let Ok(text) = serde_json::to_vec(&kept) else { return };
        drop(private_files::replace(&self.path, &text));
        self.clear_old();
    }

    pub(super) fn forget(&self) {
        drop(fs::remove_file(&self.path));
    }

    /// Acquires the right to renew the token; processes queue for it. `None` if the lock has no
    /// folder or another process takes too long: this process then renews the token on its own.
    pub(super) async fn turn(&self) -> Option<File> {
        private_files::folder(self.path.parent()?).ok()?;
        // There are a few lock files, and they are never deleted: a lock file that is deleted while
        // it is held protects nothing.
        let first = self.path.file_name()?.to_str()?.get(..1)?;
        let lock = private_files::open(&self.path.with_file_name(format!("lock-{first}"))).ok()?;
        let start = tokio::time::Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Some(lock),
                Err(TryLockError::Error(_)) => return None,
                Err(TryLockError::WouldBlock) if start.elapsed() > PATIENCE => return None,
                Err(TryLockError::WouldBlock) => sleep(LOOK).await,
            }
        }
    }

    fn clear_old(&self) {
        let now = SystemTime::now();
        let is_old = |path: &Path| private_files::age(path, now).is_some_and(|age| age > OLD);
        let files = self.path.parent().and_then(|folder| fs::read_dir(folder).ok());
        for file in files.into_iter().flatten().flatten() {
            let is_token = file.path().extension().is_some_and(|end| end == "json" || end == "new");
            if is_token && is_old(&file.path()) {
                drop(fs::remove_file(file.path()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 14:00 UTC);

    #[test]
    fn a_token_is_kept_for_its_key_until_shortly_before_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let cache = TokenCache::new(folder.path().to_owned());
        let slot = cache.slot(&["credential", "id", "https://a"]);
        assert_eq!(slot.read(NOW), None);
        let hour = Minted { token: "t1".to_owned(), expires: NOW + time::Duration::HOUR };
        slot.write(&hour, NOW);
        assert_eq!(slot.read(NOW).as_deref(), Some("t1"));
        assert_eq!(slot.read(NOW + time::Duration::minutes(54)).as_deref(), Some("t1"));
        assert_eq!(slot.read(NOW + time::Duration::minutes(55)), None);
        for other in [["credential", "id", "https://b"], ["credential", "idhttps", "://a"]] {
            assert_eq!(cache.slot(&other).read(NOW), None);
        }
        let short = Minted { token: "t2".to_owned(), expires: NOW + time::Duration::seconds(10) };
        slot.write(&short, NOW);
        assert_eq!(slot.read(NOW + time::Duration::seconds(8)).as_deref(), Some("t2"));
        slot.forget();
        assert_eq!(slot.read(NOW), None);
    }

    #[test]
    fn what_is_damaged_is_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let slot = TokenCache::new(folder.path().to_owned()).slot(&["c"]);
        for text in [
            "",
            "{",
            "[]",
            r#"{"token":"t"}"#,
            r#"{"token":"","goodUntil":99999999999}"#,
            r#"{"token":"a\nb","goodUntil":99999999999}"#,
            r#"{"token":"e30.eyJleHAiOjF9.c","goodUntil":99999999999}"#,
        ] {
            private_files::replace(&slot.path, text.as_bytes()).unwrap();
            assert_eq!(slot.read(NOW), None, "{text}");
        }
        private_files::replace(&slot.path, br#"{"token":"t","goodUntil":99999999999}"#).unwrap();
        assert!(slot.read(NOW).is_some());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&slot.path, fs::Permissions::from_mode(0o644)).unwrap();
            assert_eq!(slot.read(NOW), None);
        }
    }

    #[tokio::test]
    async fn one_at_a_time_has_the_turn() {
        let folder = tempfile::tempdir().unwrap();
        let slot = TokenCache::new(folder.path().join("tokens")).slot(&["c"]);
        let first = slot.turn().await;
        assert!(first.is_some());
        let second = tokio::time::timeout(Duration::from_millis(60), slot.turn()).await;
        assert!(second.is_err());
        drop(first);
        assert!(slot.turn().await.is_some());
    }
}
