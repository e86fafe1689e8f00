//! Faults on request: what goes wrong, where, how often, and the same again with the same seed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use wildmatch::WildMatch;

use super::api_error::ApiError;
use super::names::is_region;

/// Organisation policies that the sandbox can put in force.
pub(super) const CONSTRAINTS: [&str; 3] = [
    "iam.allowedPolicyMemberDomains",
    "iam.managed.allowedPolicyMembers",
    "run.managed.requireInvokerIam",
];
/// Nobody waits longer for an answer.
const LONGEST: Duration = Duration::from_hours(1);
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const KINDS: &str = "latency=TIME, 409, 429, 500, 503 (any status from 400 to 599), reset, \
     truncate, trickle=TIME, content-type=TYPE, unreadable-policy, unreadable-region=REGION, \
     slow-operations=TIME, failing-operations, org-policy=CONSTRAINT";

/// A fault as it was asked for, `KIND[=VALUE][,route=GLOB][,method=M][,rate=R][,count=N][,seed=N]
/// [,retry-after=SECONDS][,when=before|after]`.
#[derive(Clone, Debug)]
pub struct FaultSpec {
    text: String,
    kind: FaultKind,
    route: Option<WildMatch>,
    method: Option<String>,
    /// The share of the requests that it strikes.
    rate: f64,
    /// How often it strikes in all.
    count: Option<u64>,
    seed: u64,
    retry_after: Option<u64>,
    /// Whether the request is carried out before it fails.
    after: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum FaultKind {
    Latency(Duration, Duration),
    Status(u16),
    Reset,
    Truncate,
    Trickle(Duration),
    ContentType(String),
    UnreadablePolicy,
    UnreadableRegion(String),
    SlowOperations(Duration),
    FailingOperations,
    OrgPolicy(&'static str),
}

/// Why a text is no fault.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{why}")]
pub struct FaultError {
    why: String,
}

/// What a request is to suffer.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects {
    pub(super) latency: Duration,
    /// The answer in place of the real one, and whether the request is carried out all the same.
    pub(super) refusal: Option<(ApiError, bool)>,
    pub(super) retry_after: Option<u64>,
    /// The connection is reset, after the request was carried out or before.
    pub(super) reset: Option<bool>,
    pub(super) truncate: bool,
    pub(super) trickle: Option<Duration>,
    pub(super) content_type: Option<String>,
    pub(super) unreachable: Vec<String>,
    pub(super) operation_delay: Duration,
    pub(super) operations_fail: bool,
    pub(super) constraints: Vec<&'static str>,
}

/// The faults that are on, with how often each has struck.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Fault>>);

#[derive(Debug)]
struct Fault {
    spec: FaultSpec,
    struck: u64,
    /// How often each request came, so that a repeated one is drawn for anew.
    seen: HashMap<u64, u64>,
}

/// A fault that is on, as the admin route shows it.
#[derive(Debug, Serialize)]
pub(super) struct FaultRow {
    fault: String,
    struck: u64,
}

impl FaultSpec {
    /// Parses a fault.
    pub fn parse(text: &str) -> Result<Self, FaultError> {
        let bad = |why: String| FaultError { why };
        let mut words = text.split(',').map(str::trim);
        let head = words.next().unwrap_or_default();
        let (name, value) = match head.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (head, None),
        };
        let needed = || value.ok_or_else(|| bad(format!("`{name}` needs a value: {name}=VALUE")));
        let kind = match name {
            "latency" => {
                let (least, most) = match needed()?.split_once("..") {
                    Some((least, most)) => (time(least)?, time(most)?),
                    None => (time(needed()?)?, time(needed()?)?),
                };
                if least > most {
                    return Err(bad(format!("`{head}` begins after its end")));
                }
                FaultKind::Latency(least, most)
            }
            "reset" => FaultKind::Reset,
            "truncate" => FaultKind::Truncate,
            "trickle" => FaultKind::Trickle(time(needed()?)?),
            "content-type" => FaultKind::ContentType(needed()?.to_owned()),
            "unreadable-policy" => FaultKind::UnreadablePolicy,
            "unreadable-region" => {
                let region = needed()?;
                if !is_region(region) {
                    return Err(bad(format!("`{region}` is not a region of Cloud Run")));
                }
                FaultKind::UnreadableRegion(region.to_owned())
            }
            "slow-operations" => FaultKind::SlowOperations(time(needed()?)?),
            "failing-operations" => FaultKind::FailingOperations,
            "org-policy" => {
                let asked = needed()?.trim_start_matches("constraints/");
                let known = CONSTRAINTS.into_iter().find(|known| *known == asked);
                FaultKind::OrgPolicy(known.ok_or_else(|| {
                    bad(format!("`{asked}` is not one of {}", CONSTRAINTS.join(", ")))
                })?)
            }
            status => match status.parse::<u16>() {
                Ok(code @ 400..=599) => FaultKind::Status(code),
                _ => return Err(bad(format!("`{name}` is not a fault; one of: {KINDS}"))),
            },
        };
        let takes_value = !matches!(
            kind,
            FaultKind::Status(_)
                | FaultKind::Reset
                | FaultKind::Truncate
                | FaultKind::UnreadablePolicy
                | FaultKind::FailingOperations
        );
        if value.is_some() && !takes_value {
            return Err(bad(format!("`{name}` takes no value")));
        }
        let mut spec = Self {
            text: text.to_owned(),
            kind,
            route: None,
            method: None,
            rate: 1.0,
            count: None,
            seed: 0,
            retry_after: None,
            after: false,
        };
        let mut seen: Vec<&str> = Vec::new();
        for word in words {
            let name = word.split('=').next().unwrap_or_default();
            if seen.contains(&name) {
                return Err(bad(format!("`{name}` is said twice")));
            }
            seen.push(name);
            spec.set(word)?;
        }
        Ok(spec)
    }

    fn set(&mut self, word: &str) -> Result<(), FaultError> {
        let bad = |why: String| FaultError { why };
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let number = || {
            value.parse::<u64>().map_err(|_| bad(format!("`{name}` needs a whole number: {word}")))
        };
        match name {
            "route" if !value.is_empty() => self.route = Some(WildMatch::new(value)),
            "method" => {
                let method = value.to_uppercase();
                if !METHODS.contains(&method.as_str()) {
                    return Err(bad(format!("`method` is one of {}: {word}", METHODS.join(", "))));
                }
                self.method = Some(method);
            }
            "rate" => {
                let rate = value.parse::<f64>().ok().filter(|rate| *rate > 0.0 && *rate <= 1.0);
                let why = || bad(format!("`rate` is more than 0 and at most 1: {word}"));
                self.rate = rate.ok_or_else(why)?;
            }
            "count" => {
                let count = number()?;
                if count == 0 {
                    return Err(bad("`count` is at least 1: count=0".to_owned()));
                }
                self.count = Some(count);
            }
            "seed" => self.seed = number()?,
            "retry-after" => self.retry_after = Some(number()?),
            "when" if value == "before" => self.after = false,
            "when" if value == "after" => self.after = true,
            "when" => return Err(bad(format!("`when` is before or after: {word}"))),
            "route" => {
                return Err(bad("`route` needs a pattern, such as *:setIamPolicy".to_owned()));
            }
            _ => {
                return Err(bad(format!(
                    "`{word}` is not one of route=GLOB, method=METHOD, rate=0..1, count=N, \
                     seed=N, retry-after=SECONDS, when=before|after"
                )));
            }
        }
        Ok(())
    }

    fn is_about(&self, method: &str, path: &str) -> bool {
        let policy = matches!(self.kind, FaultKind::UnreadablePolicy);
        self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self.route.as_ref().is_none_or(|route| route.matches(path))
            && (!policy || path.ends_with(":getIamPolicy"))
    }

    /// A number from 0 to 1 that the seed, the kind of fault and the request settle, whatever else
    /// goes on.
    fn draw(&self, request: u64, turn: u64) -> f64 {
        let kind = self.text.split(',').next().unwrap_or_default();
        let seed = hash(&[kind.as_bytes(), &self.seed.to_le_bytes(), &request.to_le_bytes()]);
        fastrand::Rng::with_seed(seed ^ turn.wrapping_mul(0x9e37_79b9_7f4a_7c15)).f64()
    }
}

fn time(text: &str) -> Result<Duration, FaultError> {
    let time = humantime::parse_duration(text).ok().filter(|time| *time <= LONGEST);
    time.ok_or_else(|| FaultError {
        why: format!("`{text}` is not a time of up to an hour, such as 50ms or 2s"),
    })
}

/// The same for the same parts on every machine and in every build (FNV-1a).
fn hash(parts: &[&[u8]]) -> u64 {
    parts.iter().fold(0xcbf2_9ce4_8422_2325, |hash, part| {
        let bytes = part.iter().chain([&0xff]);
        bytes.fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    })
}

impl Faults {
    /// Turns faults on, beside those that are.
    pub fn add(&self, specs: impl IntoIterator<Item = FaultSpec>) {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = specs.into_iter();
        faults.extend(new.map(|spec| Fault { spec, struck: 0, seen: HashMap::new() }));
    }

    /// Turns every fault off.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The faults that are on.
    pub(super) fn rows(&self) -> Vec<FaultRow> {
        let faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let row = |fault: &Fault| FaultRow { fault: fault.spec.text.clone(), struck: fault.struck };
        faults.iter().map(row).collect()
    }

    /// What a request is to suffer. Which ones are struck rests on the seed, the request and how
    /// often it came, and not on the order in which different requests come.
    pub(super) fn strike(&self, method: &str, path: &str, query: &str) -> Effects {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut effects = Effects::default();
        if faults.is_empty() {
            return effects;
        }
        let request = hash(&[method.as_bytes(), path.as_bytes(), query.as_bytes()]);
        for fault in faults.iter_mut() {
            let spec = &fault.spec;
            if !spec.is_about(method, path) || spec.count.is_some_and(|most| fault.struck >= most) {
                continue;
            }
            let turn = match spec.kind {
                // What may not be read now may not be read a moment later either.
                FaultKind::UnreadablePolicy => 0,
                _ if spec.rate >= 1.0 => 0,
                _ => *fault.seen.entry(request).and_modify(|turn| *turn += 1).or_insert(0),
            };
            let draw = spec.draw(request, turn);
            if draw < spec.rate && apply(spec, draw, path, &mut effects) {
                fault.struck += 1;
            }
        }
        effects
    }
}

/// Adds a fault to what a request suffers; `false` where another has refused it already.
fn apply(spec: &FaultSpec, draw: f64, path: &str, effects: &mut Effects) -> bool {
    let refuses = matches!(spec.kind, FaultKind::Status(_) | FaultKind::UnreadablePolicy);
    if refuses && effects.refusal.is_some() {
        return false;
    }
    match &spec.kind {
        FaultKind::Latency(least, most) => {
            // The same draw, spread over the whole range.
            let share = if spec.rate > 0.0 { draw / spec.rate } else { 0.0 };
            effects.latency += *least + most.saturating_sub(*least).mul_f64(share);
        }
        FaultKind::Status(code) => {
            effects.refusal = Some((ApiError::of_fault(*code, path), spec.after));
            effects.retry_after = spec.retry_after;
        }
        FaultKind::Reset => effects.reset = Some(spec.after),
        FaultKind::Truncate => effects.truncate = true,
        FaultKind::Trickle(pause) => effects.trickle = Some(*pause),
        FaultKind::ContentType(kind) => effects.content_type = Some(kind.clone()),
        FaultKind::UnreadablePolicy => {
            let resource = path.split_once("/projects/").map_or(path, |(_, rest)| rest);
            let resource = resource.trim_end_matches(":getIamPolicy");
            let error = ApiError::permission_denied(format!(
                "Permission 'run.services.getIamPolicy' denied on resource 'projects/{resource}' \
                 (or resource may not exist)."
            ));
            effects.refusal = Some((error, false));
        }
        FaultKind::UnreadableRegion(region) => effects.unreachable.push(region.clone()),
        FaultKind::SlowOperations(delay) => effects.operation_delay += *delay,
        FaultKind::FailingOperations => effects.operations_fail = true,
        FaultKind::OrgPolicy(name) => effects.constraints.push(name),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Faults {
        let faults = Faults::default();
        faults.add(texts.iter().map(|text| FaultSpec::parse(text).unwrap()));
        faults
    }

    #[test]
    fn what_is_no_fault_is_said_to_be_none() {
        for (text, why) in [
            ("", "`` is not a fault"),
            ("flood", "`flood` is not a fault"),
            ("200", "`200` is not a fault"),
            ("latency", "`latency` needs a value"),
            ("latency=soon", "`soon` is not a time"),
            ("slow-operations=10000years", "`10000years` is not a time of up to an hour"),
            ("reset=now", "`reset` takes no value"),
            ("429,rate=2", "`rate` is more than 0 and at most 1"),
            ("429,rate=0", "`rate` is more than 0 and at most 1"),
            ("429,count=0", "`count` is at least 1"),
            ("429,method=FOO", "`method` is one of"),
            ("429,seed=1,seed=2", "`seed` is said twice"),
            ("429,when=during", "`when` is before or after"),
            ("429,route=", "`route` needs a pattern"),
            ("latency=5s..1s", "`latency=5s..1s` begins after its end"),
            ("429,often", "`often` is not one of"),
            ("429,count=many", "`count` needs a whole number"),
            ("unreadable-region=mars", "`mars` is not a region"),
            ("org-policy=none", "`none` is not one of"),
        ] {
            let error = FaultSpec::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_fault_strikes_where_and_as_often_as_it_is_told() {
        let faults = of(&["429,route=*:setIamPolicy,method=post,count=2,retry-after=3"]);
        let struck = |method, path| faults.strike(method, path, "").refusal.is_some();
        assert!(!struck("GET", "/v1/x:getIamPolicy"));
        assert!(!struck("PUT", "/v1/x:setIamPolicy"));
        assert_eq!(faults.strike("POST", "/v1/x:setIamPolicy", "").retry_after, Some(3));
        assert!(struck("POST", "/v1/y:setIamPolicy"));
        assert!(!struck("POST", "/v1/x:setIamPolicy"));
    }

    #[test]
    fn the_same_seed_strikes_the_same_requests_in_any_order() {
        let paths: Vec<String> = (0..2_000).map(|n| format!("/v2/services/s{n}")).collect();
        let struck = |text: &str, backwards: bool| -> Vec<String> {
            let faults = of(&[text]);
            let mut order: Vec<&String> = paths.iter().collect();
            if backwards {
                order.reverse();
            }
            let mut struck: Vec<String> = order
                .into_iter()
                .filter(|path| faults.strike("GET", path, "").refusal.is_some())
                .cloned()
                .collect();
            struck.sort();
            struck
        };
        let first = struck("503,rate=0.05,seed=7", false);
        assert_eq!(first, struck("503,rate=0.05,seed=7", true));
        assert_ne!(first, struck("503,rate=0.05,seed=8", false));
        assert!((50..=150).contains(&first.len()), "{}", first.len());
    }

    #[test]
    fn faults_of_one_seed_strike_apart_and_the_first_refusal_stands() {
        let faults = of(&["429,rate=0.1,retry-after=2", "503,rate=0.1"]);
        let mut codes = HashMap::new();
        for number in 0..1_000 {
            let effects = faults.strike("GET", &format!("/s{number}"), "");
            if let Some((error, _)) = effects.refusal {
                *codes.entry(error.code).or_insert(0_u64) += 1;
                assert_eq!(effects.retry_after.is_some(), error.code == 429);
            }
        }
        let rows = faults.rows();
        assert_eq!(codes[&429], rows[0].struck);
        assert_eq!(codes[&503], rows[1].struck);
        assert!(codes[&429] > 60 && codes[&503] > 60, "{codes:?}");
    }

    #[test]
    fn a_repeated_request_is_drawn_for_anew() {
        let faults = of(&["503,rate=0.5,seed=3"]);
        let struck = (0..100).filter(|_| faults.strike("GET", "/x", "").refusal.is_some()).count();
        assert!((30..=70).contains(&struck), "{struck}");
        let faults = of(&["unreadable-policy,rate=0.5"]);
        let path = "/v2/projects/p/locations/r/services/s:getIamPolicy";
        let first = faults.strike("GET", path, "").refusal.is_some();
        for _ in 0..50 {
            assert_eq!(faults.strike("GET", path, "").refusal.is_some(), first);
        }
    }
}
