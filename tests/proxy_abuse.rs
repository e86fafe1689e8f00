//! Requests that two readers could take for different things, and clients that mean no good: none
//! of them reaches the service.

use std::io::Write;

use crate::support::{App, Proxy, World, to_end};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Requests that are wrong by one thing each, `HOST` standing for the proxy's.
fn families() -> Vec<String> {
    let to = |headers: &str| format!("POST / HTTP/1.1\r\nHost: HOST\r\n{headers}\r\n\r\n");
    let chunked = |body: &str| {
        format!("POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
    };
    let mut all = vec![
        "GET /\r\n\r\n".to_owned(),
        "GET / HTTP/0.9\r\nHost: HOST\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\nHost: HOST\n\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: HOST\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: HOST\r\nHost: evil.example\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: \r\n\r\n".to_owned(),
        "GET http://evil.example/ HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(),
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(),
        "TRACE / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n".to_owned(),
        "GET  / HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(),
        "GET /a b HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(),
        "GET /\0 HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: HOST\r\nX: a\0b\r\n\r\n".to_owned(),
        "\r\n\r\nGET / HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}".to_owned(),
    ];
    for headers in [
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: 3\r\nContent-Length: 3",
        "Content-Length: 3, 3",
        "Content-Length: +3",
        "Content-Length: 0x3",
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
        "Transfer-Encoding:\u{b}chunked",
        "X: a\r\n folded",
        "X: a\r\n\tContent-Length: 3",
        " X: a",
        "Content-Length : 3",
        "Transfer-Encoding : chunked",
        "X\u{0}: a",
        "X: a\rContent-Length: 3",
        "no colon",
        ": no name",
    ] {
        all.push(to(headers) + "abc");
    }
    for body in [
        "3;a=\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "-1\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "\r\n3\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n",
        "3\r\nabc\r\n0\r\nX: a\n\r\n",
    ] {
        all.push(chunked(body));
    }
    all
}

#[test]
fn what_is_ambiguous_is_refused_and_the_connection_closed() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &[]);
    for family in families() {
        let text = family.replace("HOST", &proxy.host());
        // What follows would be taken for a second request.
        let second = format!("GET /second HTTP/1.1\r\nHost: {}\r\n\r\n", proxy.host());
        let answer = proxy.raw((text.clone() + &second).as_bytes());
        let status = answer.split(' ').nth(1).unwrap_or("none");
        assert!(matches!(status, "400" | "405"), "{text:?} → {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{text:?} → {answer:?}");
    }
    assert_eq!(app.seen().len(), 0, "{:?}", app.seen());
    // And the proxy is none the worse for it.
    assert!(proxy.ask("GET /", &[], "").ends_with("ok"));
}

/// A bad request behind a good one is refused like the first one would be.
#[test]
fn a_later_request_is_refused_in_its_turn() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &[]);
    let good = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", proxy.host());
    let bad = "GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let answer = proxy.raw(format!("{good}{bad}{good}").as_bytes());
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 1, "{answer}");
    assert!(answer.contains("HTTP/1.1 400 Bad Request"), "{answer}");
    assert_eq!(app.seen().len(), 1);
    assert_eq!(proxy.log(2)[1]["path"], "(malformed)");
}

/// Numbers that are the same on each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        // Knuth's MMIX.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// Changes a request at random so that it stays wrong: more is added to what is, in a header of
/// no meaning, in the path, or in how it is cut into writes.
fn mutated(text: &str, numbers: &mut Numbers) -> Vec<String> {
    let mut text = text.to_owned();
    let names = ["X-A", "Accept", "User-Agent", "x-b", "Cookie", "If-Match"];
    if let Some(at) = text.find("Host: ") {
        for _ in 0..numbers.below(4) {
            let name = names[numbers.below(names.len())];
            text.insert_str(at, &format!("{name}: {}\r\n", "v".repeat(numbers.below(300))));
        }
    }
    if text.starts_with("POST ") {
        let verbs = ["POST", "GET", "PUT", "DELETE", "PATCH"];
        text = text.replacen("POST", verbs[numbers.below(verbs.len())], 1);
    }
    if text.contains(" / ") && numbers.below(2) == 0 {
        text = text.replacen(" / ", &format!(" /{} ", "p".repeat(numbers.below(60))), 1);
    }
    let mut pieces = Vec::new();
    let mut rest = text.as_str();
    while numbers.below(3) == 0 && rest.len() > 2 {
        let mut at = 1 + numbers.below(rest.len() - 1);
        while !rest.is_char_boundary(at) {
            at -= 1;
        }
        let (piece, after) = rest.split_at(at.max(1));
        pieces.push(piece.to_owned());
        rest = after;
    }
    pieces.push(rest.to_owned());
    pieces
}

/// 10,000 of them over HTTP/1.1, over several connections at once.
#[test]
fn ten_thousand_malformed_requests_reach_nothing() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &[]);
    let families = families();
    std::thread::scope(|scope| {
        for seed in 0..8_u64 {
            let (proxy, families) = (&proxy, &families);
            scope.spawn(move || {
                let mut numbers = Numbers(seed);
                for _ in 0..1_250 {
                    let family = &families[numbers.below(families.len())];
                    let text = family.replace("HOST", &proxy.host());
                    let pieces = mutated(&text, &mut numbers);
                    let mut stream = proxy.connect();
                    stream.set_nodelay(true).unwrap();
                    for piece in &pieces {
                        // It may be refused before its end.
                        drop(stream.write_all(piece.as_bytes()));
                    }
                    drop(stream.shutdown(std::net::Shutdown::Write));
                    let answer = to_end(&mut stream);
                    assert!(!answer.starts_with("HTTP/1.1 2"), "{pieces:?} → {answer}");
                }
            });
        }
    });
    // A body may be found wrong when its head has been passed on: that request is then broken off.
    assert_eq!(app.seen().len(), 0, "{:?}", app.seen());
    assert!(proxy.ask("GET /", &[], "").ends_with("ok"));
}
