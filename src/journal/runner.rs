//! Running processes. Each process locks a file of its own; the system releases the lock when the
//! process ends.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::private_files;

const FOLDER: &str = "running";
/// After this time, a file without a lock is deleted even if no journal entry names it.
const OLD: Duration = Duration::from_hours(48);

/// This process, while it runs.
#[derive(Debug)]
pub(super) struct Runner {
    name: String,
    path: PathBuf,
    _lock: File,
    /// Whether the file stays after the process ends, because a change is open.
    stays: bool,
}

impl Runner {
    pub(super) fn start(folder: &Path) -> io::Result<Self> {
        let folder = folder.join(FOLDER);
        private_files::folder(&folder)?;
        let name = format!("{:016x}", fastrand::u64(..));
        let path = folder.join(&name);
        // Locked before other processes can see it.
        let draft = path.with_extension("new");
        let lock = private_files::open(&draft)?;
        lock.lock()?;
        fs::rename(&draft, &path)?;
        sweep(&folder);
        Ok(Self { name, path, _lock: lock, stays: false })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Keeps the file when the process ends.
    pub(super) fn stay(&mut self) {
        self.stays = true;
    }

    /// Whether any process runs or left its file.
    pub(super) fn any_left(folder: &Path) -> bool {
        let files = fs::read_dir(folder.join(FOLDER));
        files.is_ok_and(|mut files| files.next().is_some())
    }

    /// Whether the process with this name runs, or may run.
    pub(super) fn is_alive(folder: &Path, name: &str) -> bool {
        match File::open(folder.join(FOLDER).join(name)) {
            Ok(file) => file.try_lock_shared().is_err(),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Removes the file of a process that has ended, once none of its changes is open.
    pub(super) fn clear(folder: &Path, name: &str) {
        if !Self::is_alive(folder, name) {
            drop(fs::remove_file(folder.join(FOLDER).join(name)));
        }
    }
}

/// Removes old files of processes that were killed before a journal entry named them.
fn sweep(folder: &Path) {
    let now = SystemTime::now();
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = file.path();
        let is_old = private_files::age(&path, now).is_some_and(|age| age > OLD);
        if is_old && File::open(&path).is_ok_and(|file| file.try_lock_shared().is_ok()) {
            drop(fs::remove_file(&path));
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // If the file stays, its lock is released all the same.
        if !self.stays {
            drop(fs::remove_file(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_alive_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!Runner::is_alive(folder.path(), "0123"));
        let runner = Runner::start(folder.path()).unwrap();
        let name = runner.name().to_owned();
        assert!(Runner::is_alive(folder.path(), &name));
        assert!(Runner::any_left(folder.path()));
        drop(runner);
        assert!(!Runner::is_alive(folder.path(), &name));
        assert!(!Runner::any_left(folder.path()));
        let mut open = Runner::start(folder.path()).unwrap();
        open.stay();
        let name = open.name().to_owned();
        drop(open);
        assert!(Runner::any_left(folder.path()) && !Runner::is_alive(folder.path(), &name));
        // A file without a lock is that of a killed process.
        fs::write(folder.path().join(FOLDER).join("dead"), "").unwrap();
        assert!(!Runner::is_alive(folder.path(), "dead"));
        Runner::clear(folder.path(), "dead");
        assert!(!folder.path().join(FOLDER).join("dead").exists());
        let runner = Runner::start(folder.path()).unwrap();
        Runner::clear(folder.path(), runner.name());
        assert!(Runner::is_alive(folder.path(), runner.name()));
    }
}
