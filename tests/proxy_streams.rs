//! What goes through `proxy` as it comes, by clients that others wrote: `WebSockets`, gRPC, HTTP/2;
//! and HTTP/2 that is malformed.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::Command;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{App, Proxy, Serve, World, unsigned_token};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A proxy before a sandbox that is served beside it.
fn beside(options: &[&str], service: &str) -> (World, Serve, Proxy) {
    let mut world = World::new();
    let serve = Serve::with(&world, options);
    let ready: serde_json::Value = serde_json::from_str(&serve.first_line).unwrap();
    if let Some(authority) = ready["caCertificate"].as_str() {
        world.set("SSL_CERT_FILE", authority);
    }
    let user = serde_json::json!({"type": "authorized_user", "client_secret": "s",
        "client_id": "32555940559.apps.googleusercontent.com",
        "token_uri": format!("{}/token", serve.endpoint),
        "refresh_token": "1//sandbox:you@example.com"});
    let path = world.home().join("user.json");
    std::fs::write(&path, user.to_string()).unwrap();
    world.set("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap());
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &serve.endpoint);
    world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
    let proxy = Proxy::start(&world, &[service]);
    (world, serve, proxy)
}

#[tokio::test]
async fn a_websocket_speaks_with_the_application() {
    for options in [&[][..], &["--tls"]] {
        let (_world, _serve, proxy) = beside(options, "hello");
        let stream = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
        let address = format!("ws://{}/socket", proxy.host());
        let (mut socket, _) = tokio_tungstenite::client_async(address, stream).await.unwrap();
        for message in [Message::text("hello"), Message::binary(vec![7_u8; 200_000])] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
        while socket.next().await.is_some_and(|message| message.is_ok()) {}
        drop(socket);
        let log = proxy.log(2);
        assert_eq!(
            (&log[0]["status"], &log[1]["reason"]),
            (&101.into(), &"the connection ended".into())
        );
        assert!(log[1]["responseBytes"].as_u64().unwrap() > 200_000, "{log:?}");
    }
}

/// A message of gRPC: not compressed, with its length.
fn message(text: &str) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes.into()
}

#[tokio::test]
async fn grpc_streams_both_ways_with_its_trailers() {
    for options in [&[][..], &["--tls"]] {
        let (_world, _serve, proxy) = beside(options, "chat");
        let stream = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let (mut say, said) =
            futures::channel::mpsc::channel::<Result<_, std::convert::Infallible>>(1);
        let request = Request::post(format!("http://{}/chat.Talk/Both", proxy.host()))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(StreamBody::new(said))
            .unwrap();
        let asking = client.send_request(request);
        say.send(Ok(Frame::data(message("one")))).await.unwrap();
        let mut body = asking.await.unwrap().into_body();
        let mut heard = async || body.frame().await.unwrap().unwrap();
        assert_eq!(heard().await.into_data().unwrap(), message("one"));
        say.send(Ok(Frame::data(message("two")))).await.unwrap();
        assert_eq!(heard().await.into_data().unwrap(), message("two"));
        drop(say);
        let trailers: HeaderMap = heard().await.into_trailers().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
        assert_eq!(proxy.log(1)[0]["grpcStatus"], 0);
    }
}

#[test]
fn grpcs_own_client_and_server() {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_runaccess"));
    let python = binary.ancestors().nth(2).unwrap().join("clients/python/bin/python");
    if !python.exists() {
        return;
    }
    let world = World::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/grpc_proxy.py");
    let mut command = Command::new(python);
    let set_up = world.command(&[]);
    command.env_clear().envs(set_up.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.arg(script).env("RUNACCESS", binary).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What fails here is said as gRPC has it.
#[tokio::test]
async fn grpc_is_told_in_its_own_words_that_there_is_no_token() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &[]);
    let file = world.home().join("a.token");
    std::fs::write(&file, unsigned_token("short", 1)).unwrap();
    proxy.ask("GET /", &[], "");
    std::fs::remove_file(&file).unwrap();
    // The token that is held serves until its end.
    while proxy.ask("GET /", &[], "").starts_with("HTTP/1.1 200 ") {}
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let answer = client
        .post(format!("http://{}/x.Y/Z", proxy.host()))
        .header("content-type", "application/grpc")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["grpc-status"]),
        (200, &"14".parse().unwrap())
    );
    let text = answer.headers()["grpc-message"].to_str().unwrap();
    assert!(text.contains("cannot read the ID token"), "{text}");
}

#[tokio::test]
async fn a_thousand_streams_are_open_at_once() {
    let (_world, _serve, proxy) = beside(&[], "hello");
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let url = format!("http://{}/", proxy.host());
    let open = (0..1_000).map(|_| async {
        let request = client.get(&url).header("accept", "text/event-stream");
        let mut answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let first = answer.chunk().await.unwrap().unwrap();
        assert!(first.starts_with(b"id: 0"));
        answer
    });
    let mut answers = futures::future::join_all(open).await;
    // All of them go on, and another is answered beside them.
    for answer in &mut answers {
        assert!(answer.chunk().await.unwrap().is_some());
    }
    assert!(proxy.ask("GET /", &[], "").starts_with("HTTP/1.1 200 "));
}

/// Headers as HPACK has them, none of them indexed (RFC 7541, 6.2.2).
fn packed(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in headers {
        bytes.push(0);
        for text in [name, value] {
            assert!(text.len() < 127);
            bytes.push(u8::try_from(text.len()).unwrap());
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Headers, and a body where there is one.
type Malformed<'a> = (Vec<(&'a str, &'a str)>, Option<&'static [u8]>);

/// Malformed requests over HTTP/2: what stands in their headers, and their bodies.
fn families(host: &str) -> Vec<Malformed<'_>> {
    let get = [(":method", "GET"), (":scheme", "http"), (":authority", host), (":path", "/")];
    let with = |more: &[(&'static str, &'static str)]| {
        let mut all: Vec<(&str, &str)> = get.to_vec();
        all.extend(more);
        (all, None)
    };
    let instead = |at: usize, name: &'static str, value: &'static str| {
        let mut all: Vec<(&str, &str)> = get.to_vec();
        all[at] = (name, value);
        (all, None)
    };
    let mut families = vec![
        with(&[("connection", "keep-alive")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("te", "gzip")]),
        with(&[("upgrade", "websocket")]),
        with(&[("keep-alive", "1")]),
        with(&[("proxy-connection", "x")]),
        with(&[("X-Upper", "1")]),
        with(&[("x y", "1")]),
        with(&[("", "1")]),
        with(&[("x:y", "1")]),
        with(&[("x", "a\r\nb")]),
        with(&[("x", "a\0b")]),
        with(&[("x", "a\nhost: evil.example")]),
        with(&[(":path", "/again")]),
        with(&[(":method", "POST")]),
        with(&[(":unknown", "1")]),
        with(&[(":status", "200")]),
        with(&[("host", "evil.example")]),
        with(&[("host", "a"), ("host", "b")]),
        with(&[("content-length", "3"), ("content-length", "3")]),
        with(&[("content-length", "3"), ("content-length", "4")]),
        with(&[("origin", "https://evil.example")]),
        with(&[("origin", "null")]),
        with(&[("sec-fetch-site", "cross-site")]),
        instead(0, ":method", "CONNECT"),
        instead(0, ":method", "TRACE"),
        instead(0, ":method", "G T"),
        instead(0, ":method", ""),
        instead(1, ":scheme", "ftp"),
        instead(2, ":authority", "evil.example"),
        instead(2, ":authority", "localhost"),
        instead(2, ":authority", "a@b"),
        instead(2, ":authority", ""),
        instead(3, ":path", ""),
        instead(3, ":path", "*"),
        instead(3, ":path", "no-slash"),
        instead(3, ":path", "http://evil.example/"),
        instead(3, ":path", "/a b"),
        instead(3, ":path", "/a\r\nb"),
        instead(3, "x", "no path"),
        instead(0, "x", "no method"),
    ];
    let mut late = vec![("x", "1")];
    late.extend(get);
    families.push((late, None));
    for (length, body) in
        [("1", &b"abc"[..]), ("5", b"abc"), ("x", b"abc"), ("-1", b""), ("3, 3", b"abc")]
    {
        let mut post: Vec<(&str, &str)> = get.to_vec();
        post[0] = (":method", "POST");
        post.push(("content-length", length));
        families.push((post, Some(body)));
    }
    families
}

/// 10,000 of them, each with headers of no meaning among its own, several on a connection.
#[test]
fn ten_thousand_malformed_requests_over_http2_reach_nothing() {
    let (world, app) = (World::new(), App::saying(OK));
    let proxy = Proxy::to(&world, &app, &[]);
    let host = proxy.host();
    let families = families(&host);
    let noise =
        [("accept", "*/*"), ("x-a", "1"), ("cookie", "a=b"), ("user-agent", "x"), ("x-b", "")];
    let mut number = 0;
    while number < 10_000 {
        let mut client = proxy.connect();
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, 0, &[]));
        for stream in 0..8_u32 {
            let (headers, body) = &families[number % families.len()];
            let mut headers = headers.clone();
            for turn in 0..number / families.len() % 6 {
                headers.push(noise[(number + turn) % noise.len()]);
            }
            let id = 1 + stream * 2;
            let ends = if body.is_some() { 4 } else { 5 };
            bytes.extend(frame(1, ends, id, &packed(&headers)));
            if let Some(body) = body {
                bytes.extend(frame(0, 1, id, body));
            }
            number += 1;
        }
        // It may be closed before all is sent.
        drop(client.write_all(&bytes));
        drop(client.shutdown(Shutdown::Write));
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        drop(client.read_to_end(&mut Vec::new()));
    }
    let seen = app.seen();
    assert!(seen.is_empty(), "{} reached it, such as {:?}", seen.len(), seen[0]);
    assert!(proxy.ask("GET /", &[], "").ends_with("ok"));
}
