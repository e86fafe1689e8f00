//! `proxy`: whose identity requests have, who may send them, and what is served where.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{
    App, Proxy, Serve, Session, World, claims, refused, to_end, token_file, unsigned_token, until,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const HELLO: &str = "https://hello-k4qx7v2nza-uc.a.run.app";

/// The body of an answer.
fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// What the sandbox's application received.
fn echo(answer: &str) -> Value {
    assert_eq!(status(answer), "200", "{answer}");
    serde_json::from_str(body(answer)).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[test]
fn a_private_service_is_at_localhost_with_the_callers_identity() {
    let world = World::new();
    assert_eq!(world.sandbox(&["grant", "dev@x.com", "hello"]).status, 0);
    let proxy = Proxy::sandbox(&world, &["--account", "dev@x.com", HELLO]);
    let seen = echo(&proxy.ask("GET /a?b=c", &["Authorization: Bearer mine"], ""));
    assert_eq!((&seen["path"], &seen["query"]), (&"/a".into(), &"b=c".into()));
    let headers = &seen["headers"];
    assert_eq!(headers["authorization"], "Bearer mine");
    assert_eq!(headers["host"], "hello-k4qx7v2nza-uc.a.run.app");
    assert!(headers["x-serverless-authorization"].as_str().unwrap().starts_with("Bearer ey"));
    assert_eq!(proxy.ready["account"], "dev@x.com");
    let ready = proxy.ready.to_string().replace(&proxy.port.to_string(), "PORT");
    let mut ready: Value = serde_json::from_str(&ready).unwrap();
    assert!(ready["tokenExpiry"].take().is_string());
    assert_snapshot!(serde_json::to_string_pretty(&ready).unwrap(), @r#"
    {
      "sandbox": true,
      "address": "http://localhost:PORT",
      "account": "dev@x.com",
      "tokenExpiry": null,
      "secret": null,
      "services": [
        {
          "name": "hello-k4qx7v2nza-uc",
          "service": null,
          "address": "http://localhost:PORT",
          "url": "https://hello-k4qx7v2nza-uc.a.run.app",
          "exposure": null,
          "tags": []
        }
      ]
    }
    "#);
    // Whoever may not invoke it is told by whom it was refused, in the log.
    let proxy = Proxy::sandbox(&world, &["--account", "other@x.com", HELLO]);
    assert_eq!(status(&proxy.ask("GET /private", &[], "")), "403");
    let mut log = proxy.log(1).remove(0);
    for differs in ["time", "durationMicros"] {
        assert!(!log[differs].take().is_null());
    }
    assert_snapshot!(serde_json::to_string_pretty(&log).unwrap(), @r#"
    {
      "time": null,
      "event": "request",
      "service": "hello-k4qx7v2nza-uc",
      "method": "GET",
      "path": "/private",
      "status": 403,
      "grpcStatus": null,
      "durationMicros": null,
      "requestBytes": 0,
      "responseBytes": 302,
      "by": "cloud-run",
      "layer": "invoker-check",
      "reason": "Cloud Run did not let it through: `other@x.com` may not invoke the service, or may only since a moment ago"
    }
    "#);
}

#[test]
fn the_header_that_the_token_stands_in_can_be_another() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &["--authorization-header", "Authorization"]);
    proxy.ask("GET /", &["Authorization: Bearer mine", "X-Serverless-Authorization: Bearer x"], "");
    let seen = app.only();
    assert!(seen.header("authorization").unwrap().starts_with("Bearer ey"), "{seen:?}");
    assert_eq!(seen.header("x-serverless-authorization"), None);
    for name in ["Host", "cookie", "Transfer-Encoding", "a b"] {
        let run = refused(&world, &["hello", "--authorization-header", name]);
        assert_eq!(run.status, 2, "{run}");
    }
}

#[test]
fn a_file_with_a_token_is_read_again_when_it_changes() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &[]);
    let path = world.home().join("a.token");
    let sent =
        || app.seen().last().unwrap().header("x-serverless-authorization").unwrap().to_owned();
    proxy.ask("GET /", &[], "");
    let first = sent();
    fs::write(&path, unsigned_token("another subject", 60)).unwrap();
    proxy.ask("GET /", &[], "");
    assert_ne!(first, sent());
    // The one that is held serves until its end; without a token nothing is sent.
    fs::write(&path, unsigned_token("short", 2)).unwrap();
    assert_eq!(status(&proxy.ask("GET /", &[], "")), "200");
    fs::write(&path, "").unwrap();
    while status(&proxy.ask("GET /", &[], "")) == "200" {}
    let sent = app.seen().len();
    for (text, why) in [
        ("", "it is empty"),
        ("two words", "it holds characters that no token has"),
        (unsigned_token("late", -5).as_str(), "whose time is up"),
    ] {
        fs::write(&path, text).unwrap();
        let answer = proxy.ask("GET /", &[], "");
        assert_eq!(status(&answer), "502", "{answer}");
        assert!(answer.contains("nothing was sent") && answer.contains(why), "{answer}");
        assert!(text.is_empty() || !answer.contains(text), "{answer}");
    }
    fs::remove_file(&path).unwrap();
    assert!(proxy.ask("GET /", &[], "").contains("cannot read the ID token"));
    assert_eq!(app.seen().len(), sent);
    token_file(&world, "a.token", 60);
    assert_eq!(status(&proxy.ask("GET /", &[], "")), "200");
}

#[test]
fn a_token_is_renewed_and_an_open_stream_outlives_it() {
    let mut world = World::new();
    let serve = Serve::with(&world, &["--set", "token-lifetime=2s"]);
    as_dev(&mut world, &serve);
    let proxy = Proxy::start(&world, &[HELLO]);
    let token = |answer: &str| {
        echo(answer)["headers"]["x-serverless-authorization"].as_str().unwrap().to_owned()
    };
    let first = token(&proxy.ask("GET /", &[], ""));
    let mut stream = proxy.connect();
    let head =
        format!("GET / HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n", proxy.host());
    stream.write_all(head.as_bytes()).unwrap();
    // An event a second: the token ends at the second.
    until(&mut stream, "data: 4\n\n");
    let answer = proxy.ask("GET /", &[], "");
    assert_ne!(first, token(&answer));
    until(&mut stream, "data: 5\n\n");
}

/// Lets a user of the sandbox's invoke `hello`, and makes it who acts.
fn as_dev(world: &mut World, serve: &Serve) {
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &serve.endpoint);
    world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
    assert_eq!(world.sandbox(&["grant", "dev@x.com", "hello"]).status, 0);
    let path = world.home().join("user.json");
    let file = serde_json::json!({"type": "authorized_user", "client_secret": "s",
        "token_uri": format!("{}/token", serve.endpoint),
        "client_id": "32555940559.apps.googleusercontent.com",
        "refresh_token": "1//sandbox:dev@x.com"});
    fs::write(&path, file.to_string()).unwrap();
    world.set("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap());
}

#[test]
fn a_token_that_is_not_taken_is_replaced_once() {
    let world = World::new();
    let refuses = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error=\"invalid_token\" \
                   error_description=\"The access token could not be verified\"\r\n\
                   Content-Length: 2\r\n\r\nno";
    let file = world.home().join("a.token");
    let good = unsigned_token("a good one", 60);
    let app = App::start(move |seen, stream| {
        let is_good = seen.header("x-serverless-authorization").unwrap().ends_with(&good);
        if seen.head[0].contains("/own") {
            let own = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error=\"invalid_token\"\r\n\
                       Content-Length: 0\r\n\r\n";
            return stream.write_all(own.as_bytes()).is_ok();
        }
        if seen.head[0].contains("/renew") {
            fs::write(&file, &good).unwrap();
        }
        stream.write_all(if is_good { OK } else { refuses }.as_bytes()).is_ok()
    });
    let proxy = Proxy::to(&world, &app, &[]);
    // The file holds the same token still: it is the answer.
    assert_eq!(status(&proxy.ask("GET /", &[], "")), "401");
    assert_eq!(app.seen().len(), 1);
    assert_eq!(proxy.log(1)[0]["layer"], "token");
    assert_eq!(status(&proxy.ask("POST /renew", &["Content-Length: 2"], "ab")), "401");
    assert_eq!(app.seen().len(), 2, "a body is not sent twice");
    token_file(&world, "a.token", 60);
    assert_eq!(status(&proxy.ask("POST /renew", &[], "")), "200");
    assert_eq!(app.seen().len(), 4);
    // An application that refuses a token of its own says nothing of ours.
    assert_eq!(status(&proxy.ask("GET /own", &[], "")), "401");
    assert_eq!(app.seen().len(), 5);
    assert_eq!(proxy.log(4)[3]["by"], "application");
}

#[test]
fn other_hosts_and_other_origins_are_refused_before_any_token_is_touched() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &["--allow-origin", "http://localhost:3000"]);
    let port = proxy.port;
    let own = format!("http://localhost:{port}");
    let ask = |host: &str, headers: &[&str]| {
        let more = [headers.join("\r\n"), String::new()].join(if headers.is_empty() {
            ""
        } else {
            "\r\n"
        });
        let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n");
        status(&proxy.raw(text.as_bytes())).to_owned()
    };
    let with_port = |name: &str| format!("{name}:{port}");
    for (host, expected) in [
        (with_port("localhost"), "200"),
        (with_port("LocalHost"), "200"),
        (with_port("127.0.0.1"), "200"),
        (with_port("[::1]"), "200"),
        (with_port("app.localhost"), "200"),
        (with_port("other.localhost"), "403"),
        (with_port("evil.example"), "403"),
        (with_port("localhost.evil.example"), "403"),
        (with_port("127.0.0.2"), "403"),
        (with_port("localhost."), "403"),
        ("localhost".to_owned(), "403"),
        ("localhost:1".to_owned(), "403"),
        (format!("localhost:0{port}"), "403"),
        (format!("localhost:{port}@evil.example"), "403"),
        ("evil.example".to_owned(), "403"),
    ] {
        assert_eq!(ask(&host, &[]), expected, "{host}");
    }
    let host = proxy.host();
    for (headers, expected) in [
        (vec![format!("Origin: {own}")], "200"),
        (vec!["Origin: http://localhost:3000".to_owned()], "200"),
        (vec!["Origin: null".to_owned()], "403"),
        (vec!["Origin: http://localhost:3001".to_owned()], "403"),
        (vec![format!("Origin: https://localhost:{port}")], "403"),
        (vec![format!("Origin: http://app.localhost:{port}")], "403"),
        (vec!["Origin: https://evil.example".to_owned()], "403"),
        (vec!["Origin: ".to_owned()], "403"),
        (vec![format!("Origin: {own}"), "Origin: https://evil.example".to_owned()], "403"),
        // An image of another site's page, a script; and a link that a person follows.
        (vec!["Sec-Fetch-Site: cross-site".to_owned()], "403"),
        (vec!["Sec-Fetch-Site: same-site".to_owned(), "Sec-Fetch-Mode: no-cors".to_owned()], "403"),
        (
            vec![
                "Sec-Fetch-Site: cross-site".to_owned(),
                "Sec-Fetch-Mode: navigate".to_owned(),
                "Sec-Fetch-Dest: document".to_owned(),
            ],
            "200",
        ),
        (
            vec![
                "Sec-Fetch-Site: cross-site".to_owned(),
                "Sec-Fetch-Mode: navigate".to_owned(),
                "Sec-Fetch-Dest: iframe".to_owned(),
            ],
            "403",
        ),
        (vec!["Sec-Fetch-Site: same-origin".to_owned()], "200"),
        (
            vec![
                "Sec-Fetch-Site: same-site".to_owned(),
                "Referer: http://localhost:3000/page".to_owned(),
            ],
            "200",
        ),
    ] {
        let lines: Vec<&str> = headers.iter().map(String::as_str).collect();
        assert_eq!(ask(&host, &lines), expected, "{headers:?}");
    }
    let before = app.seen().len();
    // No token is needed to refuse.
    fs::remove_file(world.home().join("a.token")).unwrap();
    assert_eq!(ask("evil.example", &[]), "403");
    assert_eq!(ask(&host, &["Origin: null"]), "403");
    assert_eq!(app.seen().len(), before);
}

#[test]
fn a_preflight_is_answered_here_and_answers_may_be_read() {
    let (world, app) = (
        World::new(),
        App::saying(
            "HTTP/1.1 200 OK\r\nX-Count: 3\r\nAccess-Control-Allow-Origin: https://prod.example\r\n\
         Content-Length: 2\r\n\r\nok",
        ),
    );
    let proxy = Proxy::to(&world, &app, &["--cors", "http://localhost:3000"]);
    let preflight = proxy.ask(
        "OPTIONS /items",
        &[
            "Origin: http://localhost:3000",
            "Access-Control-Request-Method: PUT",
            "Access-Control-Request-Headers: content-type,x-mine",
            "Access-Control-Request-Private-Network: true",
        ],
        "",
    );
    assert_snapshot!(preflight.replace('\r', ""), @"
    HTTP/1.1 204 No Content
    access-control-allow-origin: http://localhost:3000
    access-control-allow-credentials: true
    vary: Origin
    access-control-allow-methods: PUT
    access-control-allow-headers: content-type,x-mine
    access-control-allow-private-network: true
    access-control-max-age: 600
    connection: close
    ");
    assert_eq!(app.seen().len(), 0);
    let answer = proxy.ask("GET /items", &["Origin: http://localhost:3000"], "");
    assert_snapshot!(answer.replace('\r', ""), @"
    HTTP/1.1 200 OK
    x-count: 3
    access-control-allow-origin: http://localhost:3000
    content-length: 2
    access-control-expose-headers: x-count, content-length
    access-control-allow-credentials: true
    vary: Origin
    connection: close

    ok
    ");
    // What fails here can be read too; another origin can do neither.
    fs::remove_file(world.home().join("a.token")).unwrap();
    let failed = proxy.ask("GET /items", &["Origin: http://localhost:3000"], "");
    assert!(failed.contains("access-control-allow-origin: http://localhost:3000\r\n"), "{failed}");
    let other = proxy.ask(
        "OPTIONS /items",
        &["Origin: http://localhost:3001", "Access-Control-Request-Method: PUT"],
        "",
    );
    assert_eq!(status(&other), "403");
    assert!(!other.contains("access-control"), "{other}");
}

#[test]
fn other_machines_are_let_in_with_the_secret_alone() {
    let (world, app) = (World::new(), App::saying(OK));
    for bind in ["0.0.0.0", "::", "192.0.2.1"] {
        let run = refused(&world, &["hello", "--bind", bind]);
        assert_eq!(run.status, 2, "{run}");
        assert!(run.stderr.contains("--allow-remote"), "{run}");
    }
    let proxy = Proxy::to(&world, &app, &["--bind", "0.0.0.0", "--allow-remote"]);
    let secret = proxy.ready["secret"].as_str().unwrap().to_owned();
    let ask = |target: &str, host: &str, header: &str| {
        proxy.raw(
            format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{header}\r\n")
                .as_bytes(),
        )
    };
    let host = format!("laptop.lan:{}", proxy.port);
    assert_eq!(status(&ask("/", &host, "")), "401");
    assert_eq!(status(&ask("/", &proxy.host(), "")), "401");
    assert_eq!(status(&ask("/", &host, "X-Runaccess-Secret: wrong\r\n")), "401");
    assert_eq!(app.seen().len(), 0);
    assert_eq!(status(&ask("/", &host, &format!("X-Runaccess-Secret: {secret}\r\n"))), "200");
    let entered = ask(&format!("//a?x=1&runaccess-secret={secret}&y=2"), &host, "");
    assert_eq!(status(&entered), "307", "{entered}");
    assert!(entered.contains("location: /a?x=1&y=2\r\n"), "{entered}");
    let cookie = format!("runaccess-secret={secret}");
    assert!(entered.contains(&format!("set-cookie: {cookie}; Path=/; HttpOnly")), "{entered}");
    assert_eq!(status(&ask("/", &host, &format!("Cookie: a=b; {cookie}\r\n"))), "200");
    let cross = format!("Cookie: {cookie}\r\nOrigin: https://evil.example\r\n");
    assert_eq!(status(&ask("/", &host, &cross)), "403");
    // A wrong one in an address is not made a cookie, and no slash of any kind leads elsewhere.
    let wrong = ask("/x?runaccess-secret=evil;Domain=x", &host, &format!("Cookie: {cookie}\r\n"));
    assert_eq!(status(&wrong), "200");
    assert!(!wrong.contains("set-cookie"), "{wrong}");
    let to = format!("/%5C\\evil.example/?runaccess-secret={secret}");
    assert!(ask(&to.replace("%5C", "\\"), &host, "").contains("location: /evil.example/\r\n"));
    let from = format!(
        "Cookie: runaccess-secret ={secret}\r\nReferer: http://{host}/?runaccess-secret={secret}\r\n"
    );
    assert_eq!(status(&ask("/", &host, &from)), "200");
    // The service sees none of it.
    let seen = app.seen();
    assert_eq!(seen.len(), 4);
    assert_eq!(seen[1].header("cookie"), Some("a=b"));
    assert!(!format!("{seen:?}").contains(&secret));
}

#[test]
fn several_services_are_each_at_their_own_name() {
    let world = World::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let map = format!("us-central1-orders={free}");
    let wrong = world.sandbox(&["proxy", "hello", "storefront", "--map", &map, "--port", "0"]);
    assert_snapshot!(wrong.to_string().replace(&free.to_string(), "FREE"), @"
    --- stderr
    error: `--map us-central1-orders=FREE` is for none of the services
    caused by: they are `hello`, `storefront`
    --- status 2
    ");
    for arguments in [
        &["proxy", "or*", "--audience", "https://x.example"][..],
        &["proxy", "https://api-1.a.run.app", "https://api-1.us-central1.run.app"],
    ] {
        let run = world.sandbox(&[arguments, &["--port", "0"]].concat());
        assert_eq!(run.status, 2, "{run}");
    }
    let map = format!("storefront={free}");
    let proxy = Proxy::sandbox(
        &world,
        &[
            "hello",
            "storefront",
            "us-central1/orders",
            "europe-west1/orders",
            "stat*",
            "--map",
            &map,
        ],
    );
    let names: Vec<&str> = proxy.ready["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|service| service["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["hello", "storefront", "orders.us-central1", "orders.europe-west1", "status-page"]
    );
    let at = |host: &str, port: u16| {
        let text = format!("GET / HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        to_end(&mut stream)
    };
    let (port, name) = (proxy.port, |answer: &str| echo(answer)["service"].clone());
    assert_eq!(name(&at("storefront.localhost", port)), "storefront");
    assert_eq!(name(&at("status-page.localhost", port)), "status-page");
    assert_eq!(name(&at("localhost", free)), "storefront");
    let orders = echo(&at("orders.us-central1.localhost", port));
    assert_eq!((&orders["service"], &orders["region"]), (&"orders".into(), &"us-central1".into()));
    let orders = echo(&at("canary---orders.us-central1.localhost", port));
    assert_eq!((&orders["service"], &orders["tag"]), (&"orders".into(), &"canary".into()));
    assert_eq!(status(&at("beta---orders.us-central1.localhost", port)), "403");
    assert_eq!(status(&at("orders.localhost", port)), "403");
    // A tag that is served as the service stays where it is called.
    let tagged = Proxy::sandbox(&world, &["us-central1/orders", "--tag", "canary"]);
    let orders = echo(&tagged.ask("GET /", &[], ""));
    assert_eq!((&orders["service"], &orders["tag"]), (&"orders".into(), &"canary".into()));
    let index = at("localhost", port);
    assert!(index.contains("content-type: text/html"), "{index}");
    for text in [
        format!(
            "<a href=\"http://storefront.localhost:{port}/\">storefront</a> <span>public</span>"
        ),
        format!("http://canary---orders.us-central1.localhost:{port}/"),
        "https://storefront-k4qx7v2nza-uc.a.run.app".to_owned(),
    ] {
        assert!(index.contains(&text), "{text} is not in {index}");
    }
}

#[test]
fn a_program_runs_beside_it_and_its_code_is_the_result() {
    let mut world = World::new();
    world.set("PATH", "/usr/bin:/bin");
    let run = world.sandbox(&[
        "proxy",
        "storefront",
        "status-page",
        "--",
        "sh",
        "-c",
        "curl -s $STOREFRONT_URL/from-the-program | grep -o '\"service\": \"[a-z-]*\"'; \
         curl -s $STATUS_PAGE_URL/ | grep -o '\"service\": \"[a-z-]*\"'; exit 7",
    ]);
    assert_eq!(run.stdout, "\"service\": \"storefront\"\n\"service\": \"status-page\"\n", "{run}");
    assert_eq!(run.status, 7, "{run}");
    assert!(run.stderr.contains("serving at http://localhost:"), "{run}");
    let run = world.sandbox(&["proxy", "storefront", "--", "no-such-program"]);
    assert_eq!(run.status, 125, "{run}");
    assert!(run.stderr.contains("error: cannot run `no-such-program`"), "{run}");
    let run = world.sandbox(&["proxy", "nothing-here", "--", "true"]);
    assert_eq!(run.status, 125, "{run}");
}

#[test]
fn a_port_in_use_is_said_with_a_free_one() {
    let world = World::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let run = world.sandbox(&["proxy", "storefront", "--port", &port.to_string()]);
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stderr.contains(&format!("error: port {port} is in use\n")), "{run}");
    let hint = "hint: runaccess --sandbox proxy storefront --port ";
    let free = run.stderr.split(hint).nth(1).unwrap().trim().parse::<u16>().unwrap();
    assert_ne!(free, port);
    drop(TcpListener::bind(("127.0.0.1", free)).unwrap());
    // The other kind of `localhost` counts as well.
    if let Ok(taken) = TcpListener::bind("[::1]:0") {
        let port = taken.local_addr().unwrap().port().to_string();
        let run = world.sandbox(&["proxy", "storefront", "--port", &port]);
        assert_eq!(run.status, 1, "{run}");
    }
}

#[test]
fn it_stops_when_it_is_asked_to_once_what_is_under_way_is_done() {
    let (world, app) = (
        World::new(),
        App::start(|_, stream| {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(700));
            stream.write_all(b"2\r\ncd\r\n0\r\n\r\n").is_ok()
        }),
    );
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut proxy = Proxy::to(&world, &app, &[]);
        let (mut client, idle) = (proxy.open("GET /"), proxy.connect());
        until(&mut client, "ab\r\n");
        proxy.signal(signal);
        assert!(to_end(&mut client).contains("cd\r\n0\r\n\r\n"));
        assert_eq!(proxy.code(), Some(0));
        drop(idle);
    }
    // A second Ctrl-C waits for nothing.
    let stuck = App::start(|_, stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"));
        std::thread::sleep(Duration::from_mins(1));
        false
    });
    let mut proxy = Proxy::to(&world, &stuck, &[]);
    let mut client = proxy.open("GET /");
    until(&mut client, "ab");
    let start = Instant::now();
    proxy.signal(Signal::SIGINT);
    proxy.lines_until(|lines| lines.iter().any(|line| line.contains("stopping")));
    proxy.signal(Signal::SIGINT);
    assert_eq!(proxy.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "the grace was waited for");
    // The time that it is for.
    let mut proxy = Proxy::to(&world, &app, &["--for", "300ms"]);
    assert_eq!(proxy.code(), Some(0));
}

#[test]
fn a_terminal_shows_each_request() {
    let world = World::new();
    let arguments = ["--account", "dev@x.com", "proxy", HELLO, "--port", "0"];
    let mut session = Session::start(&world, &arguments);
    session.see("hello-k4qx7v2nza-uc is at http://localhost:");
    let port = session.see(" as dev@x.com, token until ");
    let port: u16 = port.trim().parse().unwrap();
    let ask = |path: &str| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let text =
            format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).unwrap();
        to_end(&mut stream)
    };
    assert_eq!(status(&ask("/page?secret=x")), "403");
    let line = session.see("since a moment ago");
    assert!(line.contains("  403  ") && line.contains("  GET /page\r\n"), "{line}");
    assert!(!line.contains("secret"), "{line}");
    assert!(line.contains("`dev@x.com` may not invoke the service"), "{line}");
    ask("/\u{1b}[2J");
}

#[test]
fn an_address_named_for_a_service_is_checked_before_anything_else() {
    let world = World::new();
    let file = token_file(&world, "a.token", 60);
    let file = file.to_str().unwrap();
    for (url, why) in [
        ("http://lb.example", "is not https"),
        ("ftp://lb.example", "is not an address"),
        ("https://a@lb.example", "is not an address"),
        ("https://lb.example/path", "holds a path"),
        ("lb.example", "is not an address"),
    ] {
        let run = refused(&world, &["orders", "--url", url, "--id-token-file", file]);
        assert_eq!(run.status, 2, "{run}");
        assert!(run.stderr.contains(why), "{run}");
    }
    let run =
        refused(&world, &["orders", "--url", "https://lb.example", "--id-token-file", "/none"]);
    assert_eq!(run.status, 4, "{run}");
    assert!(run.stderr.contains("cannot read the ID token in `/none`"), "{run}");
    let run = refused(&world, &["a", "b", "--tag", "t"]);
    assert_eq!(run.status, 2, "{run}");
}

#[test]
fn an_account_that_is_impersonated_has_tokens_for_each_service() {
    let world = World::new();
    let runner = "runner@sandbox-project.iam.gserviceaccount.com";
    for service in ["hello", "chat"] {
        assert_eq!(world.sandbox(&["grant", runner, service]).status, 0);
    }
    let url = |service: &str| format!("https://{service}-k4qx7v2nza-uc.a.run.app");
    let (hello, chat) = (url("hello"), url("chat"));
    let proxy = Proxy::sandbox(&world, &["--impersonate-service-account", runner, &hello, &chat]);
    assert_eq!(proxy.ready["account"], runner);
    for service in ["hello", "chat"] {
        let host = format!("{service}-k4qx7v2nza-uc.localhost:{}", proxy.port);
        let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let seen = echo(&proxy.raw(text.as_bytes()));
        let token = seen["headers"]["x-serverless-authorization"].as_str().unwrap().to_owned();
        let said = claims(token.trim_start_matches("Bearer "));
        assert_eq!(said["email"], runner);
        assert_eq!(said["aud"], url(service));
    }
    // A user has no choice, and is told so before anything is served.
    let run =
        world.sandbox(&["proxy", "hello", "--audience", "https://api.example.com", "--port", "0"]);
    assert_eq!(run.status, 2, "{run}");
    assert!(run.stderr.contains("a user's ID token cannot have the audience"), "{run}");
    let mut world = World::new();
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "opaque");
    world.set("CLOUDSDK_CORE_PROJECT", "p");
    let run = refused(&world, &["hello", "--url", "http://127.0.0.1:1", "--port", "0"]);
    assert_eq!(run.status, 4, "{run}");
    assert!(run.stderr.contains("`--id-token-file`"), "{run}");
}
