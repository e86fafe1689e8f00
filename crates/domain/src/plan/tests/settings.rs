//! Identity-Aware Proxy, audiences, accounts and domains.

use super::undo::{carried_out, entry};
use super::*;
use crate::policy;
use crate::target::{AccountName, Existing, MappingName};

fn steps(plan: Plan) -> Vec<String> {
    plan.into_steps().iter().map(Step::describe).collect()
}

#[test]
fn iap_goes_on_first_and_lets_its_account_in() {
    let before = snapshot(json!([]), |_| ());
    let plan = turn_iap(true).plan(&before).unwrap();
    assert_eq!(plan.exposure().unwrap().1, Exposure::Iap);
    let on = carried_out(&before, plan.clone());
    assert_eq!(steps(plan), ["turn Identity-Aware Proxy on", "set the policy"]);
    assert!(turn_iap(true).plan(&on).unwrap().is_empty());
    // On, and without the grant that gcloud may leave out.
    let torn = snapshot(json!([]), |service| service.iap = true);
    let plan = turn_iap(true).plan(&torn).unwrap();
    assert_eq!(steps(plan), ["set the policy"]);
    let plan = turn_iap(false).plan(&on).unwrap();
    assert_eq!((plan.added().len(), plan.removed().len()), (0, 1));
    assert_eq!(steps(plan), ["turn Identity-Aware Proxy off", "set the policy"]);
}

#[test]
fn an_audience_comes_and_goes_beside_others() {
    let before = snapshot(json!([]), |service| {
        service.custom_audiences = vec!["https://a".to_owned()];
    });
    let add = set_audience("https://b", true).plan(&before).unwrap();
    let added = entry(&add);
    let mut after = carried_out(&before, add);
    assert_eq!(after.service.as_ref().unwrap().custom_audiences, ["https://a", "https://b"]);
    // Somebody else adds one meanwhile: the undoing leaves it.
    after.service.as_mut().unwrap().custom_audiences.push("https://c".to_owned());
    let undone = carried_out(&after, undo_of(&added).plan(&after).unwrap());
    assert_eq!(undone.service.unwrap().custom_audiences, ["https://a", "https://c"]);
    let again = set_audience("https://a", true).plan(&before).unwrap();
    assert!(again.is_empty());
    let none = set_audience("https://x", false).plan(&before).unwrap();
    assert!(none.is_empty());
}

fn creation() -> Connect {
    Connect {
        account: Member::of_account("caller@p.iam.gserviceaccount.com"),
        from: crate::caller::CallsFrom::Unknown,
        create: Some("calls orders".to_owned()),
        agent: None,
    }
}

fn map_to(service: &str) -> MapDomain {
    MapDomain { service: service.to_owned(), force: false }
}

fn of(name: Target, existing: Existing) -> Snapshot {
    Snapshot { name, service: None, existing: Some(existing), ..snapshot(json!([]), |_| ()) }
}

#[test]
fn an_account_is_made_once_and_its_undoing_deletes_that_one_only() {
    let name = Target::Account(AccountName {
        project: "p".to_owned(),
        address: "caller@p.iam.gserviceaccount.com".to_owned(),
    });
    let before = of(name, Existing::Nothing);
    let plan = creation().plan(&before).unwrap();
    assert_eq!(plan.stage(), Stage::First);
    let mut made = entry(&plan);
    let after = carried_out(&before, plan);
    made.after.service = after.etags().service;
    assert!(creation().plan(&after).unwrap().is_empty());
    let undo = undo_of(&made).plan(&after).unwrap();
    assert_eq!(undo.stage(), Stage::Last);
    assert_eq!(carried_out(&after, undo.clone()).existing, Some(Existing::Nothing));
    assert!(reasons_to_ask([&undo], false)[0].contains("is deleted"));
    // Another of the same address is not ours.
    let address = after.name.short();
    let other = of(after.name, Existing::Account { address, unique_id: "2".to_owned() });
    let error = undo_of(&made).plan(&other).unwrap_err().to_string();
    assert!(error.ends_with("the service account was deleted and made anew since"), "{error}");
}

#[test]
fn nothing_is_granted_on_an_account_that_is_not_there() {
    let name = Target::Account(AccountName {
        project: "p".to_owned(),
        address: "caller@p.iam.gserviceaccount.com".to_owned(),
    });
    let before = Snapshot { policy: policy::none(), ..of(name, Existing::Nothing) };
    let request = Connect {
        account: Member::of_account("caller@p.iam.gserviceaccount.com"),
        from: crate::caller::CallsFrom::Unknown,
        create: None,
        agent: Some((iap_agent(), "roles/iam.serviceAccountOpenIdTokenCreator")),
    };
    // The write would have no precondition.
    let refused = request.plan(&before).unwrap_err();
    assert_eq!(refused.to_string(), "`caller@p.iam.gserviceaccount.com` is not there");
}

#[test]
fn a_domain_leads_to_one_service() {
    let name = Target::Mapping(MappingName {
        project: "p".to_owned(),
        region: "us-central1".to_owned(),
        domain: "shop.x.com".to_owned(),
    });
    let before = of(name, Existing::Nothing);
    let plan = map_to("s").plan(&before).unwrap();
    let mut mapped = entry(&plan);
    let after = carried_out(&before, plan);
    mapped.after.service = after.etags().service;
    assert!(map_to("s").plan(&after).unwrap().is_empty());
    let elsewhere = map_to("other").plan(&after);
    assert!(matches!(elsewhere, Err(Refusal::MappedElsewhere { .. })));
    let undo = undo_of(&mapped).plan(&after).unwrap();
    assert_eq!(steps(undo.clone()), ["unmap the domain"]);
    assert_eq!(carried_out(&after, undo).existing, Some(Existing::Nothing));
    let gone = UnmapDomain.plan(&after).unwrap();
    let unmapped = entry(&gone);
    let back = undo_of(&unmapped).plan(&carried_out(&after, gone)).unwrap();
    assert_eq!(steps(back), ["map the domain"]);
}
