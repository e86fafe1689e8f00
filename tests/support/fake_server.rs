//! A server that answers as it is told, however wrong that is.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// How one request is answered.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status, a content type, a body.
    Full(u16, &'static str, String),
    /// A status, a header line of its own, a body in JSON.
    WithHeader(u16, &'static str, String),
    /// Half of the body that the head promises, then the end.
    Half(String),
    /// The request is read, and nothing is said.
    Silence,
    /// The connection is closed at once.
    Hangup,
}

impl Answer {
    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Self::Full(200, "application/json", body.to_string())
    }

    pub(crate) fn error(code: u16, status: &str, message: &str) -> Self {
        let body =
            serde_json::json!({"error": {"code": code, "message": message, "status": status}});
        Self::Full(code, "application/json", body.to_string())
    }
}

type Script = dyn Fn(&str) -> Answer + Send + Sync;

/// A server on loopback that answers by a script and remembers what it was asked.
pub(crate) struct FakeServer {
    pub(crate) endpoint: String,
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl FakeServer {
    /// Answers each request by what `script` makes of its first line.
    pub(crate) fn start(script: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (script, seen): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                thread::spawn(move || converse(&stream, &*script, &seen));
            }
        });
        Self { endpoint, requests }
    }

    /// Answers the requests in turn, the last answer again and again.
    pub(crate) fn in_turn(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Mutex<VecDeque<Answer>> = Mutex::new(answers.into_iter().collect());
        Self::start(move |_| {
            let mut answers = answers.lock().unwrap();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
        })
    }

    /// Answers requests about a policy in turn; the service beside it may not be read.
    pub(crate) fn policies_in_turn(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Mutex<VecDeque<Answer>> = Mutex::new(answers.into_iter().collect());
        Self::start(move |line| {
            if !line.contains("IamPolicy") {
                return Answer::error(
                    403,
                    "PERMISSION_DENIED",
                    "Permission 'run.services.get' denied",
                );
            }
            let mut answers = answers.lock().unwrap();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
        })
    }

    /// The heads of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|(head, _)| head.clone()).collect()
    }

    /// The bodies of the requests whose first line holds this, as JSON.
    pub(crate) fn bodies(&self, of: &str) -> Vec<serde_json::Value> {
        let requests = self.requests.lock().unwrap();
        let wanted = requests.iter().filter(|(head, _)| head.lines().next().unwrap().contains(of));
        wanted.map(|(_, body)| serde_json::from_str(body).unwrap()).collect()
    }
}

fn converse(stream: &TcpStream, script: &Script, seen: &Mutex<Vec<(String, String)>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or_default() == 0 {
                return;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        seen.lock().unwrap().push((head.clone(), text));
        let first = head.lines().next().unwrap_or_default();
        if !respond(stream, script(first)) {
            return;
        }
    }
}

/// Returns whether the connection goes on.
fn respond(mut stream: &TcpStream, answer: Answer) -> bool {
    let full = |code: u16, headers: &str, body: &str| {
        format!("HTTP/1.1 {code} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    match answer {
        Answer::Full(code, kind, body) => {
            let headers = format!("Content-Type: {kind}\r\n");
            stream.write_all(full(code, &headers, &body).as_bytes()).is_ok()
        }
        Answer::WithHeader(code, header, body) => {
            let headers = format!("{header}\r\nContent-Type: application/json\r\n");
            stream.write_all(full(code, &headers, &body).as_bytes()).is_ok()
        }
        Answer::Half(body) => {
            let text = full(200, "Content-Type: application/json\r\n", &body);
            drop(stream.write_all(&text.as_bytes()[..text.len() - body.len() / 2]));
            false
        }
        Answer::Silence => {
            // Until the client gives up and closes its end.
            drop(stream.read(&mut [0; 1]));
            false
        }
        Answer::Hangup => false,
    }
}
