//! Deletion of entries: by age, on request, or all of them when a sandbox world is reset.

use std::path::Path;
use std::{fs, io};

use rusqlite::params;
use time::OffsetDateTime;

use super::{Journal, JournalError, Realm, file, micros, place};

/// The settled runs of a realm (`?1`) that began before a time (`?2`).
const OLD_RUNS: &str = "SELECT run FROM runs WHERE realm = ?1 AND micros < ?2 AND NOT EXISTS
    (SELECT 1 FROM changes WHERE changes.run = runs.run AND state = 'intended')";

impl Journal {
    /// The number of changes in runs that began before a time and are settled.
    pub fn count_before(&self, time: OffsetDateTime) -> Result<usize, JournalError> {
        let sql = format!("SELECT count(*) FROM changes WHERE run IN ({OLD_RUNS})");
        let count = self.db.query_row(&sql, params![self.realm.as_str(), micros(time)], |row| {
            row.get::<_, i64>(0)
        });
        count.map(|count| usize::try_from(count).unwrap_or(0)).map_err(|error| self.failed(error))
    }

    /// Deletes the changes that [`Self::count_before`] counts, and their runs.
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

    /// Deletes every change. Their numbers are not used again.
    pub fn forget_all(&mut self) -> Result<(), JournalError> {
        self.write(|transaction| {
            transaction.execute_batch("DELETE FROM changes; DELETE FROM runs;")
        })
    }

    /// Deletes the files of a damaged journal.
    pub fn discard(folder: &Path, realm: &Realm) -> Result<(), JournalError> {
        let path = place(folder, realm);
        for end in file::ENDS {
            match fs::remove_file(file::with_end(&path, end)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(JournalError::Folder { path: folder.to_owned(), source: error });
                }
                _ => {}
            }
        }
        Ok(())
    }
}
