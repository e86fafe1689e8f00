//! The journal's file: an SQLite database whose log is synchronised with the disk at each write.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

/// Writers queue up for each other; this is far longer than any queue lasts.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// The version of the file that this program writes.
pub(super) const VERSION: u32 = 1;

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

/// Opens a file, making its tables where it is new.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let mut db = Connection::open(path)?;
    configure(&db)?;
    if version(&db)? == 0 {
        make(&mut db)?;
    }
    Ok(db)
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

pub(super) fn version(db: &Connection) -> rusqlite::Result<u32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
