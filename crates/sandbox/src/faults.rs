//! Faults on request: what goes wrong, where, how often, and the same again with the same seed.

mod spec;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use self::spec::FaultKind;
pub use self::spec::{FaultError, FaultSpec};
use crate::dialect::api_error::ApiError;
use crate::dialect::names::fnv1a;

/// What a request is to suffer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effects {
    pub(crate) latency: Duration,
    /// The answer in place of the real one, and whether the request is carried out all the same.
    pub(crate) refusal: Option<(ApiError, bool)>,
    pub(crate) retry_after: Option<u64>,
    /// The connection is reset, after the request was carried out or before.
    pub(crate) reset: Option<bool>,
    pub(crate) truncate: bool,
    pub(crate) trickle: Option<Duration>,
    pub(crate) content_type: Option<String>,
    pub(crate) unreachable: Vec<String>,
    pub(crate) operation_delay: Duration,
    pub(crate) operations_fail: bool,
    pub(crate) constraints: Vec<&'static str>,
    /// How late the policies of the inventory are.
    pub(crate) asset_age: Duration,
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
pub(crate) struct FaultRow {
    fault: String,
    struck: u64,
}

/// The same for the same parts on every machine and in every build; parts do not run together.
fn hash(parts: &[&[u8]]) -> u64 {
    fnv1a(parts.iter().flat_map(|part| part.iter().copied().chain([0xff])))
}

impl Faults {
    /// Turns faults on, beside those that are.
    pub fn add(&self, specs: impl IntoIterator<Item = FaultSpec>) {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = specs.into_iter();
        faults.extend(new.map(|spec| Fault { spec, struck: 0, seen: HashMap::new() }));
    }

    /// Turns every fault off.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The faults that are on.
    pub(crate) fn rows(&self) -> Vec<FaultRow> {
        let faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let row = |fault: &Fault| FaultRow { fault: fault.spec.text.clone(), struck: fault.struck };
        faults.iter().map(row).collect()
    }

    /// What a request is to suffer. Which ones are struck rests on the seed, the request and how
    /// often it came, and not on the order in which different requests come.
    pub(crate) fn strike(&self, method: &str, path: &str, query: &str) -> Effects {
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

/// Adds a fault to what a request suffers; `false` if another has refused it already.
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
            let error = ApiError::no_project("run.services.getIamPolicy", resource);
            effects.refusal = Some((error, false));
        }
        FaultKind::UnreadableRegion(region) => effects.unreachable.push(region.clone()),
        FaultKind::SlowOperations(delay) => effects.operation_delay += *delay,
        FaultKind::FailingOperations => effects.operations_fail = true,
        FaultKind::AssetAge(age) => effects.asset_age = effects.asset_age.max(*age),
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
