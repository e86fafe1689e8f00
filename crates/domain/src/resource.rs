//! Names of services, and what a user may type for them.

use std::fmt;

use thiserror::Error;
use wildmatch::WildMatch;

use super::address::{Address, AddressError};
use super::error::CommandError;
pub use super::service_name::{Invoked, ServiceName, TAG_SIGN};
use super::target::{Kind, WorkloadKind};

/// What a user typed where a service is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceRef {
    /// The full resource name.
    Full(ServiceName),
    /// A pattern with `*` or `?`, in the region given or set, else in all.
    Glob { region: Option<String>, pattern: String },
    /// A name in a project that is said, in the region that is set, else in all.
    InProject { project: String, service: String },
    /// An instance, by anything but its full name.
    Instance(InstanceRef),
    /// A bare name, looked for in the region that is set, else in all.
    Name(String),
    /// `REGION/NAME`; the region `-` stands for all.
    Regional { region: String, service: String },
    /// One of the service's addresses, or one under it.
    Url(Address),
}

/// An instance, in the project and the region that are said or set, else in every region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceRef {
    pub project: Option<String>,
    pub region: Option<String>,
    /// Its name, or a pattern with `*` or `?`.
    pub pattern: String,
}

/// Why a text cannot name a service.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ServiceRefError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("a service name is empty")]
    Empty,
    #[error("`{0}` is a principal, where a service is wanted")]
    IsMember(String),
    #[error("`{0}` names no service: {1}")]
    Malformed(String, &'static str),
    #[error("`{typed}` is not a service name: {why}")]
    Name { typed: String, why: &'static str, instead: Option<String> },
}

impl ServiceRef {
    /// Parses one of the forms that the command line takes. A text is never split at a slash
    /// other than the documented ones.
    pub fn parse(text: &str) -> Result<Self, ServiceRefError> {
        if text.is_empty() {
            return Err(ServiceRefError::Empty);
        }
        if let Some(full) = ResourceName::parse(text) {
            return full?.service(text);
        }
        if let Some(address) = Address::parse(text)? {
            return Ok(Self::Url(address));
        }
        let said = text.split_once('/').and_then(|(kind, rest)| {
            let kind = Kind::of_collection(kind)?;
            Some((kind, rest))
        });
        match said {
            Some((Kind::Instance, rest)) => return Self::instance(rest),
            Some((kind, _)) if let Some(why) = why_no_service(kind) => {
                return Err(ServiceRefError::Malformed(text.to_owned(), why));
            }
            _ => {}
        }
        if looks_like_member(text) {
            return Err(ServiceRefError::IsMember(text.to_owned()));
        }
        let (region, service) = match text.split_once('/') {
            Some((region, service)) => (Some(region), service),
            None => (None, text),
        };
        if let Some(region) = region {
            if region != "-" {
                check_region(region, text)?;
            }
            if service.contains('/') {
                return Err(ServiceRefError::Malformed(
                    text.to_owned(),
                    "write `NAME`, `REGION/NAME` or `projects/PROJECT/locations/REGION/services/NAME`",
                ));
            }
        }
        if service.contains(['*', '?']) {
            check_glob(service, text)?;
            return Ok(Self::Glob {
                region: region.map(str::to_owned),
                pattern: service.to_owned(),
            });
        }
        check_name(service)?;
        Ok(match region {
            None => Self::Name(service.to_owned()),
            Some(region) => {
                Self::Regional { region: region.to_owned(), service: service.to_owned() }
            }
        })
    }

    /// An instance by `NAME` or `REGION/NAME`, with what `instances/` stood before.
    pub(crate) fn instance(text: &str) -> Result<Self, ServiceRefError> {
        let (project, region, pattern) = match Self::parse(text)? {
            Self::Glob { region, pattern } => (None, region, pattern),
            Self::Name(name) => (None, None, name),
            Self::Regional { region, service } => (None, Some(region), service),
            Self::Full(_) | Self::InProject { .. } | Self::Instance(_) | Self::Url(_) => {
                let why = "write `instances/NAME` or `instances/REGION/NAME`";
                return Err(ServiceRefError::Malformed(text.to_owned(), why));
            }
        };
        let region = region.filter(|region| region != "-");
        Ok(Self::Instance(InstanceRef { project, region, pattern }))
    }

    /// Whether it names an instance.
    pub fn is_of_instance(&self) -> bool {
        match self {
            Self::Full(name) => name.kind() == Invoked::Instance,
            Self::Instance(_) => true,
            _ => false,
        }
    }

    /// The project that it says; `None` if that is the one that is set.
    pub fn project(&self) -> Option<&str> {
        match self {
            Self::Full(name) => Some(name.project()),
            Self::InProject { project, .. } => Some(project),
            Self::Instance(instance) => instance.project.as_deref(),
            Self::Glob { .. } | Self::Name(_) | Self::Regional { .. } | Self::Url(_) => None,
        }
    }

    /// The same with the project that it says named otherwise.
    #[must_use]
    pub fn in_project(self, project: &str) -> Self {
        match self {
            Self::Full(name) => Self::Full(name.in_project(project)),
            Self::Instance(instance) => {
                let named = instance.project.map(|_| project.to_owned());
                Self::Instance(InstanceRef { project: named, ..instance })
            }
            Self::InProject { service, .. } => {
                Self::InProject { project: project.to_owned(), service }
            }
            other => other,
        }
    }

    /// Whether one reference may stand for several services.
    pub fn is_glob(&self) -> bool {
        match self {
            Self::Glob { .. } => true,
            Self::Instance(instance) => instance.is_glob(),
            _ => false,
        }
    }

    /// Whether a name, as this says it, may be that of a service of the same project.
    pub fn may_name(&self, name: &ServiceName) -> bool {
        if self.is_of_instance() != (name.kind() == Invoked::Instance) {
            return false;
        }
        match self {
            Self::Full(full) => (full.region(), full.service()) == (name.region(), name.service()),
            Self::Instance(InstanceRef { region, pattern, .. }) => {
                pattern == name.service() && region.as_ref().is_none_or(|it| it == name.region())
            }
            Self::Regional { region, service } => {
                service == name.service() && (region == "-" || region == name.region())
            }
            Self::InProject { service, .. } | Self::Name(service) => service == name.service(),
            Self::Glob { .. } | Self::Url(_) => false,
        }
    }
}

impl fmt::Display for ServiceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(name) => name.fmt(f),
            Self::InProject { project, service } => {
                write!(f, "namespaces/{project}/services/{service}")
            }
            Self::Instance(instance) => instance.fmt(f),
            Self::Glob { region: Some(region), pattern } => write!(f, "{region}/{pattern}"),
            Self::Glob { region: None, pattern } => f.write_str(pattern),
            Self::Name(name) => f.write_str(name),
            Self::Regional { region, service } => write!(f, "{region}/{service}"),
            Self::Url(address) => address.fmt(f),
        }
    }
}

impl InstanceRef {
    /// Whether it may stand for several.
    pub fn is_glob(&self) -> bool {
        self.pattern.contains(['*', '?'])
    }
}

impl fmt::Display for InstanceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { project: Some(project), pattern, .. } => {
                write!(f, "namespaces/{project}/instances/{pattern}")
            }
            Self { region: Some(region), pattern, .. } => write!(f, "instances/{region}/{pattern}"),
            Self { pattern, .. } => write!(f, "instances/{pattern}"),
        }
    }
}

/// Whether `service` matches a pattern of `*` (any run) and `?` (one character).
pub fn glob_matches(pattern: &str, service: &str) -> bool {
    WildMatch::new(pattern).matches(service)
}

/// A resource of Cloud Run by its full name, in any of the forms that Google's tools print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourceName {
    pub(crate) project: String,
    /// `None` if the form does not say it: v1's has none.
    pub(crate) region: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) name: String,
}

impl ResourceName {
    /// Takes a full name apart: `projects/P/locations/R/services/S` (v2), `namespaces/P/services/S`
    /// (v1, errors, audit logs), `locations/R/namespaces/P/services/S` (Terraform), each with the version and
    /// the group of the API before it, and as a URL of the API (a `selfLink`). `None` for what
    /// does not begin as one.
    pub(crate) fn parse(text: &str) -> Option<Result<Self, ServiceRefError>> {
        let (region, path) = api_path(text)?;
        let parts: Vec<&str> = path.split('/').collect();
        let known = match parts.as_slice() {
            ["projects", project, "locations", region, kind, name]
            | ["locations", region, "namespaces", project, kind, name] => {
                Some((*project, Some(*region), *kind, *name))
            }
            ["namespaces", project, kind, name] => Some((*project, region, *kind, *name)),
            _ => None,
        };
        let malformed = || {
            let why = "the full form is `projects/PROJECT/locations/REGION/services/NAME`";
            ServiceRefError::Malformed(text.to_owned(), why)
        };
        let known = known.filter(|(.., name)| !name.is_empty()).and_then(
            |(project, region, kind, name)| {
                Some((project, region, Kind::of_collection(kind)?, name))
            },
        );
        let Some((project, region, kind, name)) = known else {
            return Some(Err(malformed()));
        };
        if let Err(why) = check_project(project) {
            return Some(Err(ServiceRefError::Malformed(text.to_owned(), why)));
        }
        let region = region.filter(|region| *region != "-");
        if let Some(Err(error)) = region.map(|region| check_region(region, text)) {
            return Some(Err(error));
        }
        Some(Ok(Self {
            project: project.to_owned(),
            region: region.map(str::to_owned),
            kind,
            name: name.to_owned(),
        }))
    }

    /// What it is as a reference to a service.
    fn service(self, typed: &str) -> Result<ServiceRef, ServiceRefError> {
        match why_no_service(self.kind) {
            Some(why) => Err(ServiceRefError::Malformed(typed.to_owned(), why)),
            None => self.reference(),
        }
    }

    /// What it is as a reference, whatever it is of.
    pub(crate) fn reference(self) -> Result<ServiceRef, ServiceRefError> {
        check_name(&self.name)?;
        let Self { project, region, name, kind } = self;
        let is_instance = kind == Kind::Instance;
        let of = if is_instance { Invoked::Instance } else { Invoked::Service };
        Ok(match region {
            Some(region) => ServiceRef::Full(ServiceName::new(project, region, name).of_kind(of)),
            None if is_instance => ServiceRef::Instance(InstanceRef {
                project: Some(project),
                region: None,
                pattern: name,
            }),
            None => ServiceRef::InProject { project, service: name },
        })
    }
}

/// Why what is of a kind does not name a service; `None` for one.
fn why_no_service(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Function => {
            Some("it is a function: name the service that it runs as, which `who` tells")
        }
        Kind::Workload(WorkloadKind::Job) => Some("it is a job, and this is about services"),
        Kind::Workload(WorkloadKind::WorkerPool) => {
            Some("it is a worker pool, which has no address, and this is about services")
        }
        Kind::Instance | Kind::Service => None,
    }
}

/// The path of a resource in Cloud Run's API, without the API's version and group, and the region
/// whose own host it was given with; `None` for a text that is no such path.
fn api_path(text: &str) -> Option<(Option<&str>, &str)> {
    let own_host = |host: &str| {
        host == "run.googleapis.com"
            || host.ends_with("-run.googleapis.com")
            || (host.starts_with("run.") && host.ends_with(".rep.googleapis.com"))
    };
    let (region, path) = match text.split_once("//") {
        Some(("" | "https:" | "http:", rest)) => {
            let (host, path) = rest.split_once('/')?;
            if !own_host(host) {
                return None;
            }
            let regional = host
                .strip_suffix("-run.googleapis.com")
                .or_else(|| host.strip_prefix("run.")?.strip_suffix(".rep.googleapis.com"));
            (regional, path)
        }
        Some(_) => return None,
        None => (None, text),
    };
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = ["apis/serving.knative.dev/", "apis/run.googleapis.com/"]
        .into_iter()
        .find_map(|group| path.strip_prefix(group))
        .unwrap_or(path);
    let path = ["v1/", "v2/", "v1alpha1/"]
        .into_iter()
        .find_map(|version| path.strip_prefix(version))
        .unwrap_or(path);
    let begins = ["projects/", "namespaces/", "locations/"];
    begins.iter().any(|begin| path.starts_with(begin)).then_some((region, path))
}

/// Checks a project's ID or number (Resource Manager: lower-case letters, digits and hyphens; IDs of
/// before 2013 and of organisations' own domains hold a colon and dots).
pub fn check_project(project: &str) -> Result<(), &'static str> {
    let good =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | ':' | '.');
    if !project.is_empty() && project.chars().all(good) {
        Ok(())
    } else {
        Err("a project's id holds lower-case letters, digits and hyphens")
    }
}

/// Whether it is a project's number rather than its ID, which begins with a letter.
pub fn is_project_number(project: &str) -> bool {
    !project.is_empty() && project.chars().all(|c| c.is_ascii_digit())
}

/// Whether a text reads as an IAM principal rather than as a service.
pub fn looks_like_member(text: &str) -> bool {
    text.contains('@')
        || text.eq_ignore_ascii_case("allUsers")
        || text.eq_ignore_ascii_case("allAuthenticatedUsers")
        || (text.contains(':') && !text.contains("://") && Address::parse(text) == Ok(None))
}

/// Checks a region as the `--region` flag takes it (`-` is every region).
pub fn check_region(region: &str, typed: &str) -> Result<(), ServiceRefError> {
    let body = region.trim_end_matches(|c: char| c.is_ascii_digit());
    let good = body.len() < region.len()
        && body.contains('-')
        && body
            .split('-')
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase()));
    if good {
        Ok(())
    } else {
        Err(ServiceRefError::Malformed(
            typed.to_owned(),
            "the part before `/` must be a region, such as `us-central1`",
        ))
    }
}

/// Cloud Run's rule (discovery document, `serviceId`): fewer than 50 characters; lower-case
/// letters, digits and hyphens; a letter first, no hyphen last.
fn check_name(name: &str) -> Result<(), ServiceRefError> {
    let fail = |why, instead| Err(ServiceRefError::Name { typed: name.to_owned(), why, instead });
    let lowered = name.to_ascii_lowercase();
    if name.is_empty() {
        fail("the part after `/` is empty", None)
    } else if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        let instead = (lowered != name && check_name(&lowered).is_ok()).then_some(lowered);
        fail("it may hold lower-case letters, digits and hyphens only", instead)
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.ends_with('-') {
        fail("it starts with a letter and does not end with a hyphen", None)
    } else if name.len() >= 50 {
        fail("it must be shorter than 50 characters", None)
    } else {
        Ok(())
    }
}

fn check_glob(pattern: &str, typed: &str) -> Result<(), ServiceRefError> {
    let allowed =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '*' | '?');
    if pattern.chars().all(allowed) {
        Ok(())
    } else {
        Err(ServiceRefError::Malformed(
            typed.to_owned(),
            "a pattern may hold lower-case letters, digits, hyphens, `*` and `?`",
        ))
    }
}

impl From<ServiceRefError> for CommandError {
    fn from(error: ServiceRefError) -> Self {
        match error {
            ServiceRefError::Address(error) => error.into(),
            error => Self::usage(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::target::TargetRef;

    #[test]
    fn parses_every_form() {
        let full = ServiceName::new("p1", "us-central1", "hello");
        let cases = [
            ("hello", ServiceRef::Name("hello".into())),
            ("-/hello", ServiceRef::Regional { region: "-".into(), service: "hello".into() }),
            (
                "us-central1/hello",
                ServiceRef::Regional { region: "us-central1".into(), service: "hello".into() },
            ),
            ("projects/p1/locations/us-central1/services/hello", ServiceRef::Full(full.clone())),
            ("orders-*", ServiceRef::Glob { region: None, pattern: "orders-*".into() }),
            (
                "us-central1/o?ders*",
                ServiceRef::Glob { region: Some("us-central1".into()), pattern: "o?ders*".into() },
            ),
        ];
        for (typed, expected) in cases {
            assert_eq!(ServiceRef::parse(typed), Ok(expected), "{typed}");
        }
    }

    #[test]
    fn takes_full_names_as_googles_tools_print_them() {
        let full = ServiceRef::Full(ServiceName::new("p1", "us-central1", "hello"));
        let in_project =
            ServiceRef::InProject { project: "p1".to_owned(), service: "hello".to_owned() };
        for (typed, expected) in [
            ("//run.googleapis.com/projects/p1/locations/us-central1/services/hello", &full),
            ("v1/projects/p1/locations/us-central1/services/hello", &full),
            ("v2/projects/p1/locations/us-central1/services/hello", &full),
            ("locations/us-central1/namespaces/p1/services/hello", &full),
            (
                "https://run.googleapis.com/v2/projects/p1/locations/us-central1/services/hello",
                &full,
            ),
            (
                "https://us-central1-run.googleapis.com/apis/serving.knative.dev/v1/namespaces/p1/services/hello",
                &full,
            ),
            ("https://run.us-central1.rep.googleapis.com/v1/namespaces/p1/services/hello", &full),
            ("namespaces/p1/services/hello", &in_project),
            ("/apis/serving.knative.dev/v1/namespaces/p1/services/hello", &in_project),
            ("https://run.googleapis.com/v1/namespaces/p1/services/hello", &in_project),
            ("projects/p1/locations/-/services/hello", &in_project),
        ] {
            assert_eq!(ServiceRef::parse(typed).as_ref(), Ok(expected), "{typed}");
            // A job has the same forms.
            let job = typed
                .replace("/services/", "/jobs/")
                .replace("serving.knative.dev", "run.googleapis.com");
            let job = TargetRef::parse(&job, None);
            assert_eq!(
                job,
                Ok(TargetRef::Workload(WorkloadKind::Job, expected.clone())),
                "{typed}"
            );
        }
        for typed in [
            "namespaces/p1/services/Hello",
            "namespaces/p1/services",
            "namespaces//services/hello",
            "namespaces/My Project/services/hello",
            "projects/P/locations/us-central1/services/hello",
            "locations/nowhere/namespaces/p1/services/hello",
            "v1/namespaces/p1/revisions/hello-1",
        ] {
            assert!(ServiceRef::parse(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for typed in [
            "",
            "Hello",
            "9lives",
            "hello-",
            "a/b/c",
            "us-central1/",
            "/hello",
            "jobs/nightly",
            "worker-pools/w",
            "instances/",
            "instances/hello.run.app",
            "instances/instances/x",
            "projects/p/services/s",
            "projects/p/locations/r1/services/s/x",
            "dev@x.com",
            "allUsers",
            "allusers",
            "user:dev@x.com",
            "he llo",
            "..",
            "hello\n",
            "a234567890123456789012345678901234567890123456789x",
            "orders *",
        ] {
            assert!(ServiceRef::parse(typed).is_err(), "{typed:?} was taken");
        }
        assert_eq!(
            ServiceRef::parse("Hello"),
            Err(ServiceRefError::Name {
                typed: "Hello".into(),
                why: "it may hold lower-case letters, digits and hyphens only",
                instead: Some("hello".into()),
            })
        );
    }

    proptest! {
        #[test]
        fn never_panics_and_shows_what_parses_back(text in any::<String>()) {
            if let Ok(parsed) = ServiceRef::parse(&text) {
                prop_assert_eq!(ServiceRef::parse(&parsed.to_string()), Ok(parsed));
            }
        }

        #[test]
        fn full_names_round_trip(project in "[a-z][a-z0-9-]{4,20}", service in "[a-z][a-z0-9]{0,20}") {
            let name = ServiceName::new(project, "europe-west1", service);
            prop_assert_eq!(ServiceName::parse(&name.to_string()), Some(name));
        }
    }
}
