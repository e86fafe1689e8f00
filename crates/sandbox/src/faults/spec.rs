//! A fault as it is asked for.

use std::time::Duration;

use thiserror::Error;
use wildmatch::WildMatch;

use super::hash;
use crate::dialect::names::is_region;

/// Organisation policies that the sandbox can put in force.
const CONSTRAINTS: [&str; 3] = [
    "iam.allowedPolicyMemberDomains",
    "iam.managed.allowedPolicyMembers",
    "run.managed.requireInvokerIam",
];
/// Nobody waits longer for an answer.
const LONGEST: Duration = Duration::from_hours(1);
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const KINDS: &str = "latency=TIME, 409, 429, 500, 503 (any status from 400 to 599), reset, \
     truncate, trickle=TIME, content-type=TYPE, unreadable-policy, unreadable-region=REGION, \
     slow-operations=TIME, failing-operations, org-policy=CONSTRAINT, asset-age=TIME";

/// A fault as it was asked for, `KIND[=VALUE][,route=GLOB][,method=M][,rate=R][,count=N][,seed=N]
/// [,retry-after=SECONDS][,when=before|after]`.
#[derive(Clone, Debug)]
pub struct FaultSpec {
    pub(crate) text: String,
    pub(crate) kind: FaultKind,
    pub(crate) route: Option<WildMatch>,
    pub(crate) method: Option<String>,
    /// The share of the requests that it strikes.
    pub(crate) rate: f64,
    /// How often it strikes in all.
    pub(crate) count: Option<u64>,
    pub(crate) seed: u64,
    pub(crate) retry_after: Option<u64>,
    /// Whether the request is carried out before it fails.
    pub(crate) after: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
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
    AssetAge(Duration),
}

/// Why a text is no fault.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{why}")]
pub struct FaultError {
    why: String,
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
            "asset-age" => {
                let age = humantime::parse_duration(needed()?)
                    .map_err(|_| bad(format!("`{head}` needs a time, such as asset-age=36h")))?;
                FaultKind::AssetAge(age)
            }
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

    pub(crate) fn is_about(&self, method: &str, path: &str) -> bool {
        let policy = matches!(self.kind, FaultKind::UnreadablePolicy);
        self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self.route.as_ref().is_none_or(|route| route.matches(path))
            && (!policy || path.ends_with(":getIamPolicy"))
    }

    /// A number from 0 to 1 that the seed, the kind of fault and the request settle, whatever else
    /// goes on.
    pub(crate) fn draw(&self, request: u64, turn: u64) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
