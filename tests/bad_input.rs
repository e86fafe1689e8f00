//! Wrong command lines: each says what is wrong and what to type instead, and changes nothing.

use insta::assert_snapshot;

use crate::support::World;

#[test]
fn services_that_are_not_there_are_answered_with_the_nearest() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["url", "helo"]), @"
    --- stderr
    error: no service of project `sandbox-project` is named `helo`
    hint: runaccess --sandbox url hello
    --- status 6
    ");
    assert_snapshot!(world.sandbox(&["url", "europe-west1/hello"]), @"
    --- stderr
    error: could not read the service `europe-west1/hello`
    caused by: Resource 'hello' of kind 'SERVICE' in region 'europe-west1' in project 'sandbox-project' does not exist.
    hint: runaccess --sandbox url us-central1/hello
    --- status 6
    ");
    assert_snapshot!(world.sandbox(&["grant", "dev@x.com", "hello", "--region", "europe-west1"]), @"
    --- stdout
    SERVICE             STATUS  CHANGE
    europe-west1/hello  failed  not-found
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      europe-west1/hello  cannot be planned
    error: could not read the policy of `europe-west1/hello`
    caused by: Resource 'hello' of kind 'SERVICE' in region 'europe-west1' in project 'sandbox-project' does not exist.
    hint: runaccess --sandbox grant dev@x.com us-central1/hello --region europe-west1
    --- status 6
    ");
    assert_snapshot!(world.sandbox(&["who", "zzz"]), @"
    --- stderr
    error: no service of project `sandbox-project` is named `zzz`
    hint: runaccess --sandbox list
    --- status 6
    ");
    assert_snapshot!(world.sandbox(&["url", "https://else.example.com"]), @"
    --- stderr
    error: no service of project `sandbox-project` has the URL `https://else.example.com`
    hint: runaccess --sandbox list
    --- status 6
    ");
    assert_snapshot!(world.sandbox(&["grant", "dev@x.com", "zzz-*"]), @"
    --- stderr
    error: no service of project `sandbox-project` matches `zzz-*`
    hint: runaccess --sandbox list
    --- status 6
    ");
}

#[test]
fn ambiguous_names_are_answered_with_each() {
    assert_snapshot!(World::new().sandbox(&["url", "orders"]), @"
    --- stderr
    error: `orders` is in several regions: `europe-west1/orders`, `us-central1/orders`
    hint: runaccess --sandbox url europe-west1/orders
    hint: runaccess --sandbox url us-central1/orders
    --- status 2
    ");
}

#[test]
fn ill_formed_services_are_refused() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["url", "Hello"]), @"
    --- stderr
    error: `Hello` is not a service name: it may hold lower-case letters, digits and hyphens only
    hint: runaccess --sandbox url hello
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["url", "a/b/c"]), @"
    --- stderr
    error: `a/b/c` names no service: the part before `/` must be a region, such as `us-central1`
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["url", "dev@x.com"]), @"
    --- stderr
    error: `dev@x.com` is a principal, where a service is wanted
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["url", "projects/p/services/s"]), @"
    --- stderr
    error: `projects/p/services/s` names no service: the full form is `projects/PROJECT/locations/REGION/services/NAME`
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["url"]), @"
    --- stderr
    error: SERVICE is missing, and there is no terminal to ask at
    hint: runaccess --sandbox url --help
    --- status 2
    ");
}

#[test]
fn ill_formed_members_are_put_right() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["grant", "example.com", "hello"]), @"
    --- stderr
    error: `example.com` is not a principal: a bare domain needs its prefix
    hint: runaccess --sandbox grant domain:example.com hello
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["grant", "dev@x.com,User:ana@x.com", "hello"]), @"
    --- stderr
    error: `User:ana@x.com` is not a principal: the prefix is written differently
    hint: runaccess --sandbox grant dev@x.com,user:ana@x.com hello
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["grant", "allusers", "hello"]), @"
    --- stderr
    error: `allusers` is not a principal: its spelling matters
    hint: runaccess --sandbox grant allUsers hello
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["grant", "dev@", "hello"]), @"
    --- stderr
    error: `dev@` is not a principal: its address has nothing after `@`
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["grant", "", "hello"]), @"
    --- stderr
    error: `` is not a principal: it is empty
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["grant"]), @"
    --- stderr
    error: MEMBER and SERVICE are missing, and there is no terminal to ask at
    hint: runaccess --sandbox grant --help
    --- status 2
    ");
}

#[test]
fn swapped_arguments_are_put_right() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["grant", "hello", "dev@x.com"]), @"
    --- stderr
    error: `hello` is a service and `dev@x.com` a principal: the principal comes first
    hint: runaccess --sandbox grant dev@x.com hello
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["revoke", "us-central1/hello", "allUsers"]), @"
    --- stderr
    error: `us-central1/hello` is a service and `allUsers` a principal: the principal comes first
    hint: runaccess --sandbox revoke allUsers us-central1/hello
    --- status 2
    ");
}

#[test]
fn unknown_roles_are_put_right() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["grant", "dev@x.com", "hello", "--role", "roles/run.invokr"]), @"
    --- stderr
    error: `roles/run.invokr` is not a role that holds any permission of Cloud Run
    hint: runaccess --sandbox grant dev@x.com hello --role roles/run.invoker
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["grant", "dev@x.com", "hello", "--role", "run.invoker"]), @"
    --- stderr
    error: `run.invoker` is not a role: write `roles/NAME` or `projects/PROJECT/roles/NAME`
    hint: runaccess --sandbox grant dev@x.com hello --role roles/run.invoker
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["grant", "dev@x.com", "hello", "--role", "roles/pubsub.publisher", "--yes"]), @"
    --- stdout
    SERVICE            STATUS  CHANGE
    us-central1/hello  failed  invalid-argument
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + user:dev@x.com  roles/pubsub.publisher
        note: whether `roles/pubsub.publisher` lets its members invoke is not known here
    error: could not set the policy of `us-central1/hello`
    caused by: Role roles/pubsub.publisher is not supported for this resource.
    --- status 1
    ");
}

#[test]
fn what_google_refuses_is_told_in_its_words() {
    let world = World::new();
    let run = world.sandbox(&["grant", "ghost@sandbox-project.iam.gserviceaccount.com", "hello"]);
    assert_snapshot!(run, @"
    --- stdout
    SERVICE            STATUS  CHANGE
    us-central1/hello  failed  invalid-argument
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      us-central1/hello
        + serviceAccount:ghost@sandbox-project.iam.gserviceaccount.com  roles/run.invoker
    error: could not set the policy of `us-central1/hello`
    caused by: Service account ghost@sandbox-project.iam.gserviceaccount.com does not exist.
    --- status 1
    ");
    assert_snapshot!(world.sandbox(&["list", "--project", "nosuch"]), @"
    --- stderr
    error: could not list the services of project `nosuch`
    caused by: Permission 'run.services.list' denied on resource 'projects/nosuch' (or resource may not exist).
    caused by: `run.services.list` is in `roles/run.viewer` and `roles/run.admin`
    hint: runaccess --sandbox roles
    --- status 5
    ");
}

#[test]
fn wrong_formats_are_refused_before_any_call() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["list", "-v", "-o", "value(nam)"]), @"
    --- stderr
    error: there is no `nam` in this result
    caused by: the nearest is `name`
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["grant", "dev@x.com", "hello", "-o", "value(zzz)"]), @"
    --- stderr
    error: there is no `zzz` in this result
    caused by: there are `id`, `service`, `kind`, `action`, `status`, `added`, `added.role`, `added.member`, `added.condition`, `added.condition.title`, `added.condition.expression`, `removed`, `removed.role`, `removed.member`, `removed.condition`, `removed.condition.title`, `removed.condition.expression`, `settings`, `settings.name`, `settings.before`, `settings.after`, `exposure`, `exposure.before`, `exposure.after`, `remaining`, `remaining.role`, `remaining.member`, `remaining.via`, `remaining.condition`, `remaining.condition.title`, `remaining.condition.expression`, `leftOut`, `effect`, `effect.member`, `effect.service`, `effect.verdict`, `effect.because`, `effect.basis`, `left`, `left.member`, `left.service`, `left.role`, `left.via`, `left.resource`, `left.command`, `attempts`, `error`, `error.code`, `error.exitCode`, `error.message`, `error.hints`
    --- status 2
    ");
    assert_eq!(world.sandbox(&["list", "-o", "xml"]).status, 2);
    assert!(!world.state().exists(), "the sandbox was not even opened");
}

#[test]
fn usage_errors_are_json_too_where_that_is_asked_for() {
    let run = World::new().run(&["frobnicate", "-o", "json"]);
    assert_snapshot!(run.stdout, @r#"
    {
      "error": {
        "code": "usage",
        "exitCode": 2,
        "message": "unrecognized subcommand 'frobnicate'",
        "hints": []
      }
    }
    "#);
    assert_eq!(run.status, 2);
}

#[test]
fn odd_arguments_never_panic() {
    let world = World::new();
    for word in [
        "\u{0}",
        "",
        "-",
        "--",
        "*",
        "?",
        "/",
        "//",
        "a/",
        "https://",
        "\u{202e}",
        "\u{1b}[31m",
        "dev\u{7}@x.com",
        "🦀",
        "a,b",
        ",",
        "%",
        "..",
        "$(x)",
    ] {
        if word.contains('\u{0}') {
            continue;
        }
        for command in [["url", word], ["who", word], ["list", word], ["policy", word]] {
            let run = world.sandbox(&command);
            assert!((0..=9).contains(&run.status), "{command:?}: {run}");
            assert!(!run.stderr.contains("panicked"), "{run}");
        }
        let run = world.sandbox(&["grant", word, word]);
        assert_eq!(run.status, 2, "{word:?}: {run}");
    }
}

/// Hints put the argument right that is meant, and leave every other word that is alike.
#[test]
fn hints_replace_the_argument_and_not_the_word() {
    let world = World::new();
    for (arguments, hint) in [
        (
            &["grant", "deleted:user:a@x.com?uid=1", "hello", "--reason", "grant"][..],
            "runaccess --sandbox revoke 'deleted:user:a@x.com?uid=1' hello --reason grant",
        ),
        (
            &["grant", "User:a@x.com", "hello", "--reason", "User:a@x.com"],
            "runaccess --sandbox grant user:a@x.com hello --reason User:a@x.com",
        ),
        (
            &["grant", "a@x.com", "helo", "--reason", "helo"],
            "runaccess --sandbox grant a@x.com hello --reason helo",
        ),
        (
            &[
                "revoke",
                "auditor@example.com",
                "billing",
                "--condition-title",
                "u",
                "--reason",
                "u",
            ],
            "runaccess --sandbox revoke auditor@example.com billing --reason u --condition-title 'reports only'",
        ),
        (
            &["grant", "hello", "a@x.com", "--reason", "hello"],
            "runaccess --sandbox grant a@x.com hello --reason hello",
        ),
        (
            &["grant", "--dry-run", "User:a@x.com", "hello"],
            "runaccess --sandbox grant --dry-run user:a@x.com hello",
        ),
    ] {
        let run = world.sandbox(arguments);
        assert!(run.stderr.contains(&format!("hint: {hint}")), "{arguments:?}: {run}");
    }
    let shared = ["--project", "sandbox-shared"];
    let words = ["make-public", "search", "--via", "all-users", "--reason", "all-users", "--yes"];
    let run = world.sandbox(&[&shared[..], &words].concat());
    assert!(run.stderr.contains("--reason all-users --via no-invoker-check"), "{run}");
    let run = world.sandbox(&["explain", "dev@example.com"]);
    assert!(run.stderr.contains("SERVICE is missing"), "{run}");
}

/// A refusal names the permission and who holds it; whoever may not list may name one whole.
#[tokio::test]
async fn a_refusal_names_the_permission() {
    let api = crate::support::Api::new();
    api.let_in("hello", "user:least@example.com", "roles/run.admin").await;
    let mut world = World::new();
    world.reach(&api.serve);
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", &api.access_token("least@example.com").await);
    let run = world.run(&["grant", "a@x.com", "hello"]);
    assert_eq!(run.status, 5, "{run}");
    assert!(run.stderr.contains("hint: runaccess grant a@x.com REGION/hello"), "{run}");
    assert_eq!(world.run(&["grant", "a@example.com", "us-central1/hello"]).status, 0);
    let run = world.run(&["policy", "us-central1/chat"]);
    assert!(run.stderr.contains("`run.services.getIamPolicy` is in `roles/run.viewer`"), "{run}");
}

#[test]
fn the_role_of_functions_lets_nobody_in() {
    let world = World::new();
    let run =
        world.sandbox(&["grant", "a@x.com", "hello", "--role", "roles/cloudfunctions.invoker"]);
    assert_eq!(run.status, 2, "{run}");
    assert!(run.stderr.contains("`roles/run.invoker` does"), "{run}");
}

/// A hint names another command with the options that it takes.
#[test]
fn a_hint_holds_no_option_that_its_command_lacks() {
    let world = World::new();
    for more in [
        &["--for", "4h"][..],
        &["--until", "2100-01-01"],
        &["--with-overrides"],
        &["--wait"],
        &["--condition", "request.path == '/x'", "--condition-title", "t"],
    ] {
        let words = ["grant", "deleted:user:a@x.com?uid=1", "hello", "--reason", "grant"];
        let run = world.sandbox(&[&words[..], more].concat());
        assert_eq!(run.status, 2, "{run}");
        let hint =
            run.stderr.lines().find_map(|line| line.strip_prefix("hint: runaccess --sandbox "));
        let hint = hint.unwrap_or_else(|| panic!("{run}"));
        assert!(hint.starts_with("revoke ") && hint.contains("--reason grant"), "{run}");
        for option in ["--for", "--until", "--with-overrides", "--wait", "--condition "] {
            assert!(!hint.contains(option), "{run}");
        }
    }
    for words in [&["explain", "hello"], &["revoke", "hello"], &["grant", "hello"]] {
        assert!(world.sandbox(&words[..]).stderr.contains("MEMBER is missing"));
    }
}
