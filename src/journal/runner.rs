//! Which processes are at work: each holds a lock on a file of its own, which the system takes away
//! from a process that ends, however it ends.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::private_files;

const FOLDER: &str = "running";
/// No command is at work for longer than this without it being known.
const OLD: Duration = Duration::from_hours(48);

/// This process at work.
#[derive(Debug)]
pub(super) struct Runner {
    name: String,
    path: PathBuf,
    _lock: File,
}

impl Runner {
    pub(super) fn start(folder: &Path) -> io::Result<Self> {
        let folder = folder.join(FOLDER);
        private_files::folder(&folder)?;
        let name = format!("{:016x}", fastrand::u64(..));
        let path = folder.join(&name);
        // Locked before it is there for others.
        let draft = path.with_extension("new");
        let lock = private_files::open(&draft)?;
        lock.lock()?;
        fs::rename(&draft, &path)?;
        sweep(&folder);
        Ok(Self { name, path, _lock: lock })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the process of this name is at work, or may be. What a dead one left is cleared away.
    pub(super) fn is_alive(folder: &Path, name: &str) -> bool {
        let path = folder.join(FOLDER).join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) => return error.kind() != io::ErrorKind::NotFound,
        };
        match file.try_lock_shared() {
            Ok(()) => {
                drop(fs::remove_file(&path));
                false
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => true,
        }
    }
}

/// Clears away what processes left that were killed before anything named them.
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
        // Where it stays, its lock is gone all the same.
        drop(fs::remove_file(&self.path));
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
        drop(runner);
        assert!(!Runner::is_alive(folder.path(), &name));
        // Killed: the file is there, and nobody holds it.
        fs::write(folder.path().join(FOLDER).join("dead"), "").unwrap();
        assert!(!Runner::is_alive(folder.path(), "dead"));
        assert!(!folder.path().join(FOLDER).join("dead").exists());
    }
}
