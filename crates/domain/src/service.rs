//! The facts of a service that bear on who may reach and invoke it.

use super::service_name::ServiceName;

/// A service as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    pub name: ServiceName,
    /// `status.url` (v1), `uri` (v2). `None` if the default URL is off or not there yet.
    pub url: Option<String>,
    /// Every address that the API lists for the service itself.
    pub urls: Vec<String>,
    pub tags: Vec<TrafficTag>,
    /// What is observed (discovery document of v2).
    pub ingress: Ingress,
    /// What is set, if that was read and is not observed yet.
    pub ingress_set: Option<Ingress>,
    /// Whether a caller must hold `run.routes.invoke`. Off is Google's recommended way to be
    /// public.
    pub invoker_check: bool,
    pub iap: bool,
    pub default_url: bool,
    pub custom_audiences: Vec<String>,
    /// The account that it runs as, if the API says.
    pub service_account: Option<String>,
    /// Whether it runs as an agent identity: then that is who calls, and not the account. `None`
    /// if it was not read: v1 does not say it.
    pub is_agent: Option<bool>,
    /// Whether its container speaks HTTP/2 without TLS (port name `h2c`).
    pub http2: bool,
    /// What the regions of one multi-region service share; `None` for a service of one region.
    pub multi_region_id: Option<String>,
    /// Which of its own requests go by a VPC network; `None` if none do.
    pub vpc_egress: Option<VpcEgress>,
    pub readiness: Readiness,
    pub create_time: Option<String>,
    pub update_time: Option<String>,
    pub etag: Option<String>,
    /// What tells it from another of its name, made after it was deleted.
    pub uid: Option<String>,
}

#[cfg(test)]
impl Service {
    /// A service with nothing out of the ordinary.
    pub fn sample() -> Self {
        Self {
            name: ServiceName::new("p", "us-central1", "s"),
            url: None,
            urls: Vec::new(),
            tags: Vec::new(),
            ingress: Ingress::All,
            ingress_set: None,
            invoker_check: true,
            iap: false,
            default_url: true,
            custom_audiences: Vec::new(),
            service_account: None,
            is_agent: Some(false),
            http2: false,
            multi_region_id: None,
            vpc_egress: None,
            readiness: Readiness::default(),
            create_time: None,
            update_time: None,
            etag: Some("e1".to_owned()),
            uid: None,
        }
    }
}

/// A revision that can be reached at an address of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficTag {
    pub tag: String,
    pub url: Option<String>,
    pub revision: Option<String>,
    pub percent: i64,
}

/// Which of a service's own requests go by its VPC network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VpcEgress {
    AllTraffic,
    /// Those to private addresses alone.
    PrivateRanges,
}

/// Whether a service is ready, as its `Ready` condition says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// `None` while it is not settled.
    pub ready: Option<bool>,
    pub reason: Option<String>,
    pub message: Option<String>,
}

/// Which traffic Cloud Run lets in at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ingress {
    All,
    Internal,
    InternalAndLoadBalancing,
    None,
    /// A value that this program does not know.
    Other(String),
}

impl Ingress {
    /// gcloud's word for the value, which is also the v1 annotation's.
    pub fn as_str(&self) -> &str {
        match self {
            Self::All => "all",
            Self::Internal => "internal",
            Self::InternalAndLoadBalancing => "internal-and-cloud-load-balancing",
            Self::None => "none",
            Self::Other(value) => value,
        }
    }

    /// Reads the v1 annotation `run.googleapis.com/ingress`.
    pub fn from_annotation(value: &str) -> Self {
        match value {
            "" | "all" => Self::All,
            "internal" => Self::Internal,
            "internal-and-cloud-load-balancing" => Self::InternalAndLoadBalancing,
            "none" => Self::None,
            other => Self::Other(other.to_owned()),
        }
    }
}
