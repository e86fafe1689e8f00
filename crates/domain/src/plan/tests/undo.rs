//! Undoing: by cases, and by properties over arbitrary policies.

use std::collections::BTreeSet;
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::history::{ChangeId, Entry, State};
use crate::policy;
use crate::target::Existing;

/// A world in which plans are carried out: what a server would hold.
pub(super) fn carried_out(before: &Snapshot, plan: Plan) -> Snapshot {
    let mut after = before.clone();
    for step in plan.into_steps() {
        match step.into_kind() {
            StepKind::SetPolicy { policy, .. } => after.policy = policy,
            StepKind::UpdateService { switches, audiences, .. } => {
                for to in switches {
                    after.service = after.service.map(|service| to.set(&service));
                }
                if let (Some(service), Some(audiences)) = (&mut after.service, audiences) {
                    service.custom_audiences = audiences;
                }
            }
            StepKind::CreateAccount { .. } => {
                let (address, unique_id) = (after.name.short(), "1".to_owned());
                after.existing = Some(Existing::Account { address, unique_id });
            }
            StepKind::MapDomain { service, .. } => {
                after.existing = Some(Existing::Mapping { service, uid: "u".to_owned() });
            }
            StepKind::DeleteAccount { .. } | StepKind::UnmapDomain(_) => {
                after.existing = Some(Existing::Nothing);
            }
        }
    }
    after
}

pub(super) fn entry(plan: &Plan) -> Entry {
    Entry {
        id: ChangeId { sandbox: false, run: 1, part: None },
        time: datetime!(2026-06-01 00:00 UTC),
        account: None,
        command: "runaccess".to_owned(),
        reason: None,
        action: plan.action(),
        target: plan.target().clone(),
        undoes: None,
        intended: plan.difference().clone(),
        done: Some(plan.difference().clone()),
        before: plan.etags().clone(),
        after: Etags::default(),
        state: State::Applied,
        undone_by: None,
        error: None,
    }
}

fn as_set(policy: &Policy) -> BTreeSet<String> {
    let text =
        |grant: Grant| format!("{} {} {:?}", grant.role, grant.member.key(), grant.condition);
    grants(policy).into_iter().map(text).collect()
}

/// The bindings that a change is not about, to the letter.
fn others(policy: &Policy) -> Vec<Value> {
    let other = policy.bindings.iter().filter(|binding| binding.role != "roles/run.invoker");
    other.map(|binding| serde_json::to_value(binding).unwrap()).collect()
}

fn any_condition() -> impl Strategy<Value = Option<Condition>> {
    let expression = prop_oneof![
        Just("request.path == '/x'"),
        Just(r#"request.time < timestamp("2026-06-01T04:00:00Z")"#),
        Just(r#"request.time < timestamp("2026-06-01T08:00:00Z")"#),
        Just(r#"request.time < timestamp("2026-05-01T04:00:00Z")"#),
    ];
    let condition = (expression, "[tu]", "[de]?").prop_map(|(expression, title, description)| {
        Condition { title, description, expression: expression.to_owned() }
    });
    prop_oneof![2 => Just(None), 1 => condition.prop_map(Some)]
}

fn any_member() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("user:a@x.com"),
        Just("user:B@x.com"),
        Just("user:b@x.com"),
        Just("group:g@x.com"),
        Just("allUsers"),
        Just("allAuthenticatedUsers"),
        Just("serviceAccount:s@p.iam.gserviceaccount.com"),
        Just("principal://iam.googleapis.com/p/subject/X"),
        Just("principal://iam.googleapis.com/p/subject/x"),
    ]
}

fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    let role = prop_oneof![
        3 => Just("roles/run.invoker"),
        1 => Just("roles/viewer"),
        1 => Just("roles/run.admin"),
        1 => Just("projects/p/roles/c"),
    ];
    let binding = (role, vec(any_member(), 1..4), any_condition(), any::<bool>()).prop_map(
        |(role, members, condition, unknown)| {
            let mut value = json!({"role": role, "members": members});
            if unknown {
                value["futureField"] = json!({"kept": [1]});
            }
            if let Some(Condition { title, description, expression }) = condition {
                value["condition"] = json!({"title": title, "expression": expression});
                if !description.is_empty() {
                    value["condition"]["description"] = json!(description);
                }
            }
            value
        },
    );
    let ingress = prop_oneof![Just(Ingress::All), Just(Ingress::Internal), Just(Ingress::None)];
    (vec(binding, 0..6), any::<[bool; 3]>(), ingress).prop_map(|(bindings, on, ingress)| {
        snapshot(Value::Array(bindings), |service| {
            [service.invoker_check, service.default_url, service.iap] = on;
            service.ingress = ingress.clone();
        })
    })
}

/// A change as a value of any kind.
type AnyChange = Rc<dyn Change>;

fn a_change(change: impl Change + 'static) -> AnyChange {
    Rc::new(change)
}

fn any_change() -> impl Strategy<Value = AnyChange> {
    let some = || vec(any_member(), 1..3);
    let invoker = "roles/run.invoker";
    prop_oneof![
        4 => (some(), any_condition())
            // One that is past is not granted.
            .prop_filter("it is past", |(_, when)| {
                when.as_ref().is_none_or(|when| !when.expression.contains("2026-05"))
            })
            .prop_map(move |(who, when)| a_change(to_grant(invoker, &who, when))),
        2 => some().prop_map(|who| a_change(revoke(&who, ConditionChoice::Any))),
        1 => prop_oneof![
            Just(None),
            Just(Some(PublicVia::AllUsers)),
            Just(Some(PublicVia::NoInvokerCheck)),
        ]
        .prop_map(|via| a_change(make_public(via))),
        1 => any::<()>().prop_map(|()| a_change(MakePrivate)),
        1 => any::<()>().prop_map(|()| {
            a_change(ClearGrants { expired: true, deleted: true, role: None, members: Vec::new() })
        }),
        2 => prop_oneof![
            Just(Switch::Ingress(Ingress::Internal)),
            Just(Switch::Ingress(Ingress::All)),
            Just(Switch::InvokerCheck(false)),
            Just(Switch::InvokerCheck(true)),
            Just(Switch::DefaultUrl(false)),
            Just(Switch::Iap(true)),
        ]
        .prop_map(|to| a_change(TurnSwitch(to))),
        1 => (prop_oneof![Just("https://a.x.com"), Just("https://b.x.com")], any::<bool>())
            .prop_map(|(audience, present)| a_change(set_audience(audience, present))),
        1 => any::<bool>().prop_map(|on| a_change(turn_iap(on))),
        1 => vec(any_member(), 1..3).prop_map(move |who| {
            let document = json!({"version": 1, "bindings": [{"role": invoker, "members": who}]});
            let saved = SavedPolicy::parse(&document).unwrap();
            a_change(Restore { saved, same_etag: false })
        }),
    ]
}

/// What others do meanwhile, in a binding that no change of these tests is about.
fn others_edit(policy: &Policy, more: &[&str]) -> Policy {
    let grant = |member: &&str| Grant {
        role: "roles/run.developer".to_owned(),
        member: Member::from_policy(format!("user:{member}")),
        condition: None,
    };
    let wanted: Vec<Grant> = more.iter().map(grant).collect();
    policy::edit(policy, |_| false, &wanted).unwrap().policy
}

proptest! {
    #[test]
    fn a_change_and_its_undoing_leave_what_others_did(
        before in any_snapshot(),
        change in any_change(),
        more in vec(prop_oneof![Just("o1@x.com"), Just("o2@x.com")], 0..2),
    ) {
        let Ok(plan) = change.plan(&before) else { return Ok(()) };
        let (entry, taken) = (entry(&plan), plan.removed().to_vec());
        let mut after = carried_out(&before, plan);
        after.policy = others_edit(&after.policy, &more);
        let undone = match undo_of(&entry).plan(&after) {
            Ok(undone) => carried_out(&after, undone),
            // A change that did nothing is not undone.
            Err(Refusal::NotToBeUndone { .. }) if entry.effect().is_empty() => after,
            Err(other) => panic!("{other}"),
        };
        // What had ended when it was taken away stays away.
        let over = |grant: &Grant| {
            taken.iter().any(|gone| gone.same_as(grant)) && !grant.counts(before.read_at)
        };
        let without = policy::remove(&before.policy, over).policy;
        let expected = others_edit(&without, &more);
        prop_assert_eq!(as_set(&undone.policy), as_set(&expected));
        prop_assert_eq!(undone.service, before.service);
    }

    #[test]
    fn granting_and_undoing_is_the_identity_to_the_letter(
        before in any_snapshot(), who in vec(any_member(), 1..3),
    ) {
        let plan = to_grant("roles/run.invoker", &who, None).plan(&before).unwrap();
        let entry = entry(&plan);
        if !plan.is_empty() {
            let after = carried_out(&before, plan);
            let undone = carried_out(&after, undo_of(&entry).plan(&after).unwrap());
            let bindings = |snapshot: &Snapshot| serde_json::to_value(&snapshot.policy.bindings);
            prop_assert_eq!(bindings(&undone).unwrap(), bindings(&before).unwrap());
        }
    }

    #[test]
    fn an_undoing_can_be_undone(before in any_snapshot(), change in any_change()) {
        let Ok(plan) = change.plan(&before) else { return Ok(()) };
        let first = entry(&plan);
        let after = carried_out(&before, plan);
        let Ok(undoing) = undo_of(&first).plan(&after) else { return Ok(()) };
        let second = entry(&undoing);
        let undone = carried_out(&after, undoing);
        let Ok(again) = undo_of(&second).plan(&undone) else { return Ok(()) };
        let again = carried_out(&undone, again);
        prop_assert_eq!(as_set(&again.policy), as_set(&after.policy));
        prop_assert_eq!(again.service, after.service);
    }

    #[test]
    fn the_plan_of_a_planned_result_is_empty(before in any_snapshot(), change in any_change()) {
        let Ok(plan) = change.plan(&before) else { return Ok(()) };
        let (first, after) = (entry(&plan), carried_out(&before, plan));
        if let Ok(second) = change.plan(&after) {
            prop_assert!(second.is_empty(), "{:?}", second);
        }
        if let Ok(undoing) = undo_of(&first).plan(&after) {
            let undone = carried_out(&after, undoing);
            prop_assert!(undo_of(&first).plan(&undone).unwrap().is_empty());
        }
    }

    #[test]
    fn bindings_that_a_change_is_not_about_stay_to_the_letter(
        before in any_snapshot(), who in vec(any_member(), 1..3), when in any_condition(),
    ) {
        for change in [
            a_change(to_grant("roles/run.invoker", &who, when)),
            a_change(revoke(&who, ConditionChoice::Any)),
        ] {
            let Ok(plan) = change.plan(&before) else { continue };
            let (first, after) = (entry(&plan), carried_out(&before, plan));
            prop_assert_eq!(others(&after.policy), others(&before.policy));
            if let Ok(undoing) = undo_of(&first).plan(&after) {
                let undone = carried_out(&after, undoing);
                prop_assert_eq!(others(&undone.policy), others(&before.policy));
            }
        }
    }

    #[test]
    fn what_is_found_after_a_change_is_its_effect(
        before in any_snapshot(), change in any_change(),
    ) {
        let Ok(plan) = change.plan(&before) else { return Ok(()) };
        let difference = plan.difference().clone();
        if !difference.is_empty() {
            let found = |at: &Snapshot| difference.found(at);
            prop_assert_eq!(found(&before), Some(State::EffectAbsent));
            prop_assert_eq!(found(&carried_out(&before, plan)), Some(State::EffectPresent));
        }
    }
}

#[test]
fn refuses_where_the_inverse_makes_no_sense() {
    let before = snapshot(json!([]), |_| ());
    let plan = TurnSwitch(Switch::Ingress(Ingress::Internal)).plan(&before).unwrap();
    let applied = entry(&plan);
    let after = carried_out(&before, plan);
    let why = |snapshot: &Snapshot, entry: &Entry| match undo_of(entry).plan(snapshot) {
        Err(Refusal::NotToBeUndone { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    let mut third = after.clone();
    third.service.as_mut().unwrap().ingress = Ingress::None;
    assert_eq!(
        why(&third, &applied),
        "it set `ingress` from `all` to `internal`, and today it is `none`"
    );
    let mut anew = after.clone();
    anew.service.as_mut().unwrap().create_time = Some("2026-06-01T00:05:00Z".to_owned());
    assert_eq!(why(&anew, &applied), "the service was deleted and made anew since");
    // Within a minute, clocks may just differ.
    anew.service.as_mut().unwrap().create_time = Some("2026-06-01T00:00:59Z".to_owned());
    assert!(undo_of(&applied).plan(&anew).is_ok());
    // If both are known by their ids, clocks do not matter.
    let mut known = applied.clone();
    known.before.uid = Some("one".to_owned());
    anew.service.as_mut().unwrap().uid = Some("other".to_owned());
    assert_eq!(why(&anew, &known), "the service was deleted and made anew since");
    for (state, done, words) in [
        (State::Intended, None, "whether it was done is not known yet"),
        (State::Failed, Some(Difference::default()), "it failed, and did nothing"),
        (State::EffectPresent, Some(Difference::default()), "it did nothing itself"),
    ] {
        let entry = Entry { done, state, ..applied.clone() };
        assert_eq!(why(&after, &entry), words);
    }
    // One that was not there when it was looked for may be there by now.
    let absent = Entry { state: State::EffectAbsent, done: None, ..applied.clone() };
    assert_eq!(why(&before, &absent), "what it meant to do is not there");
    let late = undo_of(&absent).plan(&after).unwrap();
    let asked = reasons_to_ask([&late], false);
    assert!(asked.iter().any(|why| why.contains("may be others' doing")), "{asked:?}");
    let undone = Entry { undone_by: "3.1".parse().ok(), ..applied };
    assert_eq!(why(&after, &undone), "it was undone already, by `3.1`");
}

#[test]
fn says_what_stays_away_and_what_others_did() {
    let bindings = json!([{"role": "roles/run.invoker", "members": ["user:a@x.com",
        "deleted:user:d@x.com?uid=1"]}]);
    let before = snapshot(bindings, |_| ());
    let asked = revoke(&["user:a@x.com", "deleted:user:d@x.com?uid=1"], ConditionChoice::Any);
    let plan = asked.plan(&before).unwrap();
    let entry = entry(&plan);
    let plan = undo_of(&entry).plan(&carried_out(&before, plan)).unwrap();
    assert_eq!(plan.added().len(), 1);
    assert_eq!(
        plan.notes(),
        ["`deleted:user:d@x.com?uid=1` was deleted, and cannot be granted anything again"]
    );
    let again = undo_of(&entry).plan(&before).unwrap();
    assert!(again.is_empty());
    assert!(again.notes()[1].ends_with("has `roles/run.invoker` again already"), "{again:?}");
}
