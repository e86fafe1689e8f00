//! Functions of Cloud Functions, and the Cloud Run services that run them.

use serde_json::Value;

use super::api::Api;
use super::failure::Failure;
use super::gateway::Gateway;
use super::request::{Read, parsed};
use super::services::{Unreadable, unreachable};
use crate::domain::resource::ServiceName;
use crate::transport::encoded;

/// A Cloud Functions function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub region: String,
    pub name: String,
    /// The service that runs the function; `None` for a 1st gen function.
    pub service: Option<ServiceName>,
}

impl Gateway {
    /// Lists the functions of a project in every region, with Cloud Functions v2, which lists 1st
    /// gen functions too.
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
}
