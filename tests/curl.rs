//! `curl`, `gcurl` and `token`: the right token to the right place, and in no other.

use std::fs;
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Answer, Api, FakeServer, Run, Serve, Session, World, claims};

const HELLO: &str = "https://hello-k4qx7v2nza-uc.a.run.app";

/// What the application behind a service received.
fn echo(run: &Run) -> Value {
    assert_eq!(run.status, 0, "{run}");
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"))
}

/// A world whose commands go to a sandbox that is served beside it, as somebody.
fn beside(options: &[&str], account: &str) -> (World, Serve) {
    let mut world = World::new();
    let serve = Serve::with(&world, options);
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &serve.endpoint);
    world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
    let path = world.home().join("user.json");
    let token_uri = format!("{}/token", serve.endpoint);
    let user = json!({"type": "authorized_user", "client_secret": "s", "token_uri": token_uri,
        "client_id": "32555940559.apps.googleusercontent.com",
        "refresh_token": format!("1//sandbox:{account}")});
    fs::write(&path, user.to_string()).unwrap();
    world.set("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap());
    (world, serve)
}

#[test]
fn who_was_granted_gets_in_until_it_is_revoked() {
    let world = World::new();
    let as_dev = |more: &[&str]| {
        world.sandbox(
            &[
                &[
                    "--account",
                    "dev@x.com",
                    "curl",
                    HELLO,
                    "-s",
                    "-o",
                    "/dev/null",
                    "-w",
                    "%{http_code}\n",
                ],
                more,
            ]
            .concat(),
        )
    };
    assert_eq!(as_dev(&[]).stdout, "403\n");
    assert_eq!(world.sandbox(&["grant", "dev@x.com", "hello"]).status, 0);
    assert_eq!(as_dev(&[]).stdout, "200\n");
    assert_eq!(world.sandbox(&["revoke", "dev@x.com", "hello"]).status, 0);
    assert_eq!(as_dev(&[]).stdout, "403\n");
    // curl's own exit code is passed on.
    assert_eq!(as_dev(&["--fail"]).status, 22);
    assert_eq!(as_dev(&["--no-such-option"]).status, 2);
}

#[test]
fn a_service_is_called_by_any_of_its_names() {
    let world = World::new();
    let call = |arguments: &[&str]| echo(&world.sandbox(&[&["curl"], arguments].concat()));
    for service in [
        "hello",
        "us-central1/hello",
        "projects/sandbox-project/locations/us-central1/services/hello",
        HELLO,
        "hello-k4qx7v2nza-uc.a.run.app",
        "http://hello.localhost:8787",
        "https://hello-123456789012.us-central1.run.app/",
    ] {
        assert_eq!(call(&[service, "-s"])["service"], "hello", "{service}");
    }
    let seen = call(&["hello", "/a/b?c=d", "-s", "-X", "PUT", "-d", "x"]);
    assert_eq!(
        (&seen["method"], &seen["path"], &seen["query"]),
        (&json!("PUT"), &json!("/a/b"), &json!("c=d"))
    );
    let seen = call(&[&format!("{HELLO}/a?b=c"), "--", "-s"]);
    assert_eq!((&seen["path"], &seen["query"]), (&json!("/a"), &json!("b=c")));
    assert_eq!(call(&["--tag", "canary", "us-central1/orders", "-s"])["tag"], "canary");
    assert_eq!(
        call(&["--tag", "canary", "https://orders-k4qx7v2nza-uc.a.run.app", "-s"])["tag"],
        "canary"
    );
    assert_eq!(call(&["https://canary---orders-k4qx7v2nza-uc.a.run.app", "-s"])["tag"], "canary");
    assert_eq!(call(&["https://shop.example.com", "-s"])["service"], "storefront");
    // A service account's token is for the service's own URL, whatever the tag.
    let robot = "ci@sandbox-project.iam.gserviceaccount.com";
    world.sandbox(&["grant", robot, "us-central1/orders", "storefront"]);
    for orders in [
        "https://canary---orders-k4qx7v2nza-uc.a.run.app",
        "https://orders-k4qx7v2nza-uc.a.run.app",
    ] {
        assert_eq!(
            echo(&world.sandbox(&["--account", robot, "curl", orders, "-s"]))["service"],
            "orders"
        );
    }
    let token = world.sandbox(&[
        "--account",
        robot,
        "token",
        "https://canary---orders-k4qx7v2nza-uc.a.run.app/x",
    ]);
    assert_eq!(claims(token.stdout.trim())["aud"], "https://orders-k4qx7v2nza-uc.a.run.app");
}

#[test]
fn what_cannot_be_called_is_said() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["curl", "nosuch"]), @"
    --- stderr
    error: no service of project `sandbox-project` is named `nosuch`
    hint: runaccess --sandbox list
    --- status 125
    ");
    assert_snapshot!(world.sandbox(&["-o", "json", "curl", "nosuch"]), @r#"
    --- stdout
    {
      "error": {
        "code": "not-found",
        "exitCode": 125,
        "message": "no service of project `sandbox-project` is named `nosuch`",
        "hints": [
          "runaccess --sandbox list"
        ]
      }
    }
    --- stderr
    error: no service of project `sandbox-project` is named `nosuch`
    hint: runaccess --sandbox list
    --- status 125
    "#);
    assert_snapshot!(world.sandbox(&["curl"]), @"
    --- stderr
    error: SERVICE is missing, and there is no terminal to ask at
    hint: runaccess --sandbox curl --help
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["curl", "catalog"]), @"
    --- stderr
    error: `us-central1/catalog` has no URL
    caused by: its default URL is off, so only a load balancer or a domain leads there
    hint: runaccess --sandbox describe us-central1/catalog
    --- status 125
    ");
    assert_snapshot!(world.sandbox(&["curl", "--tag", "blue", "us-central1/orders"]), @"
    --- stderr
    error: `us-central1/orders` has no traffic tag `blue`
    caused by: its tags are `canary`
    --- status 125
    ");
    assert_snapshot!(world.sandbox(&["--account", "dev@x.com", "curl", "hello"]), @"
    --- stderr
    error: could not list the services of project `sandbox-project`
    caused by: Permission 'run.services.list' denied on resource 'projects/sandbox-project' (or resource may not exist).
    caused by: `run.services.list` is in `roles/run.viewer` and `roles/run.admin`
    caused by: whoever may only invoke a service may not look it up by its name; its URL is enough
    hint: runaccess --sandbox --account dev@x.com curl https://SERVICE_URL
    --- status 5
    ");
    assert_snapshot!(world.sandbox(&["--account", "dev@x.com", "token", "us-central1/hello"]), @"
    --- stderr
    error: could not read the service `us-central1/hello`
    caused by: Permission 'run.services.get' denied on resource 'projects/sandbox-project/locations/us-central1/services/hello' (or resource may not exist).
    caused by: `run.services.get` is in `roles/run.viewer` and `roles/run.admin`
    caused by: whoever may only invoke a service may not look it up by its name; its URL is enough
    hint: runaccess --sandbox --account dev@x.com token https://SERVICE_URL
    --- status 5
    ");
    assert_snapshot!(world.sandbox(&["curl", "-s", "hello"]), @"
    --- stderr
    error: `-s` stands before the service
    caused by: what goes to curl follows the service; what stands before it is ours
    hint: runaccess --sandbox curl hello -s
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["curl", "hello", "--tag", "x"]), @"
    --- stderr
    error: `--tag` is an option of this program, and stands before the service
    hint: runaccess --sandbox curl --tag x hello
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["curl", "hello", "/x", "https://elsewhere.example"]), @"
    --- stderr
    error: `https://elsewhere.example` is another address, and the token is for one service
    --- status 2
    ");
}

#[test]
fn a_token_goes_nowhere_else() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["curl", "https://elsewhere.example/x"]), @"
    --- stderr
    error: a token is not sent to `elsewhere.example`
    caused by: the API lists it for no service of the project
    hint: runaccess --sandbox curl --allow-host elsewhere.example https://elsewhere.example/x
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["curl", "http://hello-k4qx7v2nza-uc.a.run.app"]), @"
    --- stderr
    error: `http://hello-k4qx7v2nza-uc.a.run.app` is not https
    caused by: a token is sent over https only
    hint: runaccess --sandbox curl https://hello-k4qx7v2nza-uc.a.run.app
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["curl", "https://user:pw@hello-k4qx7v2nza-uc.a.run.app"]), @"
    --- stderr
    error: the address of `hello-k4qx7v2nza-uc.a.run.app` holds a user name
    caused by: a service takes a token, and neither a user name nor a password
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["curl", "http://127.0.0.1:9/"]), @"
    --- stderr
    error: a token is not sent to `127.0.0.1`
    caused by: the API lists no such address
    hint: runaccess --sandbox curl --allow-host 127.0.0.1 http://127.0.0.1:9/
    --- status 2
    ");
    for bad in [
        "https://run.app.evil.example",
        "https://hello.run.app.",
        "https://evil.example#.run.app",
        "https://evil.example\\.run.app",
        "https://run.app",
        "https://evil.example/.run.app",
    ] {
        let run = world.sandbox(&["curl", bad, "-s", "--max-time", "5"]);
        assert!(run.status == 2, "{bad}: {run}");
    }
}

/// A world without an endpoint of its own, and a token in a file: its calls go over the network.
fn with_token() -> (World, String) {
    let mut world = World::new();
    let path = world.home().join("id-token");
    fs::write(&path, "e30.e30.SECRET").unwrap();
    world.set("CLOUDSDK_CORE_PROJECT", "p");
    (world, path.to_str().unwrap().to_owned())
}

#[test]
fn what_could_be_taken_elsewhere_stays() {
    let server = FakeServer::in_turn([Answer::Full(200, "text/plain", "plain".to_owned())]);
    let (mut world, token) = with_token();
    let call = |world: &World, more: &[&str]| {
        world.run(&[&["curl", "--id-token-file", &token], more].concat())
    };
    let own = server.endpoint.replace("127.0.0.1", "localhost");
    let named = ["--allow-host", "localhost", own.as_str(), "-s"];
    assert_eq!(call(&world, &named).stdout, "plain");
    assert!(server.requests()[0].contains("Authorization: Bearer e30.e30.SECRET"));
    // A proxy of the environment is not told what is plain.
    let proxy = FakeServer::in_turn([Answer::Full(200, "text/plain", "proxied".to_owned())]);
    world.set("http_proxy", &proxy.endpoint);
    assert_eq!(call(&world, &named).stdout, "plain");
    assert_eq!(proxy.requests().len(), 0);
    for more in [
        ["-x", &proxy.endpoint],
        ["--Proxy", &proxy.endpoint],
        ["--connect-to", "::x:1"],
        ["--noproxy", ""],
    ] {
        assert_eq!(call(&world, &[&named[..], &more].concat()).status, 2, "{more:?}");
    }
    // What stands in curl's own file counts for nothing here.
    let other = FakeServer::in_turn([Answer::Full(200, "text/plain", "other".to_owned())]);
    let file = world.home().join("written");
    let config = format!(
        "url = \"{}\"\nlocation-trusted\nlibcurl = \"{}\"\n",
        other.endpoint,
        file.display()
    );
    fs::write(world.home().join(".curlrc"), config).unwrap();
    assert_eq!(call(&world, &named).stdout, "plain");
    assert!(other.requests().is_empty() && !file.exists());
    // Who answers for a service must show who it is.
    let run = call(&world, &["https://x.run.app", "-sk"]);
    assert_eq!(
        (run.status, run.stderr.lines().next()),
        (2, Some("error: `--insecure` is not taken"))
    );
    // A tag is a part of a host, and can be nothing else.
    for tag in ["evil.example/", "x@evil.example/", "a b", "evil.example#"] {
        let run = call(&world, &["--tag", tag, "https://x.run.app"]);
        assert_eq!(run.status, 2, "{tag}: {run}");
    }
    // What is a tag at Cloud Run's addresses is a domain of anybody's elsewhere.
    for address in ["https://evil---api.example.com/x", "https://evil---shop.example.com/x"] {
        let run = world.sandbox(&["curl", "--id-token-file", &token, "--print", address]);
        assert_eq!(run.status, 2, "{run}");
    }
    assert_eq!(
        world.sandbox(&["curl", "--tag", "x", "--print", "https://shop.example.com"]).status,
        2
    );
    // The name of another service in a header leads to that one.
    for more in [
        ["-H", "Host: storefront-k4qx7v2nza-uc.a.run.app"],
        ["--request-target", "http://x/"],
        ["--abstract-unix-socket", "x"],
    ] {
        assert_eq!(
            world.sandbox(&[&["curl", HELLO, "-s"], &more[..]].concat()).status,
            2,
            "{more:?}"
        );
    }
    for address in ["https://x.run.app:99999/", "ftp://x.run.app"] {
        assert_eq!(call(&world, &[address]).status, 2, "{address}");
    }
}

#[test]
fn every_option_of_curl_is_known_for_what_it_is() {
    let Ok(help) = Command::new("curl").args(["--help", "all"]).output() else { return };
    let world = World::new();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for line in help.lines() {
        let Some(option) = line.split_whitespace().find(|word| word.starts_with("--")) else {
            continue;
        };
        let takes_value = line.contains('<') || line.contains(" [protocol://]");
        if takes_value || matches!(option, "--next" | "--location-trusted") {
            continue;
        }
        // What follows an option without a value is an address, and no token goes there.
        let run = world.sandbox(&["curl", "--print", HELLO, option, "https://elsewhere.example"]);
        assert!(run.status == 2 && run.stderr.contains("another address"), "{option}: {run}");
    }
}

#[test]
fn a_user_who_may_only_invoke_reaches_a_local_name_too() {
    let world = World::new();
    world.sandbox(&["grant", "dev@x.com", "hello"]);
    let local = "http://hello.localhost:8787/x";
    let seen = echo(&world.sandbox(&["--account", "dev@x.com", "curl", local, "-s"]));
    assert_eq!(seen["path"], "/x");
    let robot = "ci@sandbox-project.iam.gserviceaccount.com";
    world.sandbox(&["grant", robot, "hello"]);
    let run = world.sandbox(&["--account", robot, "curl", local, "-s"]);
    assert_eq!(run.status, 5, "its token is for one address, which it may not look up: {run}");
    let token = world.sandbox(&["token", "http://hello.localhost:8787/x", "-o", "value(audience)"]);
    assert_eq!(token.status, 0, "{token}");
}

#[test]
fn an_address_may_be_longer_than_a_pipe_holds() {
    let world = World::new();
    let path = format!("/{}", "a".repeat(65_000));
    let run = world.sandbox(&[
        "curl",
        "storefront",
        &path,
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
    ]);
    assert_eq!(run.stdout.len(), 3, "status {}", run.status);
}

#[cfg(target_os = "linux")]
#[test]
fn whoever_ends_the_program_ends_curl() {
    use std::os::unix::process::ExitStatusExt;
    let server = FakeServer::in_turn([Answer::Silence]);
    let (world, token) = with_token();
    let mut command = world.command(&[
        "curl",
        "--id-token-file",
        &token,
        "--allow-host",
        "127.0.0.1",
        &server.endpoint,
        "-s",
    ]);
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    while server.requests().is_empty() {
        std::thread::yield_now();
    }
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let status = child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(143), None));
}

#[tokio::test]
async fn a_redirect_to_another_host_takes_no_token_along() {
    let elsewhere = FakeServer::in_turn([Answer::Full(200, "text/plain", "reached".to_owned())]);
    let to = format!("Location: {}stolen", elsewhere.endpoint);
    let app = FakeServer::in_turn([Answer::WithHeader(
        302,
        Box::leak(to.into_boxed_str()),
        String::new(),
    )]);
    let option = format!("hello={}", app.endpoint.trim_end_matches('/'));
    let (world, _serve) = beside(&["--backend", &option], "you@example.com");
    let run = world.run(&["curl", "us-central1/hello", "-sL"]);
    assert_eq!(run.stdout, "reached", "{run}");
    let came = elsewhere.requests().concat().to_lowercase();
    assert!(!came.contains("authorization") && !came.contains("eyj"), "{came}");
    assert!(app.requests().concat().to_lowercase().contains("authorization: bearer eyj"));
}

#[test]
fn an_applications_own_authorization_passes_beside_the_token() {
    let world = World::new();
    let seen = echo(&world.sandbox(&["curl", "hello", "-s", "-u", "a:b"]));
    assert_eq!(seen["headers"]["authorization"], "Basic YTpi");
    assert!(
        seen["headers"]["x-serverless-authorization"]
            .as_str()
            .unwrap()
            .ends_with("REMOVED_BY_GOOGLE")
    );
    assert_eq!(world.sandbox(&["curl", "hello", "-sL", "-u", "a:b"]).status, 2);
}

#[test]
fn the_body_may_come_from_stdin() {
    use std::io::Write;
    let world = World::new();
    let mut command = world.command(&["--sandbox", "curl", "hello", "-s", "--data-binary", "@-"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"from stdin").unwrap();
    let run = world.finished(child.wait_with_output().unwrap());
    assert_eq!(echo(&run)["body"]["text"], "from stdin");
}

#[test]
fn what_is_printed_can_be_run() {
    let (world, serve) = beside(&[], "you@example.com");
    let port = serve.endpoint.rsplit(':').next().unwrap();
    let printed = world.run(&["curl", "--print", "us-central1/hello", "/a b", "-s", "-d", "it's"]);
    assert_eq!(printed.status, 2, "a blank is no part of an address: {printed}");
    let printed = world.run(&["curl", "--print", "us-central1/hello", "/a", "-s", "-d", "it's"]);
    assert_eq!(
        printed.stdout.replace(port, "PORT"),
        "curl -q -H \"Authorization: Bearer $(runaccess token https://hello-k4qx7v2nza-uc.a.run.app)\" --connect-to hello-k4qx7v2nza-uc.a.run.app:80:127.0.0.1:PORT --noproxy '*' -s -d 'it'\\''s' http://hello-k4qx7v2nza-uc.a.run.app/a\n"
    );
    let program = world.command(&[]);
    let folder = std::path::Path::new(program.get_program()).parent().unwrap().to_owned();
    let mut shell = Command::new("sh");
    shell.args(["-c", printed.stdout.trim()]).env_clear();
    shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    let run = world.finished(shell.output().unwrap());
    assert_eq!(echo(&run)["body"]["text"], "it's");
    assert_snapshot!(World::new().sandbox(&["curl", "--print", "hello", "-i"]), @r#"
    --- stdout
    curl -q -H "Authorization: Bearer $(runaccess --sandbox token https://hello-k4qx7v2nza-uc.a.run.app)" --connect-to hello-k4qx7v2nza-uc.a.run.app:80:127.0.0.1:8787 --noproxy '*' -i http://hello-k4qx7v2nza-uc.a.run.app/
    --- stderr
    note: the sandbox answers curl only while `runaccess sandbox serve` runs
    --- status 0
    "#);
}

#[test]
fn gcurl_works_in_each_shell_with_its_words_in_any_order() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish"] {
        let Ok(found) = Command::new("which").arg(shell).output() else { continue };
        if !found.status.success() {
            continue;
        }
        let function = world.run(&["alias", shell]).stdout;
        let program = world.command(&[]);
        let folder = std::path::Path::new(program.get_program()).parent().unwrap().to_owned();
        for call in [
            format!("gcurl -s -X POST -H 'X-A: b c' {HELLO}/flags-first"),
            format!("gcurl {HELLO}/flags-first -s -X POST -H 'X-A: b c'"),
            format!("gcurl -s --url {HELLO}/flags-first -X POST -H 'X-A: b c'"),
            "gcurl hello /flags-first -s -X POST -H 'X-A: b c'".to_owned(),
        ] {
            let mut command = Command::new(shell);
            command.args(["-c", &format!("{function}\n{call}")]).env_clear();
            command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
            command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
            command.env("RUNACCESS_SANDBOX", "1").stdin(Stdio::null());
            let seen = echo(&world.finished(command.output().unwrap()));
            assert_eq!(
                (&seen["path"], &seen["method"], &seen["headers"]["x-a"]),
                (&json!("/flags-first"), &json!("POST"), &json!("b c")),
                "{shell}"
            );
        }
    }
    assert_snapshot!(world.run(&["alias", "powershell"]), @"
    --- stdout
    function gcurl {
        & (Get-Command runaccess -CommandType Application)[0] curl --any-order '--' @args
    }
    --- status 0
    ");
    assert_snapshot!(world.run(&["alias"]), @"
    --- stderr
    error: which shell is not known
    hint: runaccess alias bash
    --- status 2
    ");
}

#[test]
fn a_token_says_what_it_is() {
    let world = World::new();
    let token = world.sandbox(&["token", "hello"]);
    assert_eq!((token.stdout.trim().split('.').count(), token.status), (3, 0), "{token}");
    let header = world.sandbox(&["token", "hello", "--header"]);
    assert_eq!(header.stdout, format!("Authorization: Bearer {}", token.stdout));
    let shown = world.json(&["token", "hello"]);
    assert_eq!(shown["account"], "you@example.com");
    assert_eq!(shown["audience"], "32555940559.apps.googleusercontent.com");
    assert_eq!(shown["token"], token.stdout.trim());
    let said = world.json(&["token", "hello", "--decode"]);
    assert_eq!(said, claims(token.stdout.trim()));
    let table = world.sandbox(&["token", "--decode", "hello"]).stdout;
    assert!(table.contains("(in 59m ") && !table.contains(token.stdout.trim()), "{table}");
    assert_eq!(
        world.sandbox(&["token", "hello", "--decode", "-o", "value(email)"]).stdout,
        "you@example.com\n"
    );
    // An account that may be acted as.
    let runner = "runner@sandbox-project.iam.gserviceaccount.com";
    let acting = ["--impersonate-service-account", runner];
    let token = world.sandbox(&[&acting[..], &["token", "us-central1/orders"]].concat());
    assert_eq!(token.status, 5, "the runner may look nothing up: {token}");
    let token =
        world.sandbox(&[&acting[..], &["token", "--audience", "https://x.example"]].concat());
    assert_eq!(claims(token.stdout.trim())["aud"], "https://x.example", "{token}");
    let orders = "https://orders-k4qx7v2nza-uc.a.run.app";
    assert_eq!(
        echo(&world.sandbox(&[&acting[..], &["curl", orders, "-s"]].concat()))["service"],
        "orders"
    );
}

#[test]
fn a_token_of_ones_own_is_used_as_it_is() {
    let world = World::new();
    let token = world.sandbox(&["token"]).stdout;
    let path = world.home().join("id-token");
    fs::write(&path, &token).unwrap();
    let path = path.to_str().unwrap();
    // Whoever else is named: the token counts.
    let run =
        world.sandbox(&["--account", "dev@x.com", "curl", "--id-token-file", path, HELLO, "-s"]);
    assert_eq!(echo(&run)["service"], "hello");
    assert_snapshot!(world.sandbox(&["curl", "--id-token-file", "nosuch", HELLO]), @"
    --- stderr
    error: cannot read the ID token in `nosuch`
    caused by: No such file or directory (os error 2)
    --- status 125
    ");
}

#[test]
fn a_no_of_the_front_end_is_explained_on_a_terminal() {
    let world = World::new();
    let mut session =
        Session::start(&world, &["--account", "dev@x.com", "curl", HELLO, "-s", "-o", "/dev/null"]);
    session.see("`dev@x.com` may not invoke the service");
    session.see("hint: runaccess --sandbox grant dev@x.com https://hello-k4qx7v2nza-uc.a.run.app");
    assert_eq!(session.end().1, 0);
    let mut session = Session::start(
        &world,
        &[
            "--account",
            "dev@x.com",
            "curl",
            "https://backoffice-k4qx7v2nza-uc.a.run.app",
            "-s",
            "-o",
            "/dev/null",
        ],
    );
    session.see("does not let requests from here to it");
    assert_eq!(session.end().1, 0);
}

#[tokio::test]
async fn a_refusal_soon_after_a_grant_is_said_to_pass() {
    let api = Api::new();
    let (mut world, _serve) = beside(&[], "you@example.com");
    let run = world.run(&["grant", "dev@x.com", "us-central1/hello"]);
    assert!(run.stderr.contains("note: a change of access takes a while to spread"), "{run}");
    let user = fs::read_to_string(world.home().join("user.json")).unwrap();
    let other = world.home().join("other.json");
    fs::write(&other, user.replace("you@example.com", "other@x.com")).unwrap();
    world.set("GOOGLE_APPLICATION_CREDENTIALS", other.to_str().unwrap());
    let run = world.run(&["curl", HELLO, "-s", "-o", "/dev/null"]);
    assert_eq!(
        run.stderr,
        "note: a change of access takes a while to spread: two minutes as a rule, seven and more at times\n"
    );
    drop(api);
}

#[test]
fn over_tls_curl_trusts_what_it_is_told_to() {
    let (mut world, serve) = beside(&["--tls"], "you@example.com");
    let line: Value = serde_json::from_str(&serve.first_line).unwrap();
    assert!(line["endpoint"].as_str().unwrap().starts_with("https://127.0.0.1:"));
    let ca = line["caCertificate"].as_str().unwrap();
    world.set("SSL_CERT_FILE", ca);
    let seen = echo(&world.run(&["curl", "us-central1/hello", "-s", "--cacert", ca]));
    assert_eq!(
        (&seen["service"], &seen["headers"]["x-forwarded-proto"]),
        (&json!("hello"), &json!("https"))
    );
    // Plain http is sent to https, with the path.
    let plain = serve.endpoint.replace("https:", "http:");
    let output = Command::new("curl")
        .args(["-si", "-H", "Host: hello.localhost:1", &format!("{plain}/x?y")])
        .output()
        .unwrap();
    let head = String::from_utf8(output.stdout).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 302 ")
            && head.contains("location: https://hello.localhost:1/x?y"),
        "{head}"
    );
    // curl finds `*.localhost` on this machine by itself, and takes HTTP/2.
    let port = serve.endpoint.rsplit(':').next().unwrap();
    let token = world.run(&["token"]).stdout;
    let output = Command::new("curl")
        .args([
            "-s",
            "--cacert",
            ca,
            "-H",
            &format!("Authorization: Bearer {}", token.trim()),
            "-w",
            "%{http_version}",
            "-o",
            "/dev/null",
            &format!("https://hello.localhost:{port}/"),
        ])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "2");
}
