//! One origin in all that an application sees, and in all that a browser does.

use std::io::Write;

use serde_json::json;

use crate::support::{App, Proxy, Seen, World};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const NO: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";

/// How frameworks check that a request is from their own pages.
type Check = fn(&Seen) -> bool;

/// The origin that an application takes itself to be at, by the fields that its framework reads.
fn own(seen: &Seen, by_forwarded_host: bool) -> String {
    let host = seen.header("host").unwrap();
    let host = seen.header("x-forwarded-host").filter(|_| by_forwarded_host).unwrap_or(host);
    format!("{}://{host}", seen.header("x-forwarded-proto").unwrap_or("http"))
}

/// As Next.js (server actions), Rails (forms), Django (CSRF), socket.io, and ADK, Mesop and others with
/// an origin check of their own do.
const CHECKS: [(&str, Check); 5] = [
    ("next", |seen| {
        let host = seen.header("x-forwarded-host").or(seen.header("host")).unwrap();
        seen.header("origin").is_some_and(|origin| origin.split("://").nth(1) == Some(host))
    }),
    ("rails", |seen| seen.header("origin") == Some(own(seen, true).as_str())),
    ("django", |seen| {
        let referer = seen.header("referer").unwrap_or_default();
        seen.header("origin") == Some(own(seen, false).as_str())
            && referer.starts_with(&format!("{}/", own(seen, false)))
    }),
    ("adk", |seen| {
        let origin = seen.header("origin").unwrap_or_default();
        origin.split("://").nth(1) == seen.header("host")
    }),
    // Compares all that names a host, wherever it is.
    ("strict", |seen| {
        let origin = own(seen, false);
        let host = origin.split("://").nth(1).unwrap();
        let named = ["x-forwarded-host", "x-host", "x-original-host", "x-forwarded-server"];
        named.iter().all(|name| seen.header(name).is_none_or(|said| said == host))
            && !seen.header("forwarded").unwrap_or_default().contains("host=")
            && seen.header("x-forwarded-port").is_none()
    }),
];

#[test]
fn an_application_that_checks_its_own_origin_takes_its_own_pages() {
    for (name, is_own) in CHECKS {
        let app = App::start(move |seen, stream| {
            stream.write_all(if is_own(&seen) { OK } else { NO }.as_bytes()).is_ok()
        });
        let world = World::new();
        let proxy = Proxy::to(&world, &app, &[]);
        let here = format!("http://{}", proxy.host());
        let own = [
            format!("Origin: {here}"),
            format!("Referer: {here}/form?a=b"),
            "Sec-Fetch-Site: same-origin".to_owned(),
        ];
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        // What a program before this proxy says of itself is not the application's origin.
        let before = [
            "X-Forwarded-Host: preview.example",
            "X-Forwarded-Port: 443",
            "X-Forwarded-Scheme: https",
            "X-Original-Host: preview.example",
            "Forwarded: for=192.0.2.1;host=\"preview.example;x\";proto=https, for=\"[::1]\"",
        ];
        for more in [&[][..], &before] {
            let answer = proxy.ask("POST /", &[&own, more].concat(), "");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{name} {more:?}: {:?}", app.seen());
        }
        let seen = app.seen();
        assert_eq!(seen[1].header("forwarded"), Some("for=192.0.2.1, for=\"[::1]\""), "{name}");
    }
}

/// For an application that builds whole addresses by it.
#[test]
fn an_application_is_told_the_local_address_if_that_is_asked_for() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &["--forwarded-host"]);
    proxy.ask("GET /", &["X-Forwarded-Host: liar.example"], "");
    let seen = app.only();
    assert_eq!(seen.header("x-forwarded-host"), Some(proxy.host().as_str()));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
}

/// Behind Cloud Run's front end: https in all of them.
#[test]
fn a_service_sees_its_own_origin_and_scheme() {
    let world = World::new();
    let proxy = Proxy::sandbox(&world, &["hello"]);
    let here = format!("Origin: http://{}", proxy.host());
    let answer = proxy.ask("POST /x", &[&here], "");
    let body: serde_json::Value =
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let headers = &body["headers"];
    let host = headers["host"].as_str().unwrap();
    assert_eq!(headers["origin"], json!(format!("https://{host}")));
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["x-forwarded-host"], json!(null));
}

/// Every field of an answer that names an origin, each as it is sent and as it arrives; `SVC` is the
/// service's authority, `HERE` the proxy's.
const ANSWERS: [(&str, Option<&str>); 34] = [
    ("Location: http://SVC/a?b#c", Some("http://HERE/a?b#c")),
    ("Location: HTTP://SVC", Some("http://HERE")),
    ("Location: //SVC/a", Some("http://HERE/a")),
    ("Location: /a", Some("/a")),
    ("Location: https://HERE/login", Some("http://HERE/login")),
    ("Location: https://elsewhere.example/", Some("https://elsewhere.example/")),
    ("Location: http://SVC.evil.example/", Some("http://SVC.evil.example/")),
    ("Location: http://SVC@evil.example/", Some("http://SVC@evil.example/")),
    ("Content-Location: http://SVC/x", Some("http://HERE/x")),
    ("Refresh: 5; url=http://SVC/y", Some("5; url=http://HERE/y")),
    ("Refresh: 5;URL='http://SVC/y'", Some("5;URL='http://HERE/y'")),
    ("Refresh: 0; Url = \"http://SVC/y\" x", Some("0; Url = \"http://HERE/y\" x")),
    ("Refresh: 5,http://SVC/y", Some("5,http://HERE/y")),
    ("Refresh: 5; url=http://SVC/?url=http://SVC/", Some("5; url=http://HERE/?url=http://SVC/")),
    ("Refresh: 5; url=/y?url=http://SVC/", Some("5; url=/y?url=http://SVC/")),
    ("Refresh: 5", Some("5")),
    (
        "Link: <http://SVC/a>; rel=preload, </b>; rel=next, <https://x.example/>",
        Some("<http://HERE/a>; rel=preload, </b>; rel=next, <https://x.example/>"),
    ),
    ("SourceMap: http://SVC/m", Some("http://HERE/m")),
    ("Access-Control-Allow-Origin: http://SVC", Some("http://HERE")),
    ("Access-Control-Allow-Origin: *", Some("*")),
    ("Timing-Allow-Origin: http://SVC", Some("http://HERE")),
    ("Content-Security-Policy: upgrade-insecure-requests", None),
    (
        "Content-Security-Policy: default-src 'self';Upgrade-Insecure-Requests; img-src *",
        Some("default-src 'self'; img-src *"),
    ),
    ("Content-Security-Policy: block-all-mixed-content;upgrade-insecure-requests", None),
    (
        "Content-Security-Policy: connect-src wss://SVC https://api.example",
        Some("connect-src wss://SVC https://api.example ws://HERE"),
    ),
    ("Content-Security-Policy: default-src 'self'", Some("default-src 'self'")),
    ("Content-Security-Policy-Report-Only: upgrade-insecure-requests; a b", Some(" a b")),
    ("Strict-Transport-Security: max-age=1", None),
    ("Alt-Svc: h3=\":443\"", None),
    ("Set-Cookie: a=b; Domain=run.app; Secure", Some("a=b")),
    ("Set-Cookie: __HOST-a=b; Secure; Path=/", Some("runaccess-HOST-a=b; Path=/")),
    ("Set-Cookie: __Http-a=b; Secure", Some("runaccess-Http-a=b")),
    // Bytes that are not ASCII stay what they are.
    ("Location: http://SVC/\u{e4}", Some("http://HERE/\u{e4}")),
    ("Set-Cookie: a=\u{e4}\u{df}; Secure", Some("a=\u{e4}\u{df}")),
];

#[test]
fn an_answer_names_the_origin_that_the_browser_sees() {
    let app = App::start(|seen, stream| {
        let at: usize = seen.head[0].split(['/', ' ']).nth(2).unwrap().parse().unwrap();
        let fill = |text: &str| {
            let text = text.replace("SVC", seen.header("host").unwrap());
            text.replace("HERE", seen.header("x-here").unwrap())
        };
        let line: Vec<u8> =
            fill(ANSWERS[at].0).chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let parts = [b"HTTP/1.1 200 OK\r\n", &*line, b"\r\nContent-Length: 2\r\n\r\nok"];
        stream.write_all(&parts.concat()).is_ok()
    });
    let world = World::new();
    let proxy = Proxy::to(&world, &app, &[]);
    for (at, (sent, arrives)) in ANSWERS.iter().enumerate() {
        let here = proxy.host();
        let request = format!(
            "GET /{at} HTTP/1.1\r\nHost: {here}\r\nX-Here: {here}\r\nConnection: close\r\n\r\n"
        );
        let answer = proxy.bytes(request.as_bytes());
        let text: String = answer.iter().map(|byte| char::from(*byte)).collect();
        let name = sent.split(':').next().unwrap().to_lowercase();
        let found = text.split("\r\n").find_map(|line| {
            let (known, value) = line.split_once(':')?;
            (known.to_lowercase() == name).then(|| value.trim().to_owned())
        });
        let service = format!("127.0.0.1:{}", app.port);
        let expected = arrives.map(|text| text.replace("SVC", &service).replace("HERE", &here));
        assert_eq!(found, expected.map(|text| text.trim().to_owned()), "{sent}");
    }
}

/// A page under a name of its own that leads here reads what it is answered: it learns nothing.
#[test]
fn a_refused_host_or_origin_learns_nothing() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &[]);
    let host = "GET / HTTP/1.1\r\nHost: rebind.example\r\nConnection: close\r\n\r\n";
    let answers = [
        proxy.raw(host.as_bytes()),
        proxy.ask("POST /", &["Origin: https://evil.example"], ""),
        proxy.ask("GET /", &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: image"], ""),
    ];
    for answer in &answers {
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        for word in ["hello", "@", "--", "sandbox", "localhost", "evil", &app.port.to_string()] {
            assert!(!answer.to_lowercase().contains(word), "{word}: {answer}");
        }
    }
    let log = proxy.log(3);
    let reason = |at: usize| log[at]["reason"].as_str().unwrap().to_owned();
    assert!(reason(0).contains("--allow-remote --allow-origin"), "{log:?}");
    assert!(reason(1).contains("--allow-origin"), "{log:?}");
    assert!(app.seen().is_empty());
}

/// Several services at one port: at what is none's address, only the root has a page.
#[test]
fn the_index_is_at_the_root_alone() {
    let world = World::new();
    let proxy = Proxy::sandbox(&world, &["hello", "billing"]);
    assert!(proxy.ask("GET /", &[], "").starts_with("HTTP/1.1 200 "));
    assert!(proxy.ask("HEAD /", &[], "").starts_with("HTTP/1.1 200 "));
    for line in ["GET /favicon.ico", "POST /", "GET /hello", "DELETE /x"] {
        let answer = proxy.ask(line, &[], "");
        assert!(answer.starts_with("HTTP/1.1 404 "), "{line}: {answer}");
        assert!(answer.contains("http://billing.localhost:"), "{line}: {answer}");
    }
}
