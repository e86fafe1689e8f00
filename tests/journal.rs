//! The journal as a file: where it cannot be written that is said before anything is changed.

use std::fs;
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Run, World, told};

fn bindings(world: &World) -> Value {
    world.json(&["policy", "hello"])["bindings"].clone()
}

/// Nothing was changed, it was said why, and `--no-journal` makes the change all the same.
fn refused(world: &World) -> Run {
    let before = bindings(world);
    let run = world.sandbox(&["grant", "dev@x.com", "hello"]);
    assert_eq!(run.status, 1, "{run}");
    assert_eq!(bindings(world), before, "{run}");
    let without = world.sandbox(&["grant", "dev@x.com", "hello", "--no-journal"]);
    assert_eq!(without.status, 0, "{without}");
    assert!(!without.stderr.contains("undo:"), "{without}");
    // What only looks needs no journal.
    for words in [&["who", "hello"][..], &["grant", "ops@x.com", "hello", "--dry-run"]] {
        assert_eq!(world.sandbox(words).status, 0);
    }
    run
}

#[test]
fn a_folder_that_cannot_be_made_is_said_first() {
    let world = World::new();
    world.sandbox(&["list"]);
    fs::write(world.state().join("journal"), "in the way").unwrap();
    assert_snapshot!(refused(&world), @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:dev@x.com  roles/run.invoker
    error: cannot use the journal in `[WORLD]/state/journal`
    caused by: File exists (os error 17)
    caused by: every change is journalled before it is made; nothing was changed
    hint: runaccess --sandbox grant dev@x.com hello --no-journal
    --- status 1
    ");
    assert_snapshot!(world.sandbox(&["history"]), @"
    --- stderr
    error: cannot use the journal in `[WORLD]/state/journal`
    caused by: Not a directory (os error 20)
    --- status 1
    ");
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let world = World::new();
    world.sandbox(&["grant", "first@x.com", "hello"]);
    let path = world.state().join("journal/sandbox.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let before = fs::read(&path).unwrap();
    assert_snapshot!(refused(&world), @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:dev@x.com  roles/run.invoker
    error: the journal `[WORLD]/state/journal/sandbox.db` was written by a newer version of this program
    caused by: every change is journalled before it is made; nothing was changed
    hint: runaccess --sandbox grant dev@x.com hello --no-journal
    --- status 1
    ");
    for words in [&["history"][..], &["undo"], &["undo", "s1"]] {
        let run = world.sandbox(words);
        assert_eq!(run.status, 1, "{run}");
        assert!(run.stderr.contains("was written by a newer version"), "{run}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_damaged_file_is_said_with_what_puts_it_aside() {
    let world = World::new();
    world.sandbox(&["grant", "first@x.com", "hello"]);
    for end in ["-wal", "-shm"] {
        drop(fs::remove_file(world.state().join(format!("journal/sandbox.db{end}"))));
    }
    fs::write(world.state().join("journal/sandbox.db"), "no database at all".repeat(300)).unwrap();
    assert_snapshot!(refused(&world), @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:dev@x.com  roles/run.invoker
    error: cannot use the journal `[WORLD]/state/journal/sandbox.db`
    caused by: file is not a database
    caused by: every change is journalled before it is made; nothing was changed
    hint: mv [WORLD]/state/journal [WORLD]/state/journal.damaged
    hint: runaccess --sandbox grant dev@x.com hello --no-journal
    --- status 1
    ");
}

/// A newer version brings the file up to its own while an older one is at work: that one ends with a word on
/// it, before it has changed anything.
#[test]
fn two_versions_at_once_do_not_mix() {
    let world = World::new();
    world.sandbox(&["grant", "first@x.com", "hello"]);
    let path = world.state().join("journal/sandbox.db");
    let mut newer = Connection::open(&path).unwrap();
    // The newer one is in the middle of it.
    let upgrade =
        newer.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    upgrade.execute_batch("ALTER TABLE changes ADD COLUMN colour TEXT").unwrap();
    upgrade.pragma_update(None, "user_version", 2).unwrap();
    let older = world
        .command(&["--sandbox", "grant", "dev@x.com", "hello"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    upgrade.commit().unwrap();
    let run = world.finished(older.wait_with_output().unwrap());
    // Whichever was first: it is in the journal, or it was not made.
    let has = bindings(&world).to_string().contains("dev@x.com");
    assert_eq!((run.status, has), if has { (0, true) } else { (1, false) }, "{run}");
    let count: i64 = newer
        .query_row("SELECT count(*) FROM changes WHERE intended LIKE '%dev@x.com%'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(count == 1, has, "{run}");
}

/// The end of a change that the disk has no room for is said; what is there tells it later.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_first() {
    let world = World::new();
    world.sandbox(&["grant", "first@x.com", "hello"]);
    let folder = world.state().join("journal");
    let Some(_mounted) = Mounted::on(&folder) else { return };
    let fill = folder.join("fill");
    let filled = fs::write(&fill, vec![0_u8; 1024 * 1024]);
    assert!(filled.is_err(), "the disk is not full");
    assert_snapshot!(refused(&world), @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:dev@x.com  roles/run.invoker
    error: cannot use the journal in `[WORLD]/state/journal`
    caused by: database or disk is full
    caused by: every change is journalled before it is made; nothing was changed
    hint: runaccess --sandbox grant dev@x.com hello --no-journal
    --- status 1
    ");
    // Room for the beginning, and none for more: the log grows until it is full.
    fs::remove_file(&fill).unwrap();
    let mut ended = Vec::new();
    for number in 0..60 {
        let run = world.sandbox(&["grant", &format!("u{number}@x.com"), "hello"]);
        let has = bindings(&world).to_string().contains(&format!("u{number}@x.com"));
        // A change is made if and only if it was begun in the journal.
        assert_eq!(run.status == 0, has, "{run}");
        ended.push(run);
        if !has {
            break;
        }
    }
    let last = ended.last().unwrap();
    assert!(last.stderr.contains("--no-journal"), "{last}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_home_that_is_read_only_is_said_first() {
    let world = World::new();
    world.sandbox(&["grant", "first@x.com", "hello"]);
    let folder = world.state().join("journal");
    let Some(mounted) = Mounted::on(&folder) else { return };
    for emptied in [true, false] {
        if !emptied {
            mounted.remount("rw");
            world.sandbox(&["grant", "second@x.com", "hello"]);
        }
        mounted.remount("ro");
        let run = refused(&world);
        assert!(run.stderr.contains("journal"), "{run}");
        world.sandbox(&["revoke", "dev@x.com", "hello", "--no-journal"]);
    }
    // What is there can still be looked at.
    let history = world.sandbox(&["history"]);
    assert!(history.stdout.contains("second@x.com"), "{history}");
}

/// A small file system of a test's own, where one can be mounted.
#[cfg(target_os = "linux")]
struct Mounted<'a>(&'a std::path::Path);

#[cfg(target_os = "linux")]
impl<'a> Mounted<'a> {
    fn on(folder: &'a std::path::Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs"])
            .arg(folder)
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            told("skipped: a small file system cannot be mounted here");
        }
        mounted.then_some(Self(folder))
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        let mut mount = Command::new("mount");
        let done = mount.args(["-o", &options]).arg(self.0).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0).output());
    }
}

#[test]
fn a_change_whose_end_was_not_noted_is_settled_by_the_next_one_too() {
    let world = World::new();
    world.sandbox(&["grant", "dev@x.com", "hello"]);
    world.sandbox(&["grant", "ops@x.com", "hello"]);
    let db = Connection::open(world.state().join("journal/sandbox.db")).unwrap();
    // As two killed processes leave them, the first one's effect gone since.
    let open = "UPDATE changes SET state = 'intended', done = NULL WHERE run <= 2";
    db.execute(open, []).unwrap();
    world.sandbox(&["revoke", "dev@x.com", "hello", "--no-journal"]);
    assert_eq!(db.execute(open, []).unwrap(), 2);
    // The file of a process that was killed stays, and nobody holds it.
    let runner: String =
        db.query_row("SELECT runner FROM runs WHERE run = 1", [], |row| row.get(0)).unwrap();
    fs::write(world.state().join("journal/running").join(runner), "").unwrap();
    assert_snapshot!(world.sandbox(&["grant", "new@x.com", "hello"]), @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  changed  +user:new@x.com (roles/run.invoker)
    --- stderr
    note: the end of change `s1` was not noted: what it meant to do is not there
    note: the end of change `s2` was not noted: what it meant to do is there
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:new@x.com  roles/run.invoker
    note: `user:new@x.com` can invoke `us-central1/hello` by its own policy
    undo: runaccess --sandbox undo s3
    --- status 0
    ");
    assert_eq!(fs::read_dir(world.state().join("journal/running")).unwrap().count(), 0);
    assert_snapshot!(world.sandbox(&["history", "-o", "value(id,state)"]), @"
    --- stdout
    s3	applied
    s2	effect-present
    s1	effect-absent
    --- status 0
    ");
    // Whose it is cannot be told; it is taken back all the same.
    assert_snapshot!(world.sandbox(&["undo", "s2"]), @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
    note: `s2` was: runaccess --sandbox grant ops@x.com hello
      us-central1/hello
        - user:ops@x.com  roles/run.invoker
        exposure: restricted, as before
        note: the policy was changed since: the rest of it stays as it is
        warning: how that change ended is not known: what is there may be others' doing
    error: this must be confirmed: what `s2` takes back may be others' doing
    caused by: there is no terminal to ask at; `--yes` accepts the plan that is shown
    hint: runaccess --sandbox undo s2 --dry-run
    --- status 2
    ");
    let absent = world.sandbox(&["undo", "s1"]);
    assert_eq!(absent.status, 7, "{absent}");
}

#[test]
fn a_service_that_is_gone_has_overtaken_what_was_begun() {
    let world = World::new();
    world.sandbox(&["grant", "dev@x.com", "hello"]);
    let db = Connection::open(world.state().join("journal/sandbox.db")).unwrap();
    let gone = "UPDATE changes SET state = 'intended', done = NULL, \
                service = replace(service, '/hello', '/gone')";
    db.execute(gone, []).unwrap();
    let entries = world.json(&["history"])["entries"].clone();
    assert_eq!(entries[0]["state"], json!("overtaken"));
    let undone = world.sandbox(&["undo", "s1"]);
    assert_eq!(undone.status, 6, "{undone}");
}
