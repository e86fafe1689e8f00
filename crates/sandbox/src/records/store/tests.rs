use time::macros::datetime;

use super::*;
use crate::records::home::DEFAULT_PROJECT;

const NOW: OffsetDateTime = datetime!(2026-11-22 14:00 UTC);

#[test]
fn what_is_written_is_there_for_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = Sandbox::open(folder.path(), NOW).unwrap();
    let count = |sandbox: &Sandbox| sandbox.projects().unwrap()[0].services;
    let before = count(&first);
    assert!(first.add_services(DEFAULT_PROJECT, 3).unwrap());
    assert!(!first.add_services("nosuch", 3).unwrap());
    let (second, _) = Sandbox::open(folder.path(), NOW).unwrap();
    assert_eq!(count(&second), before + 3);
    drop(second);
    drop(Sandbox::reset(folder.path(), NOW).unwrap());
    assert_eq!(count(&first), before);
}

#[test]
fn a_damaged_file_is_kept_under_another_name() {
    for text in [b"this is no database, it is a text of some length, and no more".to_vec(), {
        let folder = tempfile::tempdir().unwrap();
        drop(Sandbox::open(folder.path(), NOW).unwrap());
        let mut bytes = fs::read(folder.path().join(FILE)).unwrap();
        bytes.truncate(9_000);
        bytes
    }] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), &text).unwrap();
        let (sandbox, set_aside) = Sandbox::open(folder.path(), NOW).unwrap();
        let set_aside = set_aside.unwrap();
        assert_eq!(fs::read(&set_aside.kept_as).unwrap(), text);
        assert!(sandbox.projects().unwrap()[0].services > 0);
    }
}

#[test]
fn damage_that_opening_does_not_meet_is_set_aside_by_reset() {
    let folder = tempfile::tempdir().unwrap();
    let (sandbox, _) = Sandbox::open(folder.path(), NOW).unwrap();
    sandbox.add_services(DEFAULT_PROJECT, 2_000).unwrap();
    drop(sandbox);
    let path = folder.path().join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    let (start, end) = (bytes.len() / 3, bytes.len() * 2 / 3);
    bytes[start..end].fill(0xA5);
    fs::write(&path, bytes).unwrap();
    let (fresh, set_aside) = Sandbox::reset(folder.path(), NOW).unwrap();
    assert!(set_aside.is_some());
    assert!(fresh.projects().unwrap()[0].services < 100);
    assert!(Sandbox::open(folder.path(), NOW).unwrap().1.is_none());
}

#[test]
fn an_older_file_keeps_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let db = Connection::open(folder.path().join(FILE)).unwrap();
    db.execute_batch(TABLES[0]).unwrap();
    db.execute_batch(
        "INSERT INTO projects VALUES ('own', '42', 'hash', 'x.com', '[]');
         INSERT INTO service_accounts VALUES ('a@own.iam.gserviceaccount.com', 'own');
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(db);
    let (old, set_aside) = Sandbox::open(folder.path(), NOW).unwrap();
    assert!(set_aside.is_none());
    old.read(|world| {
        assert!(world.has_service_account("a@own.iam.gserviceaccount.com")?);
        assert!(world.has_service_account("42-compute@developer.gserviceaccount.com")?);
        assert!(world.project("own")?.unwrap().parent.starts_with("folders/"));
        assert!(world.project(DEFAULT_PROJECT)?.is_none());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_newer_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(Sandbox::open(folder.path(), NOW).unwrap());
    let db = Connection::open(folder.path().join(FILE)).unwrap();
    db.pragma_update(None, "user_version", VERSION + 1).unwrap();
    assert!(matches!(Sandbox::open(folder.path(), NOW), Err(StoreError::Newer { .. })));
}
