use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::domain::role;

const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);

fn grant(member: &str, role: &str, expression: Option<&str>) -> Grant {
    let condition =
        expression.map(|text| Condition { expression: text.to_owned(), ..Condition::default() });
    Grant { role: role.to_owned(), member: Member::from_policy(member), condition }
}

fn carries(role: &str) -> Option<bool> {
    match role::invokes(role) {
        role::Invokes::Yes => Some(true),
        role::Invokes::No => Some(false),
        role::Invokes::Unknown => None,
    }
}

fn request(path: &'static str) -> Request<'static> {
    let host = "s-1.us-central1.run.app";
    Request { path, host, time: NOW, from: Origin::Internet, by_default_url: true }
}

/// Decides with one policy on the service and one on its project.
fn decided(
    service: &Service,
    own: &[Grant],
    above: Option<&[Grant]>,
    caller: &str,
    request: &Request<'_>,
) -> Decision {
    let policies = [
        Attached { resource: "s", grants: Some(own) },
        Attached { resource: "projects/p", grants: above },
    ];
    let member = Member::from_policy(caller);
    let caller = if caller.is_empty() { Caller::Anonymous } else { Caller::Verified(&member) };
    let known = Knowledge { carries: &carries, holds: &|_, _| None };
    decide(service, &policies, caller, request, known)
}

#[test]
fn the_allow_layer_weighs_principal_role_and_condition() {
    use Verdict::{Allowed, Denied, Unknown};
    let invoker = "roles/run.invoker";
    let past = Some(r#"request.time < timestamp("2026-01-01T00:00:00Z")"#);
    let path = Some(r#"request.path.startsWith("/reports")"#);
    let foreign = Some(r#"resource.service == "run""#);
    let (dev, robot) = ("user:dev@x.com", "serviceAccount:a@p.iam.gserviceaccount.com");
    for (member, role, condition, caller, verdict) in [
        ("allUsers", invoker, None, "", Allowed),
        ("allUsers", "roles/run.viewer", None, "", Denied),
        ("allAuthenticatedUsers", invoker, None, "", Denied),
        ("allAuthenticatedUsers", invoker, None, dev, Allowed),
        ("allAuthenticatedUsers", invoker, None, robot, Allowed),
        (dev, invoker, None, dev, Allowed),
        ("user:DEV@x.com", invoker, None, dev, Allowed),
        (dev, invoker, None, "user:other@x.com", Denied),
        (dev, invoker, None, "", Denied),
        (dev, "roles/run.servicesInvoker", None, dev, Allowed),
        (dev, "roles/owner", None, dev, Allowed),
        (dev, "roles/viewer", None, dev, Denied),
        (dev, "projects/p/roles/mine", None, dev, Unknown),
        (dev, "projects/p/roles/mine", None, "user:other@x.com", Denied),
        ("domain:x.com", invoker, None, dev, Allowed),
        ("domain:x.com", invoker, None, "user:dev@sub.x.com", Denied),
        ("group:g@x.com", invoker, None, dev, Unknown),
        ("deleted:user:dev@x.com?uid=1", invoker, None, dev, Denied),
        (robot, invoker, None, robot, Allowed),
        (dev, invoker, path, dev, Allowed),
        (dev, invoker, past, dev, Denied),
        (dev, invoker, foreign, dev, Unknown),
        (dev, invoker, foreign, "user:other@x.com", Denied),
        ("group:g@x.com", invoker, past, dev, Denied),
        ("group:g@x.com", invoker, path, dev, Unknown),
    ] {
        let grants = [grant(member, role, condition)];
        for (own, above) in [(&grants[..], &[][..]), (&[][..], &grants[..])] {
            let decision =
                decided(&Service::sample(), own, Some(above), caller, &request("/reports/1"));
            assert_eq!(decision.verdict, verdict, "{member} {role} {condition:?} {caller}");
        }
    }
}

#[test]
fn what_was_not_read_is_unknown_unless_the_rest_decides() {
    let dev = "user:dev@x.com";
    let own = [grant(dev, "roles/run.invoker", None)];
    let service = Service::sample();
    assert_eq!(decided(&service, &[], None, dev, &request("/")).verdict, Verdict::Unknown);
    assert_eq!(decided(&service, &own, None, dev, &request("/")).verdict, Verdict::Allowed);
}

#[test]
fn the_layers_before_it_are_asked_first() {
    type Case = (fn(&mut Service), Origin, bool, Verdict, Option<Layer>);
    let dev = "user:dev@x.com";
    let open = [grant("allUsers", "roles/run.invoker", None)];
    let cases: [Case; 13] = [
        (|_| (), Origin::Internet, true, Verdict::Allowed, None),
        (
            |s| s.default_url = false,
            Origin::Internet,
            true,
            Verdict::Denied,
            Some(Layer::Reachability),
        ),
        (
            |s| s.default_url = false,
            Origin::Internal,
            true,
            Verdict::Denied,
            Some(Layer::Reachability),
        ),
        (|s| s.default_url = false, Origin::Internet, false, Verdict::Allowed, None),
        (
            |s| s.ingress = Ingress::Internal,
            Origin::Internet,
            true,
            Verdict::Denied,
            Some(Layer::Reachability),
        ),
        (
            |s| s.ingress = Ingress::Internal,
            Origin::LoadBalancer,
            true,
            Verdict::Denied,
            Some(Layer::Reachability),
        ),
        (|s| s.ingress = Ingress::Internal, Origin::Internal, true, Verdict::Allowed, None),
        (
            |s| s.ingress = Ingress::InternalAndLoadBalancing,
            Origin::Internet,
            true,
            Verdict::Denied,
            Some(Layer::Reachability),
        ),
        (
            |s| s.ingress = Ingress::InternalAndLoadBalancing,
            Origin::LoadBalancer,
            true,
            Verdict::Allowed,
            None,
        ),
        (
            |s| s.ingress = Ingress::InternalAndLoadBalancing,
            Origin::Internal,
            true,
            Verdict::Allowed,
            None,
        ),
        (
            |s| s.ingress = Ingress::None,
            Origin::Internal,
            true,
            Verdict::Denied,
            Some(Layer::Reachability),
        ),
        (
            |s| s.ingress = Ingress::Other("new".to_owned()),
            Origin::Internet,
            true,
            Verdict::Unknown,
            None,
        ),
        (|s| s.iap = true, Origin::Internet, true, Verdict::Unknown, None),
    ];
    for (number, (edit, from, by_default_url, verdict, layer)) in cases.into_iter().enumerate() {
        let mut service = Service::sample();
        edit(&mut service);
        let request = Request { from, by_default_url, ..request("/") };
        let decision = decided(&service, &open, Some(&[]), dev, &request);
        assert_eq!((decision.verdict, decision.blocked_by()), (verdict, layer), "case {number}");
    }
    let mut service = Service::sample();
    service.invoker_check = false;
    assert_eq!(decided(&service, &[], None, "", &request("/")).verdict, Verdict::Allowed);
}

fn some_grant() -> impl Strategy<Value = Grant> {
    let members = [
        "allUsers",
        "allAuthenticatedUsers",
        "user:dev@x.com",
        "user:other@x.com",
        "domain:x.com",
        "group:g@x.com",
        "deleted:user:dev@x.com?uid=1",
    ];
    let roles = ["roles/run.invoker", "roles/owner", "roles/run.viewer", "projects/p/roles/c"];
    let conditions = [
        None,
        Some(r#"request.path == "/a""#),
        Some(r#"request.path == "/b""#),
        Some(r#"resource.name == "x""#),
    ];
    (
        prop::sample::select(members.to_vec()),
        prop::sample::select(roles.to_vec()),
        prop::sample::select(conditions.to_vec()),
    )
        .prop_map(|(member, role, condition)| grant(member, role, condition))
}

proptest! {
    #[test]
    fn more_grants_never_deny_and_their_order_is_irrelevant(
        grants in prop::collection::vec(some_grant(), 0..6),
        more in some_grant(),
        signed_in in any::<bool>(),
    ) {
        let caller = if signed_in { "user:dev@x.com" } else { "" };
        let service = Service::sample();
        let of = |grants: &[Grant], above: Option<&[Grant]>| {
            decided(&service, grants, above, caller, &request("/a")).verdict
        };
        let before = of(&grants, Some(&[]));
        let mut backwards = grants.clone();
        backwards.reverse();
        prop_assert_eq!(of(&backwards, Some(&[])), before);
        let mut after = grants.clone();
        after.push(more);
        if before == Verdict::Allowed {
            prop_assert_eq!(of(&after, Some(&[])), Verdict::Allowed);
        }
        // With less evidence the answer is the same or unknown.
        let unread = of(&grants, None);
        prop_assert!(unread == before || unread == Verdict::Unknown);
    }
}
