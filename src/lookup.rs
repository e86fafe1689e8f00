//! Finds the resources that the user's arguments refer to; asks if several match.

mod domains;
mod errors;
mod workloads;

use self::domains::mapped_beside;
pub use self::domains::without_domains;
use self::errors::{ambiguous, not_listed, perhaps_several, unlisted};
pub use self::errors::{unread, unread_target, without_url};
use crate::cloud::{Listing, Unreadable};
use crate::context::Context;
use crate::domain::address::{claim, owners};
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::nearest::nearest;
use crate::domain::resource::{InstanceRef, Invoked, ServiceName, ServiceRef, glob_matches};
use crate::domain::service::Service;
use crate::domain::target::{Target, TargetRef, WorkloadName};
use crate::terminal;

/// A service that matched a reference.
#[derive(Clone, Debug)]
pub struct FoundService {
    pub name: ServiceName,
    /// The service's facts, if the search read them.
    pub facts: Option<Service>,
}

/// The targets of several references.
#[derive(Debug, Default)]
pub struct Targets {
    pub names: Vec<Target>,
    /// References without a match, with the name that each might mean.
    pub missing: Vec<(Target, CommandError)>,
    /// Whether any target was selected by a pattern.
    pub by_pattern: bool,
    /// Regions that could not be searched.
    pub unreachable: Vec<Unreadable>,
}

/// Finds the one service that matches a reference.
pub async fn find(cx: &Context, wanted: &ServiceRef) -> Result<FoundService, CommandError> {
    let mut search = Search { cx, listings: Vec::new() };
    let mut found = search.find(wanted, false).await?;
    match found.len() {
        1 => Ok(found.remove(0)),
        _ => Err(ambiguous(cx, wanted, &found)),
    }
}

/// Finds the one resource that matches a reference; for a function, its service.
pub async fn find_target(cx: &Context, wanted: &TargetRef) -> Result<Target, CommandError> {
    match wanted {
        TargetRef::Service(reference) => Ok(find(cx, reference).await?.name.into()),
        TargetRef::Function(function) => Ok(workloads::service_of(cx, function).await?.into()),
        TargetRef::Workload(kind, reference) => {
            let mut found = workloads::workloads(cx, *kind, reference).await?;
            match found.len() {
                1 => Ok(found.remove(0)),
                _ => Err(workloads::one_wanted(cx, wanted, &found)),
            }
        }
    }
}

/// Finds all resources that the references match, each once. A single reference without a match is
/// an error; among several references it is a target that fails. The name of a multi-region service
/// alone matches the service in all of its regions.
pub async fn find_all(
    cx: &Context,
    wanted: &[impl Clone + Into<TargetRef>],
) -> Result<Targets, CommandError> {
    let mut search = Search { cx, listings: Vec::new() };
    let mut targets = Targets::default();
    for reference in wanted {
        let reference = reference.clone().into();
        targets.by_pattern |= reference.is_glob();
        let found = match search.targets(&reference).await {
            Ok(found) => found,
            Err(error) if error.kind == ErrorKind::NotFound && wanted.len() > 1 => {
                targets.missing.push((would_be(cx, &reference)?, error));
                continue;
            }
            Err(error) => return Err(error),
        };
        for name in found {
            if !targets.names.contains(&name) {
                targets.names.push(name);
            }
        }
    }
    for (_, listing) in search.listings {
        for unreadable in listing.unreachable {
            if !targets.unreachable.contains(&unreadable) {
                targets.unreachable.push(unreadable);
            }
        }
    }
    Ok(targets)
}

/// The full name that a missing resource would have.
fn would_be(cx: &Context, wanted: &TargetRef) -> Result<Target, CommandError> {
    let project = cx.project()?.value;
    let of = |reference: &ServiceRef| match reference {
        ServiceRef::Full(name) => name.clone(),
        ServiceRef::InProject { project, service } => ServiceName::new(project, "-", service),
        ServiceRef::Regional { region, service } => ServiceName::new(project, region, service),
        ServiceRef::Instance(InstanceRef { project: of, region, pattern }) => {
            let (of, region) = (of.as_ref().unwrap_or(&project), region.as_deref().unwrap_or("-"));
            ServiceName::new(of, region, pattern).of_kind(Invoked::Instance)
        }
        other => ServiceName::new(project, "-", other.to_string()),
    };
    Ok(match wanted {
        TargetRef::Workload(kind, reference) => {
            let name = of(reference);
            Target::Workload(WorkloadName {
                kind: *kind,
                project: name.project().to_owned(),
                region: name.region().to_owned(),
                name: name.service().to_owned(),
            })
        }
        TargetRef::Service(reference) => of(reference).into(),
        TargetRef::Function(function) => of(&ServiceRef::Name(function.function.clone())).into(),
    })
}

/// The one service of a listing that matches a reference; asks if there are several.
pub async fn one_of(
    cx: &Context,
    listing: &Listing,
    wanted: &ServiceRef,
) -> Result<Service, CommandError> {
    let known = without_domains(cx, vec![wanted.clone()], &listing.services).await?;
    let found = matching(cx, listing, &known)?;
    let as_found = |service: &&Service| FoundService {
        name: service.name.clone(),
        facts: Some((*service).clone()),
    };
    let found = settle(cx, wanted, found.iter().map(as_found).collect()).await?;
    match found.as_slice() {
        [FoundService { facts: Some(service), .. }] => Ok(service.clone()),
        several => Err(ambiguous(cx, wanted, several)),
    }
}

/// Asks the user to choose if a reference matches several services.
async fn settle(
    cx: &Context,
    wanted: &ServiceRef,
    mut found: Vec<FoundService>,
) -> Result<Vec<FoundService>, CommandError> {
    if found.len() < 2 || wanted.is_glob() || !cx.terminal.interactive {
        return Ok(found);
    }
    let items: Vec<String> = found.iter().map(|found| found.name.short()).collect();
    let question = format!("`{wanted}` is in several regions; which one?");
    let at =
        cx.ask(&question, move |question, color| terminal::choose(question, &items, color)).await?;
    Ok(vec![found.swap_remove(at)])
}

/// The services of a listing that match any of the references; an error if a reference matches
/// none.
pub fn matching<'a>(
    cx: &Context,
    listing: &'a Listing,
    wanted: &[ServiceRef],
) -> Result<Vec<&'a Service>, CommandError> {
    let mut kept: Vec<&Service> = Vec::new();
    for reference in wanted {
        let meant = meant(&listing.services, reference);
        if meant.is_empty() {
            return Err(not_listed(cx, reference, listing));
        }
        for service in meant {
            if !kept.iter().any(|other| other.name == service.name) {
                kept.push(service);
            }
        }
    }
    Ok(kept)
}

/// Asks the user to choose a service, displayed with its region and exposure.
pub async fn pick(cx: &Context, question: &str) -> Result<ServiceName, CommandError> {
    let project = cx.project()?.value;
    let region = cx.region()?.unwrap_or_else(|| "-".to_owned());
    let progress = cx.terminal.progress("reading policies");
    let gateway = cx.gateway().await?;
    let (services, _) = gateway
        .services_with_grants(&project, &region, |done, known| progress.set(done, known))
        .await?;
    drop(progress);
    if services.is_empty() {
        return Err(CommandError::new(
            ErrorKind::NotFound,
            format!("project `{project}` has no services"),
        ));
    }
    let longest = |part: fn(&ServiceName) -> &str| {
        services.iter().map(|s| part(&s.service.name).len()).max().unwrap_or_default()
    };
    let (width, regions) = (longest(ServiceName::service), longest(ServiceName::region));
    let items: Vec<String> = services
        .iter()
        .map(|access| {
            let name = &access.service.name;
            let grants = access.grants.as_deref().ok();
            let exposure = crate::domain::exposure::judge(&access.service, grants, cx.now());
            format!(
                "{:width$}  {:regions$}  {}",
                name.service(),
                name.region(),
                exposure.exposure.as_str()
            )
        })
        .collect();
    let at =
        cx.ask(question, move |question, color| terminal::pick(question, &items, color)).await?;
    Ok(services[at].service.name.clone())
}

/// Warns of regions that could not be searched.
pub fn warn_of(cx: &Context, unreachable: &[Unreadable]) {
    for unreadable in unreachable {
        cx.terminal.warning(&format!("{}: {}", unreadable.what, unreadable.why));
    }
}

/// The URL of one of a service's traffic tags.
pub fn tag_url(cx: &Context, service: &Service, tag: &str) -> Result<String, CommandError> {
    let short = cx.named(&service.name);
    let known: Vec<&str> = service.tags.iter().map(|known| known.tag.as_str()).collect();
    if let Some(found) = service.tags.iter().find(|known| known.tag == tag) {
        return found.url.clone().ok_or_else(|| {
            let message = format!("the tag `{tag}` of `{short}` has no URL");
            CommandError::new(ErrorKind::NoUrl, message)
        });
    }
    let message = format!("`{short}` has no traffic tag `{tag}`");
    let error = CommandError::new(ErrorKind::NotFound, message);
    if known.is_empty() {
        return Err(error.because("it has no tags").hint(cx.suggest(&format!("url {short}"))));
    }
    let error = error.because(format!("its tags are `{}`", known.join("`, `")));
    Err(match nearest(tag, known).first() {
        Some(near) => error.hint(cx.command_with_argument(tag, near)),
        None => error,
    })
}

struct Search<'a> {
    cx: &'a Context,
    /// The listings that were read, by project and region.
    listings: Vec<((String, String), Listing)>,
}

impl Search<'_> {
    /// Lists one region of a project, or every region (`-`); each only once.
    async fn listing(
        &mut self,
        project: &str,
        region: &str,
        wanted: &ServiceRef,
    ) -> Result<&Listing, CommandError> {
        let place = (project.to_owned(), region.to_owned());
        if let Some(at) = self.listings.iter().position(|(known, _)| *known == place) {
            return Ok(&self.listings[at].1);
        }
        let listing = match self.cx.gateway().await?.services(project, region).await {
            Ok(listing) => listing,
            Err(failure) => return Err(unlisted(self.cx, wanted, failure)),
        };
        warn_of(self.cx, &listing.unreachable);
        let at = self.listings.len();
        self.listings.push((place, listing));
        Ok(&self.listings[at].1)
    }

    /// A part of a project that a search in every region could not read.
    fn unread(&self, project: &str) -> Option<&Unreadable> {
        let is_it = |(of, region): &(String, String)| of == project && region == "-";
        let (_, listing) = self.listings.iter().find(|(place, _)| is_it(place))?;
        listing.unreachable.first()
    }

    /// The targets that match a reference: at least one.
    async fn targets(&mut self, wanted: &TargetRef) -> Result<Vec<Target>, CommandError> {
        let reference = match wanted {
            TargetRef::Service(reference) => reference,
            TargetRef::Function(function) => {
                return Ok(vec![workloads::service_of(self.cx, function).await?.into()]);
            }
            TargetRef::Workload(kind, reference) => {
                return workloads::workloads(self.cx, *kind, reference).await;
            }
        };
        let found = self.find(reference, true).await?;
        if found.len() > 1 && !reference.is_glob() && !is_multi_region(&found) {
            return Err(ambiguous(self.cx, reference, &found));
        }
        // A region that was not read may have a service of the same name, or one that lists more of
        // the address.
        let is_certain = |only: &FoundService| match reference {
            ServiceRef::Name(_) | ServiceRef::InProject { .. } => false,
            ServiceRef::Url(address) => {
                let facts = only.facts.as_ref();
                facts.and_then(|facts| claim(facts, address)).is_none_or(|claim| claim.is_own)
            }
            _ => true,
        };
        if let [only, ..] = found.as_slice()
            && let Some(unread) = self.unread(only.name.project())
            && !is_certain(only)
        {
            return Err(perhaps_several(self.cx, reference, &only.name, unread));
        }
        Ok(found.into_iter().map(|found| found.name.into()).collect())
    }

    /// The services that match a reference: at least one, else an error. With `whole`, the result
    /// includes all regions of a multi-region service.
    async fn find(
        &mut self,
        wanted: &ServiceRef,
        whole: bool,
    ) -> Result<Vec<FoundService>, CommandError> {
        let direct = |name| Ok(vec![FoundService { name, facts: None }]);
        let cx = self.cx;
        let project = project_of(cx, wanted).await?;
        let wanted = &wanted.clone().in_project(&project);
        match wanted {
            ServiceRef::Full(name) => return direct(name.clone()),
            ServiceRef::Instance(instance) => {
                let found = workloads::instances(cx, instance).await?;
                let found = found.into_iter().map(|name| FoundService { name, facts: None });
                return Ok(found.collect());
            }
            ServiceRef::Regional { region, service } if region != "-" => {
                return direct(ServiceName::new(project, region, service));
            }
            ServiceRef::Name(service) | ServiceRef::InProject { service, .. } => {
                if let Some(region) = cx.region()? {
                    return direct(ServiceName::new(project, region, service));
                }
            }
            ServiceRef::Glob { .. } | ServiceRef::Regional { .. } | ServiceRef::Url(_) => {}
        }
        let region = match wanted {
            // A URL identifies its service in any region.
            ServiceRef::Url(_) => None,
            ServiceRef::Glob { region: Some(region), .. } | ServiceRef::Regional { region, .. } => {
                Some(region.clone())
            }
            _ => cx.region()?,
        };
        let region = region.unwrap_or_else(|| "-".to_owned());
        let listing = self.listing(&project, &region, wanted).await?;
        let found = meant(&listing.services, wanted);
        if let ServiceRef::Url(address) = wanted
            && let Some(names) = mapped_beside(cx, address, &listing.services).await?
        {
            let with_facts = |name: ServiceName| {
                let facts = listing.services.iter().find(|service| service.name == name).cloned();
                FoundService { name, facts }
            };
            return settle(cx, wanted, names.into_iter().map(with_facts).collect()).await;
        }
        if found.is_empty() {
            return Err(not_listed(cx, wanted, listing));
        }
        let found: Vec<FoundService> = found
            .into_iter()
            .map(|service| FoundService {
                name: service.name.clone(),
                facts: Some(service.clone()),
            })
            .collect();
        if whole && is_multi_region(&found) {
            return Ok(found);
        }
        settle(cx, wanted, found).await
    }
}

/// Whether these are the regions of one multi-region service, by their common ID (read in gcloud's
/// source).
fn is_multi_region(found: &[FoundService]) -> bool {
    let id =
        |found: &FoundService| found.facts.as_ref().and_then(|facts| facts.multi_region_id.clone());
    let first = found.first().and_then(id);
    first.is_some() && found.iter().all(|other| id(other) == first)
}

/// The project of a reference, by its ID if known.
pub async fn project_of(cx: &Context, wanted: &ServiceRef) -> Result<String, CommandError> {
    match wanted.project() {
        Some(project) => Ok(cx.project_id(project).await),
        None => Ok(cx.project()?.value),
    }
}

/// The services of a listing that match a reference. An address belongs to the service that lists
/// its longest prefix; several with the same prefix are ambiguous.
fn meant<'a>(services: &'a [Service], wanted: &ServiceRef) -> Vec<&'a Service> {
    if let ServiceRef::Url(address) = wanted {
        return owners(services, address).into_iter().map(|(service, _)| service).collect();
    }
    let is_meant = |service: &&Service| {
        let name = &service.name;
        match wanted {
            ServiceRef::Full(full) => name == full,
            ServiceRef::InProject { project, service } => {
                name.project() == project && name.service() == service
            }
            ServiceRef::Glob { region, pattern } => {
                region.as_ref().is_none_or(|region| region == "-" || region == name.region())
                    && glob_matches(pattern, name.service())
            }
            ServiceRef::Name(wanted) => name.service() == wanted,
            ServiceRef::Regional { region, service } => {
                (region == "-" || name.region() == region) && name.service() == service
            }
            ServiceRef::Instance(_) | ServiceRef::Url(_) => false,
        }
    };
    services.iter().filter(is_meant).collect()
}
