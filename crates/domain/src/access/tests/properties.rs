//! What must hold whatever is granted, denied and read.

use proptest::prelude::*;

use super::setting::{Setting, grant, rule};
use crate::access::Verdict;
use crate::deny::DenyRule;
use crate::invokers::Grant;

const CALLERS: [&str; 4] = ["", "dev@x.com", "other@y.com", "a@p.iam.gserviceaccount.com"];
const PLACES: [&str; 4] = ["own", "project", "folder", "org"];
const UNREAD: [&str; 8] = ["own", "project", "folder", "org", "deny", "iap", "tags", "number"];

fn some_grant() -> impl Strategy<Value = Grant> {
    let members = [
        "allUsers",
        "allAuthenticatedUsers",
        "user:dev@x.com",
        "user:other@y.com",
        "domain:x.com",
        "group:team@x.com",
        "group:hidden@x.com",
        "deleted:user:dev@x.com?uid=1",
        "serviceAccount:a@p.iam.gserviceaccount.com",
        "serviceAccount:service-12@gcp-sa-iap.iam.gserviceaccount.com",
        "projectOwner:p",
        "principalSet://cloudresourcemanager.googleapis.com/projects/12/type/ServiceAccount",
    ];
    let roles = [
        "run.invoker",
        "owner",
        "run.viewer",
        "iap.httpsResourceAccessor",
        "projects/p/roles/caller",
        "projects/p/roles/dead",
        "projects/p/roles/hidden",
    ];
    let conditions = [
        "",
        " if request.path == '/a'",
        " if request.path == '/b'",
        " if resource.name == 'x'",
        " if resource.matchTag('5/env', 'prod')",
    ];
    (
        prop::sample::select(members.to_vec()),
        prop::sample::select(roles.to_vec()),
        prop::sample::select(conditions.to_vec()),
    )
        .prop_map(|(member, role, condition)| grant(&format!("{member} {role}{condition}")))
}

fn some_rule() -> impl Strategy<Value = DenyRule> {
    let principals = ["public:all", "user:dev@x.com", "group:team@x.com", "group:hidden@x.com"];
    let permissions = ["routes.invoke", "*.*", "services.get", "iap.googleapis.com/*.*"];
    let rest = [
        "",
        " but group:team@x.com",
        " but group:hidden@x.com",
        " keeping routes.*",
        " if resource.hasTagKey('5/env')",
        " if resource.hasTagKey('5/other')",
        " if resource.name == 'x'",
    ];
    (
        prop::sample::select(principals.to_vec()),
        prop::sample::select(permissions.to_vec()),
        prop::sample::select(rest.to_vec()),
    )
        .prop_map(|(principal, permission, rest)| rule(&format!("{principal} {permission}{rest}")))
}

prop_compose! {
    fn some_setting()(
        grants in prop::collection::vec((0..5_usize, some_grant()), 0..6),
        rules in prop::collection::vec(some_rule(), 0..3),
        iap in any::<bool>(),
        check in prop::sample::select(vec![true, true, true, false]),
        unread in prop::collection::vec(prop::sample::select(UNREAD.to_vec()), 0..2),
    ) -> Setting {
        let mut setting = Setting::empty();
        for (place, grant) in grants {
            setting.grants(PLACES.get(place).unwrap_or(&"iap")).push(grant);
        }
        setting.deny_rules("folder").extend(rules);
        setting.0.service.iap = iap;
        setting.0.service.invoker_check = check;
        for place in unread {
            setting.unread(place);
        }
        setting
    }
}

fn verdict(setting: &Setting, caller: &str) -> Verdict {
    setting.decide(caller, "/a", |decision| decision.verdict)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn another_grant_never_denies(setting in some_setting(), place in 0..4_usize, more in some_grant()) {
        let mut after = setting.clone();
        if after.0.around.allow[place].read.is_err() {
            return Ok(());
        }
        after.grants(PLACES[place]).push(more);
        for caller in CALLERS {
            if verdict(&setting, caller) == Verdict::Allowed {
                prop_assert_eq!(verdict(&after, caller), Verdict::Allowed, "{}", caller);
            }
        }
    }

    #[test]
    fn another_rule_never_allows(setting in some_setting(), more in some_rule()) {
        let mut after = setting.clone();
        if after.0.around.deny[1].read.is_err() {
            return Ok(());
        }
        after.deny_rules("folder").push(more);
        for caller in CALLERS {
            let (before, after) = (verdict(&setting, caller), verdict(&after, caller));
            if before == Verdict::Denied {
                prop_assert_eq!(after, Verdict::Denied, "{}", caller);
            }
            if before == Verdict::Unknown {
                prop_assert_ne!(after, Verdict::Allowed, "{}", caller);
            }
        }
    }

    #[test]
    fn less_evidence_only_moves_towards_unknown(
        setting in some_setting(),
        place in prop::sample::select(UNREAD.to_vec()),
    ) {
        let mut after = setting.clone();
        after.unread(place);
        for caller in CALLERS {
            let (before, after) = (verdict(&setting, caller), verdict(&after, caller));
            prop_assert!(after == before || after == Verdict::Unknown, "{} {}", place, caller);
        }
    }

    #[test]
    fn no_answer_rests_on_order(setting in some_setting()) {
        let mut backwards = setting.clone();
        for layer in &mut backwards.0.around.allow {
            if let Ok(grants) = &mut layer.read {
                grants.reverse();
            }
        }
        for layer in &mut backwards.0.around.deny {
            if let Ok(rules) = &mut layer.read {
                rules.reverse();
            }
        }
        backwards.0.around.allow[1..].reverse();
        for caller in CALLERS {
            prop_assert_eq!(verdict(&backwards, caller), verdict(&setting, caller), "{}", caller);
            let of = |setting: &Setting| setting.decide(caller, "/a", |decision| decision.otherwise());
            prop_assert_eq!(of(&backwards), of(&setting), "{}", caller);
        }
    }

    #[test]
    fn an_answer_that_is_known_is_the_same_were_the_unread_silent(setting in some_setting()) {
        for caller in CALLERS {
            let (verdict, otherwise) =
                setting.decide(caller, "/a", |told| (told.verdict, told.if_unread_is_silent()));
            if verdict != Verdict::Unknown {
                prop_assert_eq!(otherwise, verdict);
            }
        }
    }
}
