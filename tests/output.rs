//! Streams, formats, colours, widths.

use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::World;

#[test]
fn stdout_carries_the_result_and_nothing_else() {
    let world = World::new();
    let run = world.sandbox(&["url", "hello", "-v", "-q"]);
    assert_eq!(run.stdout, "https://hello-k4qx7v2nza-uc.a.run.app\n");
    assert!(run.stderr.starts_with("sandbox: an embedded Cloud Run, nothing real is touched\n"));
    assert!(run.stderr.contains("request: list the services of project `sandbox-project`: ok"));
}

#[test]
fn every_format_is_rendered() {
    let world = World::new();
    let of = |format| world.sandbox(&["list", "st*", "--no-access", "-o", format]).stdout;
    assert_snapshot!(of("csv"), @r#"
    kind,name,service,project,region,url,urls,ingress,ingressSet,invokerCheck,iap,callers,reach,exposure,exposureReasons,inherited,invokerCount
    service,status-page,projects/sandbox-project/locations/us-central1/services/status-page,sandbox-project,us-central1,https://status-page-k4qx7v2nza-uc.a.run.app,https://status-page-k4qx7v2nza-uc.a.run.app;https://status-page-123456789012.us-central1.run.app,all,,false,false,anyone,internet,public,"the invoker check is off, so no permission is asked",unread,
    service,storefront,projects/sandbox-project/locations/us-central1/services/storefront,sandbox-project,us-central1,https://storefront-k4qx7v2nza-uc.a.run.app,https://storefront-k4qx7v2nza-uc.a.run.app;https://storefront-123456789012.us-central1.run.app,all,,true,false,unknown,internet,unknown,the policy was not read,unread,
    "#);
    assert_snapshot!(of("yaml"), @"
    sandbox: true
    services:
    - kind: service
      name: status-page
      service: projects/sandbox-project/locations/us-central1/services/status-page
      project: sandbox-project
      region: us-central1
      url: https://status-page-k4qx7v2nza-uc.a.run.app
      urls:
      - https://status-page-k4qx7v2nza-uc.a.run.app
      - https://status-page-123456789012.us-central1.run.app
      ingress: all
      ingressSet: null
      invokerCheck: false
      iap: false
      callers: anyone
      reach: internet
      exposure: public
      exposureReasons:
      - the invoker check is off, so no permission is asked
      inherited: unread
      invokerCount: null
    - kind: service
      name: storefront
      service: projects/sandbox-project/locations/us-central1/services/storefront
      project: sandbox-project
      region: us-central1
      url: https://storefront-k4qx7v2nza-uc.a.run.app
      urls:
      - https://storefront-k4qx7v2nza-uc.a.run.app
      - https://storefront-123456789012.us-central1.run.app
      ingress: all
      ingressSet: null
      invokerCheck: true
      iap: false
      callers: unknown
      reach: internet
      exposure: unknown
      exposureReasons:
      - the policy was not read
      inherited: unread
      invokerCount: null
    unknown: []
    ");
    assert_snapshot!(of("value(name,urls)"), @"
    status-page	https://status-page-k4qx7v2nza-uc.a.run.app;https://status-page-123456789012.us-central1.run.app
    storefront	https://storefront-k4qx7v2nza-uc.a.run.app;https://storefront-123456789012.us-central1.run.app
    ");
}

#[test]
fn a_null_is_an_empty_line() {
    let run = World::new().sandbox(&["describe", "catalog", "-o", "value(status.url)"]);
    assert_eq!(run.stdout, "\n");
}

#[test]
fn json_is_one_document_on_partial_failure_too() {
    let world = World::new();
    let run = world.sandbox(&["grant", "dev@x.com", "hello", "nosuch", "-o", "json"]);
    assert_eq!(run.status, 8);
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["changes"][1]["error"]["exitCode"], 6);
    let run = world.sandbox(&["url", "nosuch", "-o", "json"]);
    assert_snapshot!(run.stdout, @r#"
    {
      "error": {
        "code": "not-found",
        "exitCode": 6,
        "message": "no service of project `sandbox-project` is named `nosuch`",
        "hints": [
          "runaccess --sandbox list"
        ]
      }
    }
    "#);
}

/// Every path that `value()` could take is in `--format`'s list, so that none is refused which
/// the JSON has.
#[test]
fn every_field_of_the_json_is_a_path() {
    let world = World::new();
    world.sandbox(&["make-public", "hello", "--yes", "--via", "no-invoker-check"]);
    world.sandbox(&["grant", "dev@x.com", "hello", "--for", "4h"]);
    for (command, rows) in [
        (&["list"][..], "services"),
        (&["describe", "us-central1/orders"], ""),
        (&["describe", "billing"], ""),
        (&["who", "billing"], "invokers"),
        (&["explain", "auditor@example.com", "billing"], ""),
        (&["explain", "group:x@example.com", "hello"], ""),
        (&["doctor", "hello"], ""),
        (&["policy", "billing"], ""),
        (&["url", "hello"], ""),
        (&["roles"], "roles"),
        (&["sandbox", "status"], "status"),
        (&["make-private", "hello", "--dry-run"], "changes"),
        (&["grant", "dev@x.com", "hello", "nosuch"], "changes"),
        (&["revoke", "auditor@example.com", "billing", "--all", "--dry-run"], "changes"),
        (&["undo", "s1", "--dry-run"], "changes"),
        (&["history"], "entries"),
        (&["history", "s1"], "entries"),
        (&["connect", "hello", "billing", "-n"], "changes"),
        (&["who", "jobs/nightly"], "invokers"),
        (&["graph"], "graph"),
        (&["domains", "--check"], "domains"),
    ] {
        let json = world.json(command);
        let row = if rows.is_empty() { &json } else { &json[rows] };
        let mut paths = Vec::new();
        collect(row, "", &mut paths);
        // One that is unknown is named.
        let all = format!("value({})", paths.join(","));
        let run = world.sandbox(&[command, &["-o", &all]].concat());
        assert_ne!(run.status, 2, "{command:?}: {run}");
    }
}

fn collect(value: &Value, at: &str, paths: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, at, paths)),
        Value::Object(object) => {
            for (name, value) in object {
                let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                if !paths.contains(&path) {
                    paths.push(path.clone());
                }
                collect(value, &path, paths);
            }
        }
        _ => {}
    }
}

#[test]
fn a_broken_pipe_is_quiet() {
    let world = World::new();
    let mut child = world
        .command(&["--sandbox", "list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let run = world.finished(child.wait_with_output().unwrap());
    assert!(!run.stderr.contains("error"), "{run}");
    assert_eq!(run.status, 0);
}

#[test]
fn no_colour_reaches_a_pipe() {
    let world = World::new();
    let run = world.sandbox(&["list"]);
    assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'));
}

#[test]
fn the_documents_list_every_setting() {
    let document = crate::support::project_file("docs/sandbox.md");
    let settings = World::new().json(&["sandbox", "settings"]);
    for row in settings["settings"].as_array().unwrap() {
        let text = |name: &str| row[name].as_str().unwrap();
        let start = format!("| `{}` | `{}` |", text("name"), text("default"));
        let line = document.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("docs/sandbox.md lacks {start}"));
        assert!(line.ends_with(&format!("| {} | {} |", text("meaning"), text("source"))), "{line}");
    }
}

#[test]
fn the_documents_list_every_code() {
    let world = World::new();
    let printed = world.run(&["help", "exit-codes"]).stdout;
    assert!(crate::support::project_file("docs/exit-codes.md").contains(&printed));
    let json = crate::support::project_file("docs/json.md");
    let error = crate::support::project_file("crates/domain/src/error.rs");
    let codes = error
        .split("Self::")
        .filter_map(|part| part.split_once("=> \""))
        .map(|(_, rest)| rest.split('"').next().unwrap().to_owned());
    let codes: Vec<String> = codes.collect();
    assert!(codes.len() > 15, "{codes:?}");
    for code in codes {
        assert!(json.contains(&format!("| `{code}` |")), "{code}");
    }
}
