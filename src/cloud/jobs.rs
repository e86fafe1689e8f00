//! Jobs: listing, and the service account of each.

use google_cloud_run_v2::model;
use serde_json::Value;

use super::convert;
use super::failure::Failure;
use super::gateway::Gateway;
use super::request::parsed;
use super::services::{Unreadable, unreachable};
use crate::domain::service::VpcEgress;
use crate::domain::target::{JobName, Target};
use crate::transport::encoded;

impl Gateway {
    /// Lists the jobs of a project in every region. That Google's global endpoint lists all of them
    /// is inferred from the request that gcloud sends there.
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

    /// Reads the service account of a job, and which of its requests use a VPC network.
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

    /// Reads the unique ID of a job, which differs if a job of the same name is created later;
    /// `None` if the response has none.
    pub async fn job_uid(&self, job: &Target) -> Result<Option<String>, Failure> {
        let call = format!("read the job `{}`", job.short());
        let fields = encoded(&[("fields", "uid")]);
        let body = self.get(&call, &format!("/v2/{job}"), &fields).await?;
        let read: Value = parsed(&call, &body)?;
        Ok(read["uid"].as_str().filter(|uid| !uid.is_empty()).map(str::to_owned))
    }
}
