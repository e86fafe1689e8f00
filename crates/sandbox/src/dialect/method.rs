//! The methods of Google's APIs, as their discovery documents list them: which request is which
//! method, and which parameters and body it takes.

use std::collections::HashMap;
use std::sync::OnceLock;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::api_error::ApiError;
use super::query::Query;
use super::schema::{self, Document};

/// A method of an API.
#[derive(Debug)]
pub(crate) struct Method {
    /// Its name, such as `run.v2.projects.locations.services.get`.
    pub(crate) id: &'static str,
    pub(crate) http: &'static str,
    /// The path's parts: `*` stands for any one, `**` for any number.
    parts: Vec<&'static str>,
    /// What follows the path's colon; empty if nothing does.
    pub(crate) verb: &'static str,
    /// Its own parameters in the query, with the kind of each.
    pub(crate) query: Vec<(&'static str, &'static str)>,
    body: Option<Body>,
}

/// What a method takes as its body.
#[derive(Debug)]
struct Body {
    /// The name that errors have for it; empty if it is the whole request.
    at: &'static str,
    message: &'static str,
}

/// A path taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// Its parts, decoded.
    pub(crate) parts: Vec<String>,
    /// What follows its colon; empty if nothing does.
    pub(crate) verb: String,
}

/// The names in which one part holds slashes of its own, encoded (documented).
const WITH_ENCODED_SLASHES: [&str; 2] = ["v2/policies/", "v3/tagBindings/"];

impl Path {
    pub(crate) fn parse(path: &str) -> Self {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let raw = path.trim_start_matches('/');
        if WITH_ENCODED_SLASHES.iter().any(|start| raw.starts_with(start)) {
            // gcloud encodes such a name twice.
            let twice = |text: &str| decode(&decode(text));
            return Self { parts: raw.split('/').map(twice).collect(), verb: String::new() };
        }
        let decoded = decode(raw);
        let (path, verb) = match decoded.rsplit_once(':') {
            Some((path, verb)) if !verb.contains('/') => (path, verb),
            _ => (decoded.as_str(), ""),
        };
        Self { parts: path.split('/').map(str::to_owned).collect(), verb: verb.to_owned() }
    }

    /// What follows a collection's name, such as the service's after `services`; empty if nothing
    /// does.
    pub(crate) fn after(&self, collection: &str) -> &str {
        // `apis/GROUP/v1/…` or `v1/…`.
        let start = if self.parts.first().is_some_and(|first| first == "apis") { 3 } else { 1 };
        let mut pairs = self.parts.get(start..).unwrap_or_default().chunks(2);
        let pair = pairs.find(|pair| pair.first().is_some_and(|name| name == collection));
        pair.and_then(|pair| pair.get(1)).map_or("", String::as_str)
    }
}

impl Method {
    fn parse(line: &'static str) -> Option<Self> {
        let mut words = line.split(' ');
        let (id, http, path) = (words.next()?, words.next()?, words.next()?);
        let (path, verb) = path.rsplit_once(':').unwrap_or((path, ""));
        let (mut query, mut body) = (Vec::new(), None);
        for word in words {
            if let Some(parameters) = word.strip_prefix('?') {
                query.extend(parameters.split('&').filter_map(|one| one.split_once(':')));
            } else if let Some((at, message)) = word.strip_prefix('<')?.split_once('=') {
                body = Some(Body { at, message });
            }
        }
        Some(Self { id, http, parts: path.split('/').collect(), verb, query, body })
    }

    fn is_at(&self, path: &Path) -> bool {
        let is_part = |(own, part): (&&str, &String)| *own == "*" || own == part;
        if self.verb != path.verb {
            return false;
        }
        match self.parts.split_last() {
            Some((&"**", start)) => {
                start.len() < path.parts.len() && start.iter().zip(&path.parts).all(is_part)
            }
            _ => {
                self.parts.len() == path.parts.len()
                    && self.parts.iter().zip(&path.parts).all(is_part)
            }
        }
    }

    /// How much of the path is left open: of two methods at one path, the closer is meant.
    fn openness(&self) -> (bool, usize) {
        let open = self.parts.iter().filter(|part| part.starts_with('*'));
        (self.parts.last() == Some(&"**"), open.count())
    }

    /// The document that lists it.
    pub(crate) fn document(&self) -> Document {
        let end = self.id.match_indices('.').nth(1).map_or(self.id.len(), |(at, _)| at);
        Document(&self.id[..end])
    }

    /// Refuses parameters that the method does not have, or of the wrong kind.
    pub(crate) fn check_query(&self, query: &Query) -> Result<(), ApiError> {
        let names: Vec<&str> = self.query.iter().map(|(name, _)| *name).collect();
        query.only(&names)?;
        for (name, kind) in &self.query {
            let value = query.get(name).unwrap_or_default();
            let good = match *kind {
                _ if value.is_empty() => true,
                "bool" => return query.flag(name).and(Ok(())),
                "int" => value.parse::<i64>().is_ok(),
                kind => kind.strip_prefix('=').is_none_or(|names| {
                    value.parse::<u8>().is_ok() || names.split('|').any(|name| name == value)
                }),
            };
            if !good {
                return Err(ApiError::invalid(format!("Invalid value at '{name}'.")));
            }
        }
        Ok(())
    }

    /// Refuses a body that is not the method's message.
    pub(crate) fn check_body(&self, body: &Value) -> Result<(), ApiError> {
        match &self.body {
            Some(Body { at, message }) => schema::check(self.document(), message, body, at),
            None => Ok(()),
        }
    }
}

/// Every method of the documents, in their order.
#[cfg(test)]
pub(crate) fn all() -> &'static [Method] {
    static ALL: OnceLock<Vec<Method>> = OnceLock::new();
    ALL.get_or_init(|| lines().filter_map(Method::parse).collect())
}

/// The methods at a path, the closest first; several APIs may have one there, since each has a host
/// of its own.
pub(crate) fn at(http: &str, path: &Path) -> Vec<&'static Method> {
    let start = path.parts.first().map_or("", String::as_str);
    let started = by_start().iter().find(|started| (started.http, started.start) == (http, start));
    let methods = started.map(Started::methods).unwrap_or_default();
    methods.iter().filter(|method| method.is_at(path)).collect()
}

/// The methods of one verb whose paths begin alike: taken apart when one of them is asked for.
struct Started {
    http: &'static str,
    start: &'static str,
    lines: Vec<&'static str>,
    methods: OnceLock<Vec<Method>>,
}

impl Started {
    /// The closest first.
    fn methods(&'static self) -> &'static [Method] {
        self.methods.get_or_init(|| {
            let mut methods: Vec<Method> =
                self.lines.iter().filter_map(|line| Method::parse(line)).collect();
            methods.sort_by_key(Method::openness);
            methods
        })
    }
}

/// The methods by their verb of HTTP and the first part of their path.
fn by_start() -> &'static [Started] {
    static BY_START: OnceLock<Vec<Started>> = OnceLock::new();
    BY_START.get_or_init(|| {
        let mut by_start: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
        for line in lines() {
            let mut words = line.split(' ').skip(1);
            if let (Some(http), Some(path)) = (words.next(), words.next()) {
                let path = path.rsplit_once(':').map_or(path, |(path, _)| path);
                let start = path.split_once('/').map_or(path, |(start, _)| start);
                by_start.entry((http, start)).or_default().push(line);
            }
        }
        let started = by_start.into_iter().map(|((http, start), lines)| {
            let methods = OnceLock::new();
            Started { http, start, lines, methods }
        });
        started.collect()
    })
}

/// The lines of the table, one a method.
fn lines() -> impl Iterator<Item = &'static str> {
    let lines = include_str!("../discovery/methods.txt").lines();
    lines.filter(|line| !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_the_closest_method() {
        for (http, path, id) in [
            (
                "GET",
                "/v2/projects/p/locations/r/services/s",
                "run.v2.projects.locations.services.get",
            ),
            ("GET", "/v1/projects/p/services/run.googleapis.com", "serviceusage.v1.services.get"),
            (
                "POST",
                "/v1/projects/p/iap_web/cloud_run-r/services/s:getIamPolicy",
                "iap.v1.getIamPolicy",
            ),
            (
                "POST",
                "/v1/projects/p:getIamPolicy",
                "cloudresourcemanager.v1.projects.getIamPolicy",
            ),
            ("GET", "/v3/tagKeys/namespaced", "cloudresourcemanager.v3.tagKeys.getNamespaced"),
            (
                "DELETE",
                "/v3/tagBindings/%2F%2Fr%2Fp/tagValues/1",
                "cloudresourcemanager.v3.tagBindings.delete",
            ),
            ("GET", "/v2/policies/a%2Fp%2F1/denypolicies/d", "iam.v2.policies.get"),
        ] {
            let found = at(http, &Path::parse(path));
            assert_eq!(found.first().map(|method| method.id), Some(id), "{path}");
        }
        assert!(at("GET", &Path::parse("/v9/projects")).is_empty());
        assert!(at("PUT", &Path::parse("/v2/projects/p/locations/r/services/s")).is_empty());
    }

    #[test]
    fn a_path_names_what_follows_a_collection() {
        let path = Path::parse("/apis/serving.knative.dev/v1/namespaces/services/services/s:run");
        assert_eq!((path.after("namespaces"), path.after("services")), ("services", "s"));
        assert_eq!((path.after("jobs"), path.verb.as_str()), ("", "run"));
    }

    #[test]
    fn parameters_are_checked_by_name_and_kind() {
        let list = at("GET", &Path::parse("/v2/projects/p/locations/r/services"))[0];
        for (query, good) in [
            ("pageSize=5&page_token=x&fields=a", true),
            ("showDeleted=True", true),
            ("pageSize=five", false),
            ("showDeleted=maybe", false),
            ("size=5", false),
        ] {
            assert_eq!(list.check_query(&Query::parse(query)).is_ok(), good, "{query}");
        }
    }
}
