//! Resolves mapped domains to their services.

use crate::cloud::{Mappings, Unreadable, why};
use crate::context::Context;
use crate::domain::address::{Address, owners};
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::mapping::is_domain;
use crate::domain::resource::{ServiceName, ServiceRef};
use crate::domain::service::Service;

/// The services that an address names, if a domain mapping matters: the mapped service and the
/// services that list the address. More than one is ambiguous. `None` if no mapping matters.
///
/// Mappings are not read for Cloud Run's own addresses, or if a service lists more of the address
/// than its host. If mappings cannot be read, a service that lists the host is the result; without
/// such a service, it is unknown whether the address is mapped.
pub(super) async fn mapped_beside(
    cx: &Context,
    address: &Address,
    services: &[Service],
) -> Result<Option<Vec<ServiceName>>, CommandError> {
    let owners = owners(services, address);
    let is_settled = owners.first().is_some_and(|(_, claim)| claim.length > 0 || claim.is_own);
    let could_be = is_domain(address.host()) && address.is_at_usual_port() && !address.is_run_app();
    if is_settled || !could_be {
        return Ok(None);
    }
    let project = cx.project()?.value;
    let gateway = cx.gateway().await?;
    let mappings = match (gateway.domain_mappings(&project).await, cx.region()?) {
        (Ok(mappings), _) => mappings,
        (Err(_), _) if !owners.is_empty() => return Ok(None),
        (Err(failure), region) => {
            let what = format!("the domains of project `{project}`");
            let not_read = Unreadable { what, why: why(&failure), region: None };
            // If a region is set, its mappings can be read, as gcloud does. Those of other regions
            // are unknown.
            let of_region = match region {
                Some(region) => gateway.domain_mappings_in(&project, &region).await.ok(),
                None => None,
            };
            let found = of_region.unwrap_or_default().found;
            Mappings { found, unread: vec![not_read] }
        }
    };
    let mapped = mappings.found.iter().find(|mapping| mapping.domain == address.host());
    match mapped {
        Some(mapping) => {
            let mut names: Vec<_> = owners.iter().map(|(owner, _)| owner.name.clone()).collect();
            let name = mapping.leads_to();
            if !names.contains(&name) {
                names.push(name);
            }
            Ok(Some(names))
        }
        None => match mappings.unread.first() {
            Some(unread) if owners.is_empty() => {
                Err(not_known(cx, address, format!("{}: {}", unread.what, unread.why)))
            }
            _ => Ok(None),
        },
    }
}

fn not_known(cx: &Context, address: &Address, why: String) -> CommandError {
    let message = format!("cannot tell whether `{address}` is mapped to a service");
    CommandError::new(ErrorKind::Undetermined, message)
        .because(why)
        .hint(cx.command_with_target(&ServiceRef::Url(address.clone()).into(), "REGION/NAME"))
}

/// Replaces references by mapped domain with references to the services, for matching in a listing.
pub async fn without_domains(
    cx: &Context,
    wanted: Vec<ServiceRef>,
    listing: &[Service],
) -> Result<Vec<ServiceRef>, CommandError> {
    let mut references = Vec::with_capacity(wanted.len());
    for reference in wanted {
        let mapped = match &reference {
            ServiceRef::Url(address) => mapped_beside(cx, address, listing).await?,
            _ => None,
        };
        match (mapped, reference.project()) {
            (Some(names), _) => references.extend(names.into_iter().map(ServiceRef::Full)),
            (None, Some(project)) => {
                let project = cx.project_id(project).await;
                references.push(reference.in_project(&project));
            }
            (None, None) => references.push(reference),
        }
    }
    Ok(references)
}
