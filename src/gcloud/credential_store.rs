//! gcloud's stored credentials: `credentials.db` and `access_tokens.db`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use serde_json::Value;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::SetupError;

/// gcloud stops using a token this long before it expires (its source: 300 seconds).
const REFRESH_BEFORE: time::Duration = time::Duration::seconds(300);
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// The stored credentials of one gcloud setup.
#[derive(Debug)]
pub struct CredentialStore {
    directory: PathBuf,
}

/// A valid access token that gcloud stores.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredToken(pub String);

impl fmt::Debug for StoredToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredToken(…)")
    }
}

impl CredentialStore {
    /// Opens the store in gcloud's folder.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// The accounts that are logged in.
    pub fn accounts(&self) -> Result<Vec<String>, SetupError> {
        self.query("credentials.db", |db| {
            let mut statement =
                db.prepare("SELECT account_id FROM credentials ORDER BY account_id")?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            rows.map(|row| Ok(bare_account(&row?))).collect()
        })
        .map(Option::unwrap_or_default)
    }

    /// An account's credential, in gcloud's JSON format. Newer versions of gcloud use the key
    /// `ACCOUNT#UNIVERSE`.
    pub fn credential(&self, account: &str) -> Result<Option<Value>, SetupError> {
        let text: Option<Vec<u8>> = self
            .query("credentials.db", |db| {
                db.query_row(
                    "SELECT CAST(value AS BLOB) FROM credentials \
                     WHERE account_id = ?1 OR account_id LIKE ?2 ESCAPE '\\' \
                     ORDER BY length(account_id) LIMIT 1",
                    (account, format!("{}#%", escape_like(account))),
                    |row| row.get(0),
                )
                .optional()
            })?
            .flatten();
        match text {
            None => Ok(None),
            Some(text) => serde_json::from_slice(&text).map(Some).map_err(|error| {
                // The error's text is omitted on purpose: it could quote the secret.
                SetupError::Syntax {
                    path: self.directory.join("credentials.db"),
                    why: format!(
                        "the credential of `{account}` is not JSON (line {})",
                        error.line()
                    ),
                }
            }),
        }
    }

    /// An account's access token, if it is valid at `now`.
    pub fn access_token(
        &self,
        account: &str,
        now: OffsetDateTime,
    ) -> Result<Option<StoredToken>, SetupError> {
        let row = self.token(account, "access_token", "CAST(token_expiry AS TEXT)")?;
        Ok(match row {
            Some((token, Some(expiry))) => parse_expiry(&expiry)
                .filter(|end| *end - now > REFRESH_BEFORE)
                .map(|_| StoredToken(token)),
            _ => None,
        })
    }

    /// The ID token that gcloud stores for an account. Its audience is gcloud's own client, and the
    /// token contains its expiry. Files of old versions have no column for it.
    pub fn id_token(&self, account: &str) -> Result<Option<StoredToken>, SetupError> {
        let is_there = self.query("access_tokens.db", |db| {
            let columns = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('access_tokens') \
                           WHERE name = 'id_token')";
            db.query_row(columns, [], |row| row.get::<_, bool>(0))
        })?;
        if is_there != Some(true) {
            return Ok(None);
        }
        let row = self.token(account, "id_token", "NULL")?;
        Ok(row.map(|(token, _)| StoredToken(token)))
    }

    /// One of an account's tokens, if it is not empty, with the columns that `beside` selects.
    fn token(
        &self,
        account: &str,
        column: &'static str,
        beside: &'static str,
    ) -> Result<Option<(String, Option<String>)>, SetupError> {
        let row: Option<(Option<String>, Option<String>)> = self
            .query("access_tokens.db", |db| {
                let sql = format!(
                    "SELECT {column}, {beside} FROM access_tokens \
                     WHERE account_id = ?1 OR account_id LIKE ?2 ESCAPE '\\' \
                     ORDER BY length(account_id) LIMIT 1"
                );
                let keys = (account, format!("{}#%", escape_like(account)));
                db.query_row(&sql, keys, |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })?
            .flatten();
        Ok(row.and_then(|(token, beside)| {
            token.filter(|token| !token.is_empty()).map(|token| (token, beside))
        }))
    }

    /// Runs a query on one of the files. `None` if the file or a table does not exist.
    fn query<T>(
        &self,
        file: &str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, SetupError> {
        let path = self.directory.join(file);
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let answer = Connection::open_with_flags(&path, flags).and_then(|db| {
            db.busy_timeout(LOCK_PATIENCE)?;
            let table = file.trim_end_matches(".db");
            let there: bool = db.query_row(
                "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1)",
                [table],
                |row| row.get(0),
            )?;
            if there { query(&db).map(Some) } else { Ok(None) }
        });
        answer.map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                SetupError::Locked { path }
            }
            _ => SetupError::Damaged { path, source: error },
        })
    }
}

fn bare_account(key: &str) -> String {
    key.split('#').next().unwrap_or(key).to_owned()
}

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// Parses gcloud's naive UTC, such as `2026-11-22 14:03:49.751847`.
fn parse_expiry(text: &str) -> Option<OffsetDateTime> {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let seconds = text.split('.').next().unwrap_or(text).replace('T', " ");
    PrimitiveDateTime::parse(seconds.trim_end_matches('Z'), &format)
        .ok()
        .map(PrimitiveDateTime::assume_utc)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 14:00 UTC);

    fn store(schema: &str) -> (tempfile::TempDir, CredentialStore) {
        let folder = tempfile::tempdir().unwrap();
        Connection::open(folder.path().join("credentials.db"))
            .unwrap()
            .execute_batch(
                "CREATE TABLE credentials (account_id TEXT PRIMARY KEY, value BLOB);
                 INSERT INTO credentials VALUES ('dev@x.com', '{\"type\":\"authorized_user\"}');
                 INSERT INTO credentials VALUES ('new@x.com#googleapis.com', '{\"type\":\"x\"}');
                 INSERT INTO credentials VALUES ('bad@x.com', '{secret');",
            )
            .unwrap();
        Connection::open(folder.path().join("access_tokens.db"))
            .unwrap()
            .execute_batch(schema)
            .unwrap();
        let store = CredentialStore::new(folder.path());
        (folder, store)
    }

    #[test]
    fn reads_credentials_of_old_and_new_keys() {
        let (_folder, store) = store("");
        assert_eq!(store.accounts().unwrap(), ["bad@x.com", "dev@x.com", "new@x.com"]);
        assert_eq!(store.credential("dev@x.com").unwrap().unwrap()["type"], "authorized_user");
        assert_eq!(store.credential("new@x.com").unwrap().unwrap()["type"], "x");
        assert_eq!(store.credential("no@x.com").unwrap(), None);
        let error = store.credential("bad@x.com").unwrap_err().to_string();
        assert!(error.contains("bad@x.com") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn uses_a_token_only_while_it_is_good() {
        for (expiry, good) in [
            ("2026-11-22 14:05:01.000000", true),
            ("2026-11-22 14:04:59.751847", false),
            ("2026-11-22 13:00:00", false),
            ("soon", false),
        ] {
            let (_folder, store) = store(&format!(
                "CREATE TABLE access_tokens (account_id TEXT PRIMARY KEY, access_token TEXT,
                 token_expiry TIMESTAMP);
                 INSERT INTO access_tokens VALUES ('dev@x.com', 'ya29.t', '{expiry}');"
            ));
            assert_eq!(store.access_token("dev@x.com", NOW).unwrap().is_some(), good, "{expiry}");
            assert_eq!(store.access_token("no@x.com", NOW).unwrap(), None);
        }
    }

    #[test]
    fn a_missing_file_or_table_is_no_error_and_a_damaged_one_is_named() {
        let (folder, store) = store("");
        assert_eq!(store.access_token("dev@x.com", NOW).unwrap(), None);
        fs::write(folder.path().join("access_tokens.db"), "not a database, not at all, no")
            .unwrap();
        let error = store.access_token("dev@x.com", NOW).unwrap_err();
        assert!(matches!(error, SetupError::Damaged { .. }), "{error}");
        fs::remove_file(folder.path().join("access_tokens.db")).unwrap();
        assert_eq!(store.access_token("dev@x.com", NOW).unwrap(), None);
    }

    #[test]
    fn a_locked_file_is_named() {
        let (folder, store) = store("");
        let other = Connection::open(folder.path().join("credentials.db")).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        assert!(matches!(store.credential("dev@x.com"), Err(SetupError::Locked { .. })));
    }
}
