//! What was changed from this machine, by whom, and how it ended: a local SQLite file.
//!
//! A change is written here, and is on the disk, before anything is sent; its outcome after. Whatever
//! a process that was killed leaves behind is an entry that says `intended`, which is settled later by
//! what is there. Any number of processes share the file.

mod redact;
mod rows;
mod runner;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs, io};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};
use thiserror::Error;
use time::OffsetDateTime;

pub use self::redact::redacted;
use self::rows::{DifferenceRow, EtagsRow};
use self::runner::Runner;
use crate::domain::history::{ChangeId, Difference, Entry, Etags, Intent, State, mark_undone};
use crate::private_files;

/// Writers queue up for each other; this is far longer than any queue lasts.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// A request whose client is gone may be carried out for so long all the same; not known, and ample.
const MAY_STILL_LAND: time::Duration = time::Duration::minutes(10);

/// The version of the file that this program writes.
const VERSION: u32 = 1;

const TABLES: &str = "
    CREATE TABLE runs (
        run INTEGER PRIMARY KEY AUTOINCREMENT, realm TEXT NOT NULL, micros INTEGER NOT NULL,
        account TEXT, command TEXT NOT NULL, reason TEXT, runner TEXT NOT NULL);
    CREATE TABLE changes (
        run INTEGER NOT NULL REFERENCES runs (run), part INTEGER NOT NULL, service TEXT NOT NULL,
        action TEXT NOT NULL, undoes_run INTEGER, undoes_part INTEGER, intended TEXT NOT NULL,
        done TEXT, before TEXT NOT NULL, after TEXT NOT NULL, state TEXT NOT NULL, error TEXT,
        ended_micros INTEGER, PRIMARY KEY (run, part)) WITHOUT ROWID;
    CREATE INDEX changes_by_state ON changes (state, service);
    CREATE INDEX changes_by_undone ON changes (undoes_run) WHERE undoes_run IS NOT NULL;
";

/// Where a change was made, so that changes of different places never mix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Realm {
    Google,
    /// A server that is not known to be Google's: its address.
    Other(String),
    Sandbox,
}

impl Realm {
    fn as_str(&self) -> &str {
        match self {
            Self::Google => "google",
            Self::Other(address) => address,
            Self::Sandbox => "sandbox",
        }
    }
}

/// What a run of the program says of itself.
#[derive(Clone, Debug)]
pub struct RunFacts {
    pub account: Option<String>,
    pub command: String,
    pub reason: Option<String>,
}

/// How a change ended.
#[derive(Clone, Debug)]
pub struct Ended {
    pub state: State,
    /// What was done for certain; `None` where that is not known.
    pub done: Option<Difference>,
    /// What the write rested on; where it was tried again, not what was read at first.
    pub before: Etags,
    pub after: Etags,
    pub error: Option<String>,
}

/// An open journal, of one realm.
pub struct Journal {
    db: Connection,
    folder: PathBuf,
    path: PathBuf,
    realm: Realm,
    runner: Option<Runner>,
}

/// Why the journal cannot be used.
#[derive(Debug, Error)]
pub enum JournalError {
    #[error("cannot write the journal in `{}`", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot use the journal `{}`", path.display())]
    File { path: PathBuf, source: rusqlite::Error },
    #[error("the journal `{}` was written by a newer version of this program", path.display())]
    Newer { path: PathBuf },
}

impl JournalError {
    /// The file that is damaged, where it is that.
    pub fn damaged(&self) -> Option<&Path> {
        match self {
            Self::File { path, source } if is_damage(source) => Some(path),
            _ => None,
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens the journal in a folder, making it where there is none.
    pub fn open(folder: &Path, realm: Realm) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Folder { path: folder.to_owned(), source };
        private_files::folder(folder).map_err(failed)?;
        let path = file(folder, &realm);
        // SQLite would make it readable to others. One that is there is not touched: to close it would
        // take away the locks that this process holds on it.
        if !path.exists() {
            drop(private_files::open(&path).map_err(failed)?);
        }
        let db = Connection::open(&path).and_then(|mut db| {
            configure(&db)?;
            match version(&db)? {
                0 => make(&mut db).map(|()| db),
                _ => Ok(db),
            }
        });
        Self::checked(db, folder, path, realm)
    }

    /// Opens the journal that is there, where it cannot be written to be looked at only; `None` where
    /// there is none yet.
    pub fn open_existing(folder: &Path, realm: Realm) -> Result<Option<Self>, JournalError> {
        let path = file(folder, &realm);
        if !path.exists() {
            return Ok(None);
        }
        match Self::open(folder, realm.clone()) {
            Err(error @ (JournalError::Folder { .. } | JournalError::File { .. })) => {
                let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY);
                Self::checked(db, folder, path, realm).map_err(|_| error).map(Some)
            }
            opened => opened.map(Some),
        }
    }

    /// Removes the files of a journal that is damaged.
    pub fn discard(folder: &Path, realm: &Realm) -> Result<(), JournalError> {
        let path = file(folder, realm);
        for end in ["", "-wal", "-shm"] {
            let mut name = path.clone().into_os_string();
            name.push(end);
            match fs::remove_file(&name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(JournalError::Folder { path: folder.to_owned(), source: error });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn checked(
        db: rusqlite::Result<Connection>,
        folder: &Path,
        path: PathBuf,
        realm: Realm,
    ) -> Result<Self, JournalError> {
        let found = db.and_then(|db| Ok((version(&db)?, db)));
        match found {
            Ok((found, _)) if found > VERSION => Err(JournalError::Newer { path }),
            Ok((_, db)) => Ok(Self { db, folder: folder.to_owned(), path, realm, runner: None }),
            Err(source) => Err(JournalError::File { path, source }),
        }
    }

    /// Writes what is about to be changed. When this returns, it is on the disk.
    pub fn begin(
        &mut self,
        run: &RunFacts,
        intents: &[Intent],
        now: OffsetDateTime,
    ) -> Result<Vec<ChangeId>, JournalError> {
        let runner = Runner::start(&self.folder)
            .map_err(|source| JournalError::Folder { path: self.folder.clone(), source })?;
        let (sandbox, realm) = (self.realm == Realm::Sandbox, self.realm.as_str().to_owned());
        let name = runner.name().to_owned();
        let ids = self.write(|transaction| {
            transaction.execute(
                "INSERT INTO runs (realm, micros, account, command, reason, runner)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    realm,
                    micros(now),
                    run.account,
                    redacted(&run.command),
                    run.reason.as_deref().map(redacted),
                    name
                ],
            )?;
            let number = transaction.last_insert_rowid();
            let mut ids = Vec::with_capacity(intents.len());
            for (at, intent) in intents.iter().enumerate() {
                let part = if intents.len() == 1 { 0 } else { at + 1 };
                let part = u32::try_from(part).unwrap_or(u32::MAX);
                let (undoes_run, undoes_part) = rows::of_id(intent.undoes);
                transaction.prepare_cached(
                    "INSERT INTO changes (run, part, service, action, undoes_run, undoes_part,
                     intended, before, after, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '{}', ?9)",
                )?
                .execute(params![
                    number,
                    part,
                    intent.target.to_string(),
                    intent.action.as_str(),
                    undoes_run,
                    undoes_part,
                    rows::to_json(&DifferenceRow::from(&intent.difference)),
                    rows::to_json(&EtagsRow::from(&intent.before)),
                    State::Intended.as_str(),
                ])?;
                ids.push(rows::id(sandbox, number, part));
            }
            Ok(ids)
        })?;
        self.runner = Some(runner);
        Ok(ids)
    }

    /// Writes how a change ended.
    pub fn finish(
        &mut self,
        id: ChangeId,
        ended: &Ended,
        now: OffsetDateTime,
    ) -> Result<(), JournalError> {
        let (run, part) = rows::of_id(Some(id));
        self.write(|transaction| {
            transaction.execute(
                "UPDATE changes SET state = ?3, done = ?4, after = ?5, error = ?6, ended_micros = ?7,
                 before = CASE ?8 WHEN '{}' THEN before ELSE ?8 END WHERE run = ?1 AND part = ?2",
                params![
                    run,
                    part,
                    ended.state.as_str(),
                    ended.done.as_ref().map(|done| rows::to_json(&DifferenceRow::from(done))),
                    rows::to_json(&EtagsRow::from(&ended.after)),
                    ended.error.as_deref().map(redacted),
                    micros(now),
                    rows::to_json(&EtagsRow::from(&ended.before)),
                ],
            )?;
            Ok(())
        })
    }

    /// Writes of open changes what was found of them, and returns those of which nobody else had written
    /// anything since.
    pub fn settle(
        &mut self,
        found: &[(ChangeId, State)],
    ) -> Result<Vec<(ChangeId, State)>, JournalError> {
        self.write(|transaction| {
            let mut settled = Vec::new();
            for (id, state) in found {
                let (run, part) = rows::of_id(Some(*id));
                let changed = transaction.execute(
                    "UPDATE changes SET state = ?3 WHERE run = ?1 AND part = ?2 AND state <> ?3
                     AND state IN ('intended', 'effect-absent')",
                    params![run, part, state.as_str()],
                )?;
                settled.extend((changed > 0).then_some((*id, *state)));
            }
            Ok(settled)
        })
    }

    /// Writes of changes that nothing of them is there any more.
    pub fn mark_overtaken(&mut self, ids: &[ChangeId]) -> Result<(), JournalError> {
        self.write(|transaction| {
            for id in ids {
                let (run, part) = rows::of_id(Some(*id));
                transaction.execute(
                    "UPDATE changes SET state = 'overtaken' WHERE run = ?1 AND part = ?2",
                    params![run, part],
                )?;
            }
            Ok(())
        })
    }

    /// Every change of this realm, the earliest first, each marked where it is undone. What this
    /// version cannot make out is left away.
    pub fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        let mut entries = self.select("")?;
        mark_undone(&mut entries);
        Ok(entries)
    }

    /// The changes whose end was not noted, and whose process is gone; and of those that were found not
    /// to be there the young ones: what was sent may be carried out a while later.
    pub fn unsettled(&self, now: OffsetDateTime) -> Result<Vec<Entry>, JournalError> {
        let young = micros(now.saturating_sub(MAY_STILL_LAND));
        let begun = self.select(&format!(
            "AND (state = 'intended' OR state = 'effect-absent' AND micros > {young})"
        ))?;
        let mut gone = Vec::new();
        for entry in begun {
            let runner = self.db.query_row(
                "SELECT runner FROM runs WHERE run = ?1",
                [rows::of_id(Some(entry.id)).0],
                |row| row.get::<_, String>(0),
            );
            if !Runner::is_alive(&self.folder, &runner.map_err(|error| self.failed(error))?) {
                gone.push(entry);
            }
        }
        Ok(gone)
    }

    /// The changes of this realm that were begun after a time, the earliest first.
    pub fn entries_since(&self, time: OffsetDateTime) -> Result<Vec<Entry>, JournalError> {
        let mut entries = self.select(&format!("AND micros > {}", micros(time)))?;
        mark_undone(&mut entries);
        Ok(entries)
    }

    /// How many changes are of runs that were begun before a time, and have no part whose end is not known.
    pub fn count_before(&self, time: OffsetDateTime) -> Result<usize, JournalError> {
        let sql = format!("SELECT count(*) FROM changes WHERE run IN ({OLD_RUNS})");
        let count = self.db.query_row(&sql, params![self.realm.as_str(), micros(time)], |row| {
            row.get::<_, i64>(0)
        });
        count.map(|count| usize::try_from(count).unwrap_or(0)).map_err(|error| self.failed(error))
    }

    /// Forgets the changes that [`Self::count_before`] counts, and their runs.
    pub fn forget_before(&mut self, time: OffsetDateTime) -> Result<usize, JournalError> {
        let (realm, time) = (self.realm.as_str().to_owned(), micros(time));
        self.write(|transaction| {
            let changes = format!("DELETE FROM changes WHERE run IN ({OLD_RUNS})");
            let forgotten = transaction.execute(&changes, params![realm, time])?;
            let runs = "DELETE FROM runs WHERE run NOT IN (SELECT run FROM changes)";
            transaction.execute(runs, [])?;
            Ok(forgotten)
        })
    }

    /// Forgets all of it. Its numbers are not given out again.
    pub fn forget_all(&mut self) -> Result<(), JournalError> {
        self.write(|transaction| {
            transaction.execute_batch("DELETE FROM changes; DELETE FROM runs;")
        })
    }

    fn select(&self, more: &str) -> Result<Vec<Entry>, JournalError> {
        rows::entries(&self.db, self.realm.as_str(), self.realm == Realm::Sandbox, more)
            .map_err(|error| self.failed(error))
    }

    /// Runs `work` in a transaction of its own, in a file that is still of this version.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        let path = self.path.clone();
        let file = |source| JournalError::File { path: path.clone(), source };
        let transaction =
            self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(file)?;
        // Another version of the program may have brought it up to its own meanwhile.
        if version(&transaction).map_err(file)? != VERSION {
            return Err(JournalError::Newer { path });
        }
        let done = work(&transaction).map_err(file)?;
        transaction.commit().map_err(file)?;
        Ok(done)
    }

    fn failed(&self, source: rusqlite::Error) -> JournalError {
        JournalError::File { path: self.path.clone(), source }
    }
}

/// The runs of a realm (`?1`) that were begun before a time (`?2`) and are settled.
const OLD_RUNS: &str = "SELECT run FROM runs WHERE realm = ?1 AND micros < ?2 AND NOT EXISTS
    (SELECT 1 FROM changes WHERE changes.run = runs.run AND state = 'intended')";

fn file(folder: &Path, realm: &Realm) -> PathBuf {
    folder.join(if *realm == Realm::Sandbox { "sandbox.db" } else { "changes.db" })
}

fn configure(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(LOCK_PATIENCE)?;
    // Each command that changes something would else copy the log into the file.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")
}

fn make(db: &mut Connection) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been first.
    if version(&transaction)? == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}

fn version(db: &Connection) -> rusqlite::Result<u32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn micros(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

#[cfg(test)]
mod tests;
