//! `proxy`, started and stopped, and an application behind it that sees each byte.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Run, World};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running proxy; killed when dropped.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) ready: Value,
    pub(crate) child: Child,
    lines: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Proxy {
    /// Starts one on a free port, with a log in JSON.
    #[track_caller]
    pub(crate) fn start(world: &World, arguments: &[&str]) -> Self {
        let fixed = ["--port", "0", "--log", "json", "-o", "json"];
        let mut child = world
            .command(&[&["proxy"], arguments, &fixed].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines: Arc<(Mutex<Vec<String>>, Condvar)> = Arc::default();
        let (into, from) = (Arc::clone(&lines), BufReader::new(child.stderr.take().unwrap()));
        thread::spawn(move || {
            for line in from.lines().map_while(Result::ok) {
                into.0.lock().unwrap().push(line);
                into.1.notify_all();
            }
        });
        let mut stdout = child.stdout.take().unwrap();
        let mut text = String::new();
        let mut byte = [0];
        // The document ends with the brace that stands first in its line.
        while !text.ends_with("\n}\n") {
            if stdout.read(&mut byte).unwrap() == 0 {
                thread::sleep(Duration::from_millis(100));
                panic!("no proxy: {text}{:?}", lines.0.lock().unwrap());
            }
            text.push(char::from(byte[0]));
        }
        let ready: Value = serde_json::from_str(&text).unwrap();
        let Some(address) = ready["address"].as_str() else { panic!("no proxy: {text}") };
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        Self { port, ready, child, lines }
    }

    /// Starts one on the sandbox.
    #[track_caller]
    pub(crate) fn sandbox(world: &World, arguments: &[&str]) -> Self {
        Self::start(world, &[&["--sandbox"], arguments].concat())
    }

    /// Starts one before an application, with a token that nobody checks.
    #[track_caller]
    pub(crate) fn to(world: &World, app: &App, more: &[&str]) -> Self {
        let file = token_file(world, "a.token", 3600);
        let url = format!("http://127.0.0.1:{}", app.port);
        let fixed = ["app", "--url", &url, "--id-token-file", file.to_str().unwrap()];
        Self::start(world, &[&fixed, more].concat())
    }

    /// What stands in `Host` of a request to it.
    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A connection on which this is asked, with nothing but `Host`.
    pub(crate) fn open(&self, line: &str) -> TcpStream {
        let mut stream = self.connect();
        let text = format!("{line} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host());
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    /// Sends a request of these lines, `Host` and the end added, and reads to the end.
    pub(crate) fn ask(&self, line: &str, headers: &[&str], body: &str) -> String {
        let mut text = format!("{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.host());
        for header in headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        without_date(&self.raw(format!("{text}\r\n{body}").as_bytes()))
    }

    /// Sends these bytes and reads the bytes of the answer, to the end.
    pub(crate) fn bytes(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        drop(stream.write_all(request));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        answer
    }

    /// Sends these bytes and reads to the end.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // It may be closed before all is sent.
        drop(stream.write_all(bytes));
        to_end(&mut stream)
    }

    /// What the log says of requests so far, once there are so many.
    pub(crate) fn log(&self, count: usize) -> Vec<Value> {
        let is_request = |line: &&String| line.contains("\"event\":\"request\"");
        let lines = self.lines_until(|lines| lines.iter().filter(is_request).count() >= count);
        let requests = lines.iter().filter(is_request);
        requests.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The lines of stderr, once they are as they should be.
    pub(crate) fn lines_until(&self, good: impl Fn(&[String]) -> bool) -> Vec<String> {
        let lines = self.lines.0.lock().unwrap();
        let waited =
            self.lines.1.wait_timeout_while(lines, PATIENCE, |lines| !good(lines)).unwrap();
        assert!(!waited.1.timed_out(), "{:?}", *waited.0);
        waited.0.clone()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(id, signal).unwrap();
    }

    /// Its exit code, once it has ended.
    pub(crate) fn code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An answer without its `Date`, which differs each time.
fn without_date(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let lines = head.split("\r\n").filter(|line| !line.to_lowercase().starts_with("date: "));
    let head = lines.collect::<Vec<_>>().join("\r\n");
    if answer.contains("\r\n\r\n") { format!("{head}\r\n\r\n{body}") } else { head }
}

/// Reads to the end, however that comes.
pub(crate) fn to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    drop(stream.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until a text has come.
#[track_caller]
pub(crate) fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&bytes).ends_with(end) {
        let count = stream.read(&mut byte).unwrap();
        assert_eq!(count, 1, "ended after {:?}", String::from_utf8_lossy(&bytes));
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

/// A file with an ID token that is good for so many seconds, and that nobody signed.
pub(crate) fn token_file(world: &World, name: &str, seconds: i64) -> PathBuf {
    let path = world.home().join(name);
    fs::write(&path, unsigned_token(name, seconds)).unwrap();
    path
}

pub(crate) fn unsigned_token(subject: &str, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let claims =
        json!({"sub": subject, "email": "you@example.com", "iat": now, "exp": now + seconds});
    format!("{}.{}.c2lnbmF0dXJl", part(json!({"alg": "RS256"})), part(claims))
}

/// A request as the application saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The request line and the headers, each a line, without what ends them.
    pub(crate) head: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head[1..].iter().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// Its lines in a fixed order.
    pub(crate) fn shown(&self) -> String {
        let mut lines = self.head[1..].to_vec();
        lines.sort();
        lines.insert(0, self.head[0].clone());
        lines.join("\n")
    }
}

type Answerer = dyn Fn(Seen, &mut TcpStream) -> bool + Send + Sync;

/// An application that answers with the bytes it is told to.
pub(crate) struct App {
    pub(crate) port: u16,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl App {
    /// `answer` writes an answer and says whether the connection stays.
    pub(crate) fn start(
        answer: impl Fn(Seen, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::on(listener, answer)
    }

    pub(crate) fn on(
        listener: TcpListener,
        answer: impl Fn(Seen, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let connections: Arc<AtomicUsize> = Arc::default();
        let answer: Arc<Answerer> = Arc::new(answer);
        let (into, count) = (Arc::clone(&seen), Arc::clone(&connections));
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let (answer, into) = (Arc::clone(&answer), Arc::clone(&into));
                thread::spawn(move || {
                    while let Some(request) = read(&mut stream) {
                        into.lock().unwrap().push(request.clone());
                        if !answer(request, &mut stream) {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, seen, connections }
    }

    /// Answers each request with these bytes.
    pub(crate) fn saying(text: &'static str) -> Self {
        Self::start(move |_, stream| stream.write_all(text.as_bytes()).is_ok())
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The one request that it saw.
    #[track_caller]
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.into_iter().next().unwrap()
    }
}

/// Reads one request; `None` if the connection ends before it does.
fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let head: Vec<String> = text.trim_end().lines().map(str::to_owned).collect();
    let mut seen = Seen { head, body: Vec::new() };
    // What waits for a word is left to the application.
    if seen.header("expect").is_some() {
        return Some(seen);
    }
    if let Some(length) = seen.header("content-length") {
        seen.body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut seen.body).ok()?;
    } else if seen.header("transfer-encoding").is_some() {
        while !seen.body.ends_with(b"0\r\n\r\n") && !ends_with_trailers(&seen.body) {
            if stream.read(&mut byte).ok()? == 0 {
                return None;
            }
            seen.body.push(byte[0]);
        }
    }
    Some(seen)
}

fn ends_with_trailers(body: &[u8]) -> bool {
    let last = body.windows(3).rposition(|part| part == b"0\r\n");
    last.is_some_and(|at| body[at..].ends_with(b"\r\n\r\n") && (at == 0 || body[at - 1] == b'\n'))
}

/// Runs `proxy` that does not get to serve.
#[track_caller]
pub(crate) fn refused(world: &World, arguments: &[&str]) -> Run {
    world.run(&[&["proxy"], arguments].concat())
}
