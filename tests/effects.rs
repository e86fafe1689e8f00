//! What a change says of what it comes to, and what it needs to be made.

use serde_json::{Value, json};

use crate::support::{Answer, Api, FakeServer, Plain, Serve, World, grant_under, members_of};

const HELLO: &str = "projects/sandbox-project/locations/us-central1/services/hello";
const STOREFRONT: &str = "projects/sandbox-project/locations/us-central1/services/storefront";

#[test]
fn a_change_says_what_it_comes_to() {
    let world = World::new();
    for (arguments, verdict, word) in [
        (&["grant", "ana@example.com", "hello"][..], "allowed", "user:ana@example.com"),
        (&["grant", "ana@example.com", "intranet"], "unknown", "Identity-Aware Proxy is on"),
        (&["grant", "ana@example.com", "backoffice"], "denied", "ingress is `internal`"),
        (&["grant", "bea@example.com", "api"], "allowed", "before, too: `domain:example.com`"),
        (&["grant", "bea@example.com", "storefront"], "allowed", "before, too: `allUsers`"),
        (&["grant", "bea@example.com", "status-page"], "allowed", "the invoker check is off"),
        (&["grant", "ana@example.com", "jobs/nightly"], "allowed", "roles/run.invoker"),
        (&["revoke", "auditor@example.com", "billing", "--any-condition"], "denied", "no grant"),
        (&["make-public", "hello", "--yes"], "allowed", "allUsers"),
        (&["make-private", "storefront", "--yes"], "denied", ""),
        (&["ingress", "status-page", "internal", "--yes"], "denied", "ingress"),
    ] {
        let json = world.json(arguments);
        let effect = &json["changes"][0]["effect"];
        assert_eq!(effect[0]["verdict"], verdict, "{arguments:?}: {json}");
        assert_eq!(effect[0]["basis"], "own", "{arguments:?}: {json}");
        assert!(effect[0]["because"].as_str().unwrap().contains(word), "{arguments:?}: {effect}");
        assert_eq!(effect.as_array().unwrap().len(), 1, "{arguments:?}: {json}");
        let run = world.sandbox(&["undo", "--yes"]);
        assert_eq!(run.status, 0, "{run}");
    }
    // What is so already comes to nothing.
    world.sandbox(&["grant", "ana@example.com", "hello"]);
    let json = world.json(&["grant", "ana@example.com", "hello"]);
    assert_eq!(json["changes"][0]["effect"], json!([]));
    // Judged by everything, a deny policy counts.
    let json = world.json(&["grant", "contractor@example.com", "hello", "--verify"]);
    let effect = &json["changes"][0]["effect"][0];
    assert_eq!((&effect["verdict"], &effect["basis"]), (&json!("denied"), &json!("all")), "{json}");
}

#[test]
fn what_is_left_is_told_with_what_ends_it() {
    let world = World::new();
    for target in ["hello", "chat", "jobs/nightly"] {
        world.sandbox(&["grant", "alice@example.com", target]);
    }
    let everywhere = ["revoke", "alice@example.com", "--everywhere", "--yes"];
    let first = world.json(&everywhere);
    assert_eq!(first["changes"].as_array().unwrap().len(), 3, "{first}");
    for _ in 0..2 {
        let run = world.sandbox(&everywhere);
        assert_eq!(run.status, 3, "{run}");
        let left = world.json(&everywhere)["left"].clone();
        let rows = left.as_array().unwrap();
        assert!(rows.iter().any(|row| row["via"] == "invoker-check-disabled"), "{left}");
        let api = rows.iter().find(|row| row["service"].as_str().unwrap().ends_with("/api"));
        assert_eq!(api.unwrap()["command"], Value::Null, "{left}");
    }
    // Off a terminal nothing is done without a yes, whoever it is.
    let run = world.sandbox(&["grant", "alice@example.com", "hello"]);
    assert_eq!(run.status, 0, "{run}");
    let run = world.sandbox(&["revoke", "alice@example.com", "--everywhere"]);
    assert_eq!(run.status, 2, "{run}");
    let run = world.sandbox(&["revoke", "alice@example.com", "hello", "--everywhere"]);
    assert_eq!(run.status, 2, "{run}");
    // Every service is judged, also where nothing was there to revoke.
    let all = ["revoke", "nobody@example.com", "--all-services", "--strict", "--yes"];
    assert_eq!(world.sandbox(&all).status, 3);
}

#[test]
fn a_group_and_a_project_keep_somebody_in_and_the_command_that_ends_it_is_named() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    world.run(&["grant", "bea@example.com,group:team@example.com", "us-central1/hello"]);
    let words = ["revoke", "bea@example.com", "us-central1/hello", "--strict", "-o", "json"];
    let run = world.run(&words);
    assert_eq!(run.status, 3, "{run}");
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    let command = json["left"][0]["command"].as_str().unwrap();
    assert_eq!(
        command,
        "gcloud identity groups memberships delete --group-email=team@example.com \
         --member-email=bea@example.com"
    );
}

/// Every changing command by a principal who holds what its write takes, and nothing else.
#[tokio::test]
async fn what_is_needed_is_enough() {
    let policy = ["run.services.getIamPolicy", "run.services.setIamPolicy"];
    for (arguments, permissions, status) in [
        (&["grant", "ana@example.com", "us-central1/hello"][..], &policy[..], 0),
        (&["revoke", "allUsers", "us-central1/storefront", "--yes"], &policy, 0),
        (&["restore", "FILE", "us-central1/storefront", "--ignore-etag", "--yes"], &policy, 0),
        (&["make-public", "us-central1/hello", "--yes"], &policy, 0),
        // `allUsers` goes; whether the check is on was not read.
        (&["make-private", "us-central1/storefront", "--yes"], &policy, 8),
        (
            &["grant", "ana@example.com", "jobs/us-central1/nightly"],
            &["run.jobs.getIamPolicy", "run.jobs.setIamPolicy"],
            0,
        ),
        (
            &["ingress", "us-central1/hello", "internal", "--yes"],
            &["run.services.get", "run.services.update", "run.operations.get"],
            0,
        ),
        (
            &["default-url", "us-central1/hello", "off", "--yes"],
            &["run.services.get", "run.services.update", "run.operations.get"],
            0,
        ),
        (
            &["audience", "add", "us-central1/hello", "https://a.example", "--yes"],
            &["run.services.get", "run.services.update", "run.operations.get"],
            0,
        ),
    ] {
        let api = Api::new();
        let plain = Plain::of(&api.serve.endpoint);
        let role =
            json!({"roleId": "least", "role": {"title": "t", "includedPermissions": permissions}});
        let (code, made) = plain.send("POST", "v1/projects/sandbox-project/roles", Some(&role));
        assert_eq!(code, 200, "{made}");
        let home = "v1/projects/sandbox-project";
        let (_, mut above) = plain.send(
            "POST",
            &format!("{home}:getIamPolicy"),
            Some(&json!({"options": {"requestedPolicyVersion": 3}})),
        );
        above["bindings"].as_array_mut().unwrap().push(json!({
            "role": "projects/sandbox-project/roles/least", "members": ["user:least@example.com"]}));
        let set = json!({"policy": above});
        let (code, answer) = plain.send("POST", &format!("{home}:setIamPolicy"), Some(&set));
        assert_eq!(code, 200, "{answer}");
        let mut world = World::new();
        world.reach(&api.serve);
        world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", &api.access_token("least@example.com").await);
        let file = world.home().join("saved.json");
        std::fs::write(&file, "{\"bindings\": []}").unwrap();
        let words: Vec<String> =
            arguments.iter().map(|word| word.replace("FILE", file.to_str().unwrap())).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let run = world.run(&words);
        assert_eq!(run.status, status, "{arguments:?}: {run}");
        assert!(run.stdout.contains("changed"), "{arguments:?}: {run}");
        if status == 8 {
            assert!(run.stderr.contains("the invoker check was not read and may be off"), "{run}");
            let members = members_of(&plain.policy(STOREFRONT), "roles/run.invoker");
            assert!(!members.contains(&"allUsers".to_owned()), "{members:?}");
        }
    }
}

#[test]
fn a_change_that_cannot_come_back_says_so() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    let plain = Plain::of(&serve.endpoint);
    // It came after the service was made public, as in many an organisation.
    let policies = "v2/projects/sandbox-project/policies";
    for (name, rule) in [
        ("iam.allowedPolicyMemberDomains", json!({"values": {"allowedValues": ["C03sandbox"]}})),
        ("run.managed.requireInvokerIam", json!({"enforce": true})),
    ] {
        let policy = json!({"name": format!("projects/sandbox-project/policies/{name}"),
            "spec": {"rules": [rule]}});
        let (code, answer) = plain.send("POST", policies, Some(&policy));
        assert_eq!(code, 200, "{answer}");
    }
    for (arguments, constraint) in [
        (&["make-private", "us-central1/storefront", "-n"][..], "allowedPolicyMemberDomains"),
        (&["revoke", "allUsers", "us-central1/storefront", "-n"], "allowedPolicyMemberDomains"),
        (&["make-private", "us-central1/status-page", "-n"], "requireInvokerIam"),
    ] {
        let run = world.run(arguments);
        assert!(run.stderr.contains("this cannot be undone"), "{arguments:?}: {run}");
        assert!(run.stderr.contains(constraint), "{arguments:?}: {run}");
    }
    let run = world.run(&["revoke", "ana@example.com", "us-central1/orders", "-n"]);
    assert!(!run.stderr.contains("cannot be undone"), "{run}");
}

#[test]
fn an_undo_leaves_out_who_is_gone_and_does_the_rest() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    let plain = Plain::of(&serve.endpoint);
    let account = json!({"accountId": "leaver", "serviceAccount": {"displayName": "l"}});
    let all = "v1/projects/sandbox-project/serviceAccounts";
    let (code, made) = plain.send("POST", all, Some(&account));
    assert_eq!(code, 200, "{made}");
    let address = made["email"].as_str().unwrap().to_owned();
    let both = format!("{address},group:team@example.com");
    assert_eq!(world.run(&["grant", &both, "us-central1/hello"]).status, 0);
    let saved = world.run(&["policy", "us-central1/hello", "-o", "json"]).stdout;
    let run = world.run(&["revoke", &both, "us-central1/hello", "--yes"]);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(plain.send("DELETE", &format!("{all}/{address}"), None).0, 200);
    let run = world.run(&["undo", "--yes", "-o", "json"]);
    assert_eq!(run.status, 0, "{run}");
    let change = &run.json()["changes"][0];
    assert_eq!(change["leftOut"], json!([format!("serviceAccount:{address}")]), "{run}");
    assert!(run.stderr.contains("does not exist any more, and is left out"), "{run}");
    let members = members_of(&plain.policy(HELLO), "roles/run.invoker");
    assert_eq!(members, ["group:team@example.com"], "{run}");
    world.run(&["revoke", "group:team@example.com", "us-central1/hello", "--yes"]);
    let file = world.home().join("saved.json");
    std::fs::write(&file, saved).unwrap();
    let words = ["restore", file.to_str().unwrap(), "us-central1/hello", "--ignore-etag", "--yes"];
    let run = world.run(&words);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(members_of(&plain.policy(HELLO), "roles/run.invoker"), ["group:team@example.com"]);
}

#[test]
fn an_account_that_is_there_is_waited_for_and_one_that_is_not_is_not() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    for (is_there, status) in [(true, 0), (false, 1)] {
        let refused = AtomicUsize::new(0);
        let server = FakeServer::start(move |line| {
            let account = "new@p.iam.gserviceaccount.com";
            if line.contains(":setIamPolicy") && refused.fetch_add(1, Ordering::SeqCst) < 2 {
                let said = format!("Service account {account} does not exist.");
                return Answer::error(400, "INVALID_ARGUMENT", &said);
            }
            if line.contains("/serviceAccounts/") && is_there {
                return Answer::json(&json!({"email": account, "uniqueId": "1"}));
            }
            if line.contains("IamPolicy") {
                return Answer::json(&json!({"etag": "ACAB"}));
            }
            Answer::error(404, "NOT_FOUND", "Not here.")
        });
        let mut world = World::new();
        for api in ["RUN", "IAM", "ORGPOLICY", "CLOUDRESOURCEMANAGER"] {
            world.set(&format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}"), &server.endpoint);
        }
        world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "t");
        world.set("CLOUDSDK_CORE_PROJECT", "p");
        let job = "jobs/us-central1/nightly";
        let run = world.run(&["grant", "new@p.iam.gserviceaccount.com", job]);
        assert_eq!(run.status, status, "{run}");
        assert_eq!(run.stderr.contains("the account is new"), is_there, "{run}");
    }
    let world = World::new();
    let agent = "service-999999999999@gcp-sa-pubsub.iam.gserviceaccount.com";
    let server = FakeServer::start(move |line| {
        if line.contains(":setIamPolicy") {
            let said = format!("Service account {agent} does not exist.");
            return Answer::error(400, "INVALID_ARGUMENT", &said);
        }
        Answer::json(&json!({"etag": "ACAB"}))
    });
    let mut world = world;
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &server.endpoint);
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "t");
    world.set("CLOUDSDK_CORE_PROJECT", "p");
    let run = world.run(&["grant", agent, "jobs/us-central1/nightly"]);
    let hint = "hint: gcloud beta services identity create --service=pubsub.googleapis.com --project=999999999999";
    assert!(run.stderr.contains(hint), "{run}");
}

/// A grant under a condition on the path or the host lets in for some requests: neither yes nor no.
#[test]
fn a_grant_for_some_requests_is_said_to_be_that() {
    let world = World::new();
    let under = |title: &str, expression: &str, more: &[&str]| {
        let words = grant_under(expression, title);
        world.json(&[&words[..], more].concat())
    };
    for (title, expression, more) in [
        ("a", "request.path.startsWith(\"/a\")", &[][..]),
        ("b", "request.path == \"/b\"", &["--verify"]),
        ("c", "request.host.endsWith(\".app\")", &["-n"]),
    ] {
        let json = under(title, expression, more);
        let effect = &json["changes"][0]["effect"][0];
        assert_eq!(effect["verdict"], "unknown", "{json}");
        let because = effect["because"].as_str().unwrap();
        assert!(because.contains("only for requests where `request."), "{json}");
    }
    let revoke =
        ["revoke", "ana@example.com", "hello", "--condition-title", "a", "--strict", "--yes"];
    let run = world.sandbox(&[&revoke[..], &["-o", "json"]].concat());
    assert_eq!(run.status, 3, "{run}");
    let json = run.json();
    let left = &json["left"];
    assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
    assert_eq!(left[0]["condition"]["title"], "b");
    let command = left[0]["command"].as_str().unwrap();
    assert!(command.ends_with("--role roles/run.invoker --condition-title b"), "{command}");
    assert!(
        run.stderr.contains("can invoke `us-central1/hello` by its own policy for some requests")
    );
    let words: Vec<&str> = command.split(' ').skip(2).collect();
    assert_eq!(world.sandbox(&words).status, 0);
    assert_eq!(world.sandbox(&revoke).status, 0, "nothing is left");
    assert_eq!(world.sandbox(&["explain", "ana@example.com", "hello", "--path", "/b"]).status, 3);
}

#[test]
fn what_a_group_has_left_is_judged_as_explain_does() {
    let world = World::new();
    let revoke = ["revoke", "group:sre@example.com", "hello", "--strict", "--yes", "-o", "json"];
    let run = world.sandbox(&revoke);
    assert_eq!(run.status, 3, "{run}");
    let left = run.json()["left"].clone();
    assert_eq!(left[0]["via"], "folder", "{left}");
    assert!(left[0]["command"].as_str().unwrap().contains("remove-iam-policy-binding"), "{left}");
    // All of its members have the domain's grant, and each by itself.
    let run = world.sandbox(&[
        "revoke",
        "group:team@example.com",
        "api",
        "--strict",
        "--yes",
        "-o",
        "json",
    ]);
    assert_eq!(run.status, 3, "{run}");
    assert!(!run.json()["left"].as_array().unwrap().is_empty(), "{run}");
}

#[test]
fn what_nobody_knows_is_unknown() {
    let world = World::new();
    for target in ["hello", "jobs/nightly"] {
        for member in ["foo:bar", "principalSet://new.example.com/x"] {
            let json = world.json(&["grant", "--member", member, target, "-n"]);
            assert_eq!(json["changes"][0]["effect"][0]["verdict"], "unknown", "{json}");
        }
    }
}

/// What an effect rests on stays: not the grant that goes.
#[test]
fn an_effect_rests_on_what_stays() {
    let world = World::new();
    world.sandbox(&["grant", "bea@example.com", "hello"]);
    world.sandbox(&["grant", "domain:example.com", "hello", "--yes"]);
    let json = world.json(&["revoke", "bea@example.com", "hello"]);
    let because = json["changes"][0]["effect"][0]["because"].as_str().unwrap();
    assert!(because.contains("`domain:example.com` has"), "{because}");
    let json = world.json(&["grant", "bea@example.com", "hello"]);
    let because = json["changes"][0]["effect"][0]["because"].as_str().unwrap();
    assert!(because.contains("`domain:example.com` has"), "{because}");
}

#[test]
fn what_is_left_names_each_way_and_what_ends_it() {
    let world = World::new();
    // Of a group in a group, the membership that there is.
    let run = world.sandbox(&["revoke", "ola@example.com", "backoffice", "--strict", "-o", "json"]);
    let left = run.json()["left"].clone();
    let command = left[0]["command"].as_str().unwrap();
    assert!(command.contains("--group-email=oncall@example.com"), "{left}");
    assert!(run.stderr.contains("commands of gcloud go to Google, not to the sandbox"), "{run}");
    // Custom roles that invoke go too.
    let run = world.sandbox(&["revoke", "ana@example.com", "reports", "--any-role", "--yes"]);
    assert!(
        run.stdout.contains("-user:ana@example.com (projects/sandbox-project/roles/reportReader)"),
        "{run}"
    );
    // Beside the check that is off, the grant that would do too.
    world.sandbox(&["grant", "dev@example.com", "status-page"]);
    let words = ["revoke", "eve@example.com", "status-page", "--strict", "-o", "json"];
    assert_eq!(world.sandbox(&words).json()["left"].as_array().unwrap().len(), 1);
    let words = [
        "revoke",
        "dev@example.com",
        "status-page",
        "--role",
        "roles/run.viewer",
        "--strict",
        "-o",
        "json",
    ];
    let left = world.sandbox(&words).json()["left"].clone();
    assert_eq!(left.as_array().unwrap().len(), 2, "{left}");
    let run = world.sandbox(&["revoke", "eve@example.com", "--all-services", "--strict"]);
    assert!(run.stderr.contains("instances and worker pools were not looked at"), "{run}");
}

/// What was not searched is not known, and comes before what was not read.
#[test]
fn a_region_that_was_not_searched_is_not_known() {
    let mut world = World::new();
    let serve = Serve::with_faults(&world, &["unreadable-region=us-central1"]);
    world.reach(&serve);
    for words in [["--all-services", "--strict"], ["--everywhere", "--yes"]] {
        let run = world.run(&[&["revoke", "carl@example.com"], &words[..]].concat());
        assert_eq!(run.status, 9, "{run}");
        assert!(run.stderr.contains("region us-central1 is not known"), "{run}");
    }
}

/// A plan that brings back nobody but who is deleted says so beforehand, and the one before has its turn.
#[test]
fn an_undo_of_a_deleted_account_is_no_end() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    let plain = Plain::of(&serve.endpoint);
    world.run(&["grant", "ana@example.com", "us-central1/chat"]);
    let account = json!({"accountId": "leaver", "serviceAccount": {"displayName": "l"}});
    let all = "v1/projects/sandbox-project/serviceAccounts";
    let (_, made) = plain.send("POST", all, Some(&account));
    let address = made["email"].as_str().unwrap().to_owned();
    world.run(&["grant", &address, "us-central1/hello"]);
    world.run(&["revoke", &address, "us-central1/hello"]);
    assert_eq!(plain.send("DELETE", &format!("{all}/{address}"), None).0, 200);
    let run = world.run(&["undo", "-n", "-o", "json"]);
    assert_eq!(run.json()["changes"][0]["status"], "unchanged", "{run}");
    assert_eq!(run.json()["changes"][0]["leftOut"].as_array().unwrap().len(), 1, "{run}");
    let run = world.run(&["undo", "--yes", "-o", "json"]);
    assert_eq!(run.json()["changes"][0]["status"], "unchanged", "{run}");
    let history = world.run(&["history", "-o", "json"]);
    assert!(!history.stdout.contains("\"action\": \"undo\""), "{history}");
    // The revocation is passed over from then on, and the grant is not there any more.
    for _ in 0..2 {
        world.run(&["undo", "--yes"]);
    }
    assert!(
        members_of(&plain.policy(&HELLO.replace("hello", "chat")), "roles/run.invoker")
            .iter()
            .all(|member| member != "user:ana@example.com")
    );
}

/// A plan says that it cannot be undone, whatever would refuse it.
#[test]
fn whatever_cannot_come_back_is_said() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    let plain = Plain::of(&serve.endpoint);
    world.run(&["grant", "someone@gmail.com", "us-central1/hello"]);
    plain.add_faults(&[
        "org-policy=run.managed.requireInvokerIam".to_owned(),
        "org-policy=iam.allowedPolicyMemberDomains".to_owned(),
    ]);
    for (words, constraint) in [
        (
            &["revoke", "someone@gmail.com", "us-central1/hello", "-n"][..],
            "allowedPolicyMemberDomains",
        ),
        (&["invoker-check", "us-central1/status-page", "on", "-n"], "requireInvokerIam"),
    ] {
        let run = world.run(words);
        assert!(run.stderr.contains("this cannot be undone"), "{run}");
        assert!(run.stderr.contains(constraint), "{run}");
    }
}
