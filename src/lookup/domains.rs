//! Mapped domains, which stand for the services that they lead to.

use super::matches;
use crate::context::Context;
use crate::domain::mapping::is_domain;
use crate::domain::resource::{ServiceName, ServiceRef};
use crate::domain::service::Service;
use crate::error::CommandError;

/// The service that a mapped domain leads to. Where mappings may not be listed, it is none.
pub(super) async fn mapped(
    cx: &Context,
    origin: &str,
) -> Result<Option<ServiceName>, CommandError> {
    let Some(domain) = origin.strip_prefix("https://").filter(|host| is_domain(host)) else {
        return Ok(None);
    };
    let mappings = cx.gateway().await?.domain_mappings(&cx.project()?.value).await;
    let mut mappings = mappings.unwrap_or_default().into_iter();
    Ok(mappings.find(|mapping| mapping.domain == domain).map(|mapping| mapping.leads_to()))
}

/// References as they are, but mapped domains as the services that they lead to: for what is looked for
/// in a list.
pub async fn without_domains(
    cx: &Context,
    wanted: Vec<ServiceRef>,
    listing: &[Service],
) -> Result<Vec<ServiceRef>, CommandError> {
    let mut references = Vec::with_capacity(wanted.len());
    for reference in wanted {
        let known = listing.iter().any(|service| matches(service, &reference));
        references.push(match &reference {
            ServiceRef::Url(origin) if !known => match mapped(cx, origin).await? {
                Some(name) => ServiceRef::Full(name),
                None => reference,
            },
            _ => reference,
        });
    }
    Ok(references)
}
