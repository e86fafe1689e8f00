//! What a change is made on: a service, or what stands beside it and carries access too.

use std::fmt;

use super::resource::{ServiceName, ServiceRef, ServiceRefError, check_region};
use super::role::{INVOKE, MINT_ID_TOKEN, RUN_JOB};

/// What has a full name in a project, and a short one on the command line.
pub trait Named: fmt::Display {
    /// The project's id, or its number where that was given.
    fn project(&self) -> &str;

    /// The short form, which the command line takes back.
    fn short(&self) -> String;
}

impl Named for ServiceName {
    fn project(&self) -> &str {
        self.project()
    }

    fn short(&self) -> String {
        self.short()
    }
}

impl Named for Target {
    fn project(&self) -> &str {
        self.project()
    }

    fn short(&self) -> String {
        self.short()
    }
}

/// A resource that is changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A service account: its policy says who may have its tokens.
    Account(AccountName),
    /// A domain that leads to a service.
    Mapping(MappingName),
    Job(JobName),
    Service(ServiceName),
}

/// The full name of a job: `projects/P/locations/R/jobs/J`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobName {
    pub project: String,
    pub region: String,
    pub job: String,
}

/// The full name of a service account: `projects/P/serviceAccounts/ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName {
    pub project: String,
    pub address: String,
}

/// The full name of a domain mapping: `projects/P/locations/R/domainmappings/DOMAIN`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MappingName {
    pub project: String,
    pub region: String,
    pub domain: String,
}

impl Target {
    /// Parses the full name of any of them; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return None;
        }
        let owned = str::to_owned;
        Some(match parts.as_slice() {
            ["projects", project, "locations", region, "jobs", job] => Self::Job(JobName {
                project: owned(project),
                region: owned(region),
                job: owned(job),
            }),
            ["projects", project, "serviceAccounts", address] => {
                Self::Account(AccountName { project: owned(project), address: owned(address) })
            }
            ["projects", project, "locations", region, "domainmappings", domain] => {
                Self::Mapping(MappingName {
                    project: owned(project),
                    region: owned(region),
                    domain: owned(domain),
                })
            }
            _ => Self::Service(ServiceName::parse(text)?),
        })
    }

    /// The project's id, or its number where that was given.
    pub fn project(&self) -> &str {
        match self {
            Self::Account(account) => &account.project,
            Self::Mapping(mapping) => &mapping.project,
            Self::Job(job) => &job.project,
            Self::Service(service) => service.project(),
        }
    }

    /// The region; an account has none.
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Account(_) => None,
            Self::Mapping(mapping) => Some(&mapping.region),
            Self::Job(job) => Some(&job.region),
            Self::Service(service) => Some(service.region()),
        }
    }

    /// The short form, which the command line takes back.
    pub fn short(&self) -> String {
        match self {
            Self::Account(account) => account.address.clone(),
            Self::Mapping(mapping) => mapping.domain.clone(),
            Self::Job(job) => format!("jobs/{}/{}", job.region, job.job),
            Self::Service(service) => service.short(),
        }
    }

    /// The service that it is, if it is one.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::Service(service) => Some(service),
            _ => None,
        }
    }

    /// The permission to do what it is for; a domain mapping has none of its own, and a service's is
    /// asked there.
    pub fn permission(&self) -> &'static str {
        match self {
            Self::Account(_) => MINT_ID_TOKEN,
            Self::Job(_) => RUN_JOB,
            Self::Mapping(_) | Self::Service(_) => INVOKE,
        }
    }

    /// What whoever holds that permission does with it.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Account(_) => "act as",
            Self::Job(_) => "run",
            Self::Mapping(_) | Self::Service(_) => "invoke",
        }
    }

    /// What it is, in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Account(_) => "serviceAccount",
            Self::Mapping(_) => "domainMapping",
            Self::Job(_) => "job",
            Self::Service(_) => "service",
        }
    }

    /// What it is, in a sentence.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Account(_) => "service account",
            Self::Mapping(_) => "domain mapping",
            Self::Job(_) => "job",
            Self::Service(_) => "service",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(AccountName { project, address }) => {
                write!(f, "projects/{project}/serviceAccounts/{address}")
            }
            Self::Mapping(MappingName { project, region, domain }) => {
                write!(f, "projects/{project}/locations/{region}/domainmappings/{domain}")
            }
            Self::Job(JobName { project, region, job }) => {
                write!(f, "projects/{project}/locations/{region}/jobs/{job}")
            }
            Self::Service(service) => service.fmt(f),
        }
    }
}

impl From<ServiceName> for Target {
    fn from(service: ServiceName) -> Self {
        Self::Service(service)
    }
}

impl PartialEq<ServiceName> for Target {
    fn eq(&self, other: &ServiceName) -> bool {
        self.service() == Some(other)
    }
}

/// What a user may say that a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Cloud Functions (2nd gen) function, which stands for its underlying service.
    Function,
    Job,
    Service,
}

/// What a user typed where a service or what is like one is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetRef {
    Function(FunctionRef),
    /// A job, by the forms that a service has.
    Job(ServiceRef),
    Service(ServiceRef),
}

/// A function, in the region given or set, else in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionRef {
    pub project: Option<String>,
    pub region: Option<String>,
    pub function: String,
}

impl TargetRef {
    /// Parses one of the forms that the command line takes: those of a service, `jobs/NAME`,
    /// `functions/NAME` and the full names of both. `kind` says what a plain name is of.
    pub fn parse(text: &str, kind: Option<Kind>) -> Result<Self, ServiceRefError> {
        let parts: Vec<&str> = text.split('/').collect();
        let said = match parts.as_slice() {
            ["jobs", ..] | ["projects", _, "locations", _, "jobs", _] => Some(Kind::Job),
            ["functions", ..] | ["projects", _, "locations", _, "functions", _] => {
                Some(Kind::Function)
            }
            _ => None,
        };
        if let (Some(kind), Some(said)) = (kind, said)
            && kind != said
        {
            let why = "its kind is not the one that `--kind` says";
            return Err(ServiceRefError::Malformed(text.to_owned(), why));
        }
        Ok(match said.or(kind).unwrap_or(Kind::Service) {
            Kind::Service => Self::Service(ServiceRef::parse(text)?),
            Kind::Job => {
                // The rules for names are those of services.
                let plain = text.strip_prefix("jobs/").unwrap_or(text);
                match ServiceRef::parse(&plain.replacen("/jobs/", "/services/", 1))? {
                    ServiceRef::Url(_) => {
                        let why = "a job has no address: write `jobs/NAME` or `jobs/REGION/NAME`";
                        return Err(ServiceRefError::Malformed(text.to_owned(), why));
                    }
                    reference => Self::Job(reference),
                }
            }
            Kind::Function => Self::Function(function(text)?),
        })
    }

    /// Whether one reference may stand for several resources.
    pub fn is_glob(&self) -> bool {
        match self {
            Self::Function(_) => false,
            Self::Job(reference) | Self::Service(reference) => reference.is_glob(),
        }
    }
}

impl From<ServiceRef> for TargetRef {
    fn from(reference: ServiceRef) -> Self {
        Self::Service(reference)
    }
}

impl fmt::Display for TargetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(FunctionRef { project, region, function }) => match (project, region) {
                (Some(project), Some(region)) => {
                    write!(f, "projects/{project}/locations/{region}/functions/{function}")
                }
                (_, Some(region)) => write!(f, "functions/{region}/{function}"),
                (_, None) => write!(f, "functions/{function}"),
            },
            Self::Job(ServiceRef::Full(name)) => {
                write!(f, "{}", name.to_string().replacen("/services/", "/jobs/", 1))
            }
            Self::Job(reference) => write!(f, "jobs/{reference}"),
            Self::Service(reference) => reference.fmt(f),
        }
    }
}

/// A function's name: letters, digits, hyphens and, of old, underscores, which its service's name
/// cannot hold (observed).
fn function(text: &str) -> Result<FunctionRef, ServiceRefError> {
    let malformed = |why| Err(ServiceRefError::Malformed(text.to_owned(), why));
    let plain = text.strip_prefix("functions/").unwrap_or(text);
    let (project, region, function) = match plain.split('/').collect::<Vec<_>>().as_slice() {
        ["projects", project, "locations", region, "functions", function] => {
            (Some((*project).to_owned()), Some(*region), *function)
        }
        [region, function] => (None, Some(*region), *function),
        [function] => (None, None, *function),
        _ => return malformed("write `functions/NAME` or `functions/REGION/NAME`"),
    };
    let region = region.filter(|region| *region != "-");
    if let Some(region) = region {
        check_region(region, text)?;
    }
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !function.starts_with(|c: char| c.is_ascii_alphabetic()) || !function.chars().all(good) {
        return malformed("a function's name holds letters, digits, hyphens and underscores only");
    }
    let region = region.map(str::to_owned);
    Ok(FunctionRef { project, region, function: function.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names_come_back() {
        for (name, kind, short) in [
            ("projects/p/locations/us-central1/services/s", "service", "us-central1/s"),
            ("projects/p/locations/us-central1/jobs/j", "job", "jobs/us-central1/j"),
            (
                "projects/p/serviceAccounts/a@p.iam.gserviceaccount.com",
                "serviceAccount",
                "a@p.iam.gserviceaccount.com",
            ),
            (
                "projects/p/locations/us-central1/domainmappings/shop.example.com",
                "domainMapping",
                "shop.example.com",
            ),
        ] {
            let target = Target::parse(name).unwrap();
            assert_eq!(target.to_string(), name);
            assert_eq!((target.kind(), target.short().as_str()), (kind, short));
            assert_eq!(target.project(), "p");
        }
        for name in ["", "projects/p", "projects//serviceAccounts/a", "projects/p/locations/r/x/y"]
        {
            assert_eq!(Target::parse(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_typed_says_its_kind() {
        let named = |name: &str| ServiceRef::Name(name.to_owned());
        let parse = TargetRef::parse;
        assert_eq!(parse("nightly", None), Ok(TargetRef::Service(named("nightly"))));
        assert_eq!(parse("jobs/nightly", None), Ok(TargetRef::Job(named("nightly"))));
        assert_eq!(parse("nightly", Some(Kind::Job)), Ok(TargetRef::Job(named("nightly"))));
        for text in [
            "jobs/us-central1/nightly",
            "jobs/night*",
            "projects/p/locations/us-central1/jobs/nightly",
            "functions/resize_image",
            "functions/us-central1/resize",
            "projects/p/locations/us-central1/functions/F",
            "us-central1/hello",
        ] {
            assert_eq!(parse(text, None).unwrap().to_string(), text);
        }
        for (text, kind) in [
            ("jobs/", None),
            ("jobs/Nightly", None),
            ("jobs/a/b/c", None),
            ("jobs/x.run.app", None),
            ("functions/9lives", None),
            ("functions/a b", None),
            ("functions/nowhere/f", None),
            ("jobs/nightly", Some(Kind::Service)),
            ("functions/f", Some(Kind::Job)),
        ] {
            assert!(parse(text, kind).is_err(), "{text} was taken");
        }
    }
}
