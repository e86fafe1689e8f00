//! Whether a request gets to a service at all.

use super::super::condition::Doubt;
use super::super::service::{Ingress, Service};
use super::{Layer, Origin, Outcome, Request, Step, Uncertainty};

/// Paths that never reach a service: documented, but `/healthz`, which is observed. "Some paths
/// that end with `z`" are documented too, without saying which.
const RESERVED: [&str; 2] = ["/eventlog", "/healthz"];
const RESERVED_BELOW: &str = "/_ah/";

/// Whether Google's front end keeps a path for itself. Observed at `run.app` addresses; that it is
/// so at mapped domains is taken to be, and behind a load balancer not.
pub fn is_reserved(path: &str) -> bool {
    RESERVED.contains(&path) || path.starts_with(RESERVED_BELOW)
}

/// Which of a service's addresses a request's host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// One of its `run.app` addresses.
    DefaultUrl,
    /// A domain that is mapped to it, or a load balancer's.
    Domain,
    /// None that is known of, if all that are mapped to it could be read.
    Elsewhere,
    /// A traffic tag's `run.app` address.
    Tag(&'a str),
    /// It is not known, since the domains that are mapped to it could not be read.
    Unread,
}

/// Documented for each value of ingress; that the default URL is refused like one that is not there
/// is observed.
pub(super) fn reachability<'a>(service: &Service, request: &Request<'_>) -> Step<'a> {
    let layer = Layer::Reachability;
    let say = |outcome, reason: &'static str| Step::new(layer, outcome, reason);
    if request.from != Origin::LoadBalancer && request.path.is_some_and(is_reserved) {
        return say(
            Outcome::Block,
            "Google's front end keeps this path for itself, and no service ever sees it",
        );
    }
    let by_default_url = match request.entry {
        Entry::Tag(tag) if !service.tags.iter().any(|known| known.tag == tag) => {
            return Step::new(layer, Outcome::Block, format!("there is no traffic tag `{tag}`"));
        }
        // It leads to the service by itself, whatever host it is asked for (documented).
        _ if request.from == Origin::LoadBalancer => false,
        Entry::DefaultUrl | Entry::Tag(_) => true,
        Entry::Domain => false,
        Entry::Elsewhere => {
            return say(Outcome::Block, "the host is none of the service's addresses");
        }
        Entry::Unread => {
            let ingress = by_ingress(service, request.from);
            return if ingress.outcome == Outcome::Block {
                ingress
            } else {
                let why = "the domains that are mapped to services were not read";
                doubtful(Doubt::unread(why))
            };
        }
    };
    if by_default_url && !service.default_url {
        return say(Outcome::Block, "the default URL is off");
    }
    by_ingress(service, request.from)
}

fn by_ingress<'a>(service: &Service, from: Origin) -> Step<'a> {
    let layer = Layer::Reachability;
    let say = |outcome, reason: &'static str| Step::new(layer, outcome, reason);
    match (&service.ingress, from) {
        (Ingress::All, _) => say(Outcome::Pass, "ingress is `all`"),
        (Ingress::Internal, Origin::Internal) => {
            say(Outcome::Pass, "ingress is `internal`, and the request is")
        }
        (Ingress::Internal, _) => {
            say(Outcome::Block, "ingress is `internal`, and the request is not")
        }
        (Ingress::InternalAndLoadBalancing, Origin::Internet) => say(
            Outcome::Block,
            "ingress is `internal-and-cloud-load-balancing`, and the request comes from the internet",
        ),
        (Ingress::InternalAndLoadBalancing, _) => {
            say(Outcome::Pass, "ingress is `internal-and-cloud-load-balancing`")
        }
        (Ingress::None, _) => say(Outcome::Block, "ingress is `none`"),
        (Ingress::Other(value), _) => {
            let doubt =
                Doubt::undecidable(format!("ingress `{value}` is not known to this version"));
            doubtful(doubt)
        }
    }
}

fn doubtful<'a>(doubt: Doubt) -> Step<'a> {
    let either = (Outcome::Pass, Outcome::Block);
    Step::open(Layer::Reachability, either, None, vec![Uncertainty { what: "", doubt }])
}
