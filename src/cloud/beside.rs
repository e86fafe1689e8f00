//! What stands beside services and carries access too: jobs, functions, domain mappings, and the
//! accounts that services run as.

use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_iam_admin_v1::client::Iam;
use google_cloud_iam_admin_v1::model::ServiceAccount;
use google_cloud_iam_v1::model::Policy;
use google_cloud_run_v2::model;
use http::Method;
use serde_json::{Value, json};

use super::api::Api;
use super::convert;
use super::failure::{Failure, FailureKind};
use super::fleet::Unreadable;
use super::gateway::Gateway;
use super::reading::{Read, parsed};
use super::retry::once;
use crate::auth::Identity;
use crate::domain::history::Etags;
use crate::domain::plan::{StepKind, There};
use crate::domain::policy::{self, POLICY_VERSION};
use crate::domain::resource::ServiceName;
use crate::domain::service::VpcEgress;
use crate::domain::target::{AccountName, JobName, MappingName, Target};
use crate::transport::encoded;

/// A Cloud Functions function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub region: String,
    pub name: String,
    /// What it runs as; `None` for one of the 1st generation.
    pub service: Option<ServiceName>,
}

impl Gateway {
    /// Lists the jobs of a project, in every region. That Google's global address lists them all is
    /// inferred from what gcloud asks there.
    pub async fn jobs(&self, project: &str) -> Result<(Vec<JobName>, Vec<Unreadable>), Failure> {
        let call = format!("list the jobs of project `{project}`");
        let path = format!("/apis/run.googleapis.com/v1/namespaces/{project}/jobs");
        let fields = ("fields", "items(metadata(name,labels)),metadata/continue,unreachable");
        let (mut jobs, mut unread) = (Vec::new(), Vec::new());
        self.each_page(&call, &path, &[fields], ("continue", "/metadata/continue"), |page| {
            unread.extend(unreachable(page));
            for item in page["items"].as_array().into_iter().flatten() {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                jobs.push(JobName {
                    project: project.to_owned(),
                    region: text(&item["metadata"]["labels"]["cloud.googleapis.com/location"]),
                    job: text(&item["metadata"]["name"]),
                });
            }
        })
        .await?;
        jobs.sort();
        Ok((jobs, unread))
    }

    /// Reads what a job runs as, and which of its requests go by a VPC network.
    pub async fn job_runs_as(
        &self,
        job: &Target,
    ) -> Result<(Option<String>, Option<VpcEgress>), Failure> {
        let call = format!("read the job `{}`", job.short());
        let fields = encoded(&[("fields", "template/template(serviceAccount,vpcAccess)")]);
        let body = self.get(&call, &format!("/v2/{job}"), &fields).await?;
        let read: model::Job = parsed(&call, &body)?;
        let template = read.template.and_then(|executions| executions.template);
        Ok(template.map_or((None, None), |template| {
            let egress = template.vpc_access.as_ref().map(convert::egress);
            (Some(template.service_account).filter(|account| !account.is_empty()), egress)
        }))
    }

    /// Lists the functions of a project, in every region (Cloud Functions v2, which lists those of the
    /// 1st generation too).
    pub async fn functions(
        &self,
        project: &str,
    ) -> Result<(Vec<Function>, Vec<Unreadable>), Failure> {
        let call = format!("list the functions of project `{project}`");
        let path = format!("/v2/projects/{project}/locations/-/functions");
        let (mut functions, mut unread, mut page) = (Vec::new(), Vec::new(), String::new());
        loop {
            let query = encoded(&[("pageSize", "1000"), ("pageToken", &page)]);
            let read = Read::of(Api::CloudFunctions, &call, &path).with_query(&query);
            let answer: Value = parsed(&call, &self.ask(read).await?)?;
            unread.extend(unreachable(&answer));
            for function in answer["functions"].as_array().into_iter().flatten() {
                let full = function["name"].as_str().unwrap_or_default();
                let parts: Vec<&str> = full.split('/').collect();
                if let ["projects", _, "locations", region, "functions", name] = parts.as_slice() {
                    let service = function["serviceConfig"]["service"].as_str();
                    let (region, name) = ((*region).to_owned(), (*name).to_owned());
                    let is_second = function["environment"] == "GEN_2";
                    let service = service.filter(|_| is_second).and_then(ServiceName::parse);
                    functions.push(Function { region, name, service });
                }
            }
            match answer["nextPageToken"].as_str().filter(|token| !token.is_empty()) {
                Some(next) => next.clone_into(&mut page),
                None => return Ok((functions, unread)),
            }
        }
    }

    /// Reads the policy of any resource that has one, at version 3.
    pub async fn policy_of(&self, target: &Target) -> Result<Policy, Failure> {
        let call = format!("read the policy of `{}`", target.short());
        let version = POLICY_VERSION.to_string();
        let query = encoded(&[("options.requestedPolicyVersion", version.as_str())]);
        let body = match target {
            Target::Service(service) => return self.policy(service).await,
            Target::Job(_) => {
                self.get(&call, &format!("/v2/{target}:getIamPolicy"), &query).await?
            }
            Target::Account(_) => {
                let path = format!("/v1/{target}:getIamPolicy");
                let read = Read::of(Api::Iam, &call, &path).with_query(&query).with_body("{}");
                self.ask(read).await?
            }
            // It has none.
            Target::Mapping(_) => return Ok(Policy::new()),
        };
        let policy: Policy = parsed(&call, &body)?;
        if policy.etag.is_empty() { Err(Failure::malformed(&call)) } else { Ok(policy) }
    }

    /// Whether a service account is there, and which.
    pub async fn account(&self, account: &AccountName) -> Result<There, Failure> {
        let address = &account.address;
        let call = format!("read the service account `{address}`");
        let path = format!("/v1/projects/{}/serviceAccounts/{address}", account.project);
        match self.ask(Read::of(Api::Iam, &call, &path)).await {
            Ok(body) => {
                let found: ServiceAccount = parsed(&call, &body)?;
                let (address, unique_id) = (address.clone(), found.unique_id);
                Ok(There::Account { address, unique_id })
            }
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(There::Nothing),
            Err(failure) => Err(failure),
        }
    }

    /// Whether a domain is mapped, and to what.
    pub async fn mapping(&self, mapping: &MappingName) -> Result<There, Failure> {
        let call = format!("read the mapping of `{}`", mapping.domain);
        let path = format!("/v1/{}", Target::Mapping(mapping.clone()));
        let fields = encoded(&[("fields", "metadata(name,uid),spec/routeName")]);
        match self.get(&call, &path, &fields).await {
            Ok(body) => {
                let found: Value = parsed(&call, &body)?;
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let service = text(&found["spec"]["routeName"]);
                Ok(There::Mapping { service, uid: text(&found["metadata"]["uid"]) })
            }
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(There::Nothing),
            Err(failure) => Err(failure),
        }
    }

    /// Does a step on a service account.
    pub(super) async fn apply_to_account(
        &self,
        account: &AccountName,
        step: StepKind,
        call: &str,
    ) -> Result<Etags, Failure> {
        let failed = |error| self.placed(Api::Iam, Failure::from_client(call, &error));
        let name = Target::Account(account.clone()).to_string();
        let iam = self.iam(call).await?;
        match step {
            StepKind::SetPolicy(policy) => {
                let request = iam.set_iam_policy().set_resource(name).set_policy(policy);
                let write = async { request.send().await.map_err(failed) };
                let policy = self.traced(call, once(call, &self.deadline, write)).await?;
                Ok(Etags { policy: policy::etag(&policy), service: None })
            }
            StepKind::CreateAccount { display_name } => {
                let (id, _) = account.address.split_once('@').unwrap_or_default();
                let request = iam
                    .create_service_account()
                    .set_name(format!("projects/{}", account.project))
                    .set_account_id(id)
                    .set_service_account(ServiceAccount::new().set_display_name(display_name));
                let write = async { request.send().await.map_err(failed) };
                let made = Box::pin(self.traced(call, once(call, &self.deadline, write))).await?;
                Ok(Etags { policy: None, service: Some(made.unique_id) })
            }
            StepKind::DeleteAccount { unique_id } => {
                // By its id, so that no other of the same address is.
                let name = format!("projects/{}/serviceAccounts/{unique_id}", account.project);
                let request = iam.delete_service_account().set_name(name);
                let write = async { request.send().await.map_err(failed) };
                self.traced(call, once(call, &self.deadline, write)).await?;
                Ok(Etags::default())
            }
            StepKind::Turn { .. } | StepKind::Map { .. } | StepKind::Unmap => {
                Err(Failure::new(FailureKind::Other, call, "an account has no such setting"))
            }
        }
    }

    /// Does a step on a domain mapping. The official clients do not have these.
    pub(super) async fn apply_to_mapping(
        &self,
        mapping: &MappingName,
        step: StepKind,
        call: &str,
    ) -> Result<Etags, Failure> {
        let MappingName { project, region, domain } = mapping;
        let all = format!("/v1/projects/{project}/locations/{region}/domainmappings");
        match step {
            StepKind::Map { service, force } => {
                let body = json!({
                    "apiVersion": "domains.cloudrun.com/v1",
                    "kind": "DomainMapping",
                    "metadata": {"name": domain, "namespace": project},
                    "spec": {
                        "routeName": service,
                        "certificateMode": "AUTOMATIC",
                        "forceOverride": force,
                    },
                });
                let write = self.send(Api::Run, call, Method::POST, &all, Some(body.to_string()));
                let made = self.traced(call, once(call, &self.deadline, write)).await?;
                let made: Value = parsed(call, &made)?;
                let uid = made["metadata"]["uid"].as_str().map(str::to_owned);
                Ok(Etags { policy: None, service: uid })
            }
            StepKind::Unmap => {
                let path = format!("{all}/{domain}");
                let write = self.send(Api::Run, call, Method::DELETE, &path, None);
                self.traced(call, once(call, &self.deadline, write)).await?;
                Ok(Etags::default())
            }
            _ => Err(Failure::new(FailureKind::Other, call, "a domain has no such setting")),
        }
    }

    async fn iam(&self, call: &str) -> Result<Iam, Failure> {
        Iam::builder()
            .with_endpoint(self.endpoints.endpoint(Api::Iam).as_str())
            .with_credentials(Identity::credentials(&self.tokens))
            .with_retry_policy(NeverRetry)
            .build()
            .await
            .map_err(|error| Failure::new(FailureKind::Other, call, error.to_string()))
    }
}

/// The regions that a list of every region does without.
fn unreachable(answer: &Value) -> Vec<Unreadable> {
    let regions = answer["unreachable"].as_array().into_iter().flatten().filter_map(Value::as_str);
    regions.map(Unreadable::region).collect()
}
