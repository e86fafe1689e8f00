//! Services: one read completely, for a plan; or many with only the fields that are displayed or
//! searched, which a plan does not accept.

use std::sync::OnceLock;

use futures::{StreamExt, stream};
use google_cloud_run_v2::model;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::api::Api;
use super::convert;
use super::failure::Failure;
use super::gateway::Gateway;
use super::request::{Read, parsed};
use super::wire::{PolicyBody, ServiceList};
use crate::domain::invokers::Grant;
use crate::domain::member::Member;
use crate::domain::policy::POLICY_VERSION;
use crate::domain::resource::{Invoked, ServiceName};
use crate::domain::service::{Ingress, Service};
use crate::transport::encoded;

/// The number of policies that are read in parallel.
const WIDTH: usize = 64;
/// The sizes of the first pages; after them the server chooses. The first page is small so that it
/// arrives soon; while its policies are read, the server prepares the next, larger one.
const PAGES: [usize; 2] = [2 * WIDTH, 8 * WIDTH];
/// The number of services that may wait between the reader of pages and the readers of policies.
const AHEAD: usize = 8 * WIDTH;

/// Only the fields that exposure depends on.
const ACCESS_FIELDS: &str = "items(metadata(name,labels,annotations),status/url),metadata/continue,\
    unreachable";
/// These and the fields that are displayed or searched.
const LIST_FIELDS: &str = "items(metadata(name,namespace,labels,annotations,creationTimestamp),\
    spec/template/spec(serviceAccountName,containers/ports),status(url,traffic,conditions)),\
    metadata/continue,unreachable";
const POLICY_FIELDS: &str = "etag,bindings(role,members,condition(title,description,expression))";

/// The services of a project, and the parts of the project that could not be read.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    pub services: Vec<Service>,
    pub unreachable: Vec<Unreadable>,
}

/// A resource that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub what: String,
    pub why: String,
    /// The region, if a region could not be read.
    pub region: Option<String>,
}

impl Unreadable {
    /// A region that the list of every region omits, by its full or its short name.
    pub(super) fn region(name: &str) -> Self {
        let region = name.rsplit('/').next().unwrap_or(name);
        let why = "Google could not reach it".to_owned();
        Self { what: format!("region {region}"), why, region: Some(region.to_owned()) }
    }
}

/// A service with the grants of its policy, or the reason why they are unknown.
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

/// The fields of a service that `convert` reads.
const SERVICE_FIELDS: &str = "name,uid,etag,uri,urls,trafficStatuses(tag,uri,revision,percent),ingress,\
    invokerIamDisabled,iapEnabled,defaultUriDisabled,customAudiences,\
    template(serviceAccount,containers/ports,vpcAccess,workloadIdentityConfig),multiRegionSettings,terminalCondition,createTime,updateTime";

/// The fields of an instance that `convert` reads.
const INSTANCE_FIELDS: &str = "name,uid,etag,urls,ingress,invokerIamDisabled,iapEnabled,defaultUriDisabled,\
    serviceAccount,containers/ports,vpcAccess,terminalCondition,createTime,updateTime";

impl Gateway {
    /// Reads one service or instance.
    pub async fn service(&self, name: &ServiceName) -> Result<Service, Failure> {
        if name.kind() == Invoked::Instance {
            return self.instance(name).await;
        }
        let call = format!("read the service `{}`", name.short());
        let query = encoded(&[("fields", SERVICE_FIELDS)]);
        let body = self.get(&call, &format!("/v2/{name}"), &query).await?;
        let service: model::Service = parsed(&call, &body)?;
        if service.etag.is_empty() {
            return Err(Failure::malformed(&call));
        }
        // The official client's model does not have this field yet.
        let is_agent = Some(is_agent(&parsed(&call, &body)?));
        let mut service = Service { is_agent, ..convert::service_v2(&service, name) };
        if service.ingress == Ingress::Other(convert::UNSPECIFIED.to_owned())
            && let Some((set, observed)) = self.ingress_of_v1(name).await
        {
            service.ingress = observed.unwrap_or(set);
        }
        Ok(service)
    }

    async fn instance(&self, name: &ServiceName) -> Result<Service, Failure> {
        let call = format!("read the instance `{}`", name.short());
        let query = encoded(&[("fields", INSTANCE_FIELDS)]);
        let body = self.get(&call, &format!("/v2/{name}"), &query).await?;
        let instance: model::Instance = parsed(&call, &body)?;
        if instance.etag.is_empty() {
            return Err(Failure::malformed(&call));
        }
        // The official client's model does not have this field yet.
        let read: Value = parsed(&call, &body)?;
        let default_url = read["defaultUriDisabled"] != true;
        Ok(Service { default_url, ..convert::instance_v2(&instance, name) })
    }

    /// Reads one service, and in parallel the configured ingress, which v2 does not return until it
    /// is in force.
    pub async fn service_as_set(&self, name: &ServiceName) -> Result<Service, Failure> {
        let (service, set) = tokio::join!(self.service(name), self.ingress_as_set(name));
        let service = service?;
        let ingress_set = set.filter(|set| *set != service.ingress);
        Ok(Service { ingress_set, ..service })
    }

    /// The configured ingress, from v1's annotation: v2's output is the observed ingress (discovery
    /// document). `None` if it could not be read.
    pub async fn ingress_as_set(&self, name: &ServiceName) -> Option<Ingress> {
        self.ingress_of_v1(name).await.map(|(set, _)| set)
    }

    /// The configured ingress (`all` if the annotation is absent) and the ingress in force, both
    /// from v1.
    async fn ingress_of_v1(&self, name: &ServiceName) -> Option<(Ingress, Option<Ingress>)> {
        let call = format!("read the ingress of `{}`", name.short());
        let fields = encoded(&[("fields", "metadata/annotations")]);
        let body = self.get(&call, &format!("/v1/{name}"), &fields).await.ok()?;
        let read: Value = parsed(&call, &body).ok()?;
        let annotations = &read["metadata"]["annotations"];
        let word = |name: &str| annotations[name].as_str().map(Ingress::from_annotation);
        let set = word("run.googleapis.com/ingress").unwrap_or(Ingress::All);
        Some((set, word("run.googleapis.com/ingress-status")))
    }

    /// Whether a service runs as an agent identity. Lists do not contain this field.
    pub async fn is_agent(&self, name: &ServiceName) -> Result<bool, Failure> {
        let call = format!("read what `{}` runs as", name.short());
        let fields = encoded(&[("fields", "name,template/workloadIdentityConfig")]);
        let body = self.get(&call, &format!("/v2/{name}"), &fields).await?;
        Ok(is_agent(&parsed(&call, &body)?))
    }

    /// The principal of a service with an agent identity (documented for Cloud Run, in preview).
    /// Its trust domain is that of the organization, or of the project if the project is in no
    /// organization.
    pub async fn agent_identity(&self, name: &ServiceName) -> Result<Member, String> {
        let project = name.project();
        let (number, organization) =
            tokio::join!(self.project_number(project), self.organization_of(project));
        let number = number?;
        let trusted = match organization? {
            Some(organization) => organization.replacen("organizations/", "org-", 1),
            None => format!("project-{number}"),
        };
        Ok(Member::from_policy(format!(
            "principal://agents.global.{trusted}.system.id.goog/resources/run/projects/{number}\
             /locations/{}/services/{}",
            name.region(),
            name.service()
        )))
    }
}

impl Gateway {
    /// Lists the services of one region, or of every region (`-`), with one request for each page,
    /// and sorts them in the order of lists.
    ///
    /// `GET v1/projects/P/locations/-/services` is the request that gcloud sends; that it accepts
    /// `-` is not documented.
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

    /// Lists the regions in which a project may have services. Only v1 lists them (discovery
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

    /// Reads every page of a list. `next` is the query parameter for the next page, and the JSON
    /// pointer to its value in a response.
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

    /// Like [`Self::each_page`], at the endpoint of a region if one is given.
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

    /// Lists services with the fields that exposure depends on, and reads the policy of each; pages
    /// and policies are read in parallel. `progress` receives the number of finished services and
    /// the number of known ones. If a policy cannot be read, only its own row fails.
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

    /// Reads the policies of services that were already listed.
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
        // Built once: the query is the same for thousands of services.
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

/// The regions that a list of every region omits.
pub(super) fn unreachable(answer: &Value) -> Vec<Unreadable> {
    let regions = answer["unreachable"].as_array().into_iter().flatten().filter_map(Value::as_str);
    regions.map(Unreadable::region).collect()
}

/// Whether a v2 service runs as an agent identity.
fn is_agent(service: &Value) -> bool {
    let kind = &service["template"]["workloadIdentityConfig"]["identityType"];
    *kind == "IDENTITY_TYPE_AGENT_IDENTITY"
}
