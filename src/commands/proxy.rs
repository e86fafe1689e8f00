//! `proxy`: serves services at `localhost` with the caller's identity.

mod access_log;
mod services;
mod sockets;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use self::access_log::{Log, Teller};
use self::services::{ProxiedServices, find};
use self::sockets::open;
use super::args::complete;
use super::args::global::parse_tag;
use super::args::members::missing;
use super::curl::not_started;
use crate::context::{self, Context};
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::exit_code::ExitCode;
use crate::invoke::run_program;
use crate::lookup;
use crate::proxy::{self, GRACE, SECRET, Serving, new_secret};
use crate::report::{ProxiedRow, ProxyReport};

const PORT: u16 = 8080;
/// The longest lifetime that makes sense.
const LONGEST: Duration = Duration::from_hours(24 * 30);

/// Serve private services at localhost, with your identity
///
/// One service is at `http://localhost:8080/`. Several are each at `http://NAME.localhost:8080/`,
/// with a list of them at `http://localhost:8080/`. The token is renewed before it ends, and stands
/// in `X-Serverless-Authorization`, so that the application's own `Authorization` passes.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  runaccess proxy orders
  runaccess proxy orders billing --map orders=8081
  runaccess proxy 'orders-*' --cors http://localhost:3000
  runaccess proxy orders billing -- npm test
  runaccess proxy orders --url https://orders.example.com --audience https://orders.example.com")]
pub(super) struct Args {
    /// NAME, REGION/NAME, a glob such as 'orders-*', full resource name, or any of its URLs
    #[arg(value_name = "SERVICE", add = complete::services())]
    services: Vec<String>,
    /// The port; 0 takes a free one [default: 8080]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Listen on this address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = parse_bind)]
    bind: IpAddr,
    /// Let other machines in, each with the secret that is printed
    #[arg(long)]
    allow_remote: bool,
    /// Serve the revision of this traffic tag
    #[arg(long, value_name = "TAG", value_parser = parse_tag, add = complete::tags())]
    tag: Option<String>,
    /// Send requests to this address: a load balancer, a domain, a test server
    #[arg(long, value_name = "URL", conflicts_with = "tag")]
    url: Option<String>,
    /// Whom the token is for, in place of the service's own URL
    #[arg(long, value_name = "URL")]
    audience: Option<String>,
    /// The header that the token stands in
    #[arg(
        long,
        value_name = "NAME",
        default_value = "X-Serverless-Authorization",
        value_parser = parse_header
    )]
    authorization_header: HeaderName,
    /// Use the ID token in this file, read again when it changes
    #[arg(long, value_name = "FILE")]
    id_token_file: Option<PathBuf>,
    /// Let the token go to this host
    #[arg(long = "allow-host", value_name = "HOST")]
    allow_hosts: Vec<String>,
    /// Let pages of this origin in, and let them read the answers; preflights are answered here
    #[arg(long, value_name = "ORIGIN", value_parser = parse_origin)]
    cors: Vec<String>,
    /// Let requests of this origin's pages in
    #[arg(long = "allow-origin", value_name = "ORIGIN", value_parser = parse_origin)]
    allow_origins: Vec<String>,
    /// Tell applications the address at which they are called here, as `X-Forwarded-Host`: for one that
    /// builds whole addresses by it
    #[arg(long)]
    forwarded_host: bool,
    /// Serve a service at a port of its own too
    #[arg(long = "map", value_name = "NAME=PORT", value_parser = parse_map)]
    maps: Vec<(String, u16)>,
    /// Log requests on stderr: text (on a terminal, unless told otherwise), json or none
    #[arg(long, value_name = "FORM", value_enum)]
    log: Option<Log>,
    /// Stop after this time, such as 8h
    #[arg(long = "for", value_name = "TIME", value_parser = parse_span, conflicts_with = "program")]
    span: Option<Duration>,
    /// Run this program with `NAME_URL` set for each service, and end with it
    #[arg(last = true, value_name = "CMD")]
    program: Vec<OsString>,
}

pub(super) async fn run(cx: &Context, mut args: Args) -> Result<u8, CommandError> {
    let program = std::mem::take(&mut args.program);
    if program.is_empty() {
        return serve(cx, args, program).await;
    }
    serve(cx, args, program).await.map_err(not_started)
}

async fn serve(cx: &Context, mut args: Args, program: Vec<OsString>) -> Result<u8, CommandError> {
    cx.check_format::<ProxyReport>()?;
    check(cx, &args)?;
    if args.services.is_empty() {
        if !cx.terminal.interactive || !program.is_empty() {
            return Err(missing(cx, "SERVICE"));
        }
        let picked = lookup::pick(cx, "Serve which service?").await?.to_string();
        cx.record_choice(std::slice::from_ref(&picked));
        args.services.push(picked);
    }
    let ProxiedServices { services, account, expires } = Box::pin(find(cx, &args)).await?;
    let labels: Vec<&str> = services.iter().map(|service| service.label.as_str()).collect();
    let doors = open(cx, &args, &labels, !program.is_empty())?;
    let secret = args.allow_remote.then(new_secret).transpose().map_err(|error| {
        CommandError::new(ErrorKind::State, "cannot make a secret").because(error.to_string())
    })?;
    let rows = services.iter().zip(&doors.addresses);
    let report = ProxyReport {
        sandbox: cx.is_sandbox(),
        address: doors.main.clone(),
        account,
        token_expiry: expires,
        secret: secret.clone(),
        services: rows
            .map(|(service, address)| ProxiedRow {
                name: service.label.clone(),
                service: service.resource.clone(),
                address: address.clone(),
                url: service.url.clone(),
                exposure: service.exposure,
                tags: service.tags.keys().cloned().collect(),
            })
            .collect(),
    };
    let variables: Vec<(String, String)> = services
        .iter()
        .zip(&doors.variables)
        .map(|(service, address)| (variable(&service.label), address.clone()))
        .chain(secret.iter().map(|secret| ("RUNACCESS_SECRET".to_owned(), secret.clone())))
        .collect();
    let mut allowed = args.allow_origins;
    allowed.extend(args.cors.iter().cloned());
    let log = args.log.unwrap_or(match (cx.terminal.stderr_is_terminal(), program.is_empty()) {
        (true, true) => Log::Text,
        _ => Log::None,
    });
    let names = match services.as_slice() {
        [_] => 0,
        several => several.iter().map(|service| service.label.len()).max().unwrap_or_default(),
    };
    let teller = Teller::start(cx.terminal, log, names, report.account.clone());
    let serving = Serving {
        services,
        doors: doors.services,
        header: args.authorization_header,
        allowed,
        cors: args.cors,
        forwards_host: args.forwarded_host,
        secret,
        listener: Arc::new(teller.handle()),
    };
    say_ready(cx, &report, !program.is_empty())?;
    let sockets = doors.sockets;
    let code = cx
        .while_it_runs(async {
            if program.is_empty() {
                until_stopped(cx, serving, sockets, args.span).await
            } else {
                with_program(serving, sockets, &program, &variables).await
            }
        })
        .await;
    // Pending log lines are written.
    teller.finish();
    code
}

/// Checks the options before anything is read.
fn check(cx: &Context, args: &Args) -> Result<(), CommandError> {
    if !args.bind.is_loopback() && !args.allow_remote {
        let message = format!("`--bind {}` lets other machines in with your identity", args.bind);
        return Err(CommandError::usage(message)
            .because("with `--allow-remote` each client must show a secret")
            .hint(cx.command_without(&["--bind"]))
            .hint(cx.command_with_option("--allow-remote", None)));
    }
    let one = args.url.is_some() || args.tag.is_some() || args.audience.is_some();
    if one && args.services.len() > 1 {
        return Err(for_one_service());
    }
    Ok(())
}

fn for_one_service() -> CommandError {
    CommandError::usage(
        "`--url`, `--tag` and `--audience` are for one service, and there are several",
    )
}

/// Announces the address: on stdout, unless stdout belongs to a program.
fn say_ready(cx: &Context, report: &ProxyReport, on_stderr: bool) -> Result<(), CommandError> {
    if on_stderr {
        cx.show_ready(report);
    } else {
        cx.report(report)?;
    }
    if let Some(secret) = &report.secret {
        cx.terminal.warning(
            "other machines are let in, over plain http: whoever has the secret, or sees it on its \
             way, acts as you",
        );
        cx.terminal.note(&format!("in a browser: {}/?{SECRET}={secret}", report.address));
    }
    Ok(())
}

/// Serves until Ctrl-C, SIGTERM or the end of the lifetime.
async fn until_stopped(
    cx: &Context,
    serving: Serving,
    sockets: Vec<tokio::net::TcpListener>,
    span: Option<Duration>,
) -> Result<u8, CommandError> {
    proxy::raise_limit();
    let asked = context::stop_signal().map_err(|error| failed(&error))?;
    let (say, said) = tokio::sync::oneshot::channel();
    let stop = async move {
        tokio::select! {
            () = asked => {}
            () = over(span) => {
                cx.terminal.note("the time that it was for is over");
            }
        }
        let again = context::stop_signal();
        cx.terminal.note(&format!(
            "stopping; what is under way has {} s, Ctrl-C stops it at once",
            GRACE.as_secs()
        ));
        drop(say.send(again));
    };
    tokio::select! {
        served = proxy::serve(serving, sockets, stop) => served.map_err(|error| failed(&error))?,
        () = async {
            match said.await {
                Ok(Ok(again)) => again.await,
                _ => std::future::pending().await,
            }
        } => {}
    }
    Ok(ExitCode::Done.number())
}

async fn over(span: Option<Duration>) {
    match span {
        Some(span) => tokio::time::sleep(span).await,
        None => std::future::pending().await,
    }
}

/// Serves while a program runs; its exit code is the result.
async fn with_program(
    serving: Serving,
    sockets: Vec<tokio::net::TcpListener>,
    program: &[OsString],
    variables: &[(String, String)],
) -> Result<u8, CommandError> {
    tokio::select! {
        // Only the program's end matters: requests that it left unfinished are not waited for.
        ended = run_program(program, variables) => ended.map_err(|error| {
            let name = program.first().map(|name| name.to_string_lossy()).unwrap_or_default();
            CommandError::new(ErrorKind::Failed, format!("cannot run `{name}`"))
                .because(error.to_string())
        }),
        served = proxy::serve(serving, sockets, std::future::pending()) => {
            served.map_err(|error| failed(&error))?;
            Ok(ExitCode::Done.number())
        }
    }
}

fn failed(error: &std::io::Error) -> CommandError {
    CommandError::new(ErrorKind::State, "the proxy stopped").because(error.to_string())
}

/// The variable with a service's address.
fn variable(label: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = label.chars().map(plain).collect();
    let start = if name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
    format!("{start}{name}_URL")
}

fn parse_bind(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(IpAddr::from([127, 0, 0, 1])),
        _ => text.trim_matches(['[', ']']).parse().map_err(|_| {
            "write the address of an interface, such as 127.0.0.1 or 0.0.0.0".to_owned()
        }),
    }
}

fn parse_header(text: &str) -> Result<HeaderName, String> {
    let name: HeaderName = text.parse().map_err(|_| "it is not the name of a header".to_owned())?;
    let taken = ["connection", "content-length", "cookie", "host", "te", "trailer"];
    let more = ["date", "expect", "keep-alive", "origin", "proxy-connection", "referer"];
    let and = ["transfer-encoding", "upgrade", "x-forwarded-for", "x-forwarded-proto"];
    if taken.iter().chain(&more).chain(&and).any(|taken| name == *taken) {
        return Err("this header has another use".to_owned());
    }
    Ok(name)
}

/// Parses an origin as browsers send it.
fn parse_origin(text: &str) -> Result<String, String> {
    let wrong = || "write an origin as browsers do, such as http://localhost:3000".to_owned();
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let authority: http::uri::Authority = rest.parse().map_err(|_| wrong())?;
    let is_bare = !rest.contains(['@', '*']) && !authority.host().is_empty();
    let is_port = authority.port_u16().is_some() || authority.as_str() == authority.host();
    if !matches!(scheme, "http" | "https") || !is_bare || !is_port || rest.ends_with(':') {
        return Err(wrong());
    }
    let origin = text.to_ascii_lowercase();
    let usual = if scheme == "http" { ":80" } else { ":443" };
    Ok(origin.strip_suffix(usual).map_or(origin.clone(), str::to_owned))
}

fn parse_map(text: &str) -> Result<(String, u16), String> {
    let pair = text.split_once('=').and_then(|(name, port)| Some((name, port.parse().ok()?)));
    match pair {
        Some((name, port)) if !name.is_empty() => Ok((name.to_owned(), port)),
        _ => Err("write a service and a port, such as orders=8081".to_owned()),
    }
}

fn parse_span(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(span) if !span.is_zero() && span <= LONGEST => Ok(span),
        Ok(_) => Err("it must be longer than nothing and at most 30 days".to_owned()),
        Err(_) => Err("write a time such as 8h or 30m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_write_them() {
        for (text, origin) in [
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("https://App.example", Some("https://app.example")),
            ("https://app.example:443", Some("https://app.example")),
            ("http://localhost:80", Some("http://localhost")),
            ("http://[::1]:3000", Some("http://[::1]:3000")),
            ("http://localhost:3000/", None),
            ("localhost:3000", None),
            ("*", None),
            ("null", None),
            ("ftp://x", None),
            ("http://a@b", None),
            ("http://", None),
            ("http://*.example", None),
            ("http://localhost:65536", None),
            ("http://localhost:x", None),
        ] {
            assert_eq!(parse_origin(text).ok().as_deref(), origin, "{text}");
        }
    }

    #[test]
    fn a_header_that_cannot_carry_a_token_is_refused() {
        for name in ["Expect", "host", "Origin", "Keep-Alive", "x-forwarded-for", "a b"] {
            assert!(parse_header(name).is_err(), "{name}");
        }
        for name in ["Authorization", "X-Token", "Proxy-Authorization"] {
            assert!(parse_header(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn each_service_has_a_variable_that_shells_take() {
        for (label, name) in [
            ("orders", "ORDERS_URL"),
            ("orders-eu.europe-west1", "ORDERS_EU_EUROPE_WEST1_URL"),
            ("2048", "_2048_URL"),
        ] {
            assert_eq!(variable(label), name);
        }
    }
}
