//! Changes that are only looked at: `--check`, `--expect`, `--print gcloud`.

use insta::assert_snapshot;

use crate::support::{Session, World};

#[test]
fn check_tells_by_its_code_whether_anything_would_change() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["grant", "ana@example.com", "hello", "--check"]), @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  planned  +user:ana@example.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:ana@example.com  roles/run.invoker
    note: `user:ana@example.com` could invoke `us-central1/hello` by its own policy
    --- status 3
    ");
    assert_eq!(world.sandbox(&["policy", "hello"]).stdout, "etag: ACAB\n");
    let so_already = world.sandbox(&["grant", "ana@example.com", "us-central1/orders", "--check"]);
    assert_eq!(so_already.status, 0, "{so_already}");
    for (arguments, code) in [
        (&["make-public", "hello", "--check"][..], 3),
        (&["make-private", "storefront", "--check"], 3),
        (&["make-private", "hello", "--check"], 0),
        (&["revoke", "ana@example.com", "us-central1/orders", "--check"], 3),
        (&["revoke", "ben@example.com", "us-central1/orders", "--check"], 0),
        (&["grant", "ana@example.com", "nosuch", "--check"], 6),
        (&["grant", "ana@example.com", "hello", "nosuch", "--check"], 8),
    ] {
        let run = world.sandbox(arguments);
        assert_eq!(run.status, code, "{arguments:?}: {run}");
    }
}

#[test]
fn expect_refuses_another_number() {
    let world = World::new();
    let grant = |expected: &str, more: &[&str]| {
        let arguments = ["grant", "ana@example.com", "hello", "chat", "us-central1/orders"];
        world.sandbox(&[&arguments[..], &["--expect", expected], more].concat())
    };
    assert_snapshot!(grant("3", &[]), @"
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:ana@example.com  roles/run.invoker
      us-central1/chat
        + user:ana@example.com  roles/run.invoker
      us-central1/orders  nothing to change
    error: 2 services would change, not 3: nothing was changed
    hint: runaccess --sandbox grant ana@example.com hello chat us-central1/orders --dry-run
    --- status 7
    ");
    assert_eq!(world.sandbox(&["policy", "hello"]).stdout, "etag: ACAB\n");
    assert_eq!(grant("1", &["--dry-run"]).status, 7);
    let json = world.json(&["grant", "ana@example.com", "hello", "--expect", "0"]);
    assert_eq!(json["error"]["code"], "not-expected");
    // Orders has her already, so two change.
    assert_eq!(grant("2", &[]).status, 0);
    assert_eq!(grant("0", &[]).status, 0);
}

#[test]
fn gcloud_commands_are_printed_and_nothing_is_written() {
    let world = World::new();
    let of =
        |arguments: &[&str]| world.sandbox(&[arguments, &["--print", "gcloud", "-q"]].concat());
    let grant =
        of(&["grant", "ana@example.com,group:team@example.com", "hello", "us-central1/orders"]);
    assert_snapshot!(grant, @"
    --- stdout
    gcloud run services add-iam-policy-binding hello --project=sandbox-project --region=us-central1 --member=user:ana@example.com --role=roles/run.invoker --condition=None
    gcloud run services add-iam-policy-binding hello --project=sandbox-project --region=us-central1 --member=group:team@example.com --role=roles/run.invoker --condition=None
    gcloud run services add-iam-policy-binding orders --project=sandbox-project --region=us-central1 --member=group:team@example.com --role=roles/run.invoker --condition=None
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:ana@example.com  roles/run.invoker
        + group:team@example.com  roles/run.invoker
      us-central1/orders
        + group:team@example.com  roles/run.invoker
    note: `user:ana@example.com` could invoke `us-central1/hello` by its own policy
    note: `group:team@example.com` could invoke `us-central1/hello` by its own policy
    note: `group:team@example.com` could invoke `us-central1/orders` by its own policy
    warning: these commands go to Google, unless gcloud is pointed at `runaccess sandbox serve`
    --- status 0
    ");
    assert_snapshot!(of(&["revoke", "auditor@example.com", "billing", "--any-condition"]).stdout, @r#"gcloud run services remove-iam-policy-binding billing --project=sandbox-project --region=us-central1 --member=user:auditor@example.com --role=roles/run.invoker '--condition=expression=request.path.startsWith("/reports"),title=reports only,description=May read the reports and nothing else'"#);
    assert_snapshot!(of(&["make-private", "storefront", "status-page"]).stdout, @"
    gcloud run services remove-iam-policy-binding storefront --project=sandbox-project --region=us-central1 --member=allUsers --role=roles/run.invoker --condition=None
    gcloud run services update status-page --project=sandbox-project --region=us-central1 --invoker-iam-check
    ");
    let via =
        of(&["make-public", "hello", "--via", "no-invoker-check", "--account", "you@example.com"]);
    assert_snapshot!(via.stdout, @"gcloud run services update hello --project=sandbox-project --region=us-central1 --no-invoker-iam-check --account=you@example.com");
    let nothing = of(&["make-private", "hello"]);
    assert_eq!((nothing.stdout.as_str(), nothing.status), ("", 0));
    let json = world.json(&["make-private", "storefront", "--print", "gcloud"]);
    assert_eq!(json["commands"].as_array().unwrap().len(), 1);
    assert_eq!(of(&["grant", "ana@example.com", "nosuch"]).status, 6);
    assert_eq!(of(&["grant", "ana@example.com", "hello", "--check"]).status, 2);
    assert_eq!(world.sandbox(&["policy", "hello"]).stdout, "etag: ACAB\n");
}

#[test]
fn each_is_readable_at_a_narrow_terminal_and_a_wide_one() {
    let world = World::new();
    for width in [40, 200] {
        for (arguments, seen, code) in [
            (&["grant", "ana@example.com", "hello", "--check"][..], "planned", 3),
            (&["make-private", "storefront", "--print", "gcloud"], "gcloud run services", 0),
            (&["grant", "ana@example.com", "hello", "--expect", "2"], "1 service would change", 7),
            (&["man"], "RUNACCESS", 0),
        ] {
            let mut session = Session::narrow(&world, arguments, width);
            session.see(seen);
            assert_eq!(session.end().1, code, "{arguments:?}");
        }
    }
}
