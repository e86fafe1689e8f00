use proptest::prelude::*;

use super::*;

/// The verdict on a request that arrives as a whole.
fn judge(text: &str) -> Result<Expecting, Fault> {
    let head = head(text.as_bytes(), 0)?.expect("a whole head");
    body(&text.as_bytes()[head.length..], head.then).map(|(_, next)| next)
}

#[test]
fn what_is_plain_is_taken() {
    for text in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a?b=c%20d HTTP/1.0\r\nhost:a\r\nX: \t\u{fc} b \r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n\
         00\r\nX-Sum: 1\r\n\r\n",
    ] {
        assert_eq!(judge(text), Ok(Expecting::Head), "{text:?}");
    }
}

#[test]
fn what_two_readers_could_take_for_different_things_is_refused() {
    let to = |headers: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n");
    let chunked = |body: &str| {
        format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
    };
    for (text, fault) in [
        ("GET / HTTP/1.1\nHost: a\n\n".to_owned(), Fault::BareLineEnd),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n".to_owned(), Fault::BareLineEnd),
        ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n".to_owned(), Fault::BareLineEnd),
        ("GET /\r\n\r\n".to_owned(), Fault::RequestLine),
        ("GET / HTTP/0.9\r\nHost: a\r\n\r\n".to_owned(), Fault::RequestLine),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), Fault::RequestLine),
        ("GET / http/1.1\r\nHost: a\r\n\r\n".to_owned(), Fault::RequestLine),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Fault::RequestLine),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n".to_owned(), Fault::RequestLine),
        ("GET / x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Fault::RequestLine),
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Fault::RequestLine),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Fault::RequestLine),
        ("GET b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Fault::Target),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Fault::Target),
        ("GET /#b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Fault::Target),
        ("GET /\u{fc} HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Fault::Target),
        ("CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Fault::Target),
        ("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Fault::Target),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), Fault::Host),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned(), Fault::Host),
        (to("X: a\r\n b"), Fault::Folded),
        (to(" X: a"), Fault::Folded),
        (to("X : a"), Fault::HeaderName),
        (to("X"), Fault::HeaderName),
        (to(": a"), Fault::HeaderName),
        (to("X\u{fc}: a"), Fault::HeaderName),
        (to("X: a\0b"), Fault::Control),
        (to("X: a\u{1}b"), Fault::Control),
        (to("X: a\u{7f}b"), Fault::Control),
        (to("Content-Length: 1\r\nContent-Length: 1"), Fault::Length),
        (to("Content-Length: 1\r\nContent-Length: 2"), Fault::Length),
        (to("Content-Length: 1, 1"), Fault::Length),
        (to("Content-Length: +1"), Fault::Length),
        (to("Content-Length: -1"), Fault::Length),
        (to("Content-Length: 0x1"), Fault::Length),
        (to("Content-Length: 1 1"), Fault::Length),
        (to("Content-Length:"), Fault::Length),
        (to("Content-Length: 99999999999999999999"), Fault::Length),
        (to("Content-Length: 1\r\nTransfer-Encoding: chunked"), Fault::Length),
        (to("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), Fault::Coding),
        (to("Transfer-Encoding: gzip, chunked"), Fault::Coding),
        (to("Transfer-Encoding: identity"), Fault::Coding),
        (to("Transfer-Encoding: xchunked"), Fault::Coding),
        (to("Transfer-Encoding: chunked,"), Fault::Coding),
        (to("Transfer-Encoding:"), Fault::Coding),
        (to("Transfer-Encoding: chunked").replace("1.1", "1.0"), Fault::Coding),
        (chunked("3;x=\r\nabc\r\n0\r\n\r\n"), Fault::Chunk),
        (chunked("3 \r\nabc\r\n0\r\n\r\n"), Fault::Chunk),
        (chunked("0x3\r\nabc\r\n0\r\n\r\n"), Fault::Chunk),
        (chunked("+3\r\nabc\r\n0\r\n\r\n"), Fault::Chunk),
        (chunked("3\nabc\r\n0\r\n\r\n"), Fault::Chunk),
        (chunked("3\r\nabcd\r\n0\r\n\r\n"), Fault::Chunk),
        (chunked("3\r\nabc0\r\n\r\n"), Fault::Chunk),
        (chunked("\r\n0\r\n\r\n"), Fault::Chunk),
        (chunked("fffffffffffffffff\r\n"), Fault::Chunk),
        (chunked("0\r\nContent-Length: 1\r\n\r\n"), Fault::Chunk),
        (chunked("0\r\nX : 1\r\n\r\n"), Fault::HeaderName),
        (chunked("0\r\nX: 1\n\r\n"), Fault::BareLineEnd),
    ] {
        assert_eq!(judge(&text), Err(fault), "{text:?}");
    }
    assert_eq!(head(&vec![b'G'; LONGEST_HEAD + 1], 0), Err(Fault::HeadTooLong));
    // A fault is reported as soon as it can be detected.
    assert_eq!(head(b"GET /\r\nHost: a", 0), Err(Fault::RequestLine));
    assert_eq!(head(b"\x16\x03\x01", 0), Err(Fault::RequestLine));
}

#[test]
fn an_upgrade_is_seen_where_both_headers_say_so() {
    let upgrades = |headers: &str| {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n");
        head(text.as_bytes(), 0).unwrap().unwrap().upgrades
    };
    assert!(upgrades("Connection: keep-alive, Upgrade\r\nUpgrade: websocket"));
    assert!(!upgrades("Connection: keep-alive\r\nUpgrade: websocket"));
    assert!(!upgrades("Connection: Upgrade"));
    assert!(!upgrades("Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 1"));
}

proptest! {
    /// A message is understood alike, however it is cut into pieces.
    #[test]
    fn pieces_make_no_difference(
        chunks in prop::collection::vec("[a-z]{1,40}", 0..5),
        trailer in prop::bool::ANY,
        cuts in prop::collection::vec(1_usize..30, 1..40),
    ) {
        let chunks: Vec<String> =
            chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
        let mut text = chunks.concat();
        text.push_str(if trailer { "0\r\nX: y\r\n\r\n" } else { "0\r\n\r\n" });
        let (mut held, mut expecting) = (Vec::new(), Expecting::ChunkSize);
        let mut rest = text.as_bytes();
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            held.extend_from_slice(piece);
            rest = after;
            let (taken, next) = body(&held, expecting).unwrap();
            held.drain(..taken);
            expecting = next;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!((held.len(), expecting), (0, Expecting::Head));
    }

    /// No bytes cause a panic, and a complete head is reported.
    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200), seen in 0_usize..200) {
        let _ = head(&bytes, seen.min(bytes.len()));
        for expecting in [Expecting::ChunkSize, Expecting::ChunkEnd, Expecting::Trailers] {
            if let Ok((taken, _)) = body(&bytes, expecting) {
                prop_assert!(taken <= bytes.len());
            }
        }
    }
}

#[test]
fn chunk_extensions_are_read_over_and_ill_formed_ones_refused() {
    let of = |line: &str| {
        let text = format!("{line}\r\nabcde\r\n0\r\n\r\n");
        let whole = body(text.as_bytes(), Expecting::ChunkSize)?;
        assert_eq!(whole, (text.len(), Expecting::Head), "{line:?}");
        // In whatever pieces it comes.
        for end in 0..text.len() {
            body(&text.as_bytes()[..end], Expecting::ChunkSize)?;
        }
        Ok(())
    };
    for line in ["5", "5;a", "5;a=b", "5 ; a = b;c", "5;a=\"b;c\\\"\r\"", "5;a=\"\u{e4} \t\""] {
        let expected = if line.contains("\\\"\r") { Err(Fault::Chunk) } else { Ok(()) };
        assert_eq!(of(line), expected, "{line:?}");
    }
    let long = format!("5;{}", "a".repeat(300));
    for line in [
        "5;", "5;;a", "5;=b", "5;a=", "5;a b", "5;a=b c", "5;a=\"b", "5;a\0", "5a;\u{1}", &long,
        "5,a",
    ] {
        assert_eq!(of(line), Err(Fault::Chunk), "{line:?}");
    }
}

#[test]
fn a_head_holds_at_most_a_hundred_fields() {
    let of = |count: usize| {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
        head(text.as_bytes(), 0).map(|head| head.is_some())
    };
    assert_eq!((of(100), of(101)), (Ok(true), Err(Fault::TooManyFields)));
}
