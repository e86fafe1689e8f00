//! The journal's file: an SQLite database that is synced to disk at each write.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::private_files;

/// How long a writer waits for another; far longer than any queue lasts.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// The schema version that this program writes.
pub(super) const VERSION: u32 = 1;

/// Suffixes of a database's files: itself, its write-ahead log, and the log's index.
pub(super) const ENDS: [&str; 3] = ["", "-wal", "-shm"];

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

/// Creates the file if it does not exist: under another name, then renamed. Reason: while one
/// process switches a database to WAL mode, other processes fail instead of waiting.
pub(super) fn create(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let draft = path.with_extension(format!("{:016x}.new", fastrand::u64(..)));
    // Created first, because SQLite would make it readable to other users.
    let made = private_files::open(&draft).and_then(|file| {
        drop(file);
        fill(&draft).map_err(io::Error::other)?;
        match fs::hard_link(&draft, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    });
    for end in ENDS {
        drop(fs::remove_file(with_end(&draft, end)));
    }
    made
}

fn fill(path: &Path) -> rusqlite::Result<()> {
    let mut db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    make(&mut db)
}

/// The path of one of a database's files.
pub(super) fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Opens an existing file.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let mut db = Connection::open(path)?;
    db.busy_timeout(LOCK_PATIENCE)?;
    // Otherwise each command that changes something would copy the log into the database.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // An empty file; a full disk may leave one.
    if version(&db)? == 0 {
        db.pragma_update(None, "journal_mode", "WAL")?;
        make(&mut db)?;
    }
    Ok(db)
}

fn make(db: &mut Connection) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have created the tables already.
    if version(&transaction)? == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}

pub(super) fn version(db: &Connection) -> rusqlite::Result<u32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
