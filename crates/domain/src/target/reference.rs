//! What a user may type where a service, a job or a function is wanted.

use std::fmt;

use super::WorkloadKind;
use crate::resource::{ResourceName, ServiceRef, ServiceRefError, check_region};

/// What a user may say that a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Cloud Functions (2nd gen) function, which stands for its underlying service.
    Function,
    Instance,
    Service,
    Workload(WorkloadKind),
}

impl Kind {
    /// What it is, in a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Instance => "instance",
            Self::Service => "service",
            Self::Workload(kind) => kind.noun(),
        }
    }

    /// The kind of what a collection of Google's APIs holds.
    pub(crate) fn of_collection(name: &str) -> Option<Self> {
        match name {
            "functions" => Some(Self::Function),
            "instances" => Some(Self::Instance),
            "jobs" => Some(Self::Workload(WorkloadKind::Job)),
            "services" => Some(Self::Service),
            // As v2 names it, v1, and the command line with gcloud.
            "workerPools" | "workerpools" | "worker-pools" => {
                Some(Self::Workload(WorkloadKind::WorkerPool))
            }
            _ => None,
        }
    }
}

/// What a user typed where a service or what is like one is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetRef {
    Function(FunctionRef),
    /// A service or an instance.
    Service(ServiceRef),
    /// A job or a worker pool, by the forms that a service has.
    Workload(WorkloadKind, ServiceRef),
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
    /// `functions/NAME` and the like, and the full names of each. `kind` says what a plain name is of.
    pub fn parse(text: &str, kind: Option<Kind>) -> Result<Self, ServiceRefError> {
        let full = ResourceName::parse(text).transpose()?;
        let prefix = || Kind::of_collection(text.split_once('/')?.0);
        let said = full.as_ref().map(|full| full.kind);
        let said = said.or_else(|| prefix().filter(|kind| *kind != Kind::Service));
        if let (Some(kind), Some(said)) = (kind, said)
            && kind != said
        {
            let why = "its kind is not the one that `--kind` says";
            return Err(ServiceRefError::Malformed(text.to_owned(), why));
        }
        Ok(match said.or(kind).unwrap_or(Kind::Service) {
            Kind::Service => Self::Service(ServiceRef::parse(text)?),
            Kind::Instance => Self::Service(match full {
                Some(full) => full.reference()?,
                None => ServiceRef::instance(plain(text, Kind::Instance))?,
            }),
            Kind::Workload(of) => {
                // The rules for names are those of services.
                let reference = match full {
                    Some(full) => full.reference()?,
                    None => ServiceRef::parse(plain(text, Kind::Workload(of)))?,
                };
                if let ServiceRef::Url(_) = reference {
                    let why = match of {
                        WorkloadKind::Job => {
                            "a job has no address: write `jobs/NAME` or `jobs/REGION/NAME`"
                        }
                        WorkloadKind::WorkerPool => {
                            "a worker pool has no address: write `worker-pools/NAME` or \
                             `worker-pools/REGION/NAME`"
                        }
                    };
                    return Err(ServiceRefError::Malformed(text.to_owned(), why));
                }
                Self::Workload(of, reference)
            }
            Kind::Function => Self::Function(match full {
                Some(full) => of_full_name(full, text)?,
                None => function(text)?,
            }),
        })
    }

    /// The kind of what it names.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Function(_) => Kind::Function,
            Self::Service(reference) if reference.is_of_instance() => Kind::Instance,
            Self::Service(_) => Kind::Service,
            Self::Workload(kind, _) => Kind::Workload(*kind),
        }
    }

    /// The project that it says; `None` if that is the one that is set.
    pub fn project(&self) -> Option<&str> {
        match self {
            Self::Function(function) => function.project.as_deref(),
            Self::Workload(_, reference) | Self::Service(reference) => reference.project(),
        }
    }

    /// The same with the project that it says named otherwise.
    #[must_use]
    pub fn in_project(self, project: &str) -> Self {
        match self {
            Self::Function(function) => {
                let named = function.project.map(|_| project.to_owned());
                Self::Function(FunctionRef { project: named, ..function })
            }
            Self::Service(reference) => Self::Service(reference.in_project(project)),
            Self::Workload(kind, reference) => Self::Workload(kind, reference.in_project(project)),
        }
    }

    /// Whether one reference may stand for several resources.
    pub fn is_glob(&self) -> bool {
        match self {
            Self::Function(_) => false,
            Self::Workload(_, reference) | Self::Service(reference) => reference.is_glob(),
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
                (Some(project), None) => write!(f, "namespaces/{project}/functions/{function}"),
                (None, Some(region)) => write!(f, "functions/{region}/{function}"),
                (None, None) => write!(f, "functions/{function}"),
            },
            Self::Service(reference) => reference.fmt(f),
            Self::Workload(
                kind,
                reference @ (ServiceRef::Full(_) | ServiceRef::InProject { .. }),
            ) => {
                let collection = format!("/{}/", kind.collection());
                write!(f, "{}", reference.to_string().replacen("/services/", &collection, 1))
            }
            Self::Workload(kind, reference) => write!(f, "{}/{reference}", kind.word()),
        }
    }
}

/// A name without the collection before it, if that is the kind's.
fn plain(text: &str, kind: Kind) -> &str {
    match text.split_once('/') {
        Some((said, rest)) if Kind::of_collection(said) == Some(kind) => rest,
        _ => text,
    }
}

/// A function's name: letters, digits, hyphens and, of old, underscores, which its service's name
/// cannot hold (observed).
fn function(text: &str) -> Result<FunctionRef, ServiceRefError> {
    let malformed = |why| Err(ServiceRefError::Malformed(text.to_owned(), why));
    let (region, function) =
        match plain(text, Kind::Function).split('/').collect::<Vec<_>>().as_slice() {
            [region, function] => (Some(*region), *function),
            [function] => (None, *function),
            _ => return malformed("write `functions/NAME` or `functions/REGION/NAME`"),
        };
    let region = region.filter(|region| *region != "-");
    if let Some(region) = region {
        check_region(region, text)?;
    }
    check_function(function, text)?;
    let region = region.map(str::to_owned);
    Ok(FunctionRef { project: None, region, function: function.to_owned() })
}

fn of_full_name(full: ResourceName, typed: &str) -> Result<FunctionRef, ServiceRefError> {
    check_function(&full.name, typed)?;
    let ResourceName { project, region, name, .. } = full;
    Ok(FunctionRef { project: Some(project), region, function: name })
}

fn check_function(function: &str, typed: &str) -> Result<(), ServiceRefError> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if function.starts_with(|c: char| c.is_ascii_alphabetic()) && function.chars().all(good) {
        return Ok(());
    }
    let why = "a function's name holds letters, digits, hyphens and underscores only";
    Err(ServiceRefError::Malformed(typed.to_owned(), why))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JOB: Option<Kind> = Some(Kind::Workload(WorkloadKind::Job));

    proptest! {
        #[test]
        fn never_panics_and_shows_what_parses_back(
            text in prop_oneof![any::<String>(), "(jobs|functions|instances|worker-pools)/[a-zA-Z0-9_*/-]{0,20}"],
        ) {
            for kind in [None, Some(Kind::Function), Some(Kind::Instance), JOB, Some(Kind::Service)] {
                if let Ok(parsed) = TargetRef::parse(&text, kind) {
                    prop_assert_eq!(TargetRef::parse(&parsed.to_string(), None), Ok(parsed));
                }
            }
        }
    }

    #[test]
    fn what_is_typed_says_its_kind() {
        let named = |name: &str| ServiceRef::Name(name.to_owned());
        let parse = TargetRef::parse;
        assert_eq!(parse("nightly", None), Ok(TargetRef::Service(named("nightly"))));
        assert_eq!(
            parse("jobs/nightly", None),
            Ok(TargetRef::Workload(WorkloadKind::Job, named("nightly")))
        );
        assert_eq!(
            parse("nightly", JOB),
            Ok(TargetRef::Workload(WorkloadKind::Job, named("nightly")))
        );
        for text in [
            "jobs/us-central1/nightly",
            "jobs/night*",
            "projects/p/locations/us-central1/jobs/nightly",
            "functions/resize_image",
            "functions/us-central1/resize",
            "projects/p/locations/us-central1/functions/F",
            "namespaces/p/functions/f",
            "namespaces/p/jobs/nightly",
            "instances/us-central1/dev",
            "instances/dev",
            "instances/d*",
            "projects/p/locations/us-central1/instances/dev",
            "namespaces/p/instances/dev",
            "worker-pools/us-central1/consumer",
            "worker-pools/consumer",
            "projects/p/locations/us-central1/workerPools/consumer",
            "namespaces/p/workerPools/consumer",
            "namespaces/p/services/hello",
            "us-central1/hello",
        ] {
            assert_eq!(parse(text, None).unwrap().to_string(), text);
        }
        for (text, kind) in [
            ("jobs/", None),
            ("jobs/Nightly", None),
            ("jobs/a/b/c", None),
            ("jobs/x.run.app", None),
            ("instances/", None),
            ("instances/Dev", None),
            ("instances/a/b/c", None),
            ("instances/x.run.app", None),
            ("worker-pools/x.run.app", None),
            ("instances/dev", JOB),
            ("worker-pools/w", Some(Kind::Instance)),
            ("functions/9lives", None),
            ("functions/a b", None),
            ("functions/nowhere/f", None),
            ("jobs/nightly", Some(Kind::Service)),
            ("functions/f", JOB),
        ] {
            assert!(parse(text, kind).is_err(), "{text} was taken");
        }
    }
}
