//! Decisions of the engine a second, over policies of 10, 100 and 1,500 bindings, the caller's last:
//! `cargo bench --bench decisions`.
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use runaccess::domain::access::{
    Attached, Caller, Entry, Evidence, Hierarchy, Knowledge, Origin, Request, Verdict, decide,
};
use runaccess::domain::condition::Condition;
use runaccess::domain::deny::DenyRule;
use runaccess::domain::invokers::Grant;
use runaccess::domain::member::Member;
use runaccess::domain::resource::ServiceName;
use runaccess::domain::role;
use runaccess::domain::service::{Ingress, Readiness, Service};
use time::macros::datetime;

fn service() -> Service {
    Service {
        ingress_set: None,
        name: ServiceName::new("p", "us-central1", "s"),
        url: None,
        urls: Vec::new(),
        tags: Vec::new(),
        ingress: Ingress::All,
        invoker_check: true,
        iap: false,
        default_url: true,
        custom_audiences: Vec::new(),
        service_account: None,
        is_agent: Some(false),
        http2: false,
        multi_region_id: None,
        vpc_egress: None,
        readiness: Readiness::default(),
        create_time: None,
        update_time: None,
        etag: None,
        uid: None,
    }
}

/// A policy in which the caller is last, and every tenth member a group or a domain.
fn grants(count: usize) -> Vec<Grant> {
    let member = |number: usize| match number {
        _ if number + 1 == count => "user:caller@example.com".to_owned(),
        _ if number.is_multiple_of(20) => format!("domain:d{number}.example.com"),
        _ if number.is_multiple_of(10) => format!("group:g{number}@example.com"),
        _ if number.is_multiple_of(3) => {
            format!("serviceAccount:sa{number}@project-{number}.iam.gserviceaccount.com")
        }
        _ => format!("user:user{number}@example.com"),
    };
    let roles = ["roles/run.invoker", "roles/run.developer", "roles/run.viewer", "roles/owner"];
    (0..count)
        .map(|number| Grant {
            role: if number + 1 == count { roles[0] } else { roles[number % 4] }.to_owned(),
            member: Member::from_policy(member(number)),
            condition: None,
        })
        .collect()
}

fn decisions(criterion: &mut Criterion) {
    let service = service();
    let place = Hierarchy { project: "p".to_owned(), ..Hierarchy::default() };
    let caller = Member::from_policy("user:caller@example.com");
    let request = Request {
        path: Some("/"),
        host: Some("s-1.us-central1.run.app"),
        time: datetime!(2026-06-01 00:00 UTC),
        from: Origin::Internet,
        entry: Entry::DefaultUrl,
    };
    let rules = [DenyRule {
        policy: "policies/x/denypolicies/guard".to_owned(),
        denied_principals: vec![Member::from_policy("principalSet://goog/group/out@example.com")],
        denied_permissions: vec!["run.googleapis.com/routes.invoke".to_owned()],
        ..DenyRule::default()
    }];
    let deny = [Attached { resource: "organizations/1", read: Ok(&rules[..]) }];
    let known = Knowledge {
        carries: &role::carries,
        holds: &|_, _| Some(false),
        place: &place,
        tags: None,
    };
    let mut group = criterion.benchmark_group("decisions");
    group.throughput(Throughput::Elements(1));
    let mut measure = |name: &str, grants: &[Grant]| {
        let allow = [
            Attached { resource: "the service", read: Ok(grants) },
            Attached { resource: "projects/p", read: Ok(&[][..]) },
        ];
        let evidence =
            Evidence { service: &service, allow: &allow, deny: &deny, iap: &[], known, told: None };
        let decided = || decide(&evidence, Caller::Verified(&caller), black_box(&request));
        assert_eq!(decided().verdict, Verdict::Allowed);
        group.bench_function(name, |bencher| bencher.iter(|| black_box(decided()).verdict));
    };
    for count in [10, 100, 1_500] {
        measure(&format!("{count} bindings"), &grants(count));
    }
    let mut conditional = grants(10);
    conditional[9].condition = Some(Condition {
        expression:
            "request.path.startsWith('/') && request.time < timestamp('2027-01-01T00:00:00Z')"
                .to_owned(),
        ..Condition::default()
    });
    measure("10 bindings, the caller's under a condition", &conditional);
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
