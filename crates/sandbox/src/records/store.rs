//! The sandbox's one file: an SQLite database that any number of processes share.

use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use thiserror::Error;
use time::OffsetDateTime;

use super::memory::Version;
use super::world::World;
use crate::dialect::api_error::ApiError;
use crate::signing::issuer::Issuer;
use runaccess_domain::error::{CommandError, ErrorKind};
use runaccess_ground::private_files;

const FILE: &str = "world.db";
/// Writers queue up for each other; this is far longer than any queue lasts.
const LOCK_PATIENCE: Duration = Duration::from_mins(1);

/// What fills a new store, or adds to an older one what it lacks.
pub(crate) type Fill = fn(&World<'_>) -> rusqlite::Result<()>;

/// The tables that each version adds, from an empty file on.
const TABLES: [&str; VERSION as usize] = [
    "
    CREATE TABLE projects (
        id TEXT PRIMARY KEY, number TEXT NOT NULL UNIQUE, hash TEXT NOT NULL,
        domain TEXT NOT NULL, constraints TEXT NOT NULL);
    CREATE TABLE service_accounts (email TEXT PRIMARY KEY, project TEXT NOT NULL);
    CREATE TABLE services (
        serial INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, region TEXT NOT NULL,
        name TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (project, region, name));
    CREATE INDEX services_by_name ON services (project, name, region);
    CREATE TABLE policies (resource TEXT PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE revisions (
        serial INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL, name TEXT NOT NULL UNIQUE,
        body TEXT NOT NULL);
    CREATE INDEX revisions_by_service ON revisions (service);
    CREATE TABLE operations (name TEXT PRIMARY KEY, body TEXT NOT NULL);
",
    "
    ALTER TABLE projects ADD COLUMN parent TEXT NOT NULL DEFAULT '';
    ALTER TABLE operations ADD COLUMN done_at INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE resources (
        serial INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, project TEXT NOT NULL,
        region TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
        UNIQUE (kind, project, region, name));
",
    "",
    "",
    "",
    "",
];

/// What each version adds to what is kept.
pub(crate) type Fills = [Fill; VERSION as usize];

/// The version that this program writes.
const VERSION: u32 = 6;

/// More readers than these would only wait for the processor.
const READERS: usize = 4;

/// An open sandbox. Whoever writes has a connection of its own, so that no reader waits while it
/// queues up with other processes.
pub struct Sandbox {
    writer: Mutex<Connection>,
    readers: [OnceLock<Mutex<Connection>>; READERS],
    /// Only looks whether anything changed: SQLite tells a connection of the commits of all others.
    watcher: OnceLock<Mutex<Connection>>,
    directory: PathBuf,
    issuer: Issuer,
}

/// A damaged file that was put out of the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    pub damaged: PathBuf,
    pub kept_as: PathBuf,
}

/// Why the sandbox's state cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("cannot use the sandbox's folder `{}`", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot open the sandbox's state `{}`", path.display())]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("the sandbox's state `{}` was written by a newer version of this program", path.display())]
    Newer { path: PathBuf },
    #[error("cannot set the damaged `{}` aside", path.display())]
    SetAside { path: PathBuf, source: std::io::Error },
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Opens the sandbox in a folder, making and filling it where it is new. A damaged file is
    /// set aside under another name, and a new one made.
    pub(crate) fn open_filled(
        directory: &Path,
        now: OffsetDateTime,
        fills: &Fills,
    ) -> Result<(Self, Option<SetAside>), StoreError> {
        let path = directory.join(FILE);
        let (db, set_aside) = match open_current(&path) {
            Ok(Some(db)) => (db, None),
            _ => make_or_mend(directory, &path, now, fills)?,
        };
        let readers = std::array::from_fn(|_| OnceLock::new());
        let writer = Mutex::new(db);
        let issuer = Issuer::new(directory);
        let (watcher, directory) = (OnceLock::new(), directory.to_owned());
        Ok((Self { writer, readers, watcher, directory, issuer }, set_aside))
    }

    /// The folder of its state.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Who issues its tokens. Its key stays when the world is made anew.
    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Forgets everything and starts from the seeded world. Processes that have it open go on
    /// with the new world. A file whose damage opening it did not meet is set aside here.
    pub(crate) fn reset_filled(
        directory: &Path,
        now: OffsetDateTime,
        fills: &Fills,
    ) -> Result<(Self, Option<SetAside>), StoreError> {
        let (sandbox, set_aside) = Self::open_filled(directory, now, fills)?;
        let done = sandbox.locally(|world| {
            world.clear()?;
            fills.iter().try_for_each(|fill| fill(world))
        });
        match done {
            Ok(()) => Ok((sandbox, set_aside)),
            Err(StoreError::Open { path, source }) if is_damage(&source) => {
                drop(sandbox);
                let set_aside = put_aside(&path, now)?;
                let (fresh, _) = Self::open_filled(directory, now, fills)?;
                Ok((fresh, Some(set_aside)))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether any project has a service of this name, in a region or in any.
    pub(crate) fn has_service(&self, region: Option<&str>, name: &str) -> Result<bool, StoreError> {
        self.locally(|world| world.has_service(region, name))
    }

    /// Runs `work` in a transaction that may write, alone.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&World<'_>) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut db = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        transact(&mut db, TransactionBehavior::Immediate, work)
    }

    /// Runs `work` on one unchanging view of the world.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&World<'_>) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut db = self.reader()?;
        transact(&mut db, TransactionBehavior::Deferred, work)
    }

    /// The state of the world. Whatever was written before, by this process or another, is in it.
    pub(crate) fn version(&self) -> Result<Version, ApiError> {
        let watcher = if let Some(watcher) = self.watcher.get() {
            watcher
        } else {
            let db = self.connect()?;
            self.watcher.get_or_init(|| Mutex::new(db))
        };
        let db = watcher.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = db.prepare_cached("PRAGMA data_version")?;
        Ok(Version(statement.query_row([], |row| row.get(0))?))
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let db = Connection::open(self.directory.join(FILE))?;
        db.busy_timeout(LOCK_PATIENCE)?;
        Ok(db)
    }

    /// A connection that is free: the writer's where nobody writes, else a reader's.
    fn reader(&self) -> rusqlite::Result<MutexGuard<'_, Connection>> {
        if let Ok(free) = self.writer.try_lock() {
            return Ok(free);
        }
        let mut last = None;
        for slot in &self.readers {
            let reader = if let Some(reader) = slot.get() {
                reader
            } else {
                let db = self.connect()?;
                slot.get_or_init(|| Mutex::new(db))
            };
            if let Ok(free) = reader.try_lock() {
                return Ok(free);
            }
            last = Some(reader);
        }
        let busy = last.unwrap_or(&self.writer);
        Ok(busy.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn locally<T>(
        &self,
        work: impl FnOnce(&World<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut db = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let done = db.transaction_with_behavior(TransactionBehavior::Immediate).and_then(
            |transaction: Transaction<'_>| {
                let answer = work(&World::new(&transaction))?;
                transaction.commit()?;
                Ok(answer)
            },
        );
        done.map_err(|source| StoreError::Open { path: self.directory.join(FILE), source })
    }
}

fn transact<T>(
    db: &mut Connection,
    behavior: TransactionBehavior,
    work: impl FnOnce(&World<'_>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let transaction = db.transaction_with_behavior(behavior)?;
    let answer = work(&World::new(&transaction))?;
    transaction.commit()?;
    Ok(answer)
}

/// Opens a file that is there and of this version; `None` if it is new or older.
fn open_current(path: &Path) -> rusqlite::Result<Option<Connection>> {
    if !path.exists() {
        return Ok(None);
    }
    let db = Connection::open(path)?;
    db.busy_timeout(LOCK_PATIENCE)?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    if version(&db)? != VERSION {
        return Ok(None);
    }
    // Touches every table's root, so that a damaged file shows itself here.
    let tables = "SELECT (SELECT count(*) FROM projects), (SELECT max(serial) FROM services), \
                  (SELECT max(resource) FROM policies), (SELECT max(name) FROM operations)";
    db.query_row(tables, [], |_| Ok(()))?;
    Ok(Some(db))
}

/// Makes a new file, or sets a damaged one aside first; one process at a time.
fn make_or_mend(
    directory: &Path,
    path: &Path,
    now: OffsetDateTime,
    fills: &Fills,
) -> Result<(Connection, Option<SetAside>), StoreError> {
    let folder = |source| StoreError::Folder { path: directory.to_owned(), source };
    private_files::folder(directory).map_err(folder)?;
    let lock = private_files::open(&directory.join("lock")).map_err(folder)?;
    lock.lock().map_err(folder)?;
    let open = |source| StoreError::Open { path: path.to_owned(), source };
    let mut set_aside = None;
    match open_current(path) {
        Ok(Some(db)) => return Ok((db, None)),
        Ok(None) => {}
        Err(error) if is_damage(&error) => set_aside = Some(put_aside(path, now)?),
        Err(error) => return Err(open(error)),
    }
    let db = match make(path, fills) {
        Err(error) if is_damage(&error) => {
            set_aside = Some(put_aside(path, now)?);
            make(path, fills).map_err(open)?
        }
        made => made.map_err(open)?,
    };
    let db = db.ok_or_else(|| StoreError::Newer { path: path.to_owned() })?;
    drop::<File>(lock);
    Ok((db, set_aside))
}

/// Makes the tables and the seeded world, or what an older file lacks of them; `None` if the
/// file is of a newer version.
fn make(path: &Path, fills: &Fills) -> rusqlite::Result<Option<Connection>> {
    let mut db = Connection::open(path)?;
    db.busy_timeout(LOCK_PATIENCE)?;
    let found = version(&db)?;
    if found > VERSION {
        return Ok(None);
    }
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = found as usize;
    TABLES.iter().skip(from).try_for_each(|tables| transaction.execute_batch(tables))?;
    fills.iter().skip(from).try_for_each(|fill| fill(&World::new(&transaction)))?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(Some(db))
}

fn version(db: &Connection) -> rusqlite::Result<u32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Renames the file and its write-ahead log, which belong together.
fn put_aside(path: &Path, now: OffsetDateTime) -> Result<SetAside, StoreError> {
    let stamp = now.unix_timestamp();
    let renamed = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let mut kept_as = renamed(&format!(".damaged-{stamp}"));
    for count in 2.. {
        if !kept_as.exists() {
            break;
        }
        kept_as = renamed(&format!(".damaged-{stamp}-{count}"));
    }
    fs::rename(path, &kept_as)
        .map_err(|source| StoreError::SetAside { path: path.to_owned(), source })?;
    for suffix in ["-wal", "-shm"] {
        let mut aside = kept_as.as_os_str().to_owned();
        aside.push(suffix);
        // Missing as a rule: SQLite removes both when the last process closes the file.
        drop(fs::rename(renamed(suffix), PathBuf::from(aside)));
    }
    Ok(SetAside { damaged: path.to_owned(), kept_as })
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        let mut command_error = Self::new(ErrorKind::State, error.to_string());
        if let Some(source) = Error::source(&error) {
            command_error = command_error.because(source.to_string());
        }
        let command_error = match error {
            StoreError::Folder { .. } | StoreError::SetAside { .. } => {
                command_error.hint("RUNACCESS_HOME=\"$(mktemp -d)\" runaccess --sandbox list")
            }
            StoreError::Open { .. } => command_error.hint("runaccess sandbox reset"),
            StoreError::Newer { .. } => command_error,
        };
        command_error.with_source(error)
    }
}

#[cfg(test)]
mod tests;
