//! The changes that were made from this machine, by which account, and their outcomes: a local
//! SQLite file.
//!
//! An entry is on disk before any request is sent; its outcome is recorded afterwards. If a process
//! is killed, its entries stay `intended` until a later run settles them by reading the resources.
//! Any number of processes share the file.

mod file;
mod redact;
mod retention;
mod rows;
mod runner;

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use thiserror::Error;
use time::OffsetDateTime;

pub use self::redact::redacted;
use self::rows::{DifferenceRow, EtagsRow};
use self::runner::Runner;
use crate::domain::difference::{Difference, Etags};
use crate::domain::error::{CommandError, ErrorKind, quoted};
use crate::domain::history::{ChangeId, Entry, Intent, State, mark_undone};
use crate::private_files;

/// How long a request may still be applied after its client is gone. Not documented; a generous
/// guess.
const MAY_STILL_LAND: time::Duration = time::Duration::minutes(10);

/// The place of a change. Changes of different realms never mix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Realm {
    Google,
    /// The address of a server that is not known to be Google's.
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

/// The facts of one run of the program.
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
    /// What was certainly applied; `None` if that is unknown.
    pub done: Option<Difference>,
    /// The etags that the last write was based on, not those of the first attempt.
    pub before: Etags,
    pub after: Etags,
    pub error: Option<String>,
}

/// An open journal of one realm.
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
    #[error("cannot use the journal in `{}`", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot use the journal `{}`", path.display())]
    File { path: PathBuf, source: rusqlite::Error },
    #[error("the journal `{}` was written by a newer version of this program", path.display())]
    Newer { path: PathBuf },
}

impl JournalError {
    /// The damaged file, if the file is damaged.
    pub fn damaged(&self) -> Option<&Path> {
        match self {
            Self::File { path, source } if file::is_damage(source) => Some(path),
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
    /// Opens the journal in a folder, and creates it if it does not exist.
    pub fn open(folder: &Path, realm: Realm) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Folder { path: folder.to_owned(), source };
        private_files::folder(folder).map_err(failed)?;
        let path = place(folder, &realm);
        file::create(&path).map_err(failed)?;
        Self::checked(file::open(&path), folder, path, realm)
    }

    /// Opens an existing journal, read-only if it cannot be written; `None` if it does not exist.
    pub fn open_existing(folder: &Path, realm: Realm) -> Result<Option<Self>, JournalError> {
        let path = place(folder, &realm);
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            // A journal that cannot be read is not empty.
            Err(source) => return Err(JournalError::Folder { path: folder.to_owned(), source }),
        }
        match Self::open(folder, realm.clone()) {
            Err(error @ (JournalError::Folder { .. } | JournalError::File { .. })) => {
                let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY);
                Self::checked(db, folder, path, realm).map_err(|_| error).map(Some)
            }
            opened => opened.map(Some),
        }
    }

    /// Whether a run in this folder, of any realm, is active, was killed, or left a change open.
    pub fn may_have_open_changes(folder: &Path) -> bool {
        Runner::any_left(folder)
    }

    /// Records that a change of this run stays open: its outcome is unknown.
    pub fn leave_open(&mut self) {
        if let Some(runner) = &mut self.runner {
            runner.stay();
        }
    }

    fn checked(
        db: rusqlite::Result<Connection>,
        folder: &Path,
        path: PathBuf,
        realm: Realm,
    ) -> Result<Self, JournalError> {
        let found = db.and_then(|db| Ok((file::version(&db)?, db)));
        match found {
            Ok((found, _)) if found > file::VERSION => Err(JournalError::Newer { path }),
            Ok((_, db)) => Ok(Self { db, folder: folder.to_owned(), path, realm, runner: None }),
            Err(source) => Err(JournalError::File { path, source }),
        }
    }

    /// Records the intent of changes. It is on the disk when this returns.
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

    /// Records the outcome of a change.
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

    /// Records the states that were found for open changes, and returns the changes that no other
    /// process settled meanwhile.
    pub fn settle(
        &mut self,
        found: &[(ChangeId, State)],
    ) -> Result<Vec<(ChangeId, State)>, JournalError> {
        let settled = self.write(|transaction| {
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
        })?;
        for (id, _) in &settled {
            let (run, _) = rows::of_id(Some(*id));
            let done = self.db.query_row(
                "SELECT runner FROM runs WHERE run = ?1 AND NOT EXISTS (SELECT 1 FROM changes
                 WHERE changes.run = runs.run AND state = 'intended')",
                [run],
                |row| row.get::<_, String>(0),
            );
            // If a change is still open, the next run settles it.
            if let Ok(runner) = done {
                Runner::clear(&self.folder, &runner);
            }
        }
        Ok(settled)
    }

    /// Records that these changes have no effect any more.
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

    /// Every change of this realm, oldest first, marked if it was undone. Omits entries that this
    /// version cannot parse.
    pub fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        let mut entries = self.select("")?;
        mark_undone(&mut entries);
        Ok(entries)
    }

    /// The changes without a recorded outcome whose process has ended, and recent changes that were
    /// found not applied: their requests may still be applied.
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

    /// The changes of this realm that began after a time, oldest first.
    pub fn entries_since(&self, time: OffsetDateTime) -> Result<Vec<Entry>, JournalError> {
        let mut entries = self.select(&format!("AND micros > {}", micros(time)))?;
        mark_undone(&mut entries);
        Ok(entries)
    }

    fn select(&self, more: &str) -> Result<Vec<Entry>, JournalError> {
        rows::entries(&self.db, self.realm.as_str(), self.realm == Realm::Sandbox, more)
            .map_err(|error| self.failed(error))
    }

    /// Runs `work` in a transaction, if the file still has this version.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        let path = self.path.clone();
        let failed = |source| JournalError::File { path: path.clone(), source };
        let transaction =
            self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        // Another version of the program may have migrated the file meanwhile.
        if file::version(&transaction).map_err(failed)? != file::VERSION {
            return Err(JournalError::Newer { path });
        }
        let done = work(&transaction).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(done)
    }

    fn failed(&self, source: rusqlite::Error) -> JournalError {
        JournalError::File { path: self.path.clone(), source }
    }
}

fn place(folder: &Path, realm: &Realm) -> PathBuf {
    folder.join(if *realm == Realm::Sandbox { "sandbox.db" } else { "changes.db" })
}

fn micros(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

impl From<JournalError> for CommandError {
    fn from(error: JournalError) -> Self {
        let message = error.to_string();
        let mut command_error = Self::new(ErrorKind::State, message);
        if let Some(source) = Error::source(&error) {
            command_error = command_error.because(source.to_string());
        }
        if let Some(folder) = error.damaged().and_then(Path::parent) {
            // The folder, because the database has a log too.
            let folder = quoted(&folder.display().to_string());
            command_error = command_error.hint(format!("mv {folder} {folder}.damaged"));
        }
        command_error.with_source(error)
    }
}

#[cfg(test)]
mod tests;
