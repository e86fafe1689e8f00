//! Cloud Run instances.

use serde_json::Value;

use super::failure::Failure;
use super::gateway::Gateway;
use super::services::{Unreadable, unreachable};
use crate::domain::target::InstanceName;

impl Gateway {
    /// Lists the instances of a project (in preview) in every region. That the global endpoint
    /// lists all of them is inferred from jobs. If the API does not have this method, there are no
    /// instances.
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
}
