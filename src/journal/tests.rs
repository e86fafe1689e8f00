use serde_json::json;
use tempfile::TempDir;
use time::macros::datetime;

use super::*;
use crate::domain::action::Action;
use crate::domain::condition::Condition;
use crate::domain::invokers::Grant;
use crate::domain::member::Member;
use crate::domain::resource::ServiceName;
use crate::domain::setting::Setting;

const NOW: OffsetDateTime = datetime!(2026-11-26 10:00:00.123456 UTC);

fn run() -> RunFacts {
    RunFacts {
        account: Some("you@example.com".to_owned()),
        command: "runaccess grant dev@x.com s".to_owned(),
        reason: None,
    }
}

fn intent(service: &str) -> Intent {
    let condition = Condition {
        title: "t".to_owned(),
        description: "d".to_owned(),
        expression: "request.path == \"/x\"".to_owned(),
    };
    let grant = |member: &str, condition: Option<Condition>| Grant {
        role: "roles/run.invoker".to_owned(),
        member: Member::from_policy(member),
        condition,
    };
    Intent {
        target: ServiceName::new("p", "us-central1", service).into(),
        action: Action::MakePublic,
        difference: Difference {
            added: vec![grant("allUsers", None)],
            removed: vec![grant("user:ü@x.com", Some(condition))],
            settings: vec![Setting::parse("invokerCheck", Some("on"), Some("off")).unwrap()],
        },
        before: Etags { policy: Some("ACAB".to_owned()), ..Etags::default() },
        undoes: None,
    }
}

fn open(folder: &TempDir, realm: Realm) -> Journal {
    Journal::open(folder.path(), realm).unwrap()
}

fn words(journal: &Journal) -> Vec<(String, &'static str)> {
    let entries = journal.entries().unwrap();
    entries.iter().map(|entry| (entry.id.to_string(), entry.standing().as_str())).collect()
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder, Realm::Google);
    let facts = RunFacts { reason: Some("ya29.abcdefghijklmnop".to_owned()), ..run() };
    let ids = journal.begin(&facts, &[intent("a"), intent("b")], NOW).unwrap();
    assert_eq!(ids.iter().map(ToString::to_string).collect::<Vec<_>>(), ["1.1", "1.2"]);
    let done = Difference { settings: Vec::new(), ..intent("a").difference };
    let ended = Ended {
        state: State::Failed,
        done: Some(done.clone()),
        before: Etags { policy: Some("ACAA".to_owned()), ..Etags::default() },
        after: Etags {
            policy: Some("ACAC".to_owned()),
            service: Some("e2".to_owned()),
            ..Etags::default()
        },
        error: Some("partial: half done".to_owned()),
    };
    journal.finish(ids[0], &ended, NOW).unwrap();
    let entries = open(&folder, Realm::Google).entries().unwrap();
    let [first, second] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(first.intended, intent("a").difference);
    assert_eq!((first.done.as_ref(), &first.after), (Some(&done), &ended.after));
    assert_eq!(first.before, ended.before);
    assert_eq!((first.time, first.account.as_deref()), (NOW, Some("you@example.com")));
    assert_eq!(first.reason.as_deref(), Some("[redacted]"));
    assert_eq!((first.state, second.state), (State::Failed, State::Intended));
    assert_eq!((second.done.as_ref(), &second.before), (None, &intent("b").before));
    assert!(first.stands() && !second.stands());
}

#[test]
fn each_place_has_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let local = Realm::Other("http://127.0.0.1:8787".to_owned());
    for realm in [Realm::Google, Realm::Sandbox, local.clone()] {
        open(&folder, realm).begin(&run(), &[intent("a")], NOW).unwrap();
    }
    let of = |realm| words(&open(&folder, realm));
    assert_eq!(of(Realm::Google), [("1".to_owned(), "intended")]);
    assert_eq!(of(Realm::Sandbox), [("s1".to_owned(), "intended")]);
    assert_eq!(of(local), [("2".to_owned(), "intended")]);
    open(&folder, Realm::Sandbox).forget_all().unwrap();
    assert_eq!((of(Realm::Sandbox), of(Realm::Google).len()), (Vec::new(), 1));
    // A number is never used twice.
    let again = open(&folder, Realm::Sandbox).begin(&run(), &[intent("a")], NOW).unwrap();
    assert_eq!(again[0].to_string(), "s2");
}

#[test]
fn only_what_nobody_works_on_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut working = open(&folder, Realm::Google);
    let ids = working.begin(&run(), &[intent("a"), intent("b")], NOW).unwrap();
    let mut other = open(&folder, Realm::Google);
    assert!(other.unsettled(NOW).unwrap().is_empty());
    let ended = Ended {
        state: State::Applied,
        done: Some(intent("a").difference),
        before: Etags::default(),
        after: Etags::default(),
        error: None,
    };
    working.finish(ids[0], &ended, NOW).unwrap();
    drop(working);
    let open_ones = other.unsettled(NOW).unwrap();
    assert_eq!(open_ones.iter().map(|entry| entry.id).collect::<Vec<_>>(), [ids[1]]);
    let found = [(ids[1], State::EffectAbsent), (ids[0], State::EffectAbsent)];
    assert_eq!(other.settle(&found).unwrap(), [found[0]]);
    // A recorded outcome is not settled again.
    assert_eq!(words(&other), [("1.1".to_owned(), "applied"), ("1.2".to_owned(), "effect-absent")]);
    other.mark_overtaken(&[ids[0]]).unwrap();
    assert_eq!(words(&other)[0].1, "overtaken");
    // What was sent may still be applied for a while after the read.
    assert_eq!(other.unsettled(NOW).unwrap().len(), 1);
    let later = [(ids[1], State::EffectPresent)];
    assert_eq!(other.settle(&later).unwrap(), later);
    assert!(other.unsettled(NOW + time::Duration::HOUR).unwrap().is_empty());
}

#[test]
fn what_is_undone_is_marked() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder, Realm::Google);
    let ended = Ended {
        state: State::Applied,
        done: Some(intent("a").difference),
        before: Etags::default(),
        after: Etags::default(),
        error: None,
    };
    let first = journal.begin(&run(), &[intent("a")], NOW).unwrap()[0];
    journal.finish(first, &ended, NOW).unwrap();
    let undo = Intent { undoes: Some(first), action: Action::Undo, ..intent("a") };
    let second = journal.begin(&run(), &[undo], NOW).unwrap()[0];
    assert_eq!(words(&journal)[0].1, "applied");
    journal.finish(second, &ended, NOW).unwrap();
    assert_eq!(words(&journal)[0].1, "undone");
}

#[test]
fn a_clock_that_jumps_changes_neither_order_nor_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder, Realm::Google);
    for time in [NOW, datetime!(1969-12-31 00:00 UTC), datetime!(2262-01-01 00:00 UTC)] {
        journal.begin(&run(), &[intent("a")], time).unwrap();
    }
    let entries = journal.entries().unwrap();
    let names: Vec<String> = entries.iter().map(|entry| entry.id.to_string()).collect();
    assert_eq!(names, ["1", "2", "3"]);
    assert_eq!(entries[1].time, datetime!(1969-12-31 00:00 UTC));
}

#[test]
fn what_is_old_and_settled_is_forgotten_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder, Realm::Google);
    let ended = Ended {
        state: State::Applied,
        done: Some(Difference::default()),
        before: Etags::default(),
        after: Etags::default(),
        error: None,
    };
    for (time, ends) in [(NOW, true), (NOW, false), (datetime!(2026-11-27 00:00 UTC), true)] {
        let id = journal.begin(&run(), &[intent("a")], time).unwrap()[0];
        if ends {
            journal.finish(id, &ended, time).unwrap();
        }
    }
    let noon = datetime!(2026-11-26 12:00 UTC);
    assert_eq!(journal.count_before(noon).unwrap(), 1);
    assert_eq!(journal.forget_before(noon).unwrap(), 1);
    assert_eq!(words(&journal).iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["2", "3"]);
}

#[test]
fn a_newer_file_is_neither_read_nor_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder, Realm::Google);
    let newer = Connection::open(folder.path().join("changes.db")).unwrap();
    newer.pragma_update(None, "user_version", file::VERSION + 1).unwrap();
    assert!(matches!(Journal::open(folder.path(), Realm::Google), Err(JournalError::Newer { .. })));
    // Also if another process migrated it while this one had it open.
    assert!(matches!(journal.begin(&run(), &[intent("a")], NOW), Err(JournalError::Newer { .. })));
}

#[test]
fn what_a_later_version_wrote_is_left_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder, Realm::Google);
    journal.begin(&run(), &[intent("a")], NOW).unwrap();
    let id = journal.begin(&run(), &[intent("b")], NOW).unwrap()[0];
    journal
        .write(|transaction| {
            let later = json!({"settings": [{"name": "moon", "before": "on", "after": "off"}]});
            let sql = "UPDATE changes SET intended = ?1 WHERE run = 1";
            transaction.execute(sql, [later.to_string()])
        })
        .unwrap();
    assert_eq!(journal.entries().unwrap().iter().map(|e| e.id).collect::<Vec<_>>(), [id]);
}

#[test]
fn a_damaged_file_is_told_from_one_that_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("changes.db"), "not a database".repeat(100)).unwrap();
    let error = Journal::open(folder.path(), Realm::Google).unwrap_err();
    assert!(error.damaged().is_some(), "{error:?}");
    let error = Journal::open(&folder.path().join("changes.db"), Realm::Google).unwrap_err();
    assert!(error.damaged().is_none(), "{error:?}");
}

#[test]
fn many_share_it_from_its_making_on() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..3 {
                        open(&folder, Realm::Google).begin(&run(), &[intent("a")], NOW).unwrap();
                    }
                });
            }
        });
        let entries = open(&folder, Realm::Google).entries().unwrap();
        assert_eq!(entries.last().map(|entry| entry.id.run), Some(24));
        let left = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with(".new")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
