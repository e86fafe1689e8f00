//! What stands beside services and carries access too: jobs, functions, domain mappings, and the
//! accounts that services run as.

use crate::domain::policy::Policy;
use google_cloud_iam_admin_v1::model::ServiceAccount;
use google_cloud_run_v2::model;
use http::Method;
use serde_json::{Map, Value, json};

use super::api::Api;
use super::convert;
use super::failure::{Failure, FailureKind};
use super::fleet::Unreadable;
use super::gateway::{Gateway, written};
use super::reading::{Read, parsed};
use crate::domain::difference::Etags;
use crate::domain::policy::POLICY_VERSION;
use crate::domain::resource::ServiceName;
use crate::domain::service::VpcEgress;
use crate::domain::target::{AccountName, Existing, InstanceName, JobName, MappingName, Target};
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

    /// Lists the instances of a project (in preview), in every region. That the global address lists
    /// them all is inferred from jobs; where the API is not there, there are none.
    pub async fn instances(
        &self,
        project: &str,
    ) -> Result<(Vec<InstanceName>, Vec<Unreadable>), Failure> {
        let call = format!("list the instances of project `{project}`");
        let path = format!("/apis/run.googleapis.com/v1/namespaces/{project}/instances");
        let fields = ("fields", "items(metadata(name,labels)),metadata/continue,unreachable");
        let (mut names, mut unread) = (Vec::new(), Vec::new());
        let next = ("continue", "/metadata/continue");
        let fields = [fields];
        let listed = self.each_page(&call, &path, &fields, next, |page| {
            unread.extend(unreachable(page));
            for item in page["items"].as_array().into_iter().flatten() {
                let region = &item["metadata"]["labels"]["cloud.googleapis.com/location"];
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                names.push(InstanceName {
                    project: project.to_owned(),
                    region: text(region),
                    instance: text(&item["metadata"]["name"]),
                });
            }
        });
        match listed.await {
            Err(failure) if failure.is_unimplemented() => Ok((Vec::new(), Vec::new())),
            Err(failure) => Err(failure),
            Ok(()) => Ok((names, unread)),
        }
    }

    /// Reads the policy of an instance.
    pub async fn policy_of_instance(&self, instance: &InstanceName) -> Result<Policy, Failure> {
        let call = format!("read the policy of `{instance}`");
        let version = POLICY_VERSION.to_string();
        let query = encoded(&[("options.requestedPolicyVersion", version.as_str())]);
        parsed(&call, &self.get(&call, &format!("/v2/{instance}:getIamPolicy"), &query).await?)
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

    /// Reads what tells a job from another that is made later under its name; `None` where it does not say.
    pub async fn job_uid(&self, job: &Target) -> Result<Option<String>, Failure> {
        let call = format!("read the job `{}`", job.short());
        let fields = encoded(&[("fields", "uid")]);
        let body = self.get(&call, &format!("/v2/{job}"), &fields).await?;
        let read: Value = parsed(&call, &body)?;
        Ok(read["uid"].as_str().filter(|uid| !uid.is_empty()).map(str::to_owned))
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
            Target::Mapping(_) => return Ok(Policy::default()),
        };
        let policy: Policy = parsed(&call, &body)?;
        if policy.etag.is_empty() { Err(Failure::malformed(&call)) } else { Ok(policy) }
    }

    /// Whether a service account is there, and which.
    pub async fn account(&self, account: &AccountName) -> Result<Existing, Failure> {
        let address = &account.address;
        let call = format!("read the service account `{address}`");
        let path = format!("/v1/projects/{}/serviceAccounts/{address}", account.project);
        match self.ask(Read::of(Api::Iam, &call, &path)).await {
            Ok(body) => {
                let found: ServiceAccount = parsed(&call, &body)?;
                if found.unique_id.is_empty() {
                    return Err(Failure::malformed(&call));
                }
                let (address, unique_id) = (address.clone(), found.unique_id);
                Ok(Existing::Account { address, unique_id })
            }
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(Existing::Nothing),
            Err(failure) => Err(failure),
        }
    }

    /// Whether a domain is mapped, and to what.
    pub async fn mapping(&self, mapping: &MappingName) -> Result<Existing, Failure> {
        let call = format!("read the mapping of `{}`", mapping.domain);
        let path = format!("/v1/{}", Target::Mapping(mapping.clone()));
        let fields = encoded(&[("fields", "metadata(name,uid),spec/routeName")]);
        match self.get(&call, &path, &fields).await {
            Ok(body) => {
                let found: Value = parsed(&call, &body)?;
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let service = text(&found["spec"]["routeName"]);
                Ok(Existing::Mapping { service, uid: text(&found["metadata"]["uid"]) })
            }
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(Existing::Nothing),
            Err(failure) => Err(failure),
        }
    }

    /// Creates a service account, which must not exist.
    pub(super) async fn create_account(
        &self,
        account: &AccountName,
        display_name: &str,
        call: &str,
    ) -> Result<Etags, Failure> {
        let (id, _) = account.address.split_once('@').unwrap_or_default();
        let made = json!({"accountId": id, "serviceAccount": {"displayName": display_name}});
        let body = Some(written(&made, call)?);
        let path = accounts_path(account);
        let made = self.write(Api::Iam, call, Method::POST, &path, body).await?;
        let made: ServiceAccount = parsed(call, &made)?;
        if made.unique_id.is_empty() {
            return Err(Failure::malformed(call));
        }
        Ok(Etags { service: Some(made.unique_id), ..Etags::default() })
    }

    /// Maps a domain to a service.
    pub(super) async fn map_domain(
        &self,
        mapping: &MappingName,
        service: &str,
        force: bool,
        call: &str,
    ) -> Result<Etags, Failure> {
        let MappingName { project, region, domain } = mapping;
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
        let path = format!("/v1/projects/{project}/locations/{region}/domainmappings");
        let body = Some(written(&body, call)?);
        let made = self.write(Api::Run, call, Method::POST, &path, body).await?;
        let made: Value = parsed(call, &made)?;
        match made["metadata"]["uid"].as_str() {
            None | Some("") => Err(Failure::malformed(call)),
            Some(uid) => Ok(Etags { service: Some(uid.to_owned()), ..Etags::default() }),
        }
    }

    /// Deletes what is at a path.
    pub(super) async fn delete(&self, api: Api, call: &str, path: &str) -> Result<Etags, Failure> {
        let answer = self.write(api, call, Method::DELETE, path, None).await?;
        // What is gone is told in JSON too.
        let _: Map<String, Value> = parsed(call, &answer)?;
        Ok(Etags::default())
    }
}

/// Where a project's service accounts are.
pub(super) fn accounts_path(account: &AccountName) -> String {
    format!("/v1/projects/{}/serviceAccounts", account.project)
}

/// Where a service account is, by its address.
pub(super) fn account_path(account: &AccountName) -> String {
    format!("{}/{}", accounts_path(account), account.address)
}

/// The regions that a list of every region does without.
pub(super) fn unreachable(answer: &Value) -> Vec<Unreadable> {
    let regions = answer["unreachable"].as_array().into_iter().flatten().filter_map(Value::as_str);
    regions.map(Unreadable::region).collect()
}
