//! Jobs, worker pools and instances: listing them, and what a plan needs of each.

use google_cloud_run_v2::model;
use serde_json::Value;

use super::convert;
use super::failure::Failure;
use super::gateway::Gateway;
use super::request::parsed;
use super::services::{Unreadable, unreachable};
use crate::domain::resource::{Invoked, ServiceName};
use crate::domain::service::VpcEgress;
use crate::domain::target::{Target, WorkloadKind, WorkloadName};
use crate::transport::encoded;

impl Gateway {
    /// Lists the jobs or the worker pools of a project in every region.
    pub async fn workloads(
        &self,
        kind: WorkloadKind,
        project: &str,
    ) -> Result<(Vec<WorkloadName>, Vec<Unreadable>), Failure> {
        let call = format!("list the {}s of project `{project}`", kind.noun());
        // As v1 names them, in lower case.
        let collection = kind.collection().to_ascii_lowercase();
        let (found, unread) = self.named(&call, project, &collection).await?;
        let of = |(region, name)| WorkloadName { kind, project: project.to_owned(), region, name };
        let mut workloads: Vec<_> = found.into_iter().map(of).collect();
        workloads.sort();
        Ok((workloads, unread))
    }

    /// Lists the instances of a project (in preview) in every region.
    pub async fn instances(
        &self,
        project: &str,
    ) -> Result<(Vec<ServiceName>, Vec<Unreadable>), Failure> {
        let call = format!("list the instances of project `{project}`");
        let (found, unread) = self.named(&call, project, "instances").await?;
        let of = |(region, name)| ServiceName::new(project, region, name);
        let mut instances: Vec<_> =
            found.into_iter().map(|found| of(found).of_kind(Invoked::Instance)).collect();
        instances.sort_by(|a, b| a.list_order().cmp(&b.list_order()));
        Ok((instances, unread))
    }

    /// Lists a collection of v1 by region and name. That Google's global endpoint lists every
    /// region is inferred from the request for jobs that gcloud sends there.
    async fn named(
        &self,
        call: &str,
        project: &str,
        collection: &str,
    ) -> Result<(Vec<(String, String)>, Vec<Unreadable>), Failure> {
        let path = format!("/apis/run.googleapis.com/v1/namespaces/{project}/{collection}");
        let fields = ("fields", "items(metadata(name,labels)),metadata/continue,unreachable");
        let (mut names, mut unread) = (Vec::new(), Vec::new());
        let mut is_whole = true;
        self.each_page(call, &path, &[fields], ("continue", "/metadata/continue"), |page| {
            unread.extend(unreachable(page));
            for item in page["items"].as_array().into_iter().flatten() {
                let region = &item["metadata"]["labels"]["cloud.googleapis.com/location"];
                match (region.as_str(), item["metadata"]["name"].as_str()) {
                    (Some(region), Some(name)) => names.push((region.to_owned(), name.to_owned())),
                    _ => is_whole = false,
                }
            }
        })
        .await?;
        if is_whole { Ok((names, unread)) } else { Err(Failure::malformed(call)) }
    }

    /// Reads the service account of a job, and which of its requests use a VPC network.
    pub async fn job_runs_as(
        &self,
        job: &WorkloadName,
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

    /// Reads the unique ID of a job or a worker pool, which differs if another of the same name is
    /// created later; `None` if the response has none.
    pub async fn uid_of(&self, workload: &Target) -> Result<Option<String>, Failure> {
        let call = format!("read the {} `{}`", workload.noun(), workload.short());
        let fields = encoded(&[("fields", "uid")]);
        let body = self.get(&call, &format!("/v2/{workload}"), &fields).await?;
        let read: Value = parsed(&call, &body)?;
        Ok(read["uid"].as_str().filter(|uid| !uid.is_empty()).map(str::to_owned))
    }
}
