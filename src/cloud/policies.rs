//! IAM policies of services, instances, jobs, worker pools and service accounts: reading and setting.

use http::Method;

use super::api::Api;
use super::convert;
use super::failure::Failure;
use super::gateway::Gateway;
use super::request::{Read, parsed, written};
use crate::domain::difference::Etags;
use crate::domain::policy::{self, POLICY_VERSION, Policy};
use crate::domain::resource::ServiceName;
use crate::domain::target::Target;
use crate::transport::encoded;

impl Gateway {
    /// Reads the policy of one service or instance at version 3, without which its conditions are lost.
    /// Requests all fields: a field that this program does not know is kept when the policy is
    /// written.
    pub async fn policy(&self, name: &ServiceName) -> Result<Policy, Failure> {
        let call = format!("read the policy of `{}`", name.short());
        let version = POLICY_VERSION.to_string();
        let query = encoded(&[("options.requestedPolicyVersion", version.as_str())]);
        let body = self.get(&call, &format!("/v2/{name}:getIamPolicy"), &query).await?;
        let policy: Policy = parsed(&call, &body)?;
        // Every policy has an etag, even one that was never set. Without it a write could not
        // detect conflicts, so a response without an etag is malformed.
        if policy.etag.is_empty() { Err(Failure::malformed(&call)) } else { Ok(policy) }
    }

    /// Reads the policy of any resource, at version 3.
    pub async fn policy_of(&self, target: &Target) -> Result<Policy, Failure> {
        let call = format!("read the policy of `{}`", target.short());
        let version = POLICY_VERSION.to_string();
        let query = encoded(&[("options.requestedPolicyVersion", version.as_str())]);
        let body = match target {
            Target::Service(service) => return self.policy(service).await,
            Target::Workload(_) => {
                self.get(&call, &format!("/v2/{target}:getIamPolicy"), &query).await?
            }
            Target::Account(_) => {
                let path = format!("/v1/{target}:getIamPolicy");
                let read = Read::of(Api::Iam, &call, &path).with_query(&query).with_body("{}");
                self.ask(read).await?
            }
            // A domain mapping has no policy.
            Target::Mapping(_) => return Ok(Policy::default()),
        };
        let policy: Policy = parsed(&call, &body)?;
        if policy.etag.is_empty() { Err(Failure::malformed(&call)) } else { Ok(policy) }
    }

    /// Sets the policy of the resource at a path. Only a response that is a policy counts as a
    /// success.
    pub(super) async fn set_policy(
        &self,
        api: Api,
        path: &str,
        policy: &Policy,
        call: &str,
    ) -> Result<Etags, Failure> {
        let request =
            convert::set_policy_request(policy).ok_or_else(|| Failure::malformed(call))?;
        let body = Some(written(&request, call)?);
        let path = format!("{path}:setIamPolicy");
        let answer = self.write(api, call, Method::POST, &path, body).await?;
        let set: Policy = parsed(call, &answer)?;
        match policy::etag(&set) {
            None => Err(Failure::malformed(call)),
            etag => Ok(Etags { policy: etag, ..Etags::default() }),
        }
    }
}
