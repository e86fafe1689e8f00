//! Many services at once: lean reads that ask for the needed fields only.
//!
//! What comes from here can be shown and searched; a plan does not accept it.

use std::sync::OnceLock;

use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::api::Api;
use super::convert;
use super::failure::Failure;
use super::gateway::Gateway;
use super::reading::{Read, parsed};
use super::wire::{PolicyBody, ServiceList};
use crate::domain::invokers::Grant;
use crate::domain::policy::POLICY_VERSION;
use crate::domain::service::Service;
use crate::transport::encoded;

/// How many policies are asked for at a time.
const WIDTH: usize = 64;
/// The sizes of the first pages, after which the server may choose: the first is soon there, and
/// while the policies of one page are read the next, larger one is made.
const PAGES: [usize; 2] = [2 * WIDTH, 8 * WIDTH];
/// How many services may wait between the reader of pages and the readers of policies.
const AHEAD: usize = 8 * WIDTH;

/// What exposure rests on, and no more.
const ACCESS_FIELDS: &str = "items(metadata(name,labels,annotations),status/url),metadata/continue,\
    unreachable";
/// What is shown and searched beside that.
const LIST_FIELDS: &str = "items(metadata(name,namespace,labels,annotations,creationTimestamp),\
    spec/template/spec(serviceAccountName,containers/ports),status(url,traffic,conditions)),\
    metadata/continue,unreachable";
const POLICY_FIELDS: &str = "etag,bindings(role,members,condition(title,description,expression))";

/// The services of a project, and what of it could not be read.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    pub services: Vec<Service>,
    pub unreachable: Vec<Unreadable>,
}

/// Something that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub what: String,
    pub why: String,
    /// The region that it is, where it is one.
    pub region: Option<String>,
}

impl Unreadable {
    /// A region, by its full name or its own, that a list of every region does without.
    pub(super) fn region(name: &str) -> Self {
        let region = name.rsplit('/').next().unwrap_or(name);
        let why = "Google could not reach it".to_owned();
        Self { what: format!("region {region}"), why, region: Some(region.to_owned()) }
    }
}

/// A service with the grants of its policy, or why those are not known.
#[derive(Clone, Debug)]
pub struct ServiceAccess {
    pub service: Service,
    pub grants: Result<Vec<Grant>, Failure>,
}

struct Page {
    services: Vec<Service>,
    unreachable: Vec<Unreadable>,
    next: Option<String>,
}

impl Gateway {
    /// Lists the services of one region, or of every region (`-`), with one request a page, and
    /// puts them in the order of lists.
    ///
    /// `GET v1/projects/P/locations/-/services` is what gcloud itself sends; that `-` is taken
    /// there stands in no document.
    pub async fn services(&self, project: &str, region: &str) -> Result<Listing, Failure> {
        let mut listing = Listing::default();
        let mut next = None;
        loop {
            let page = self.page(project, region, LIST_FIELDS, (None, next.as_deref())).await?;
            listing.services.extend(page.services);
            listing.unreachable.extend(page.unreachable);
            next = page.next;
            if next.is_none() {
                listing.services.sort_by(|a, b| a.name.list_order().cmp(&b.name.list_order()));
                return Ok(listing);
            }
        }
    }

    /// Lists the regions where a project may have services. Only v1 lists them (discovery
    /// document).
    pub async fn regions(&self, project: &str) -> Result<Vec<String>, Failure> {
        let call = format!("list the regions of project `{project}`");
        let path = format!("/v1/projects/{project}/locations");
        let query = [("pageSize", "100"), ("fields", "locations/locationId,nextPageToken")];
        let mut regions = Vec::new();
        self.each_page(&call, &path, &query, ("pageToken", "/nextPageToken"), |page| {
            let locations = page["locations"].as_array().into_iter().flatten();
            let names = locations.filter_map(|location| location["locationId"].as_str());
            regions.extend(names.map(str::to_owned));
        })
        .await?;
        Ok(regions)
    }

    /// Reads every page of a list. `next` is the parameter that asks for the next one, and where
    /// an answer holds its value.
    pub(super) async fn each_page(
        &self,
        call: &str,
        path: &str,
        query: &[(&str, &str)],
        next: (&str, &str),
        take: impl FnMut(&Value),
    ) -> Result<(), Failure> {
        self.each_page_in(None, call, path, query, next, take).await
    }

    /// The same, asked at the address of a region's own.
    pub(super) async fn each_page_in(
        &self,
        region: Option<&str>,
        call: &str,
        path: &str,
        query: &[(&str, &str)],
        (parameter, pointer): (&str, &str),
        mut take: impl FnMut(&Value),
    ) -> Result<(), Failure> {
        let mut token = String::new();
        loop {
            let mut query = query.to_vec();
            if !token.is_empty() {
                query.push((parameter, &token));
            }
            let query = encoded(&query);
            let read = Read { region, ..Read::of(Api::Run, call, path).with_query(&query) };
            let body = self.ask(read).await?;
            let page: Value = parsed(call, &body)?;
            take(&page);
            match page.pointer(pointer).and_then(Value::as_str).filter(|token| !token.is_empty()) {
                Some(next) => next.clone_into(&mut token),
                None => return Ok(()),
            }
        }
    }

    /// Lists services, with what exposure rests on, and reads the policy of each, pages and
    /// policies side by side. `progress` is told how many are done and how many are known of. A
    /// policy that cannot be read costs its own row only.
    pub async fn services_with_grants(
        &self,
        project: &str,
        region: &str,
        progress: impl Fn(usize, usize),
    ) -> Result<(Vec<ServiceAccess>, Vec<Unreadable>), Failure> {
        let (send, receive) = mpsc::channel(AHEAD);
        let known = std::cell::Cell::new(0);
        let pages = async {
            let mut unreachable = Vec::new();
            let mut next: Option<String> = None;
            let mut sizes = PAGES.into_iter();
            let send = send;
            loop {
                let wish = (sizes.next(), next.as_deref());
                let page = self.page(project, region, ACCESS_FIELDS, wish).await?;
                unreachable.extend(page.unreachable);
                for service in page.services {
                    known.set(known.get() + 1);
                    if send.send(service).await.is_err() {
                        break;
                    }
                }
                next = page.next;
                if next.is_none() {
                    return Ok(unreachable);
                }
            }
        };
        let policies = async {
            let mut done = Vec::new();
            let mut answers = ReceiverStream::new(receive)
                .map(|service| self.access(service))
                .buffer_unordered(WIDTH);
            while let Some(access) = answers.next().await {
                done.push(access);
                progress(done.len(), known.get());
            }
            done
        };
        let (unreachable, mut services) = tokio::join!(pages, policies);
        services.sort_by(|a, b| a.service.name.list_order().cmp(&b.service.name.list_order()));
        Ok((services, unreachable?))
    }

    /// Reads the policies of services that are known already.
    pub async fn with_grants(
        &self,
        services: Vec<Service>,
        progress: impl Fn(usize, usize),
    ) -> Vec<ServiceAccess> {
        let known = services.len();
        let mut done = Vec::new();
        let mut answers =
            stream::iter(services).map(|service| self.access(service)).buffered(WIDTH);
        while let Some(access) = answers.next().await {
            done.push(access);
            progress(done.len(), known);
        }
        done
    }

    async fn access(&self, service: Service) -> ServiceAccess {
        let grants = self.grants(&service).await;
        ServiceAccess { service, grants }
    }

    async fn page(
        &self,
        project: &str,
        region: &str,
        fields: &str,
        (limit, token): (Option<usize>, Option<&str>),
    ) -> Result<Page, Failure> {
        let call = format!("list the services of project `{project}`");
        let path = format!("/v1/projects/{project}/locations/{region}/services");
        let mut query = vec![("fields", fields)];
        let limit = limit.map(|limit| limit.to_string());
        if let Some(limit) = &limit {
            query.push(("limit", limit));
        }
        if let Some(token) = token {
            query.push(("continue", token));
        }
        let body = self.get(&call, &path, &encoded(&query)).await?;
        let list: ServiceList<'_> = parsed(&call, &body)?;
        let is_empty = body.trim_ascii() == b"{}";
        if list.is_blank() && !is_empty {
            return Err(Failure::malformed(&call));
        }
        let items = list.items.unwrap_or_default();
        let services = items.iter().map(|item| {
            convert::service_v1(item, project).ok_or_else(|| Failure::malformed(&call))
        });
        let regions = list.unreachable.unwrap_or_default();
        let unreachable = regions.iter().map(|region| Unreadable::region(region.as_str()));
        let next = list.metadata.and_then(|metadata| metadata.next);
        Ok(Page {
            services: services.collect::<Result<_, _>>()?,
            unreachable: unreachable.collect(),
            next: next.map(|token| token.as_str().to_owned()).filter(|token| !token.is_empty()),
        })
    }

    async fn grants(&self, service: &Service) -> Result<Vec<Grant>, Failure> {
        // The same for each of thousands.
        static QUERY: OnceLock<String> = OnceLock::new();
        let query = QUERY.get_or_init(|| {
            let version = POLICY_VERSION.to_string();
            encoded(&[
                ("options.requestedPolicyVersion", version.as_str()),
                ("fields", POLICY_FIELDS),
            ])
        });
        let call = format!("read the policy of `{}`", service.name.short());
        let body = self.get(&call, &format!("/v2/{}:getIamPolicy", service.name), query).await?;
        let policy: PolicyBody<'_> = parsed(&call, &body)?;
        if policy.etag.is_none_or(|etag| etag.as_str().is_empty()) {
            return Err(Failure::malformed(&call));
        }
        convert::grants_of(&policy.bindings).ok_or_else(|| Failure::malformed(&call))
    }
}
