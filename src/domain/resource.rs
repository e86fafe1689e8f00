//! Names of services, and what a user may type for them.

use std::fmt;

use thiserror::Error;
use wildmatch::WildMatch;

/// What stands between a traffic tag and the rest of a host (documented for Cloud Run's own URLs).
pub const TAG_SIGN: &str = "---";

/// The full name of one service: `projects/P/locations/R/services/S`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName {
    project: String,
    region: String,
    service: String,
}

impl ServiceName {
    /// Puts a name together from parts that are already known to be good.
    pub fn new(
        project: impl Into<String>,
        region: impl Into<String>,
        service: impl Into<String>,
    ) -> Self {
        Self { project: project.into(), region: region.into(), service: service.into() }
    }

    /// Parses `projects/P/locations/R/services/S`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            ["projects", project, "locations", region, "services", service]
                if !project.is_empty() && !region.is_empty() && !service.is_empty() =>
            {
                Some(Self::new(*project, *region, *service))
            }
            _ => None,
        }
    }

    /// The project's id, or its number where that was given.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The region, such as `us-central1`.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The service's own short name.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// What lists are ordered by: the name, then the region.
    pub fn list_order(&self) -> (&str, &str) {
        (&self.service, &self.region)
    }

    /// `REGION/NAME`, the short form that the command line takes back.
    pub fn short(&self) -> String {
        format!("{}/{}", self.region, self.service)
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "projects/{}/locations/{}/services/{}", self.project, self.region, self.service)
    }
}

/// What a user typed where a service is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceRef {
    /// The full resource name.
    Full(ServiceName),
    /// A pattern with `*` or `?`, in the region given or set, else in all.
    Glob { region: Option<String>, pattern: String },
    /// A bare name, looked for in the region that is set, else in all.
    Name(String),
    /// `REGION/NAME`; the region `-` stands for all.
    Regional { region: String, service: String },
    /// One of the service's addresses, by its origin (`https://host`).
    Url(String),
}

/// Why a text cannot name a service.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ServiceRefError {
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
        if let Some(origin) = url_origin(text) {
            return Ok(Self::Url(origin));
        }
        let is_beside = |kind: &str| {
            text.starts_with(&format!("{kind}/"))
                || (text.starts_with("projects/") && text.contains(&format!("/{kind}/")))
        };
        if let Some(why) = [
            ("jobs", "it is a job, and this is about services"),
            ("functions", "it is a function: name the service that it runs as, which `who` tells"),
        ]
        .into_iter()
        .find_map(|(kind, why)| is_beside(kind).then_some(why))
        {
            return Err(ServiceRefError::Malformed(text.to_owned(), why));
        }
        let full = text.strip_prefix("//run.googleapis.com/").unwrap_or(text);
        if full.starts_with("projects/") {
            let name = ServiceName::parse(full).ok_or_else(|| {
                ServiceRefError::Malformed(
                    text.to_owned(),
                    "the full form is `projects/PROJECT/locations/REGION/services/NAME`",
                )
            })?;
            check_region(name.region(), text)?;
            check_name(name.service())?;
            return Ok(Self::Full(name));
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

    /// Whether one reference may stand for several services.
    pub fn is_glob(&self) -> bool {
        matches!(self, Self::Glob { .. })
    }
}

impl fmt::Display for ServiceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(name) => name.fmt(f),
            Self::Glob { region: Some(region), pattern } => write!(f, "{region}/{pattern}"),
            Self::Glob { region: None, pattern } => f.write_str(pattern),
            Self::Name(name) => f.write_str(name),
            Self::Regional { region, service } => write!(f, "{region}/{service}"),
            Self::Url(url) => f.write_str(url),
        }
    }
}

/// Whether `service` matches a pattern of `*` (any run) and `?` (one character).
pub fn glob_matches(pattern: &str, service: &str) -> bool {
    WildMatch::new(pattern).matches(service)
}

/// The origin (`https://host[:port]`, lower case) of a text that is a URL or a host name with a
/// dot, which no service name can hold; `None` for any other.
pub fn url_origin(text: &str) -> Option<String> {
    let lowered = text.to_ascii_lowercase();
    let (scheme, rest) = if let Some(rest) = lowered.strip_prefix("https://") {
        ("https", rest)
    } else if let Some(rest) = lowered.strip_prefix("http://") {
        // Google redirects http to https: both name the same service.
        ("https", rest)
    } else {
        ("https", lowered.as_str())
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let bare = rest.len() == lowered.len();
    let well_formed = host.contains('.')
        && !host.starts_with('.')
        && !host.ends_with('.')
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'))
        && (!bare || !host.contains(':'));
    well_formed.then(|| format!("{scheme}://{host}"))
}

/// Whether a text reads as an IAM principal rather than as a service.
pub fn looks_like_member(text: &str) -> bool {
    text.contains('@')
        || text.eq_ignore_ascii_case("allUsers")
        || text.eq_ignore_ascii_case("allAuthenticatedUsers")
        || (text.contains(':') && !text.contains("://"))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            (
                "//run.googleapis.com/projects/p1/locations/us-central1/services/hello",
                ServiceRef::Full(full),
            ),
            (
                "https://Hello-abc-uc.a.run.app/x?y",
                ServiceRef::Url("https://hello-abc-uc.a.run.app".into()),
            ),
            (
                "http://hello-abc-uc.a.run.app",
                ServiceRef::Url("https://hello-abc-uc.a.run.app".into()),
            ),
            ("hello-abc-uc.a.run.app", ServiceRef::Url("https://hello-abc-uc.a.run.app".into())),
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
