//! The way to the APIs for one command, and the one way in which anything is written.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as StdInstant};

use http::{HeaderMap, Method};
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep_until};

use super::accounts::{account_path, accounts_path};
use super::ancestors::ReadCache;
use super::api::{Api, Endpoints};
use super::convert;
use super::deadline::Deadline;
use super::failure::{Failure, FailureKind};
use super::request::{date_of, parsed};
use super::retry::until_answered;
use crate::auth::Tokens;
use crate::domain::difference::Etags;
use crate::domain::plan::{PolicyOwner, Step, StepKind};
use crate::domain::target::Target;
use crate::transport::encoded;

/// Clocks that differ by less are taken for the same.
const CLOCKS_AGREE: time::Duration = time::Duration::seconds(20);
/// How long an operation is left alone before it is first looked at, and at the most.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// Told of each request as it ends.
pub type Trace = Arc<dyn Fn(TraceLine<'_>) + Send + Sync>;

/// One request, for `--verbose`. Holds no header, and so no secret.
#[derive(Clone, Copy, Debug)]
pub struct TraceLine<'a> {
    pub call: &'a str,
    pub took: Duration,
    /// The kind of failure, if it failed.
    pub failed: Option<FailureKind>,
}

/// The way to the Cloud Run Admin API for one command.
pub struct Gateway {
    pub(super) endpoints: Endpoints,
    pub(super) tokens: Arc<Tokens>,
    pub(super) deadline: Deadline,
    pub(super) seen: ReadCache,
    trace: Trace,
    /// This machine's clock.
    clock: fn() -> OffsetDateTime,
    /// By how much Google's is ahead of it, where that matters.
    ahead: Mutex<Option<time::Duration>>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

impl Gateway {
    /// The time by Google's clock, as far as an answer has told it.
    pub fn now(&self) -> OffsetDateTime {
        (self.clock)().saturating_add(self.ahead().unwrap_or_default())
    }

    /// By how much Google's clock is ahead of this machine's, where they differ.
    pub fn ahead(&self) -> Option<time::Duration> {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the time from an answer. What could as well be the way that it took is no difference.
    pub(super) fn note_time(&self, headers: &HeaderMap) {
        let Some(theirs) = date_of(headers) else { return };
        let ahead = theirs - (self.clock)();
        let differs = ahead.abs() > CLOCKS_AGREE;
        let mut known = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        *known = differs.then_some(ahead);
    }

    /// A way to the APIs with these tokens. No connection is made and no certificate
    /// read until the first call.
    pub fn new(
        endpoints: Endpoints,
        tokens: Arc<Tokens>,
        deadline: Deadline,
        trace: Trace,
        clock: fn() -> OffsetDateTime,
    ) -> Self {
        let (seen, ahead) = (ReadCache::default(), Mutex::default());
        Self { endpoints, tokens, deadline, seen, trace, clock, ahead }
    }

    /// Does one step of a plan, with its precondition: the one way in which anything is written.
    pub async fn apply(&self, step: Step) -> Result<Etags, Failure> {
        let target = step.target();
        let of = match (step.sets_policy(), target.service()) {
            (true, _) => " of",
            (false, Some(_)) => " at",
            (false, None) => "",
        };
        let call = format!("{}{of} `{}`", step.describe(), target.short());
        match step.into_kind() {
            StepKind::SetPolicy { of, policy } => {
                // What has no etag was not there when it was read: whatever is by now is not overwritten.
                if policy.etag.is_empty() {
                    let why = "it was not there when it was read";
                    return Err(Failure::new(FailureKind::NotFound, &call, why));
                }
                let (api, path) = match of {
                    PolicyOwner::Account(account) => (Api::Iam, account_path(&account)),
                    PolicyOwner::Job(_) | PolicyOwner::Service(_) => {
                        (Api::Run, format!("/v2/{target}"))
                    }
                };
                self.set_policy(api, &path, &policy, &call).await
            }
            StepKind::UpdateService { service, switches, audiences, etag } => {
                let (body, mask) = convert::turned(&service, &switches, audiences, etag);
                let query = encoded(&[("updateMask", &mask.join(","))]);
                let path = format!("/v2/{service}?{query}");
                let body = Some(written(&body, &call)?);
                let started = self.write(Api::Run, &call, Method::PATCH, &path, body).await?;
                let done = self.wait_for(parsed(&call, &started)?, &call).await?;
                let etag = done["etag"].as_str().map(str::to_owned);
                Ok(Etags { service: etag, ..Etags::default() })
            }
            StepKind::CreateAccount { account, display_name } => {
                self.create_account(&account, &display_name, &call).await
            }
            // By its id, so that no other of the same address is.
            StepKind::DeleteAccount { account, unique_id } => {
                let path = format!("{}/{unique_id}", accounts_path(&account));
                self.delete(Api::Iam, &call, &path).await
            }
            StepKind::MapDomain { mapping, service, force } => {
                Box::pin(self.map_domain(&mapping, &service, force, &call)).await
            }
            StepKind::UnmapDomain(mapping) => {
                let path = format!("/v1/{}", Target::Mapping(mapping));
                self.delete(Api::Run, &call, &path).await
            }
        }
    }

    /// Deletes what is at a path.
    pub(super) async fn delete(&self, api: Api, call: &str, path: &str) -> Result<Etags, Failure> {
        let answer = self.write(api, call, Method::DELETE, path, None).await?;
        // What is gone is told in JSON too.
        let _: Map<String, Value> = parsed(call, &answer)?;
        Ok(Etags::default())
    }

    /// Looks at an operation until it is done, and yields what it made. A look that fails says
    /// nothing of the operation, which was accepted.
    async fn wait_for(&self, mut operation: Value, call: &str) -> Result<Value, Failure> {
        let mut pause = FIRST_LOOK;
        let name = match operation["name"].as_str() {
            Some(name) if name.contains("operations/") => name.to_owned(),
            _ => return Err(Failure::malformed(call)),
        };
        while operation["done"] != true {
            // The last look is at the deadline itself.
            let (now, end) = (Instant::now(), self.deadline.end());
            if now >= end {
                return Err(Failure::deadline(call, self.deadline.limit()).after_acceptance());
            }
            sleep_until(end.min(now + pause)).await;
            pause = (pause * 2).min(LONGEST_LOOK);
            let look = async { parsed(call, &self.get(call, &format!("/v2/{name}"), "").await?) };
            operation = look.await.map_err(Failure::after_acceptance)?;
        }
        let error = &operation["error"];
        if error.is_object() {
            let code = error["code"].as_i64().unwrap_or_default();
            let message = error["message"].as_str().unwrap_or_default();
            return Err(Failure::of_operation(call, code, message));
        }
        Ok(operation["response"].take())
    }

    /// Sends a read, again where that may help, and tells of it.
    pub(super) async fn read<T, F>(
        &self,
        call: &str,
        mut send: impl FnMut() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        until_answered(call, &self.deadline, || self.traced(call, send())).await
    }

    pub(super) async fn traced<T>(
        &self,
        call: &str,
        send: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let start = StdInstant::now();
        let answer = send.await;
        let failed = answer.as_ref().err().map(|failure| failure.kind);
        (self.trace)(TraceLine { call, took: start.elapsed(), failed });
        answer
    }

    /// A failure to reach an API says where that is.
    pub(super) fn placed(&self, api: Api, mut failure: Failure) -> Failure {
        if failure.kind == FailureKind::Connect {
            let endpoint = self.endpoints.endpoint(api).as_str();
            failure.message = format!("{endpoint}: {}", failure.message);
        }
        failure
    }
}

/// What a request that writes says.
pub(super) fn written(body: &impl Serialize, call: &str) -> Result<String, Failure> {
    serde_json::to_string(body)
        .map_err(|error| Failure::new(FailureKind::Other, call, error.to_string()))
}
