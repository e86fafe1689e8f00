//! Domain mappings, and what the public DNS says of them.

use std::collections::BTreeSet;

use http::{HeaderMap, Uri};
use serde_json::Value;

use super::above::why;
use super::api::Api;
use super::beside::unreachable;
use super::failure::Failure;
use super::fleet::Unreadable;
use super::gateway::Gateway;
use super::reading::parsed;
use crate::domain::mapping::{
    Certificate, DomainMapping, Record, RecordKind, Resolves, shut_out_by,
};
use crate::domain::resource::ServiceName;
use crate::transport::encoded;

/// What is asked for of a mapping.
const FIELDS: &str = "items(metadata(name,labels),spec(routeName,certificateMode),\
    status(conditions,resourceRecords)),metadata/continue,unreachable";

/// What was read of a project's domain mappings.
#[derive(Clone, Debug, Default)]
pub struct Mappings {
    pub found: Vec<DomainMapping>,
    /// The regions whose mappings could not be read.
    pub unread: Vec<Unreadable>,
}

impl Mappings {
    /// Those that lead to a service.
    pub fn of(&self, service: &ServiceName) -> Vec<DomainMapping> {
        self.found.iter().filter(|mapping| mapping.leads_to() == *service).cloned().collect()
    }
}

impl Gateway {
    /// Lists the domains that are mapped to services of a project, in every region. That `-` is
    /// taken here is inferred from the list of services.
    pub async fn domain_mappings(&self, project: &str) -> Result<Mappings, Failure> {
        self.domain_mappings_in(project, "-").await
    }

    /// The same of one region, asked at its own address, as gcloud does; `-` is every region.
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

    /// The domains that lead to a service, asked of its region alone; why they are not known, if they
    /// could not be read.
    pub async fn mappings_of(&self, name: &ServiceName) -> Result<Vec<DomainMapping>, String> {
        let mappings = self.domain_mappings_in(name.project(), name.region()).await;
        let mappings = mappings.map_err(|failure| why(&failure))?;
        let is_its = |unread: &&Unreadable| unread.region.as_deref() == Some(name.region());
        match mappings.unread.iter().find(is_its) {
            Some(unread) => Err(format!("{}: {}", unread.what, unread.why)),
            None => Ok(mappings.of(name)),
        }
    }

    /// Asks the public DNS for a record, as Google's own resolver sees it: whoever makes the certificate
    /// sees it so too. Nothing but the name is told.
    pub async fn resolves(&self, domain: &str, record: &Record) -> Resolves {
        match self.answers(domain, &record.kind).await {
            Ok(answers) if record.is_among(&answers) => Resolves::Yes,
            // Behind a proxy of somebody's, a name has addresses in place of the alias.
            Ok(answers) if answers.is_empty() && record.kind == RecordKind::Cname => {
                let (four, six) = tokio::join!(
                    self.answers(domain, &RecordKind::A),
                    self.answers(domain, &RecordKind::Aaaa)
                );
                let found: BTreeSet<Record> = four.into_iter().chain(six).flatten().collect();
                // A name server may put the alias's own addresses in its place.
                if !found.is_empty() && self.are_of_alias(&record.data, &found).await {
                    return Resolves::Yes;
                }
                Resolves::No(found.into_iter().collect())
            }
            Ok(answers) => Resolves::No(answers),
            Err(failure) => Resolves::Unknown(failure.message),
        }
    }

    /// Whether all of these addresses are those of the alias that is wanted.
    async fn are_of_alias(&self, alias: &str, found: &BTreeSet<Record>) -> bool {
        let alias = alias.trim_end_matches('.');
        let (four, six) = tokio::join!(
            self.answers(alias, &RecordKind::A),
            self.answers(alias, &RecordKind::Aaaa)
        );
        let own: BTreeSet<Record> = four.into_iter().chain(six).flatten().collect();
        found.is_subset(&own)
    }

    /// Which authorities alone may make certificates for a domain, where Google's is not among them: by
    /// the nearest CAA records at it or above it (RFC 8659, 3).
    pub async fn shut_out_of(&self, domain: &str) -> Option<String> {
        let mut at = domain;
        loop {
            let records = self.answers(at, &RecordKind::Caa).await.ok()?;
            if records.iter().any(|record| record.kind == RecordKind::Caa) {
                return shut_out_by(&records);
            }
            at = at.split_once('.').map(|(_, above)| above).filter(|above| above.contains('.'))?;
        }
    }

    async fn answers(&self, domain: &str, kind: &RecordKind) -> Result<Vec<Record>, Failure> {
        let call = format!("resolve `{domain}`");
        let transport = self.endpoints.transport(Api::PublicDns);
        let transport = transport.map_err(|error| Failure::of_transport(&call, &error))?;
        let query = encoded(&[("name", domain), ("type", kind.as_str())]);
        let base = self.endpoints.endpoint(Api::PublicDns).as_str();
        let uri = Uri::try_from(format!("{base}/resolve?{query}"));
        let uri = uri.map_err(|_| Failure::malformed(&call))?;
        let answer = self
            .read(&call, || async {
                let sent = transport.get(uri.clone(), HeaderMap::new()).await;
                sent.map_err(|error| {
                    self.placed(Api::PublicDns, Failure::of_transport(&call, &error))
                })
            })
            .await?;
        let code = answer.status.as_u16();
        if !answer.status.is_success() {
            return Err(Failure::from_answer(&call, code, &answer.headers, &answer.body));
        }
        let body: Value = parsed(&call, &answer.body)?;
        // Everything but an answer, and that there is no such name, is a failure (RFC 1035, 4.1.1).
        match body["Status"].as_u64() {
            Some(0 | 3) => {}
            _ => return Err(Failure::malformed(&call)),
        }
        let answers = body["Answer"].as_array().into_iter().flatten();
        Ok(answers
            .filter_map(|answer| {
                let kind = match answer["type"].as_u64()? {
                    1 => RecordKind::A,
                    5 => RecordKind::Cname,
                    28 => RecordKind::Aaaa,
                    257 => RecordKind::Caa,
                    _ => return None,
                };
                let data = answer["data"].as_str()?.to_owned();
                Some(Record { kind, data })
            })
            .collect())
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
