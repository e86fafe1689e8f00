//! Policies that were saved, and restored.

use proptest::prelude::*;

use super::*;

fn restore(saved: &SavedPolicy, same_etag: bool) -> Restore {
    Restore { saved: saved.clone(), same_etag }
}

fn saved(document: &Value) -> Result<SavedPolicy, SavedError> {
    SavedPolicy::parse(document)
}

#[test]
fn takes_what_gcloud_prints_and_nothing_that_would_be_lost() {
    let binding = |role: &str, member: &str| json!([{"role": role, "members": [member]}]);
    for (document, expected) in [
        (json!({"etag": "ACAB"}), Ok(())),
        (json!({"version": 1, "bindings": binding("roles/run.invoker", "allUsers")}), Ok(())),
        (
            json!({"etag": "A", "bindings": binding("roles/x", "deleted:user:a@x.com?uid=1")}),
            Ok(()),
        ),
        (json!([]), Err(SavedError::Shape("it holds no fields".to_owned()))),
        (
            json!({}),
            Err(SavedError::Shape("it holds none of `bindings`, `etag` and `version`".to_owned())),
        ),
        (json!({"policy": {}}), Err(SavedError::Field("policy".to_owned()))),
        (
            json!({"bindings": binding("roles/run.invoker_withcond_0123", "user:a@x.com")}),
            Err(SavedError::WithoutConditions("roles/run.invoker_withcond_0123".to_owned())),
        ),
        (json!({"bindings": binding("roles/x", "principalHierarchy://new/kind")}), Ok(())),
        (json!({"bindings": binding("roles/x", "User:a@x.com")}), Ok(())),
        (json!({"bindings": binding("run.invoker", "user:a@x.com")}), Ok(())),
        (json!({"bindings": binding("roles/run.invoker", "a@x.com")}), Ok(())),
    ] {
        assert_eq!(saved(&document).map(drop), expected, "{document}");
    }
    assert!(matches!(saved(&json!({"bindings": 7})), Err(SavedError::Shape(_))));
}

#[test]
fn says_who_gains_and_who_loses() {
    let today = snapshot(
        json!([
            {"role": "roles/run.invoker", "members": ["user:new@x.com", "user:both@x.com"]},
            {"role": "roles/viewer", "members": ["user:v@x.com"], "kept": 1},
        ]),
        |_| (),
    );
    let document = json!({"etag": "ACAB", "version": 1, "bindings": [
        {"role": "roles/run.invoker", "members": ["user:BOTH@x.com", "user:old@x.com",
            "deleted:user:gone@x.com?uid=1"]},
        {"role": "roles/viewer", "members": ["user:v@x.com"]},
    ]});
    let plan = restore(&saved(&document).unwrap(), true).plan(&today).unwrap();
    let of = |grants: &[Grant]| -> Vec<String> {
        grants.iter().map(|grant| grant.member.to_string()).collect()
    };
    assert_eq!(of(plan.added()), ["user:old@x.com"]);
    assert_eq!(of(plan.removed()), ["user:new@x.com"]);
    assert_eq!(
        plan.notes(),
        [
            "`user:old@x.com` gains the right to invoke by this policy",
            "`user:new@x.com` loses the right to invoke by this policy",
        ]
    );
    assert_eq!(
        plan.warnings(),
        ["`deleted:user:gone@x.com?uid=1` was deleted, and cannot be granted again"]
    );
}

#[test]
fn a_policy_that_was_changed_since_is_restored_knowingly_only() {
    let today = snapshot(json!([]), |_| ());
    let bindings = json!([{"role": "roles/run.invoker", "members": ["user:a@x.com"]}]);
    for (etag, same) in [(json!("ACAB"), true), (json!("ACAC"), false), (Value::Null, false)] {
        let mut document = json!({"bindings": bindings, "version": 1});
        if etag.is_string() {
            document["etag"] = etag;
        }
        let policy = saved(&document).unwrap();
        assert_eq!(restore(&policy, true).plan(&today).is_ok(), same);
        assert_eq!(restore(&policy, false).plan(&today).unwrap().warnings().is_empty(), same);
    }
    // What is so already is no conflict.
    let same = saved(&json!({"etag": "ACAC", "version": 1})).unwrap();
    assert!(restore(&same, true).plan(&today).unwrap().is_empty());
}

#[test]
fn only_what_would_be_added_is_checked_as_if_it_were_typed() {
    let strange = json!([
        {"role": "roles/run.invoker", "members": ["User:a@x.com", "a@x.com", "robot:r", "principal://new.example/x"]},
        {"role": "run.invoker", "members": ["user:a@x.com"]},
    ]);
    let policy = saved(&json!({"bindings": strange, "etag": "ACAB"})).unwrap();
    // What is held stays, letter for letter.
    let plan = restore(&policy, true).plan(&snapshot(strange, |_| ())).unwrap();
    assert!(plan.is_empty());
    let empty = snapshot(json!([]), |_| ());
    for (binding, why) in [
        (json!({"role": "roles/run.invoker", "members": ["User:a@x.com"]}), "is no principal"),
        (json!({"role": "roles/run.invoker", "members": ["a@x.com"]}), "is no principal"),
        (json!({"role": "run.invoker", "members": ["user:a@x.com"]}), "is not a role"),
        (
            json!({"role": "roles/run.invoker", "members": ["user:a@x.com"], "condition": {}}),
            "has no expression",
        ),
        (
            json!({"role": "roles/run.invoker", "members": ["allUsers"],
                "condition": {"title": "t", "expression": "true"}}),
            "under a condition",
        ),
        (
            json!({"role": "roles/run.invoker", "members": ["user:a@x.com"],
                "condition": {"title": "t", "expression": "not CEL ("}}),
            "cannot be parsed",
        ),
        (
            json!({"role": "roles/run.invoker", "members": ["principalSet://goog/public:all"]}),
            "is no principal",
        ),
    ] {
        let policy = saved(&json!({"bindings": [binding], "etag": "ACAB"})).unwrap();
        match restore(&policy, true).plan(&empty) {
            Err(Refusal::CannotStand { why: said, .. }) => {
                assert!(said.contains(why), "{binding}: {said}");
            }
            other => panic!("{binding}: {other:?}"),
        }
    }
}

/// Texts that may stand in a policy, whatever wrote it.
fn member_text() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "user:",
        "serviceAccount:",
        "group:",
        "domain:",
        "principal:",
        "principalSet:",
        "deleted:",
        "projectOwner:",
        "robot:",
        "",
    ]);
    (known, "[^,]{1,24}").prop_map(|(kind, rest)| format!("{kind}{rest}"))
}

proptest! {
    #[test]
    fn whatever_a_policy_holds_round_trips_and_is_revoked_letter_for_letter(
        members in prop::collection::vec(member_text(), 1..6), at in 0_usize..6,
    ) {
        let today = snapshot(json!([{"role": "roles/run.invoker", "members": members}]), |_| ());
        let document = json!({"etag": "ACAB",
            "bindings": [{"role": "roles/run.invoker", "members": members}]});
        let policy = saved(&document).unwrap();
        prop_assert!(restore(&policy, true).plan(&today).unwrap().is_empty());
        let one = Member::from_policy(members[at % members.len()].clone());
        let request = RevokeGrants {
            members: vec![(one.clone(), ConditionChoice::Unconditional)],
            roles: RoleChoice::Only(Role::invoker()),
            strict: false,
        };
        let plan = request.plan(&today).unwrap();
        prop_assert!(!plan.removed().is_empty());
        prop_assert!(plan.removed().iter().all(|grant| grant.member.same_as(&one)));
        let left = members.iter().filter(|text| !Member::from_policy((*text).clone()).same_as(&one));
        prop_assert_eq!(members.len() - left.count(), plan.removed().len());
    }
}
