//! The engine, proved by verdicts that are written from documentation, each with its source, and by
//! what must hold whatever is granted or denied.

mod properties;
mod setting;
mod verdicts;

use self::setting::Setting;
use self::verdicts::{ROWS, Row};

#[test]
fn the_engine_answers_what_is_documented() {
    assert!(ROWS.len() >= 150, "{} verdicts", ROWS.len());
    for Row(source, evidence, caller, request, expected) in ROWS {
        let setting = Setting::parse(evidence);
        let answer = setting.answer(caller, request);
        assert_eq!(answer, *expected, "[{source}] {evidence} | {caller} | {request}");
        assert!(!source.is_empty());
    }
}

#[test]
fn a_step_names_what_it_rests_on() {
    let setting = Setting::parse(
        "folder group:team@x.com run.invoker if request.path == '/a'; deny public:all routes.get",
    );
    let steps = setting.steps("dev@x.com", "/a");
    assert_eq!(
        steps,
        [
            "reachability: pass: ingress is `all`",
            "iap: skip: Identity-Aware Proxy is off",
            "invoker-check: pass: the invoker check is on",
            "deny: pass: no deny policy reaches the caller",
            "allow: pass: a role that carries the permission is granted, under a condition that \
             holds: folders/1 roles/run.invoker group:team@x.com request.path == '/a'",
        ]
    );
    let setting = Setting::parse("own user:dev@x.com run.invoker; deny user:dev@x.com *.*");
    assert_eq!(
        setting.steps("dev@x.com", "/a")[3],
        "deny: block: the deny policy `guard` takes it away: folders/1 principal://goog/subject/dev@x.com"
    );
}
