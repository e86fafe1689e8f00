//! A wire between a client and a server, on which requests are counted and kept.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// Passes bytes on, and counts and keeps the requests among them.
pub(crate) struct Counter {
    pub(crate) endpoint: String,
    requests: Arc<AtomicUsize>,
    /// What was sent on each connection.
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A request as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The parameters, in the order of their names.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Counter {
    pub(crate) fn before(endpoint: &str) -> Self {
        let target = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = format!("http://{}/", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        let sent = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let kept = Arc::clone(&sent);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(&target).unwrap();
                let (count, kept) = (Arc::clone(&count), Arc::clone(&kept));
                let at = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(Vec::new());
                    kept.len() - 1
                };
                let (mut back, mut to_client) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut back, &mut to_client));
                thread::spawn(move || {
                    pass_on(client, server, &count, &|bytes| {
                        kept.lock().unwrap()[at].extend_from_slice(bytes);
                    });
                });
            }
        });
        Self { endpoint: own, requests, sent }
    }

    /// How many requests there were since this was last asked.
    pub(crate) fn take(&self) -> usize {
        self.requests.swap(0, Ordering::SeqCst)
    }
}

impl Counter {
    /// The requests that were sent since this was last asked, with a body or that read nothing.
    pub(crate) fn take_writes(&self) -> Vec<Sent> {
        let mut sent = self.sent.lock().unwrap();
        let all: Vec<Sent> =
            sent.iter_mut().flat_map(|bytes| parsed(&std::mem::take(bytes))).collect();
        all.into_iter().filter(|request| request.method != "GET").collect()
    }
}

/// The requests in the bytes of a connection, each with its body (whose length its head says).
fn parsed(mut bytes: &[u8]) -> Vec<Sent> {
    let mut requests = Vec::new();
    while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap().split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let length = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
        });
        let body = &bytes[end + 4..][..length.unwrap_or(0)];
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = form_urlencoded::parse(query.as_bytes()).into_owned();
        let mut query: Vec<(String, String)> = query.collect();
        query.sort();
        requests.push(Sent {
            method: method.to_owned(),
            path: path.to_owned(),
            query,
            body: serde_json::from_slice(body).unwrap_or_default(),
        });
        bytes = &bytes[end + 4 + body.len()..];
    }
    requests
}

fn pass_on(
    mut client: TcpStream,
    mut server: TcpStream,
    count: &AtomicUsize,
    keep: &dyn Fn(&[u8]),
) {
    let mark = b" HTTP/1.1\r\n";
    let mut kept: Vec<u8> = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        // A mark may be split between two reads.
        keep(&buffer[..read]);
        kept.extend_from_slice(&buffer[..read]);
        let found = kept.windows(mark.len()).filter(|window| window == mark).count();
        count.fetch_add(found, Ordering::SeqCst);
        let from = match found {
            0 => kept.len().saturating_sub(mark.len() - 1),
            _ => kept.len(),
        };
        kept.drain(..from);
        if server.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}
