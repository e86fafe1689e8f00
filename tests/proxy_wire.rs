//! What `proxy` makes of HTTP on its way through, byte by byte.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use insta::assert_snapshot;

use crate::support::{App, Proxy, World, to_end, token_file, unsigned_token, until};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Text with what differs from run to run taken out.
fn plain(text: &str, proxy: &Proxy, app: &App) -> String {
    let mut parts = text.split("Bearer ey");
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        let end = part.find(char::is_whitespace).unwrap_or(part.len());
        plain.push_str("Bearer TOKEN");
        plain.push_str(&part[end..]);
    }
    plain
        .replace(&format!(":{}", proxy.port), ":PORT")
        .replace(&format!(":{}", app.port), ":APP")
        .replace('\r', "")
}

#[test]
fn a_request_arrives_as_the_services_own() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &[]);
    let answer = proxy.ask(
        "GET /a%20b/../c?x=1&y=%2F",
        &[
            "Authorization: Bearer the application's own",
            "X-Serverless-Authorization: Bearer the client's",
            "Connection: X-Hop, TE",
            "X-Hop: gone",
            "Keep-Alive: timeout=5",
            "Proxy-Authorization: Basic gone",
            "TE: trailers",
            "X-Forwarded-For: 192.0.2.1",
            "X-Forwarded-Host: liar.example",
            "X-Forwarded-Proto: https",
            "Accept-Encoding: br",
            "Cookie: a=b; runaccess-Host-c=d",
            "Range: bytes=0-1",
        ],
        "",
    );
    assert_snapshot!(plain(&app.only().shown(), &proxy, &app), @"
    GET /a%20b/../c?x=1&y=%2F HTTP/1.1
    accept-encoding: br
    authorization: Bearer the application's own
    cookie: a=b; __Host-c=d
    host: 127.0.0.1:APP
    range: bytes=0-1
    te: trailers
    x-forwarded-for: 192.0.2.1, 127.0.0.1
    x-forwarded-proto: http
    x-serverless-authorization: Bearer TOKEN
    ");
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"),
        "{answer}"
    );
}

#[test]
fn an_answer_arrives_as_if_the_service_were_here() {
    let (world, app) = (
        World::new(),
        App::start(|seen, stream| {
            let port = seen.header("x-port").unwrap();
            let text = format!(
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/home?a=b#c\r\n\
             Content-Location: //127.0.0.1:{port}/x\r\nRefresh: 5; url=http://127.0.0.1:{port}/y\r\n\
             Set-Cookie: s=1; Domain=run.app; Path=/; Secure; HttpOnly; SameSite=None\r\n\
             Set-Cookie: __Host-t=2; Path=/; Secure\r\n\
             Connection: keep-alive, X-Hop\r\nX-Hop: gone\r\nKeep-Alive: timeout=5\r\n\
             Alt-Svc: h3=\":443\"\r\nStrict-Transport-Security: max-age=1\r\n\
             Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x08\x00"
            );
            stream.write_all(text.as_bytes()).is_ok()
        }),
    );
    let proxy = Proxy::to(&world, &app, &[]);
    let answer = proxy.ask("GET /", &[&format!("X-Port: {}", app.port)], "");
    assert_snapshot!(plain(&answer, &proxy, &app).replace(['\x1f', '\x08', '\0'], "?"), @"
    HTTP/1.1 302 Found
    location: http://localhost:PORT/home?a=b#c
    content-location: http://localhost:PORT/x
    refresh: 5; url=http://localhost:PORT/y
    set-cookie: s=1; Path=/; HttpOnly; SameSite=Lax
    set-cookie: runaccess-Host-t=2; Path=/
    content-length: 3
    content-encoding: gzip
    connection: close

    ???
    ");
    let elsewhere = App::saying(
        "HTTP/1.1 302 Found\r\nLocation: https://accounts.example/login\r\nContent-Length: 0\r\n\r\n",
    );
    let proxy = Proxy::to(&world, &elsewhere, &[]);
    assert!(proxy.ask("GET /", &[], "").contains("location: https://accounts.example/login\r\n"));
}

#[test]
fn heads_ranges_and_lengths_are_as_they_were() {
    let (world, app) = (
        World::new(),
        App::start(|seen, stream| {
            let text = if seen.head[0].starts_with("HEAD") {
                "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nETag: \"e\"\r\n\r\n"
            } else if seen.header("if-none-match").is_some() {
                "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n"
            } else if seen.header("range").is_some() {
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nab"
            } else {
                "HTTP/1.1 204 No Content\r\n\r\n"
            };
            stream.write_all(text.as_bytes()).is_ok()
        }),
    );
    let proxy = Proxy::to(&world, &app, &[]);
    for (line, header, status, last) in [
        ("HEAD /", "X: y", "200 OK", "content-length: 12345"),
        ("GET /", "If-None-Match: \"e\"", "304 Not Modified", "etag: \"e\""),
        ("GET /", "Range: bytes=0-1", "206 Partial Content", "content-range: bytes 0-1/9"),
        ("DELETE /", "X: y", "204 No Content", ""),
    ] {
        let answer = proxy.ask(line, &[header], "");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        assert!(answer.contains(last), "{answer}");
        assert!(!line.starts_with("HEAD") || answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

#[test]
fn bodies_and_trailers_go_both_ways() {
    let (world, app) = (
        World::new(),
        App::saying(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         2\r\nab\r\n1\r\nc\r\n0\r\nX-Sum: 42\r\n\r\n",
        ),
    );
    let proxy = Proxy::to(&world, &app, &[]);
    let answer = proxy.ask(
        "POST /",
        &["Transfer-Encoding: chunked", "Trailer: X-Client-Sum", "TE: trailers"],
        "3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Client-Sum: 7\r\n\r\n",
    );
    let seen = app.only();
    let body = String::from_utf8(seen.body).unwrap().to_lowercase();
    assert!(body.ends_with("0\r\nx-client-sum: 7\r\n\r\n"), "{body:?}");
    assert!(body.contains("abc") && body.contains("defg"), "{body:?}");
    assert!(answer.ends_with("0\r\nx-sum: 42\r\n\r\n"), "{answer:?}");
    let answer = proxy.ask("POST /", &["Content-Length: 5"], "hello");
    assert_eq!(app.seen()[1].body, b"hello");
    // A method that has no body as a rule may have one.
    proxy.ask("GET /", &["Transfer-Encoding: chunked"], "2\r\nhi\r\n0\r\n\r\n");
    assert_eq!(app.seen()[2].body, b"2\r\nhi\r\n0\r\n\r\n");
    assert!(!answer.contains("x-sum: 42"), "a client that did not ask for trailers: {answer}");
}

#[test]
fn an_expectation_is_met_by_the_service_and_not_before() {
    let world = World::new();
    let app = App::start(|seen, stream| {
        if seen.head[0].contains("/no") {
            drop(stream.write_all(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"));
            return false;
        }
        let mut byte = [0];
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        assert!(stream.read(&mut byte).is_err(), "no body before the word");
        stream.set_read_timeout(None).unwrap();
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        let mut body = [0; 4];
        stream.read_exact(&mut body).unwrap();
        assert_eq!(&body, b"body");
        stream.write_all(OK.as_bytes()).is_ok()
    });
    let proxy = Proxy::to(&world, &app, &[]);
    let head = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\
             Connection: close\r\n\r\n",
            proxy.host()
        )
    };
    let mut client = proxy.connect();
    client.write_all(head("/yes").as_bytes()).unwrap();
    assert_eq!(until(&mut client, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"body").unwrap();
    assert!(to_end(&mut client).starts_with("HTTP/1.1 200 OK\r\n"));
    let mut client = proxy.connect();
    client.write_all(head("/no").as_bytes()).unwrap();
    assert!(to_end(&mut client).starts_with("HTTP/1.1 417 "));
}

#[test]
fn events_come_one_by_one() {
    let world = World::new();
    let (send, next) = mpsc::channel::<&'static str>();
    let next = Mutex::new(next);
    let app = App::start(move |_, stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        for event in next.lock().unwrap().iter() {
            stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).unwrap();
        }
        stream.write_all(b"0\r\n\r\n").is_ok()
    });
    let proxy = Proxy::to(&world, &app, &[]);
    let mut client = proxy.open("GET /");
    until(&mut client, "\r\n\r\n");
    for event in ["data: one\n\n", "data: two\n\n"] {
        // The next is sent only when this one has come.
        send.send(event).unwrap();
        until(&mut client, event);
    }
}

#[test]
fn another_protocol_is_agreed_on_and_passed_through() {
    let world = World::new();
    let app = App::start(|seen, stream| {
        if seen.header("upgrade").is_none() {
            return stream.write_all(OK.as_bytes()).is_ok();
        }
        if seen.head[0].contains("/refused") {
            return stream
                .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                .is_ok();
        }
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi!";
        stream.write_all(head.as_bytes()).unwrap();
        let mut bytes = [0; 64];
        while let Ok(count) = stream.read(&mut bytes) {
            if count == 0 {
                drop(stream.write_all(b"bye"));
                return false;
            }
            stream.write_all(&bytes[..count]).unwrap();
        }
        false
    });
    let proxy = Proxy::to(&world, &app, &[]);
    let ask = |path: &str, protocol: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n",
            proxy.host()
        )
    };
    let mut client = proxy.connect();
    client.write_all(ask("/", "echo").as_bytes()).unwrap();
    let head = until(&mut client, "\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("upgrade: echo\r\n"), "{head}");
    until(&mut client, "hi!");
    // Nothing is a request any more, whatever it looks like.
    client.write_all(b"GET http://x\n\0").unwrap();
    until(&mut client, "GET http://x\n\0");
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(to_end(&mut client), "bye");
    // One that is refused leaves the connection as it was.
    let mut client = proxy.connect();
    client.write_all(ask("/refused", "echo").as_bytes()).unwrap();
    assert!(until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 403 "));
    client
        .write_all(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", proxy.host()).as_bytes())
        .unwrap();
    assert!(until(&mut client, "\r\n\r\nok").starts_with("HTTP/1.1 200 "));
    // HTTP/2 is not asked for that way.
    let mut client = proxy.connect();
    client.write_all(ask("/h2", "h2c").as_bytes()).unwrap();
    assert!(until(&mut client, "\r\n\r\nok").starts_with("HTTP/1.1 200 "));
    assert_eq!(app.seen().last().unwrap().header("upgrade"), None);
}

#[test]
fn connections_are_kept_and_a_dead_one_costs_nothing_that_may_be_repeated() {
    let world = World::new();
    let last = Arc::new(Mutex::new(0));
    let app = App::start(move |seen, stream| {
        let mut count = last.lock().unwrap();
        *count += 1;
        // Takes a request on a kept connection and says nothing.
        if seen.head[0].contains("/dies") && *count > 1 && !seen.head[0].contains("/again") {
            *count = 0;
            return false;
        }
        drop(count);
        stream.write_all(OK.as_bytes()).is_ok()
    });
    let proxy = Proxy::to(&world, &app, &[]);
    // On one connection: each thread has connections of its own to the service.
    let mut client = proxy.connect();
    let mut ask = |line: &str| {
        let text = format!("{line} HTTP/1.1\r\nHost: {}\r\n\r\n", proxy.host());
        client.write_all(text.as_bytes()).unwrap();
        let head = until(&mut client, "\r\n\r\n");
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        client.read_exact(&mut vec![0; length]).unwrap();
        head.lines().next().unwrap().to_owned()
    };
    for _ in 0..5 {
        assert_eq!(ask("GET /"), "HTTP/1.1 200 OK");
    }
    assert_eq!(app.connections.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert_eq!(ask("GET /dies"), "HTTP/1.1 200 OK");
    let before = app.seen().len();
    assert_eq!(ask("GET /"), "HTTP/1.1 200 OK");
    // What may not be repeated is not.
    assert_eq!(ask("POST /dies"), "HTTP/1.1 502 Bad Gateway");
    assert_eq!(app.seen().len(), before + 2);
}

#[test]
fn a_service_that_is_down_is_said_to_be_and_comes_back() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let app = App {
        port: listener.local_addr().unwrap().port(),
        seen: Arc::default(),
        connections: Arc::default(),
    };
    drop(listener);
    let proxy = Proxy::to(&world, &app, &[]);
    let answer = proxy.ask("GET /", &[], "");
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    assert!(answer.contains("`app` cannot be reached: ") && answer.contains("refused"), "{answer}");
    let app = App::on(TcpListener::bind(("127.0.0.1", app.port)).unwrap(), |_, stream| {
        stream.write_all(OK.as_bytes()).is_ok()
    });
    assert!(proxy.ask("GET /", &[], "").starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(app.seen().len(), 1);
}

/// An application that answers nothing, and says when its client went away.
fn silent() -> (App, mpsc::Receiver<()>) {
    let (gone, told) = mpsc::channel();
    let gone = Mutex::new(gone);
    let app = App::start(move |_, stream| {
        let mut rest = [0; 64];
        while stream.read(&mut rest).is_ok_and(|count| count > 0) {}
        gone.lock().unwrap().send(()).unwrap_or_default();
        false
    });
    (app, told)
}

#[test]
fn a_client_that_goes_away_takes_its_request_along() {
    let world = World::new();
    let (app, gone) = silent();
    let proxy = Proxy::to(&world, &app, &[]);
    let client = proxy.open("GET /");
    while app.seen().is_empty() {
        thread::yield_now();
    }
    drop(client);
    gone.recv_timeout(Duration::from_secs(20)).unwrap();
    let log = proxy.log(1);
    assert_eq!(
        (&log[0]["status"], &log[0]["reason"]),
        (&serde_json::Value::Null, &"the client went away".into())
    );
}

/// What a service says before it closes is read, though the rest of the request cannot be sent.
#[test]
fn an_early_answer_to_a_large_upload_arrives() {
    let world = World::new();
    let app = App::start(|seen, stream| {
        assert!(seen.header("expect").is_some());
        drop(stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"));
        false
    });
    let proxy = Proxy::to(&world, &app, &[]);
    for _ in 0..5 {
        let mut client = proxy.connect();
        let length = 20 * 1024 * 1024;
        // The expectation only keeps the application from reading.
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\nExpect: nothing\r\n\r\n",
            proxy.host()
        );
        client.write_all(head.as_bytes()).unwrap();
        let mut rest = client.try_clone().unwrap();
        let writer = thread::spawn(move || drop(rest.write_all(&vec![b'x'; length])));
        assert!(to_end(&mut client).starts_with("HTTP/1.1 413 "));
        writer.join().unwrap();
    }
}

/// A refusal is read by a client that sends all it has first.
#[test]
fn a_refusal_arrives_though_much_is_sent() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &[]);
    for _ in 0..5 {
        let body = "x".repeat(5 * 1024 * 1024);
        let length = format!("Content-Length: {}", body.len());
        let answer = proxy.ask("POST /", &["Origin: https://evil.example", &length], &body);
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    assert_eq!(app.seen().len(), 0);
}

#[test]
fn trailers_say_nothing_that_a_head_says() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &[]);
    proxy.ask(
        "POST /",
        &["Transfer-Encoding: chunked", "Trailer: X-Serverless-Authorization, X-Forwarded-For, X-Sum"],
        "0\r\nX-Serverless-Authorization: Bearer evil\r\nX-Forwarded-For: 1.2.3.4\r\nX-Sum: 1\r\n\r\n",
    );
    let body = String::from_utf8(app.only().body).unwrap().to_lowercase();
    assert_eq!(body, "0\r\nx-sum: 1\r\n\r\n");
}

#[test]
fn a_page_of_our_own_has_the_services_origin() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &["--allow-origin", "http://localhost:3000"]);
    let own = format!("http://{}", proxy.host());
    proxy.ask("POST /", &[&format!("Origin: {own}"), &format!("Referer: {own}/a?b")], "");
    proxy.ask("POST /", &["Origin: http://localhost:3000", "Referer: http://localhost:3000/a"], "");
    let seen = app.seen();
    let service = format!("http://127.0.0.1:{}", app.port);
    assert_eq!(seen[0].header("origin"), Some(service.as_str()));
    assert_eq!(seen[0].header("referer"), Some(format!("{service}/a?b").as_str()));
    assert_eq!(seen[1].header("origin"), Some("http://localhost:3000"));
    assert_eq!(seen[1].header("referer"), Some("http://localhost:3000/a"));
}

#[test]
fn answers_that_cannot_be_passed_on_are_not() {
    let (world, app) = (
        World::new(),
        App::start(|seen, stream| {
            let text = match seen.head[0].split(' ').nth(1).unwrap() {
                "/twice" => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
                "/unasked" => {
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
                }
                _ => "garbage\r\n\r\n",
            };
            drop(stream.write_all(text.as_bytes()));
            false
        }),
    );
    let proxy = Proxy::to(&world, &app, &[]);
    for line in ["HEAD /twice", "GET /unasked", "GET /garbage"] {
        let answer = proxy.ask(line, &[], "");
        assert!(answer.starts_with("HTTP/1.1 502 "), "{line}: {answer}");
    }
    // What was answered, however badly, is not asked again.
    assert_eq!(app.seen().len(), 3);
}

#[test]
fn a_client_that_closes_its_side_gets_its_answer() {
    let (world, app) = (
        World::new(),
        App::start(|_, stream| {
            // After the client has closed.
            thread::sleep(Duration::from_millis(200));
            stream.write_all(OK.as_bytes()).is_ok()
        }),
    );
    let proxy = Proxy::to(&world, &app, &[]);
    let mut client: TcpStream = proxy.connect();
    // However old its connection is: what is waited for begins when it closes its side.
    thread::sleep(Duration::from_millis(2_200));
    client
        .write_all(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", proxy.host()).as_bytes())
        .unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert!(to_end(&mut client).ends_with("\r\n\r\nok"));
}

#[test]
fn requests_on_one_connection_are_answered_in_turn() {
    let (world, app) = (
        World::new(),
        App::start(|seen, stream| {
            let path = seen.head[0].split(' ').nth(1).unwrap();
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len());
            stream.write_all(text.as_bytes()).is_ok()
        }),
    );
    let proxy = Proxy::to(&world, &app, &[]);
    let one = |path: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{more}\r\n", proxy.host())
    };
    let post = format!(
        "POST /b HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n",
        proxy.host()
    );
    let text = one("/a", "") + &post + &one("/c", "Connection: close\r\n");
    let answer = proxy.raw(text.as_bytes());
    let places: Vec<usize> =
        ["/a", "/b", "/c"].iter().map(|path| answer.find(path).unwrap()).collect();
    assert!(places.is_sorted(), "{answer}");
    assert_eq!(app.seen().len(), 3);
}

/// A gibibyte is too much for a test of everyday: what does not fit into memory is tried by
/// `benches/proxy_trials.py`. Here a slow reader holds up a fast sender.
#[test]
fn a_slow_client_holds_up_the_service() {
    let world = World::new();
    let (sent, progress) = mpsc::channel();
    let sent = Mutex::new(sent);
    let app = App::start(move |_, stream| {
        let total = 512 * 1024 * 1024_u64;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let piece = vec![7; 64 * 1024];
        let mut count = 0_u64;
        // Until nothing more is taken.
        while stream.write_all(&piece).is_ok() {
            count += piece.len() as u64;
        }
        sent.lock().unwrap().send(count).unwrap_or_default();
        false
    });
    let proxy = Proxy::to(&world, &app, &[]);
    let mut client = proxy.open("GET /");
    until(&mut client, "\r\n\r\n");
    let taken = progress.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(taken < 64 * 1024 * 1024, "{taken} bytes were taken for a client that reads none");
}

/// Where an answer ends is said once, and by what is read here.
#[test]
fn an_answer_has_one_length_and_no_coding_that_is_lost() {
    const CHUNKED: &str = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let (world, app) = (
        World::new(),
        App::start(|seen, stream| {
            let (fields, body) = match seen.head[0].split(' ').nth(1).unwrap() {
                "/both" => ("Content-Length: 5\r\nTransfer-Encoding: chunked", CHUNKED),
                "/list" => ("Content-Length: 5, 5", "hello"),
                "/differ" => ("Content-Length: 5, 6", "hello"),
                "/coded" => ("Transfer-Encoding: gzip, chunked", CHUNKED),
                _ => ("Transfer-Encoding: Chunked", CHUNKED),
            };
            let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}");
            drop(stream.write_all(text.as_bytes()));
            false
        }),
    );
    let proxy = Proxy::to(&world, &app, &[]);
    for (path, body) in [
        ("/both", Some("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")),
        ("/list", Some("hello")),
        ("/differ", None),
        ("/coded", None),
        ("/plain", Some(CHUNKED)),
    ] {
        let answer = proxy.ask(&format!("GET {path}"), &[], "");
        let (head, sent) = answer.split_once("\r\n\r\n").unwrap();
        match body {
            Some(body) => {
                assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
                assert_eq!(sent, body, "{path}");
                assert!(head.to_lowercase().matches("content-length").count() <= 1, "{answer}");
            }
            None => assert!(head.starts_with("HTTP/1.1 502 "), "{path}: {answer}"),
        }
    }
}

/// RFC 9110, 6.6.1: what has no date is given one, and what has one keeps it.
#[test]
fn every_answer_has_a_date() {
    let (world, app) = (
        World::new(),
        App::start(|seen, stream| {
            let dated = seen.head[0].contains("/dated");
            let date = if dated { "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n" } else { "" };
            let text = format!("HTTP/1.1 200 OK\r\n{date}Content-Length: 0\r\n\r\n");
            stream.write_all(text.as_bytes()).is_ok()
        }),
    );
    let proxy = Proxy::to(&world, &app, &[]);
    let ask = |path: &str, host: &str| {
        let text = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        proxy.raw(text.as_bytes()).to_lowercase()
    };
    let here = proxy.host();
    assert!(ask("/dated", &here).contains("date: tue, 15 nov 1994 08:12:31 gmt\r\n"));
    for answer in [ask("/", &here), ask("/", "elsewhere.example")] {
        assert_eq!(answer.matches("\r\ndate: ").count(), 1, "{answer}");
    }
}

/// HTTP/1.0 changes to no other protocol (RFC 9110, 7.8).
#[test]
fn an_old_client_changes_no_protocol() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &[]);
    let text = format!(
        "GET / HTTP/1.0\r\nHost: {}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        proxy.host()
    );
    let answer = proxy.raw(text.as_bytes());
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    assert_eq!(app.only().header("upgrade"), None);
}

/// Trailers end an answer: nobody went away.
#[test]
fn an_answer_with_trailers_is_whole() {
    let (world, app) = (
        World::new(),
        App::saying(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
             2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
        ),
    );
    let proxy = Proxy::to(&world, &app, &[]);
    let answer = proxy.ask("GET /", &["TE: trailers"], "");
    assert!(answer.to_lowercase().contains("x-sum: 1\r\n"), "{answer}");
    let log = proxy.log(1);
    assert_eq!((&log[0]["status"], &log[0]["reason"]), (&200.into(), &serde_json::Value::Null));
}

#[test]
fn what_rfc_9112_asks_a_server_to_take_is_taken() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &[]);
    let here = proxy.host();
    let chunks = "Transfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\nok\r\n0\r\n\r\n";
    for (start, rest) in [
        (format!("\r\nGET /line HTTP/1.1\r\nHost: {here}"), "\r\n"),
        (format!("GET http://{here}/absolute?a=b HTTP/1.1\r\nHost: {here}"), "\r\n"),
        (format!("POST /extension HTTP/1.1\r\nHost: {here}"), chunks),
    ] {
        let text = format!("{start}\r\nConnection: close\r\n{rest}");
        let answer = proxy.raw(text.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200 "), "{start}: {answer}");
    }
    let seen = app.seen();
    assert_eq!(seen[1].head[0], "GET /absolute?a=b HTTP/1.1");
    // The extension goes no further.
    assert_eq!(seen[2].body, b"2\r\nok\r\n0\r\n\r\n");
    // One empty line, no more; and no host beside this proxy's.
    for text in [
        format!("\r\n\r\nGET / HTTP/1.1\r\nHost: {here}\r\nConnection: close\r\n\r\n"),
        format!("\n\r\nGET / HTTP/1.1\r\nHost: {here}\r\nConnection: close\r\n\r\n"),
        format!("GET http://elsewhere.example/ HTTP/1.1\r\nHost: {here}\r\nConnection: close\r\n\r\n"),
        "GET http://elsewhere.example/ HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n".to_owned(),
        format!("GET ftp://{here}/ HTTP/1.1\r\nHost: {here}\r\nConnection: close\r\n\r\n"),
    ] {
        let answer = proxy.raw(text.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 40"), "{text}: {answer}");
    }
    assert_eq!(app.seen().len(), 3);
}

/// Said as any refusal, with a line in the log.
#[test]
fn too_many_fields_are_said_to_be_too_many() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &[]);
    let fields: Vec<String> = (0..110).map(|number| format!("X-{number}: a")).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let answer = proxy.ask("GET /", &fields, "");
    assert!(answer.contains("holds more than 100 fields"), "{answer}");
    assert_eq!(proxy.log(1)[0]["status"], 400);
}

/// A token that is held is good for its time, whatever becomes of the file that it came from.
#[test]
fn a_token_file_that_is_gone_or_empty_leaves_the_held_token() {
    let (world, app) = (World::new(), App::saying(OK));
    let file = token_file(&world, "held", 600);
    let url = format!("http://127.0.0.1:{}", app.port);
    let proxy =
        Proxy::start(&world, &["hello", "--url", &url, "--id-token-file", file.to_str().unwrap()]);
    let ask = || proxy.ask("GET /", &[], "");
    assert!(ask().starts_with("HTTP/1.1 200 "));
    std::fs::write(&file, "").unwrap();
    assert!(ask().starts_with("HTTP/1.1 200 "));
    std::fs::remove_file(&file).unwrap();
    assert!(ask().starts_with("HTTP/1.1 200 "));
    // A pipe that nobody writes to holds nobody up.
    let made = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    assert!(ask().starts_with("HTTP/1.1 200 "));
    std::fs::remove_file(&file).unwrap();
    // And a new token is taken at once.
    std::fs::write(&file, unsigned_token("new", 600)).unwrap();
    assert!(ask().starts_with("HTTP/1.1 200 "));
    let seen = app.seen();
    let token = |at: usize| seen[at].header("x-serverless-authorization").unwrap().to_owned();
    assert!((1..4).all(|at| token(at) == token(0)), "{seen:?}");
    assert_ne!(token(4), token(0));
}

/// What broke off at its beginning has its head all the same.
#[test]
fn an_answer_whose_first_chunk_is_bad_has_its_head() {
    let (world, app) = (
        World::new(),
        App::saying("HTTP/1.1 200 OK\r\nX-App: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
    );
    let proxy = Proxy::to(&world, &app, &[]);
    let answer = proxy.ask("GET /", &[], "");
    assert!(answer.starts_with("HTTP/1.1 ") && answer.contains("\r\n\r\n"), "{answer:?}");
    // It does not look whole.
    assert!(answer.starts_with("HTTP/1.1 502 ") || !answer.ends_with("0\r\n\r\n"), "{answer:?}");
    let log = proxy.log(1);
    assert!(log[0]["reason"].as_str().unwrap().contains("broke off"), "{log:?}");
}
