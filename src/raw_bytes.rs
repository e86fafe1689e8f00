//! Invariants for arbitrary bytes: one function for each parser of external bytes. The tests run
//! them on arbitrary bytes and on `fuzz/corpus`; `cargo fuzz` runs them indefinitely.
#![expect(clippy::missing_panics_doc, reason = "each panics where something does not hold")]

use time::OffsetDateTime;
use time::macros::datetime;

use crate::cloud;
use crate::domain::condition::{self, Attributes, Condition, Truth};
use crate::domain::history::ChangeId;
use crate::domain::invokers::{Grant, grants};
use crate::domain::member::{Member, MemberArg};
use crate::domain::plan::SavedPolicy;
use crate::domain::policy;
use crate::domain::printable::{one_line, printable};
use crate::domain::resource::ServiceRef;
use crate::domain::role::Role;
use crate::gcloud;
use crate::journal;
use crate::proxy;

/// The check of one target, for any bytes.
pub type Check = fn(&[u8]);

/// Every target with its name in `fuzz/`.
pub const TARGETS: [(&str, Check); 8] = [
    ("change_ids", change_ids),
    ("conditions", conditions),
    ("gcloud_ini", gcloud_ini),
    ("members", members),
    ("policies", policies),
    ("request_heads", request_heads),
    ("retry_after", retry_after),
    ("services", services),
];

const NOW: OffsetDateTime = datetime!(2026-11-26 10:00 UTC);

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A principal that parses is written unchanged, identifies itself, and can be displayed.
pub fn members(bytes: &[u8]) {
    let Some(typed) = text(bytes) else { return };
    if let Ok(MemberArg::Member(member)) = MemberArg::parse(typed) {
        assert_eq!(MemberArg::parse(member.as_str()), Ok(MemberArg::Member(member.clone())));
        assert!(member.same_as(&member) && member.reaches(&member));
        assert!(!member.as_str().chars().any(|c| c.is_whitespace() || c.is_control()));
    }
    // Any member that a policy may contain.
    let held = Member::from_policy(typed);
    assert_eq!(held.as_str(), typed);
    assert!(held.same_as(&Member::from_policy(typed)));
    let shown = printable(typed);
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{shown:?}");
    assert!(!one_line(typed).contains('\n'));
    assert!(!journal::redacted(typed).contains("ya29.aaaaaaaaaaaaaaaaaaaa"));
}

/// A service that parses is parsed equally from its displayed form.
pub fn services(bytes: &[u8]) {
    let Some(typed) = text(bytes) else { return };
    if let Ok(reference) = ServiceRef::parse(typed) {
        assert_eq!(ServiceRef::parse(&reference.to_string()), Ok(reference));
    }
}

/// The ID of a change is parsed and written without loss.
pub fn change_ids(bytes: &[u8]) {
    let Some(typed) = text(bytes) else { return };
    if let Ok(id) = typed.parse::<ChangeId>() {
        assert_eq!(id.to_string(), typed);
    }
}

/// Every file of gcloud is parsed or refused.
pub fn gcloud_ini(bytes: &[u8]) {
    gcloud::read_ini(&String::from_utf8_lossy(bytes));
}

/// A condition that parses can be sent, evaluated, and given an expiry that is read back.
pub fn conditions(bytes: &[u8]) {
    let Some(expression) = text(bytes) else { return };
    let attributes = Attributes { path: Some("/"), host: Some("a.run.app"), time: NOW, tags: None };
    let weighed = condition::evaluate(expression, &attributes);
    let ended = condition::has_ended(expression, NOW);
    // An expired condition is never true.
    assert!(!(ended && weighed == Truth::True), "{expression}");
    let typed = Condition {
        title: "t".to_owned(),
        description: String::new(),
        expression: expression.to_owned(),
    };
    if condition::check(&typed).is_ok() {
        let limited = condition::until(Some(expression), NOW);
        assert_eq!(condition::timed(&limited), Some((Some(expression), NOW)));
        assert_ne!(condition::evaluate(&limited, &attributes), Truth::True);
    }
}

/// Both parsers read a policy the same way, and an edit changes nothing else.
pub fn policies(bytes: &[u8]) {
    let (official, lean) = (cloud::read_policy(bytes), cloud::read_grants(bytes));
    if let Some(document) = serde_json::from_slice(bytes).ok().as_ref() {
        drop(SavedPolicy::parse(document));
    }
    let Some(read) = official else { return };
    let held = grants(&read);
    if let Some(lean) = lean {
        assert_eq!(lean, held);
    }
    for grant in &held {
        grant.state(NOW);
        grant.invokes();
    }
    let member = Member::from_policy("user:new@example.com");
    let wanted = Grant { role: Role::invoker().to_string(), member, condition: None };
    let Ok(edit) = policy::edit(&read, |_| false, std::slice::from_ref(&wanted)) else { return };
    let back = policy::remove(&edit.policy, |grant| edit.added.iter().any(|a| a.same_as(grant)));
    // IAM stores no binding without members, and no edit needs one.
    let bindings = |policy: &policy::Policy| {
        let held = policy.bindings.iter().filter(|binding| !binding.members.is_empty());
        held.map(|binding| serde_json::to_value(binding).unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(bindings(&back.policy), bindings(&read));
}

/// No response makes the program wait for more than ten minutes.
pub fn retry_after(bytes: &[u8]) {
    let asked = cloud::read_retry_after(bytes);
    assert!(asked.is_none_or(|wait| wait <= std::time::Duration::from_mins(10)));
}

/// A request head that arrives byte by byte is parsed like one that arrives at once, and is never
/// longer than the input.
pub fn request_heads(bytes: &[u8]) {
    let Ok(Some(length)) = proxy::read_head(bytes, 0) else { return };
    assert!(length <= bytes.len());
    for end in (0..length).rev().take(2_000) {
        assert_eq!(proxy::read_head(&bytes[..end], 0), Ok(None), "{end} of {length}");
    }
    assert_eq!(proxy::read_head(bytes, length - 1), Ok(Some(length)));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    fn corpus(name: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let mut files: Vec<PathBuf> =
            fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", folder.display());
        files
    }

    #[test]
    fn the_corpus_holds() {
        for (name, check) in TARGETS {
            for file in corpus(name) {
                check(&fs::read(file).unwrap());
            }
            let target = format!("fuzz/fuzz_targets/{name}.rs");
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&target);
            assert!(path.exists(), "{target} is missing");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_hold(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for (_, check) in TARGETS {
                check(&bytes);
            }
        }

        #[test]
        fn any_text_holds(text in any::<String>()) {
            for (_, check) in TARGETS {
                check(text.as_bytes());
            }
        }

        /// Almost valid input: two files of the corpus joined, with bytes changed, removed and
        /// repeated.
        #[test]
        fn what_is_almost_right_holds(
            picks in any::<[Index; 2]>(),
            cuts in any::<[Index; 2]>(),
            edits in proptest::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        ) {
            for (name, check) in TARGETS {
                let files = corpus(name);
                let [one, other] = picks.map(|pick| fs::read(pick.get(&files)).unwrap());
                let (one_end, other_start) = (cuts[0].index(one.len() + 1), cuts[1].index(other.len() + 1));
                let mut bytes = [&one[..one_end], &other[other_start..]].concat();
                for (at, byte) in &edits {
                    if !bytes.is_empty() {
                        let at = at.index(bytes.len());
                        bytes[at] = *byte;
                    }
                }
                check(&bytes);
            }
        }
    }
}
