//! Carries out the steps of a plan. Nothing else in the program writes to Google.

use std::time::Duration;

use http::Method;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep_until};

use super::accounts::{account_path, accounts_path};
use super::api::Api;
use super::convert;
use super::failure::Failure;
use super::failure_kind::FailureKind;
use super::gateway::Gateway;
use super::request::{parsed, written};
use crate::domain::difference::Etags;
use crate::domain::plan::{PolicyOwner, Step, StepKind};
use crate::domain::target::Target;
use crate::transport::encoded;

/// The first and the longest pause between two polls of an operation.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK: Duration = Duration::from_secs(5);

impl Gateway {
    /// Carries out one step of a plan with its precondition. Every write goes through this
    /// function.
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
                // A policy without an etag did not exist when it was read; one that exists now is
                // not overwritten.
                if policy.etag.is_empty() {
                    let why = "it was not there when it was read";
                    return Err(Failure::new(FailureKind::NotFound, &call, why));
                }
                let (api, path) = match of {
                    PolicyOwner::Account(account) => (Api::Iam, account_path(&account)),
                    PolicyOwner::Service(_) | PolicyOwner::Workload(_) => {
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
            // By the unique ID, so that a later account with the same address is not deleted.
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

    /// Polls an operation until it is done, and returns its result. A failed poll says nothing
    /// about the operation, which the server accepted.
    async fn wait_for(&self, mut operation: Value, call: &str) -> Result<Value, Failure> {
        let mut pause = FIRST_LOOK;
        let name = match operation["name"].as_str() {
            Some(name) if name.contains("operations/") => name.to_owned(),
            _ => return Err(Failure::malformed(call)),
        };
        while operation["done"] != true {
            // The last poll is at the deadline itself.
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

    /// Deletes the resource at a path.
    pub(super) async fn delete(&self, api: Api, call: &str, path: &str) -> Result<Etags, Failure> {
        let answer = self.write(api, call, Method::DELETE, path, None).await?;
        // The response to a deletion is JSON too.
        let _: Map<String, Value> = parsed(call, &answer)?;
        Ok(Etags::default())
    }
}
