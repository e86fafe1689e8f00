//! The APIs that the program calls, and the endpoint of each.

use std::sync::OnceLock;

use crate::transport::{Endpoint, Network, Transport, TransportError};

/// An API of Google.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    CloudFunctions,
    CloudIdentity,
    Iam,
    Iap,
    OrgPolicy,
    /// Google's public resolver, which takes no credential.
    PublicDns,
    ResourceManager,
    Run,
}

impl Api {
    /// Every API, in the order of its variants.
    pub const ALL: [Self; 8] = [
        Self::CloudFunctions,
        Self::CloudIdentity,
        Self::Iam,
        Self::Iap,
        Self::OrgPolicy,
        Self::PublicDns,
        Self::ResourceManager,
        Self::Run,
    ];

    /// The first label of the API's host, which is also its name in gcloud's properties
    /// (`api_endpoint_overrides/WORD`).
    pub fn word(self) -> &'static str {
        match self {
            Self::CloudFunctions => "cloudfunctions",
            Self::CloudIdentity => "cloudidentity",
            Self::Iam => "iam",
            Self::Iap => "iap",
            Self::OrgPolicy => "orgpolicy",
            // gcloud has no property for it: its `dns` is another API.
            Self::PublicDns => "public_dns",
            Self::ResourceManager => "cloudresourcemanager",
            Self::Run => "run",
        }
    }

    /// The global endpoint in a universe (discovery documents, and the resolver's documentation).
    pub fn endpoint(self, universe: &str) -> Endpoint {
        match self {
            Self::PublicDns => Endpoint::public_dns(),
            _ => Endpoint::of_google(self.word(), universe),
        }
    }
}

/// The endpoint of each API, and its client once one is created.
#[derive(Debug)]
pub struct Endpoints {
    places: Vec<ApiHost>,
    universe: String,
    network: Network,
}

#[derive(Debug)]
struct ApiHost {
    endpoint: Endpoint,
    transport: OnceLock<Transport>,
}

impl Endpoints {
    /// The endpoints that `of` returns.
    pub fn new(universe: String, network: Network, of: impl Fn(Api) -> Endpoint) -> Self {
        let place = |api| ApiHost { endpoint: of(api), transport: OnceLock::new() };
        Self { places: Api::ALL.into_iter().map(place).collect(), universe, network }
    }

    fn place(&self, api: Api) -> &ApiHost {
        // APIs with the same endpoint share the first one's client, and thereby its connection.
        let own = &self.places[api as usize];
        self.places.iter().find(|place| place.endpoint == own.endpoint).unwrap_or(own)
    }

    /// The base address of an API.
    pub fn endpoint(&self, api: Api) -> &Endpoint {
        &self.place(api).endpoint
    }

    /// The endpoint of an API in a region, if the API's endpoint is Google's.
    pub fn regional(&self, api: Api, region: &str) -> Option<Endpoint> {
        let is_googles = *self.endpoint(api) == api.endpoint(&self.universe);
        let host = format!("{region}-{}", api.word());
        is_googles.then(|| Endpoint::of_google(&host, &self.universe))
    }

    /// A client of its own for an endpoint.
    pub(super) fn transport_to(&self, endpoint: &Endpoint) -> Result<Transport, TransportError> {
        Transport::to(endpoint, &self.network)
    }

    /// The client of an API. Opens no connection; reads root certificates only for TLS.
    pub fn transport(&self, api: Api) -> Result<&Transport, TransportError> {
        let place = self.place(api);
        if let Some(transport) = place.transport.get() {
            return Ok(transport);
        }
        let transport = self.transport_to(&place.endpoint)?;
        Ok(place.transport.get_or_init(|| transport))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apis_at_one_address_share_a_way() {
        let endpoints = Endpoints::new("googleapis.com".to_owned(), Network::default(), |_| {
            Endpoint::loopback(1)
        });
        let ways = Api::ALL.map(|api| std::ptr::from_ref(endpoints.transport(api).unwrap()));
        assert!(ways.iter().all(|way| *way == ways[0]));
        for (at, api) in Api::ALL.into_iter().enumerate() {
            assert_eq!(api as usize, at);
        }
        let google = Endpoints::new("googleapis.com".to_owned(), Network::default(), |api| {
            api.endpoint("googleapis.com")
        });
        assert_eq!(google.endpoint(Api::Iap).as_str(), "https://iap.googleapis.com");
        let regional = google.regional(Api::ResourceManager, "us-central1").unwrap();
        assert_eq!(regional.as_str(), "https://us-central1-cloudresourcemanager.googleapis.com");
        assert_eq!(endpoints.regional(Api::ResourceManager, "us-central1"), None);
    }
}
