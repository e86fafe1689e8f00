//! Policies that were saved, and restored.

use super::*;

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
        (
            json!({"bindings": binding("roles/x", "User:a@x.com")}),
            Err(SavedError::Member("User:a@x.com".to_owned())),
        ),
        (
            json!({"bindings": binding("run.invoker", "user:a@x.com")}),
            Err(SavedError::Role("run.invoker".to_owned())),
        ),
        (
            json!({"bindings": binding("roles/run.invoker", "a@x.com")}),
            Err(SavedError::Member("a@x.com".to_owned())),
        ),
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
    let plan = plan_restore(&today, &saved(&document).unwrap(), true).unwrap();
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
        assert_eq!(plan_restore(&today, &policy, true).is_ok(), same);
        assert_eq!(plan_restore(&today, &policy, false).unwrap().warnings().is_empty(), same);
    }
    // What is so already is no conflict.
    let same = saved(&json!({"etag": "ACAC", "version": 1})).unwrap();
    assert!(plan_restore(&today, &same, true).unwrap().is_empty());
}
