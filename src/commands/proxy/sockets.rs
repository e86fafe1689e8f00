//! The sockets that accept clients, and the service of each.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

use super::{Args, PORT};
use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind};
use crate::proxy::listen;

/// The number of ports that are tried after a busy one.
const NEAR: u16 = 100;

/// The open sockets.
pub(super) struct Doors {
    pub(super) sockets: Vec<TcpListener>,
    /// The service of each socket, by its index; `None` for the index page.
    pub(super) services: Vec<Option<usize>>,
    /// The address of the main port.
    pub(super) main: String,
    /// The URL of each service for a browser.
    pub(super) addresses: Vec<String>,
    /// The URL of each service for a program, which needs no name resolution.
    pub(super) variables: Vec<String>,
}

/// Opens the main port and those of `--map`; for a program, one port for each of several services.
pub(super) fn open(
    cx: &Context,
    args: &Args,
    labels: &[&str],
    for_program: bool,
) -> Result<Doors, CommandError> {
    let only = (labels.len() == 1).then_some(0);
    let (mut sockets, mut services) = (Vec::new(), Vec::new());
    let mut add = |wanted: u16, service: Option<usize>| -> io::Result<u16> {
        let (port, opened) = both(args.bind, wanted)?;
        services.extend(opened.iter().map(|_| service));
        sockets.extend(opened);
        Ok(port)
    };
    let main = match (args.port, for_program) {
        // A started program is told the port, so any free port will do.
        (None, true) => add(PORT, only).or_else(|_| add(0, only)),
        (port, _) => add(port.unwrap_or(PORT), only),
    };
    let wanted = args.port.unwrap_or(PORT);
    let main = main.map_err(|error| not_opened(cx, args, wanted, None, &error))?;
    let mut own: Vec<Option<u16>> = vec![None; labels.len()];
    for (name, wanted) in &args.maps {
        let Some(at) = labels.iter().position(|label| label == name) else {
            let message = format!("`--map {name}={wanted}` is for none of the services");
            return Err(
                CommandError::usage(message).because(format!("they are `{}`", labels.join("`, `")))
            );
        };
        let port = add(*wanted, Some(at))
            .map_err(|error| not_opened(cx, args, *wanted, Some(name), &error))?;
        own[at] = Some(port);
    }
    let mut for_each: Vec<u16> = Vec::new();
    for (at, own) in own.iter().enumerate() {
        for_each.push(match (own, only) {
            (Some(port), _) => *port,
            (None, Some(_)) => main,
            (None, None) if for_program => {
                add(0, Some(at)).map_err(|error| not_opened(cx, args, 0, None, &error))?
            }
            (None, None) => 0,
        });
    }
    let here = if args.bind.is_loopback() || args.bind.is_unspecified() {
        "localhost".to_owned()
    } else {
        SocketAddr::new(args.bind, 0).to_string().trim_end_matches(":0").to_owned()
    };
    let address = |(label, own): (&&str, &Option<u16>)| match (own, only) {
        (Some(port), _) => format!("http://{here}:{port}"),
        (None, Some(_)) => format!("http://{here}:{main}"),
        (None, None) => format!("http://{label}.localhost:{main}"),
    };
    let number = match args.bind {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from(Ipv6Addr::LOCALHOST),
        other => other,
    };
    Ok(Doors {
        addresses: labels.iter().zip(&own).map(address).collect(),
        variables: for_each
            .iter()
            .map(|port| format!("http://{}", SocketAddr::new(number, *port)))
            .collect(),
        main: format!("http://{here}:{main}"),
        sockets,
        services,
    })
}

/// Opens a port on the loopback addresses of IPv4 and IPv6, because `localhost` may mean either:
/// another program on the other one would receive requests for this one.
fn both(bind: IpAddr, wanted: u16) -> io::Result<(u16, Vec<TcpListener>)> {
    for _ in 0..NEAR {
        match both_once(bind, wanted) {
            // A port may be free for only one of them.
            Err(error) if wanted == 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            opened => return opened,
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

fn both_once(bind: IpAddr, wanted: u16) -> io::Result<(u16, Vec<TcpListener>)> {
    let first = listen(SocketAddr::new(bind, wanted))?;
    let port = first.local_addr()?.port();
    if bind != IpAddr::from([127, 0, 0, 1]) {
        return Ok((port, vec![first]));
    }
    match listen(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port)) {
        Ok(second) => Ok((port, vec![first, second])),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        // Usually a machine without IPv6.
        Err(_) => Ok((port, vec![first])),
    }
}

fn not_opened(
    cx: &Context,
    args: &Args,
    port: u16,
    map: Option<&String>,
    error: &io::Error,
) -> CommandError {
    if error.kind() != io::ErrorKind::AddrInUse {
        let message = format!("cannot listen on {}", SocketAddr::new(args.bind, port));
        return CommandError::new(ErrorKind::State, message).because(error.to_string());
    }
    let error = CommandError::new(ErrorKind::State, format!("port {port} is in use"));
    let is_said =
        |port: &u16| args.port == Some(*port) || args.maps.iter().any(|(_, said)| said == port);
    let free = (port..port.saturating_add(NEAR))
        .filter(|port| *port != 0 && !is_said(port))
        .find(|port| both(args.bind, *port).is_ok());
    let Some(free) = free else { return error };
    match map {
        Some(name) => error
            .hint(cx.command_with_argument(&format!("{name}={port}"), &format!("{name}={free}"))),
        None => error.hint(cx.command_with_instead("--port", &free.to_string())),
    }
}
