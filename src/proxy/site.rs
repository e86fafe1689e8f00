//! What is served where: the services by their names below `localhost`, and the doors that they
//! are behind.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderName;

use super::keeper::Keeper;
use super::log::Listener;
use super::upstream::Upstream;
use crate::domain::exposure::Exposure;
use crate::domain::resource::TAG_SIGN;

/// A service as it is to be served.
#[derive(Debug)]
pub struct Served {
    /// Its name below `localhost`.
    pub label: String,
    /// Its full resource name, if it was looked up.
    pub resource: Option<String>,
    pub upstream: Upstream,
    /// Its traffic tags, each with its way.
    pub tags: BTreeMap<String, Upstream>,
    pub keeper: Arc<Keeper>,
    /// Every `host[:port]` of the service's own, for redirects to it.
    pub authorities: Vec<String>,
    /// What the index says of it.
    pub url: String,
    pub exposure: Option<Exposure>,
}

/// What is served, and to whom.
#[derive(Debug)]
pub struct Serving {
    pub services: Vec<Served>,
    /// Which service, by its place among them, each door leads to; `None` for the index. In the
    /// order of the sockets.
    pub doors: Vec<Option<usize>>,
    /// The header that the token stands in.
    pub header: HeaderName,
    /// Origins whose requests are taken, beside each service's own.
    pub allowed: Vec<String>,
    /// Those of them that are answered as another origin's must be, preflights included.
    pub cors: Vec<String>,
    /// What every client must show; if there is one, any host is taken.
    pub secret: Option<String>,
    pub listener: Arc<dyn Listener>,
}

/// One of a service's addresses.
#[derive(Debug)]
pub(super) struct Route {
    /// The service's name here.
    pub(super) name: Arc<str>,
    /// Its own, which has a tag before the name where it is that tag's.
    pub(super) label: String,
    pub(super) upstream: Upstream,
    pub(super) keeper: Arc<Keeper>,
}

/// Where a client comes in.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) port: u16,
    /// Hosts that lead to what the door is for, with the port.
    hosts: Vec<String>,
    route: Option<Arc<Route>>,
}

/// What is served, as requests look for it.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) doors: Vec<Door>,
    /// By their labels, with tags before them.
    routes: HashMap<String, Arc<Route>>,
    /// The label for each host of a service's own.
    labels: HashMap<String, String>,
    pub(super) header: HeaderName,
    pub(super) allowed: Vec<String>,
    pub(super) cors: Vec<String>,
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

/// What a host stands for.
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
                // A tag that is served as the service itself stays there.
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
            secret: serving.secret,
            index,
            listener: serving.listener,
        }
    }

    /// What a host leads to at a door; `None` if it is not one of ours.
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
        // Whoever shows the secret may come by any name.
        let is_ours = self.secret.is_some() || door.hosts.contains(&host);
        is_ours.then(of_door)
    }

    /// The label of the service whose own host this is.
    pub(super) fn label_of(&self, authority: &str) -> Option<&str> {
        self.labels.get(authority).map(String::as_str)
    }

    /// Every service with its token.
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

/// The hosts by which a socket of this machine is called.
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
