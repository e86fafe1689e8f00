//! Domain mappings: which domain leads to which service, its certificate, and the records it needs.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::super::api_error::ApiError;
use super::super::dns::{self, HOSTED};
use super::super::iam::new_etag;
use super::super::query::Query;
use super::super::run_v2::Site;
use super::super::schema::known_fields;
use super::super::service_body::{new_uid, stamp};
use super::super::world::{Collection, Project, World};
use super::view::LOCATION_LABEL;
use super::writes::{OF_DELETE, dry_run};
use runaccess_domain::resource::ServiceName;

const KIND: &str = "domainmappings";
/// Google's addresses for domains that cannot be an alias (documented).
const A: [&str; 4] = ["216.239.32.21", "216.239.34.21", "216.239.36.21", "216.239.38.21"];
const AAAA: [&str; 4] = [
    "2001:4860:4802:32::15",
    "2001:4860:4802:34::15",
    "2001:4860:4802:36::15",
    "2001:4860:4802:38::15",
];

pub(super) fn get(site: &Site<'_>, region: &str, name: &str) -> Result<Value, ApiError> {
    let found = site.world.resource(place(site, region), name)?;
    found.ok_or_else(|| ApiError::missing("DOMAINMAPPING", name, region, &site.project.id))
}

pub(super) fn create(
    site: &Site<'_>,
    region: &str,
    query: &Query,
    body: &Value,
) -> Result<Value, ApiError> {
    query.only(&["dryRun"])?;
    known_fields(body, &["apiVersion", "kind", "metadata", "spec", "status"], "")?;
    let spec = &body["spec"];
    known_fields(spec, &["certificateMode", "forceOverride", "routeName"], "spec")?;
    let domain = body["metadata"]["name"].as_str().unwrap_or_default().to_lowercase();
    check_domain(site.project, &domain)?;
    let service = spec["routeName"].as_str().unwrap_or_default();
    let name = ServiceName::new(&site.project.id, region, service);
    if site.world.service(&name)?.is_none() {
        return Err(ApiError::missing("ROUTE", service, region, &site.project.id));
    }
    let before = site.world.domain_mapping(&domain)?;
    if before.is_some() && spec["forceOverride"] != true {
        // That it is told by the name alone, whoever has it, is not certain.
        return Err(ApiError::already_exists(format!("Resource '{domain}' already exists.")));
    }
    let ready = dns::leads_here(site.world, &domain)?;
    let mapping = shown(site.project, region, (&domain, service), ready, site.now);
    if !dry_run(query)? {
        if let Some((project, region, _)) = before {
            let place = Collection { kind: KIND, project: &project, region: &region };
            site.world.delete_resource(place, &domain, "")?;
        }
        site.world.put_resource(place(site, region), &domain, &mapping)?;
    }
    Ok(mapping)
}

pub(super) fn delete(
    site: &Site<'_>,
    region: &str,
    name: &str,
    query: &Query,
) -> Result<Value, ApiError> {
    query.only(&OF_DELETE)?;
    let mapping = get(site, region, name)?;
    if !dry_run(query)? {
        site.world.delete_resource(place(site, region), name, "")?;
    }
    Ok(json!({
        "status": "Success",
        "details": {"name": name, "kind": KIND, "uid": mapping["metadata"]["uid"]},
    }))
}

/// Whose domain it is must be known; here that is the organisation's alone. The text is background
/// knowledge.
fn check_domain(project: &Project, domain: &str) -> Result<(), ApiError> {
    let labels = || domain.split('.');
    let good = domain.len() <= 253
        && labels().count() > 1
        && labels().all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        });
    if !good {
        return Err(ApiError::invalid(format!("Domain name '{domain}' is not valid.")));
    }
    let own = &project.domain;
    if domain == own || domain.ends_with(&format!(".{own}")) {
        return Ok(());
    }
    Err(ApiError::permission_denied(format!(
        "Caller is not authorized to administer the domain '{domain}'. If you own '{domain}', you \
         can obtain authorization by verifying ownership of the domain, or any of its parent domains, \
         via the Webmaster Central portal: https://www.google.com/webmasters/verification/verification?domain={domain}. \
         We recommend verifying ownership of the largest scope you wish to use with subdomains (eg. \
         verify 'example.com' if you wish to map 'subdomain.example.com')."
    )))
}

/// Keeps a mapping of the seeded world.
pub(in super::super) fn put(
    world: &World<'_>,
    project: &Project,
    region: &str,
    (domain, service, ready): (&str, &str, bool),
    now: OffsetDateTime,
) -> rusqlite::Result<()> {
    let mapping = shown(project, region, (domain, service), ready, now);
    let place = Collection { kind: KIND, project: &project.id, region };
    world.put_resource(place, domain, &mapping)
}

/// A domain mapping, as v1 shows it and the store keeps it.
fn shown(
    project: &Project,
    region: &str,
    (domain, service): (&str, &str),
    ready: bool,
    now: OffsetDateTime,
) -> Value {
    let state = |ready: bool| if ready { "True" } else { "Unknown" };
    let condition = |kind: &str, ready: bool| json!({"type": kind, "status": state(ready), "lastTransitionTime": stamp(now)});
    let mut certificate = condition("CertificateProvisioned", ready);
    if !ready {
        certificate["reason"] = Value::from("CertificatePending");
        certificate["message"] = Value::from(
            "Waiting for certificate provisioning. You must configure your DNS records for \
             certificate issuance to begin.",
        );
    }
    json!({
        "apiVersion": "domains.cloudrun.com/v1",
        "kind": "DomainMapping",
        "metadata": {
            "name": domain,
            "namespace": project.number,
            "selfLink": format!(
                "/apis/domains.cloudrun.com/v1/namespaces/{}/domainmappings/{domain}",
                project.number
            ),
            "uid": new_uid(),
            "resourceVersion": new_etag(),
            "generation": 1,
            "creationTimestamp": stamp(now),
            "labels": {LOCATION_LABEL: region},
            "annotations": {},
        },
        "spec": {"routeName": service, "certificateMode": "AUTOMATIC"},
        "status": {
            "observedGeneration": 1,
            "mappedRouteName": service,
            "resourceRecords": records(project, domain),
            "conditions": [condition("Ready", ready), certificate, condition("DomainRoutable", true)],
        },
    })
}

/// The records that a domain needs: an alias below a domain of one's own, addresses at its apex.
fn records(project: &Project, domain: &str) -> Value {
    if domain == project.domain {
        let all = A.iter().map(|data| ("A", data)).chain(AAAA.iter().map(|data| ("AAAA", data)));
        return all.map(|(kind, data)| json!({"type": kind, "rrdata": data})).collect();
    }
    let name = domain.strip_suffix(&format!(".{}", project.domain)).unwrap_or(domain);
    json!([{"name": name, "type": "CNAME", "rrdata": HOSTED}])
}

/// Where the mappings of a region, or of all (`-`), are kept.
pub(super) fn place<'a>(site: &'a Site<'_>, region: &'a str) -> Collection<'a> {
    Collection { kind: KIND, project: &site.project.id, region }
}
