//! The access log of the proxy: one line for each request, as text or JSON.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use console::Style;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::domain::printable::one_line;
use crate::invoke::FrontEndRefusal;
use crate::proxy::{By, Event, Listener, NoToken};
use crate::terminal::Terminal;

/// The number of lines that wait for a slow terminal; further lines are counted and dropped.
const WAITING: usize = 4096;

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Log {
    Text,
    Json,
    None,
}

/// Writes the log on its own thread, so that no request waits for a terminal.
#[derive(Debug)]
pub(super) struct Teller {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone)]
pub(super) struct Handle {
    log: Log,
    lines: Arc<Mutex<Option<SyncSender<Told>>>>,
    left_out: Arc<AtomicU64>,
    clock: fn() -> OffsetDateTime,
}

#[derive(Debug)]
enum Told {
    Request(OffsetDateTime, Box<Event>),
    NoToken(OffsetDateTime, String, NoToken),
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("log", &self.log).finish_non_exhaustive()
    }
}

impl Teller {
    /// `names` is the width of the service names, 0 for lines without them; `who` is the active
    /// account.
    pub(super) fn start(terminal: Terminal, log: Log, names: usize, who: Option<String>) -> Self {
        let (sender, lines) = sync_channel(WAITING);
        let handle = Handle {
            log,
            lines: Arc::new(Mutex::new(Some(sender))),
            left_out: Arc::default(),
            clock: crate::context::now,
        };
        let writer = Writer { terminal, log, names, who, left_out: Arc::clone(&handle.left_out) };
        let thread = std::thread::Builder::new().name("log".to_owned());
        Self { handle, thread: thread.spawn(move || writer.run(&lines)).ok() }
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Writes pending lines.
    pub(super) fn finish(mut self) {
        self.handle.lines.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.take() {
            // The thread reports its own failure.
            drop(thread.join());
        }
    }
}

impl Handle {
    fn tell(&self, told: Told) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.as_ref().is_some_and(|lines| lines.try_send(told).is_err()) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Listener for Handle {
    fn hears_requests(&self) -> bool {
        self.log != Log::None
    }

    fn request(&self, event: Event) {
        self.tell(Told::Request((self.clock)(), Box::new(event)));
    }

    fn no_token(&self, service: &str, no_token: &NoToken) {
        self.tell(Told::NoToken((self.clock)(), service.to_owned(), no_token.clone()));
    }
}

struct Writer {
    terminal: Terminal,
    log: Log,
    /// The width of the service names; 0 for lines without them.
    names: usize,
    who: Option<String>,
    left_out: Arc<AtomicU64>,
}

impl Writer {
    fn run(&self, lines: &Receiver<Told>) {
        for told in lines {
            match told {
                Told::Request(time, event) if self.log == Log::Json => {
                    self.terminal.say(&self.as_json(time, &event));
                }
                Told::Request(time, event) => self.terminal.say(&self.as_text(time, &event)),
                Told::NoToken(time, service, NoToken(error)) if self.log == Log::Json => {
                    let text = json!({
                        "time": time.format(&Rfc3339).unwrap_or_default(),
                        "event": "no-token",
                        "service": service,
                        "reason": error.in_one_line(),
                        "hints": error.hints,
                    });
                    self.terminal.say(&text.to_string());
                }
                Told::NoToken(_, service, NoToken(error)) => {
                    let why = error.in_one_line();
                    let text = format!("the token for `{service}` cannot be renewed: {why}");
                    self.terminal.warning(&text);
                    for hint in &error.hints {
                        self.terminal.hint(&hint.to_string());
                    }
                }
            }
            self.say_left_out();
        }
        self.say_left_out();
    }

    /// Reports the number of dropped lines.
    fn say_left_out(&self) {
        match (self.left_out.swap(0, Ordering::Relaxed), self.log) {
            (0, _) => {}
            (count, Log::Json) => {
                self.terminal.say(&json!({"event": "left-out", "requests": count}).to_string());
            }
            (count, _) => self.terminal.warning(&format!("{count} requests are not shown")),
        }
    }

    /// A line with time, status, duration, size and request; a second line with the cause of a
    /// refusal.
    fn as_text(&self, time: OffsetDateTime, event: &Event) -> String {
        let clock = format_description!("[hour]:[minute]:[second]");
        let style = self.terminal.style();
        let dim = style.clone().dim();
        let status = match (event.status, event.grpc_status) {
            (Some(status), None | Some(0)) => {
                painted(&style, status).apply_to(format!("{status:<3}")).to_string()
            }
            (Some(_), Some(grpc)) => {
                style.clone().yellow().apply_to(format!("g{grpc:<2}")).to_string()
            }
            (None, _) => dim.apply_to("---").to_string(),
        };
        let name = event.service.as_deref().filter(|_| self.names > 0).unwrap_or_default();
        let before = format!("{:>8}  {:>9}", took(event), size(event.sent));
        let up = match event.received {
            0 => String::new(),
            received => format!("  {} up", size(received)),
        };
        let mut what = String::new();
        if self.names > 0 {
            let _ = write!(what, "{name:<width$}  ", width = self.names);
        }
        let _ = write!(what, "{} {}", event.method, one_line(&event.path));
        // Time, status and the spaces between.
        let used = 8 + 2 + 3 + 2 + before.chars().count() + 2 + up.chars().count();
        if let Some(width) = self.terminal.width_stderr {
            what = shortened(&what, width.saturating_sub(used).max(24));
        }
        let time = time.format(&clock).unwrap_or_default();
        let (time, before, up) = (dim.apply_to(time), dim.apply_to(before), dim.apply_to(up));
        let mut line = format!("{time}  {status}  {before}  {what}{up}");
        if let Some(why) = self.why(event) {
            // The response contains the advice.
            let why = why.split("; ").next().unwrap_or_default();
            let _ = write!(line, "\n          {}", style.yellow().apply_to(one_line(why)));
        }
        line
    }

    /// Why a request was refused or broke off: the layer that probably refused it, or the proxy's
    /// own reason; `None` if the application answered.
    fn why(&self, event: &Event) -> Option<String> {
        let who = self.who.as_deref().map_or("whoever acts".to_owned(), |who| format!("`{who}`"));
        match event.by {
            By::FrontEnd(FrontEndRefusal::BadToken) => {
                Some("Cloud Run did not take the token".to_owned())
            }
            By::FrontEnd(FrontEndRefusal::Forbidden) => Some(format!(
                "Cloud Run did not let it through: {who} may not invoke the service, or may only \
                 since a moment ago"
            )),
            By::FrontEnd(FrontEndRefusal::Iap | FrontEndRefusal::IapSignIn) => {
                Some("Identity-Aware Proxy stands in front of the service, and refused".to_owned())
            }
            By::FrontEnd(FrontEndRefusal::NoInstance) => {
                Some("no instance of the service answered".to_owned())
            }
            By::FrontEnd(FrontEndRefusal::TooLarge) => {
                Some("the request is larger than Cloud Run takes".to_owned())
            }
            By::FrontEnd(FrontEndRefusal::NotFound | FrontEndRefusal::ReservedPath) => Some(
                "Cloud Run has no such address, or its ingress does not let requests from here to \
                 it"
                .to_owned(),
            ),
            By::Proxy if event.status.is_none() => Some("the client went away".to_owned()),
            By::Application | By::Proxy => event.reason.clone(),
        }
    }

    fn as_json(&self, time: OffsetDateTime, event: &Event) -> String {
        let (by, layer) = match event.by {
            By::Application => ("application", None),
            By::FrontEnd(FrontEndRefusal::BadToken) => ("cloud-run", Some("token")),
            By::FrontEnd(FrontEndRefusal::Forbidden) => ("cloud-run", Some("invoker-check")),
            By::FrontEnd(FrontEndRefusal::Iap | FrontEndRefusal::IapSignIn) => {
                ("cloud-run", Some("iap"))
            }
            By::FrontEnd(FrontEndRefusal::NoInstance) => ("cloud-run", Some("application")),
            By::FrontEnd(
                FrontEndRefusal::NotFound
                | FrontEndRefusal::ReservedPath
                | FrontEndRefusal::TooLarge,
            ) => ("cloud-run", Some("reachability")),
            By::Proxy => ("proxy", None),
        };
        let micros = u64::try_from(event.took.as_micros()).unwrap_or(u64::MAX);
        json!({
            "time": time.format(&Rfc3339).unwrap_or_default(),
            "event": "request",
            "service": event.service.as_deref(),
            "method": event.method.as_str(),
            "path": event.path,
            "status": event.status,
            "grpcStatus": event.grpc_status,
            "durationMicros": micros,
            "requestBytes": event.received,
            "responseBytes": event.sent,
            "by": by,
            "layer": layer,
            "reason": self.why(event),
        })
        .to_string()
    }
}

/// The text without its middle if it is too long.
fn shortened(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let half = (width - 1) / 2;
    let start: String = text.chars().take(width - 1 - half).collect();
    let end: String = text.chars().skip(count - half).collect();
    format!("{start}…{end}")
}

fn painted(style: &Style, status: u16) -> Style {
    let style = style.clone();
    match status {
        500.. => style.red().bold(),
        400..500 => style.yellow(),
        300..400 => style.cyan(),
        _ => style.green(),
    }
}

fn took(event: &Event) -> String {
    let millis = event.took.as_secs_f64() * 1_000.0;
    if millis < 10.0 {
        format!("{millis:.1} ms")
    } else if millis < 10_000.0 {
        format!("{millis:.0} ms")
    } else {
        format!("{:.0} s", millis / 1_000.0)
    }
}

fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is shown with one digit behind the point")]
    let of = |unit: u64| bytes as f64 / unit as f64;
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", of(1024)),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", of(1_048_576)),
        _ => format!("{:.1} GiB", of(1_073_741_824)),
    }
}
