//! The served services by their names below `localhost`, and the doors (sockets for clients) that
//! they are behind.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderName;

use super::keeper::Keeper;
use super::log::Listener;
use super::upstream::Upstream;
use crate::domain::exposure::Exposure;
use crate::domain::resource::TAG_SIGN;

/// A service to serve.
#[derive(Debug)]
pub struct Served {
    /// Its name below `localhost`.
    pub label: String,
    /// The full resource name, if the service was looked up.
    pub resource: Option<String>,
    pub upstream: Upstream,
    /// Its traffic tags, each with its upstream.
    pub tags: BTreeMap<String, Upstream>,
    pub keeper: Arc<Keeper>,
    /// Every `host[:port]` that the service itself has, for redirects to it.
    pub authorities: Vec<String>,
    /// The URL that the index shows.
    pub url: String,
    pub exposure: Option<Exposure>,
}

/// The services to serve, and the clients to accept.
#[derive(Debug)]
pub struct Serving {
    pub services: Vec<Served>,
    /// For each door, the index in `services` of the service behind it; `None` for the index page. In
    /// the order of the sockets.
    pub doors: Vec<Option<usize>>,
    /// The header that carries the token.
    pub header: HeaderName,
    /// Origins whose requests are accepted, besides each service's own.
    pub allowed: Vec<String>,
    /// Those of the allowed origins that get CORS headers and answers to preflights.
    pub cors: Vec<String>,
    /// Whether applications are told the address at which the proxy was called.
    pub forwards_host: bool,
    /// The secret that every client must send; if there is one, any host is accepted.
    pub secret: Option<String>,
    pub listener: Arc<dyn Listener>,
}

/// One address of a service.
#[derive(Debug)]
pub(super) struct Route {
    /// The service's local name.
    pub(super) name: Arc<str>,
    /// The label of this address, which has a tag before the name if the address is the tag's.
    pub(super) label: String,
    pub(super) upstream: Upstream,
    pub(super) keeper: Arc<Keeper>,
}

/// A socket that clients connect to.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) port: u16,
    /// The hosts, with the port, that refer to the service or index behind this door.
    hosts: Vec<String>,
    route: Option<Arc<Route>>,
}

/// The served services, indexed for the lookup of requests.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) doors: Vec<Door>,
    /// Routes by label, including the labels with tags.
    routes: HashMap<String, Arc<Route>>,
    /// The label for each host that a service itself has.
    labels: HashMap<String, String>,
    pub(super) header: HeaderName,
    pub(super) allowed: Vec<String>,
    pub(super) cors: Vec<String>,
    pub(super) forwards_host: bool,
    pub(super) secret: Option<String>,
    pub(super) index: Vec<Listed>,
    pub(super) listener: Arc<dyn Listener>,
}

/// A service as the index shows it.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) label: String,
    pub(super) tags: Vec<String>,
    pub(super) url: String,
    pub(super) exposure: Option<Exposure>,
}

/// What a host refers to.
#[derive(Clone, Copy, Debug)]
pub(super) enum HostMatch<'a> {
    Route(&'a Arc<Route>),
    Index,
}

impl Site {
    pub(super) fn new(serving: Serving, sockets: &[SocketAddr]) -> Self {
        let mut routes = HashMap::new();
        let mut labels = HashMap::new();
        let mut index = Vec::new();
        let mut mains = Vec::new();
        for served in serving.services {
            let Served { label, resource: _, upstream, tags, keeper, authorities, url, exposure } =
                served;
            let name: Arc<str> = label.as_str().into();
            let route = |label: &str, upstream| {
                let (name, keeper) = (Arc::clone(&name), Arc::clone(&keeper));
                Arc::new(Route { name, label: label.to_owned(), upstream, keeper })
            };
            for authority in authorities {
                labels.insert(authority, label.clone());
            }
            index.push(Listed {
                label: label.clone(),
                tags: tags.keys().cloned().collect(),
                url,
                exposure,
            });
            for (tag, upstream) in tags {
                let tagged = format!("{tag}{TAG_SIGN}{label}");
                // A tag that is already served as the service itself keeps that label.
                labels.entry(upstream.authority.to_string()).or_insert_with(|| tagged.clone());
                routes.insert(tagged.clone(), route(&tagged, upstream));
            }
            let main = route(&label, upstream);
            mains.push(Arc::clone(&main));
            routes.insert(label, main);
        }
        let doors = sockets.iter().zip(serving.doors).map(|(socket, service)| Door {
            port: socket.port(),
            hosts: hosts(*socket),
            route: service.and_then(|at| mains.get(at).cloned()),
        });
        Self {
            doors: doors.collect(),
            routes,
            labels,
            header: serving.header,
            allowed: serving.allowed,
            cors: serving.cors,
            forwards_host: serving.forwards_host,
            secret: serving.secret,
            index,
            listener: serving.listener,
        }
    }

    /// The service or index that a host refers to at a door; `None` if the host is not ours.
    pub(super) fn find<'a>(&'a self, door: &'a Door, host: &str) -> Option<HostMatch<'a>> {
        let of_door = || door.route.as_ref().map_or(HostMatch::Index, HostMatch::Route);
        if door.hosts.iter().any(|known| known == host) {
            return Some(of_door());
        }
        let host = host.to_ascii_lowercase();
        let name = match host.rsplit_once(':').filter(|_| !host.ends_with(']')) {
            Some((name, port)) => {
                (port.parse() == Ok(door.port) && !port.starts_with(['+', '0'])).then_some(name)
            }
            None => (door.port == 80).then_some(host.as_str()),
        };
        if let Some(route) =
            name.and_then(|name| name.strip_suffix(".localhost")).and_then(|l| self.routes.get(l))
        {
            return Some(HostMatch::Route(route));
        }
        // A client that shows the secret may use any host.
        let is_ours = self.secret.is_some() || door.hosts.contains(&host);
        is_ours.then(of_door)
    }

    /// The label of the service that has this host itself.
    pub(super) fn label_of(&self, authority: &str) -> Option<&str> {
        self.labels.get(authority).map(String::as_str)
    }

    /// Every service with the keeper of its token.
    pub(super) fn keepers(&self) -> Vec<(Arc<str>, Arc<Keeper>)> {
        let mut keepers: Vec<(Arc<str>, Arc<Keeper>)> = Vec::new();
        for route in self.routes.values() {
            if !keepers.iter().any(|(_, known)| Arc::ptr_eq(known, &route.keeper)) {
                keepers.push((Arc::clone(&route.name), Arc::clone(&route.keeper)));
            }
        }
        keepers
    }
}

/// The hosts by which clients address a socket of this machine.
fn hosts(socket: SocketAddr) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
    let own = match socket.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    if !names.contains(&own) {
        names.push(own);
    }
    let port = socket.port();
    let bare = if port == 80 { names.clone() } else { Vec::new() };
    names.iter().map(|name| format!("{name}:{port}")).chain(bare).collect()
}
