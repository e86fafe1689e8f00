//! Domain mappings: listing and creation.

use http::Method;
use serde_json::{Value, json};

use super::ancestors::why;
use super::api::Api;
use super::failure::Failure;
use super::failure_kind::FailureKind;
use super::gateway::Gateway;
use super::request::{parsed, written};
use super::services::{Unreadable, unreachable};
use crate::domain::difference::Etags;
use crate::domain::mapping::{Certificate, DomainMapping, Record, RecordKind};
use crate::domain::resource::ServiceName;
use crate::domain::target::{Existing, MappingName, Target};
use crate::transport::encoded;

/// The requested fields of a mapping.
const FIELDS: &str = "items(metadata(name,labels),spec(routeName,certificateMode),\
    status(conditions,resourceRecords)),metadata/continue,unreachable";

/// The domain mappings of a project that were read.
#[derive(Clone, Debug, Default)]
pub struct Mappings {
    pub found: Vec<DomainMapping>,
    /// The regions whose mappings could not be read.
    pub unread: Vec<Unreadable>,
}

impl Mappings {
    /// The mappings to a service.
    pub fn of(&self, service: &ServiceName) -> Vec<DomainMapping> {
        self.found.iter().filter(|mapping| mapping.leads_to() == *service).cloned().collect()
    }
}

impl Gateway {
    /// Lists the domain mappings of a project in every region. That this list accepts `-` is
    /// inferred from the list of services.
    pub async fn domain_mappings(&self, project: &str) -> Result<Mappings, Failure> {
        self.domain_mappings_in(project, "-").await
    }

    /// Like [`Self::domain_mappings`] for one region, at its own endpoint, as gcloud does; `-` is
    /// every region.
    pub async fn domain_mappings_in(
        &self,
        project: &str,
        region: &str,
    ) -> Result<Mappings, Failure> {
        let call = format!("list the custom domains of project `{project}`");
        let path = format!("/v1/projects/{project}/locations/{region}/domainmappings");
        let mut mappings = Mappings::default();
        let next = ("continue", "/metadata/continue");
        let place = Some(region).filter(|region| *region != "-");
        self.each_page_in(place, &call, &path, &[("fields", FIELDS)], next, |page| {
            mappings.unread.extend(unreachable(page));
            let items = page["items"].as_array().into_iter().flatten();
            mappings.found.extend(items.map(|item| mapping(item, project)));
        })
        .await?;
        for mapping in &mut mappings.found {
            if mapping.region.is_empty() && region != "-" {
                region.clone_into(&mut mapping.region);
            }
        }
        mappings.found.sort_by(|a, b| a.domain.cmp(&b.domain));
        Ok(mappings)
    }

    /// The domain mappings to a service, read from its region only; if that fails, the reason.
    pub async fn mappings_of(&self, name: &ServiceName) -> Result<Vec<DomainMapping>, String> {
        let mappings = self.domain_mappings_in(name.project(), name.region()).await;
        let mappings = mappings.map_err(|failure| why(&failure))?;
        let is_its = |unread: &&Unreadable| unread.region.as_deref() == Some(name.region());
        match mappings.unread.iter().find(is_its) {
            Some(unread) => Err(format!("{}: {}", unread.what, unread.why)),
            None => Ok(mappings.of(name)),
        }
    }

    /// Whether a domain is mapped, and to which service.
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
}

fn mapping(item: &Value, project: &str) -> DomainMapping {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let some = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let conditions = || item["status"]["conditions"].as_array().into_iter().flatten();
    let condition = |kind: &str| conditions().find(|condition| condition["type"] == kind);
    let status = |kind: &str| condition(kind).and_then(|condition| condition["status"].as_str());
    let of_certificate = condition("CertificateProvisioned");
    let certificate =
        match (item["spec"]["certificateMode"].as_str(), status("CertificateProvisioned")) {
            (Some("NONE"), _) => Certificate::None,
            (_, Some("True")) => Certificate::Ready,
            (_, Some("False")) => Certificate::Failed,
            (_, Some(_)) => Certificate::Pending,
            (_, None) => Certificate::Unknown,
        };
    let records = item["status"]["resourceRecords"].as_array().into_iter().flatten();
    let troubled = conditions()
        .find(|condition| condition["status"] != "True" && some(&condition["message"]).is_some());
    DomainMapping {
        domain: text(&item["metadata"]["name"]),
        project: project.to_owned(),
        region: text(&item["metadata"]["labels"]["cloud.googleapis.com/location"]),
        service: text(&item["spec"]["routeName"]),
        ready: match status("Ready") {
            Some("True") => Some(true),
            Some("False") => Some(false),
            _ => None,
        },
        certificate,
        since: of_certificate.and_then(|condition| some(&condition["lastTransitionTime"])),
        message: troubled.and_then(|condition| some(&condition["message"])),
        records: records
            .map(|record| Record {
                kind: RecordKind::parse(&text(&record["type"])),
                data: text(&record["rrdata"]),
            })
            .collect(),
    }
}
