use serde_json::{Value, json};
use time::macros::datetime;

use super::*;
use crate::condition::Condition;
use crate::history::Entry;
use crate::role::Role;
use crate::service::Ingress;

mod limits;
mod restore;
mod settings;
mod undo;

#[expect(clippy::needless_pass_by_value, reason = "reads better at its many callers")]
fn snapshot(bindings: Value, edit: impl Fn(&mut Service)) -> Snapshot {
    let mut service = Service::sample();
    edit(&mut service);
    let policy = serde_json::from_value(json!({"etag": "ACAB", "bindings": bindings})).unwrap();
    Snapshot {
        name: service.name.clone().into(),
        service: Some(service),
        workload_uid: None,
        unread: None,
        weighs_exposure: true,
        policy,
        existing: None,
        constraints: None,
        above: Vec::new(),
        roles: crate::evidence::Roles::new(),
        project_number: None,
        gone: Vec::new(),
        policy_unread: None,
        read_at: datetime!(2026-06-01 00:00 UTC),
    }
}

fn to_grant(role: &str, texts: &[&str], condition: Option<Condition>) -> GrantRole {
    let (role, members) = (Role::parse(role).unwrap(), members(texts));
    GrantRole { role, members, condition, preflight: true }
}

fn make_public(via: Option<PublicVia>) -> MakePublic {
    MakePublic { via, preflight: true }
}

fn turn_iap(on: bool) -> TurnIap {
    TurnIap { on, agents: vec![("p".to_owned(), iap_agent())] }
}

fn iap_agent() -> Member {
    Member::of_account("service-12@gcp-sa-iap.iam.gserviceaccount.com")
}

fn set_audience(audience: &str, present: bool) -> SetAudience {
    SetAudience { audience: audience.to_owned(), present }
}

fn undo_of(entry: &Entry) -> Undo {
    Undo { entries: vec![entry.clone()] }
}

fn members(texts: &[&str]) -> Vec<Member> {
    texts.iter().map(|text| Member::from_policy(*text)).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "reads better at its many callers")]
fn revoke(texts: &[&str], condition: ConditionChoice) -> RevokeGrants {
    RevokeGrants {
        members: members(texts).into_iter().map(|member| (member, condition.clone())).collect(),
        roles: RoleChoice::Only(Role::invoker()),
        strict: false,
    }
}

const CONDITIONAL: &str = r#"[{"role":"roles/run.invoker","members":["user:a@x.com"],
    "condition":{"title":"office hours","expression":"request.path == '/x'"}}]"#;

#[test]
fn a_grant_that_is_so_already_is_an_empty_plan() {
    let snapshot =
        snapshot(json!([{"role": "roles/run.invoker", "members": ["user:A@x.com"]}]), |_| ());
    let plan = to_grant("roles/run.invoker", &["user:a@x.com"], None).plan(&snapshot).unwrap();
    assert!(plan.is_empty() && reasons_to_ask([&plan], true).is_empty());
}

#[test]
fn asks_for_what_widens_or_takes_from_many() {
    let snapshot = snapshot(
        json!([{"role": "roles/run.invoker", "members": ["user:a@x.com", "user:b@x.com", "domain:x.com"]}]),
        |_| (),
    );
    let grant = |member: &str, role: &str| {
        let plan = to_grant(role, &[member], None).plan(&snapshot).unwrap();
        reasons_to_ask([&plan], false)
    };
    assert!(grant("user:n@x.com", "roles/run.invoker").is_empty());
    assert!(grant("group:n@x.com", "roles/run.invoker").is_empty());
    assert_eq!(grant("allUsers", "roles/run.invoker"), ["`allUsers` gains access"]);
    assert_eq!(grant("domain:y.com", "roles/run.invoker"), ["`domain:y.com` gains access"]);
    assert_eq!(
        grant("principalSet://iam.googleapis.com/pool/*", "roles/run.invoker"),
        ["`principalSet://iam.googleapis.com/pool/*` gains access"]
    );
    assert_eq!(
        grant("user:n@x.com", "roles/run.admin"),
        ["`roles/run.admin` lets its members grant access to others"]
    );
    let taken = |texts: &[&str]| {
        let plan = revoke(texts, ConditionChoice::Unconditional).plan(&snapshot).unwrap();
        reasons_to_ask([&plan], false)
    };
    assert!(taken(&["user:a@x.com"]).is_empty());
    assert_eq!(taken(&["user:a@x.com", "user:b@x.com"]), ["2 principals lose access"]);
    assert_eq!(taken(&["domain:x.com"]), ["`domain:x.com` loses access"]);
    let public = make_public(None).plan(&snapshot).unwrap();
    assert!(!reasons_to_ask([&public], false).is_empty());
    let one = to_grant("roles/run.invoker", &["user:n@x.com"], None).plan(&snapshot).unwrap();
    assert_eq!(reasons_to_ask([&one, &one], true), ["2 services change"]);
    assert!(reasons_to_ask([&one, &one], false).is_empty());
    assert!(reasons_to_ask([&one], true).is_empty());
}

#[test]
fn a_conditional_grant_is_not_silently_revoked() {
    let snapshot = snapshot(serde_json::from_str(CONDITIONAL).unwrap(), |_| ());
    let plan = |condition| revoke(&["user:a@x.com"], condition).plan(&snapshot);
    assert!(matches!(plan(ConditionChoice::Unconditional), Err(Refusal::OnlyConditional { .. })));
    assert!(matches!(
        plan(ConditionChoice::Titled("other".into())),
        Err(Refusal::NoSuchCondition { .. })
    ));
    assert_eq!(plan(ConditionChoice::Any).unwrap().removed().len(), 1);
    assert_eq!(plan(ConditionChoice::Titled("office hours".into())).unwrap().removed().len(), 1);
}

#[test]
fn what_remains_after_a_revoke_is_told() {
    let snapshot = snapshot(
        json!([
            {"role": "roles/run.invoker", "members": ["user:a@x.com", "allUsers"]},
            {"role": "roles/run.admin", "members": ["user:a@x.com"]},
            {"role": "roles/viewer", "members": ["user:a@x.com"]},
            {"role": "projects/p/roles/c", "members": ["user:a@x.com"]},
            {"role": "roles/run.invoker", "members": ["user:a@x.com"],
             "condition": {"title": "t", "expression": "request.path == '/x'"}},
            {"role": "roles/run.invoker", "members": ["user:a@x.com"],
             "condition": {"title": "over", "expression": "request.time < timestamp('2026-01-01T00:00:00Z')"}},
        ]),
        |_| (),
    );
    let plan = revoke(&["user:a@x.com"], ConditionChoice::Unconditional).plan(&snapshot).unwrap();
    let roles: Vec<(&str, &str)> = plan
        .remaining()
        .iter()
        .map(|left| match &left.via {
            RemainingVia::Policy { role, .. } => (left.member.as_str(), role.as_str()),
            RemainingVia::InvokerCheckDisabled => (left.member.as_str(), "check off"),
        })
        .collect();
    assert_eq!(
        roles,
        [
            ("allUsers", "roles/run.invoker"),
            ("user:a@x.com", "roles/run.admin"),
            ("user:a@x.com", "projects/p/roles/c"),
            ("user:a@x.com", "roles/run.invoker"),
        ]
    );
    assert_eq!(
        plan.warnings(),
        ["`allUsers` can still invoke it through `roles/run.invoker`, and 3 more"]
    );
}

#[test]
fn make_private_undoes_both_ways_policy_first() {
    let snapshot = snapshot(
        json!([
            {"role": "roles/run.invoker", "members": ["allUsers", "user:a@x.com"]},
            {"role": "roles/run.servicesInvoker", "members": ["allAuthenticatedUsers"]},
            {"role": "projects/p/roles/c", "members": ["allUsers"]},
            {"role": "roles/run.viewer", "members": ["allUsers"]},
        ]),
        |service| service.invoker_check = false,
    );
    let plan = MakePrivate.plan(&snapshot).unwrap();
    assert_eq!(plan.removed().len(), 3);
    assert_eq!(plan.exposure(), Some((Exposure::Public, Exposure::Restricted)));
    assert_eq!(
        plan.notes(),
        [
            "whether `projects/p/roles/c` can invoke is not known, so `allUsers` loses it as well",
            "by its own policy, 1 principal will be able to invoke it afterwards",
        ]
    );
    let kinds: Vec<StepKind> = plan.into_steps().into_iter().map(Step::into_kind).collect();
    assert!(matches!(
        kinds.as_slice(),
        [StepKind::SetPolicy { .. }, StepKind::UpdateService { switches, audiences: None, etag, .. }]
            if etag == "e1" && *switches == [Switch::InvokerCheck(true)]
    ));
}

#[test]
fn make_public_tells_what_a_stranger_will_see() {
    for (edit, words) in [
        ((|s: &mut Service| s.ingress = Ingress::Internal) as fn(&mut Service), "gets 404"),
        (|s| s.ingress = Ingress::InternalAndLoadBalancing, "by a load balancer only"),
        (|s| s.ingress = Ingress::None, "nobody gets through"),
        (|s| s.default_url = false, "the default URL is off"),
        (|s| s.iap = true, "sent to sign in"),
    ] {
        let snapshot = snapshot(json!([]), edit);
        let plan = make_public(None).plan(&snapshot).unwrap();
        assert!(plan.warnings().iter().any(|text| text.contains(words)), "{words}");
    }
    let snapshot = snapshot(json!([]), |s| s.invoker_check = false);
    assert!(make_public(None).plan(&snapshot).unwrap().is_empty());
    let named = make_public(Some(PublicVia::AllUsers)).plan(&snapshot).unwrap();
    assert_eq!(named.added().len(), 1, "a way that is named is taken");
}

#[test]
fn a_fresh_plan_must_stay_within_what_was_confirmed() {
    let all = json!([{"role": "roles/run.invoker", "members": ["allUsers"]},
        {"role": "roles/run.admin", "members": ["allUsers"]}]);
    let few = snapshot(json!([{"role": "roles/run.invoker", "members": ["allUsers"]}]), |_| ());
    let more = snapshot(all, |_| ());
    let few = MakePrivate.plan(&few).unwrap();
    let more = MakePrivate.plan(&more).unwrap();
    assert!(few.is_within(&few) && few.is_within(&more));
    assert!(!more.is_within(&few));
}

#[test]
fn each_member_of_a_revocation_has_its_own_choice_of_bindings() {
    let snapshot = snapshot(
        json!([
            {"role": "roles/run.invoker", "members": ["user:a@x.com"]},
            {"role": "roles/run.invoker", "members": ["user:a@x.com", "user:b@x.com"],
             "condition": {"title": "t", "expression": "request.path == '/x'"}},
        ]),
        |_| (),
    );
    let [a, b] = ["user:a@x.com", "user:b@x.com"].map(Member::from_policy);
    let request = RevokeGrants {
        members: vec![(a, ConditionChoice::Unconditional), (b, ConditionChoice::Any)],
        roles: RoleChoice::Only(Role::invoker()),
        strict: false,
    };
    let plan = request.plan(&snapshot).unwrap();
    let removed: Vec<(&str, bool)> =
        plan.removed().iter().map(|g| (g.member.as_str(), g.condition.is_some())).collect();
    assert_eq!(removed, [("user:a@x.com", false), ("user:b@x.com", true)]);
}

#[test]
fn a_check_that_is_off_leaves_access() {
    let snapshot = snapshot(json!([]), |service| service.invoker_check = false);
    let plan = revoke(&["user:a@x.com"], ConditionChoice::Unconditional).plan(&snapshot).unwrap();
    assert!(plan.is_empty() && plan.leaves_access() && plan.remaining().is_empty());
    assert_eq!(plan.warnings(), ["the invoker check is off: anyone can still invoke it"]);
}

#[test]
fn a_role_that_is_not_known_is_asked_about() {
    let snapshot = snapshot(json!([]), |_| ());
    let plan = to_grant("projects/p/roles/c", &["user:n@x.com"], None).plan(&snapshot).unwrap();
    assert_eq!(
        reasons_to_ask([&plan], false),
        ["`projects/p/roles/c` is not known here and may let its members grant access to others"]
    );
}

#[test]
fn all_users_under_a_condition_is_not_public_already() {
    let snapshot = snapshot(
        json!([{"role": "roles/run.invoker", "members": ["allUsers"],
            "condition": {"title": "t", "expression": "request.path == '/x'"}}]),
        |_| (),
    );
    assert_eq!(make_public(None).plan(&snapshot).unwrap().added().len(), 1);
}
