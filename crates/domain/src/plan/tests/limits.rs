//! Grants under a condition, and their ends.

use super::*;

const END: &str = r#"request.time < timestamp("2026-06-01T04:00:00Z")"#;
const LATER: &str = r#"request.time < timestamp("2026-06-01T08:00:00Z")"#;
const PAST: &str = r#"request.time < timestamp("2026-05-01T04:00:00Z")"#;

fn condition(expression: &str) -> Condition {
    let (title, description) = (format!("t {} (runaccess)", expression.len()), "d".to_owned());
    Condition { title, description, expression: expression.to_owned() }
}

fn held(role: &str, member: &str, expression: Option<&str>) -> Value {
    let mut binding = json!({"role": role, "members": [member]});
    if let Some(Condition { title, description, expression }) = expression.map(condition) {
        binding["condition"] =
            json!({"title": title, "description": description, "expression": expression});
    }
    binding
}

const INVOKER: &str = "roles/run.invoker";
const DEV: &str = "user:dev@x.com";

fn planned(bindings: Value, expression: &str) -> Result<Plan, Refusal> {
    let snapshot = snapshot(bindings, |_| ());
    to_grant(INVOKER, &[DEV], Some(condition(expression))).plan(&snapshot)
}

#[test]
fn granting_again_extends() {
    for (before, after, asked) in [(END, LATER, false), (LATER, END, true), (PAST, END, false)] {
        let plan = planned(json!([held(INVOKER, DEV, Some(before))]), after).unwrap();
        assert_eq!(plan.added()[0].condition, Some(condition(after)));
        assert_eq!(plan.removed()[0].condition, Some(condition(before)));
        let words = ["`user:dev@x.com` had access for longer than that"];
        assert_eq!(reasons_to_ask([&plan], false), if asked { &words[..] } else { &[] });
    }
    // Several that are extended lose nothing.
    let [a, b] = ["user:a@x.com", "user:b@x.com"];
    let both = snapshot(json!([held(INVOKER, a, Some(END)), held(INVOKER, b, Some(END))]), |_| ());
    let request = to_grant(INVOKER, &[a, b], Some(condition(LATER)));
    let plan = request.plan(&both).unwrap();
    assert_eq!((plan.removed().len(), reasons_to_ask([&plan], false)), (2, Vec::new()));
    // What somebody else calls otherwise is another grant.
    let other = json!([{"role": INVOKER, "members": [DEV],
        "condition": {"title": "on call", "expression": END}}]);
    let plan = planned(other, LATER).unwrap();
    assert_eq!((plan.added().len(), plan.removed().len()), (1, 0));
    // Another condition is another grant, and so is that of somebody else.
    let path = format!("(request.path == '/x') && {END}");
    for other in [
        held(INVOKER, DEV, Some("request.path == '/x'")),
        held(INVOKER, DEV, Some(&path)),
        held(INVOKER, "user:ops@x.com", Some(END)),
        held("roles/run.developer", DEV, Some(END)),
    ] {
        let plan = planned(json!([other]), LATER).unwrap();
        assert_eq!((plan.added().len(), plan.removed().len()), (1, 0));
    }
    let longer = format!("(request.path == '/x') && {LATER}");
    let plan = planned(json!([held(INVOKER, DEV, Some(&path))]), &longer).unwrap();
    assert_eq!((plan.added().len(), plan.removed().len()), (1, 1));
}

#[test]
fn a_condition_beside_a_grant_without_one_limits_nothing() {
    for role in [INVOKER, "roles/run.admin"] {
        let refused = planned(json!([held(role, DEV, None)]), END).unwrap_err();
        assert!(matches!(refused, Refusal::LimitsNothing { role: held, .. } if held == role));
    }
    for other in [held("roles/viewer", DEV, None), held(INVOKER, "user:ops@x.com", None)] {
        assert!(planned(json!([other]), END).is_ok());
    }
}

#[test]
fn the_first_condition_of_a_policy_is_announced() {
    let first = |bindings| {
        let plan = planned(bindings, END).unwrap();
        plan.warnings().iter().any(|text| text.starts_with("the policy's first condition"))
    };
    assert!(first(json!([])));
    assert!(!first(json!([held("roles/viewer", "user:v@x.com", Some("true"))])));
}

#[test]
fn what_is_dead_is_cleared_and_nothing_else() {
    let deleted = "deleted:user:old@x.com?uid=7";
    let snapshot = snapshot(
        json!([
            held(INVOKER, DEV, Some(PAST)),
            held(INVOKER, DEV, Some(END)),
            held(INVOKER, DEV, Some("request.path == '/x'")),
            held(INVOKER, deleted, None),
            held("roles/viewer", deleted, None),
            held("projects/p/roles/c", deleted, Some(PAST)),
        ]),
        |_| (),
    );
    let cleared = |expired: bool, deleted: bool, role: Option<&str>, whose: &[&str]| {
        let role = role.map(|role| Role::parse(role).unwrap());
        let request = ClearGrants { expired, deleted, role, members: members(whose) };
        let plan = request.plan(&snapshot).unwrap();
        let asks = !reasons_to_ask([&plan], false).is_empty();
        (plan.removed().iter().map(|grant| grant.role.clone()).collect::<Vec<_>>(), asks)
    };
    assert_eq!(cleared(true, false, None, &[]), (vec![INVOKER.to_owned()], false));
    // A deleted principal's grant is that, whether or not it has ended.
    let custom = "projects/p/roles/c".to_owned();
    assert_eq!(cleared(false, true, None, &[]).0, [INVOKER.to_owned(), custom]);
    assert_eq!(cleared(true, true, Some("roles/viewer"), &[]).0, ["roles/viewer"]);
    assert_eq!(cleared(true, true, None, &[DEV]).0, [INVOKER]);
}
