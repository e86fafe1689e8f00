//! Private files: folders of mode 0700, files of mode 0600, always replaced as a whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Creates a folder, and its parents, that only its owner may enter. An existing folder loses the
/// permissions of others.
pub fn folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

/// Opens a file for reading and writing that only its owner may read; creates it if it does not
/// exist.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The permission bits of everyone but the owner.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

/// Whether only its owner may read and write a file. Always true on a system without such
/// permissions.
pub fn is_private(file: &File) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.metadata().is_ok_and(|data| data.permissions().mode() & OTHERS == 0)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        true
    }
}

/// The age of a file; `None` if it does not exist or its time is in the future.
pub fn age(path: &Path, now: SystemTime) -> Option<Duration> {
    let written = fs::metadata(path).and_then(|file| file.modified()).ok()?;
    now.duration_since(written).ok()
}

/// Replaces a file as a whole or not at all. Each process writes a draft under its own name, so two
/// writers cannot mix.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    with_draft(path, bytes, |draft| fs::rename(draft, path))
}

/// Creates a file if it does not exist; `false` if another process was first.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    with_draft(path, bytes, |draft| match fs::hard_link(draft, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    })
}

fn with_draft<T>(
    path: &Path,
    bytes: &[u8],
    publish: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let draft = path.with_extension(format!("{:016x}.new", fastrand::u64(..)));
    let done =
        open(&draft).and_then(|mut file| file.write_all(bytes)).and_then(|()| publish(&draft));
    // The rename has already removed it.
    drop(fs::remove_file(&draft));
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_create_wins_and_drafts_do_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        assert!(create(&path, b"first").unwrap());
        assert!(!create(&path, b"second").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"first");
        replace(&path, b"third").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
