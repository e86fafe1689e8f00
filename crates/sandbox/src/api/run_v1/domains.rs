//! Domain mappings: which domain leads to which service, its certificate, and the records it needs.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::LOCATION_LABEL;
use super::reads::one_region;
use super::writes::dry_run;
use crate::api::call::{Answer, Call, Site};
use crate::api::dns::{self, HOSTED};
use crate::dialect::api_error::ApiError;
use crate::records::stamps::{new_etag, new_uid, stamp};
use crate::records::world::{Collection, Project, World};
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

fn load(site: &Site<'_>, region: &str, name: &str) -> Result<Value, ApiError> {
    let found = site.world.resource(place(site, region), name)?;
    found.ok_or_else(|| ApiError::missing("DOMAINMAPPING", name, region, &site.project.id))
}

pub(crate) fn get(call: &Call<'_>) -> Answer {
    let (site, region) = one_region(call)?;
    load(site, region, call.after(KIND))
}

pub(crate) fn create(call: &Call<'_>) -> Answer {
    let ((site, region), query, body) = (one_region(call)?, call.query, call.body);
    let spec = &body["spec"];
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
        return Err(ApiError::taken(&domain));
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

pub(crate) fn delete(call: &Call<'_>) -> Answer {
    let ((site, region), name) = (one_region(call)?, call.after(KIND));
    let mapping = load(site, region, name)?;
    if !dry_run(call.query)? {
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
pub(crate) fn put(
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
pub(crate) fn place<'a>(site: &'a Site<'_>, region: &'a str) -> Collection<'a> {
    Collection { kind: KIND, project: &site.project.id, region }
}
