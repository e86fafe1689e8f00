//! From what a user typed to the service that is meant, asking where there are several.

use crate::cloud::{Failure, FailureKind, Listing, Unreadable};
use crate::context::Context;
use crate::domain::nearest::nearest;
use crate::domain::resource::{ServiceName, ServiceRef, TAG_SIGN, glob_matches, url_origin};
use crate::domain::service::Service;
use crate::error::{CommandError, ErrorKind};
use crate::terminal;

/// A service that was found.
#[derive(Clone, Debug)]
pub struct Found {
    pub name: ServiceName,
    /// Its facts, where finding it brought them along.
    pub facts: Option<Service>,
}

/// The services that several references stand for.
#[derive(Debug, Default)]
pub struct Targets {
    pub names: Vec<ServiceName>,
    /// References that stand for nothing, under the name that they might have.
    pub missing: Vec<(ServiceName, CommandError)>,
    /// Whether a pattern picked any of them.
    pub by_pattern: bool,
    /// Regions that could not be searched.
    pub unreachable: Vec<Unreadable>,
}

/// Finds the one service that a reference stands for.
pub async fn find(cx: &Context, wanted: &ServiceRef) -> Result<Found, CommandError> {
    let mut search = Search { cx, listings: Vec::new() };
    let mut found = search.find(wanted).await?;
    match found.len() {
        1 => Ok(found.remove(0)),
        _ => Err(ambiguous(cx, wanted, &found)),
    }
}

/// Finds all services that the references stand for, each once. Alone, a reference that stands
/// for nothing is an error; among others it is a target that fails.
pub async fn find_all(cx: &Context, wanted: &[ServiceRef]) -> Result<Targets, CommandError> {
    let mut search = Search { cx, listings: Vec::new() };
    let mut targets = Targets::default();
    for reference in wanted {
        targets.by_pattern |= reference.is_glob();
        let found = match search.find(reference).await {
            Ok(found) => found,
            Err(error) if error.kind == ErrorKind::NotFound && wanted.len() > 1 => {
                let project = cx.project()?.value;
                let name = match reference {
                    ServiceRef::Full(name) => name.clone(),
                    ServiceRef::Regional { region, service } => {
                        ServiceName::new(project, region, service)
                    }
                    other => ServiceName::new(project, "-", other.to_string()),
                };
                targets.missing.push((name, error));
                continue;
            }
            Err(error) => return Err(error),
        };
        if found.len() > 1 && !reference.is_glob() {
            return Err(ambiguous(cx, reference, &found));
        }
        if let (ServiceRef::Name(_), Some(unread), [only]) =
            (reference, search.unread(), found.as_slice())
        {
            return Err(perhaps_several(cx, reference, &only.name, unread));
        }
        for found in found {
            if !targets.names.contains(&found.name) {
                targets.names.push(found.name);
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

/// The one service of a listing that a reference stands for, asking where there are several.
pub async fn one_of(
    cx: &Context,
    listing: &Listing,
    wanted: &ServiceRef,
) -> Result<Service, CommandError> {
    let found = matching(cx, listing, std::slice::from_ref(wanted))?;
    let as_found =
        |service: &&Service| Found { name: service.name.clone(), facts: Some((*service).clone()) };
    let found = settle(cx, wanted, found.iter().map(as_found).collect()).await?;
    match found.as_slice() {
        [Found { facts: Some(service), .. }] => Ok(service.clone()),
        several => Err(ambiguous(cx, wanted, several)),
    }
}

/// Lets a person choose where one reference stands for several services.
async fn settle(
    cx: &Context,
    wanted: &ServiceRef,
    mut found: Vec<Found>,
) -> Result<Vec<Found>, CommandError> {
    if found.len() < 2 || wanted.is_glob() || !cx.terminal.interactive {
        return Ok(found);
    }
    let items: Vec<String> = found.iter().map(|found| found.name.short()).collect();
    let question = format!("`{wanted}` is in several regions; which one?");
    let at =
        cx.ask(&question, move |question, color| terminal::choose(question, &items, color)).await?;
    Ok(vec![found.swap_remove(at)])
}

/// Keeps the services of a listing that any of the references stands for; an error for one that
/// stands for none.
pub fn matching<'a>(
    cx: &Context,
    listing: &'a Listing,
    wanted: &[ServiceRef],
) -> Result<Vec<&'a Service>, CommandError> {
    let mut kept: Vec<&Service> = Vec::new();
    for reference in wanted {
        let before = kept.len();
        for service in &listing.services {
            if matches(service, reference) && !kept.iter().any(|other| other.name == service.name) {
                kept.push(service);
            }
        }
        let known = listing.services.iter().any(|service| matches(service, reference));
        if kept.len() == before && !known {
            return Err(not_listed(cx, reference, listing));
        }
    }
    Ok(kept)
}

/// Lets a person pick a service, shown with its region and exposure.
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

/// The error of a read of one service: where it is not there, with what may have been meant.
pub async fn unread(cx: &Context, name: &ServiceName, failure: Failure) -> CommandError {
    let missing = failure.kind == FailureKind::NotFound;
    let error = CommandError::from(failure);
    if missing { not_found(cx, name, error).await } else { error }
}

/// The error of a service that is not where it was looked for: with the nearest names, and the
/// other regions that it is in.
async fn not_found(cx: &Context, name: &ServiceName, error: CommandError) -> CommandError {
    let Ok(gateway) = cx.gateway().await else {
        return error;
    };
    let Ok(listing) = gateway.services(name.project(), "-").await else {
        return error;
    };
    let typed = [name.to_string(), name.short(), name.service().to_owned()];
    let command = |instead: &str| {
        typed.iter().fold(cx.command(), |command, typed| {
            let changed = cx.command_with_word(typed, instead);
            if changed == cx.command() { command } else { changed }
        })
    };
    let same: Vec<String> = listing
        .services
        .iter()
        .filter(|service| service.name.service() == name.service())
        .map(|service| cx.named(&service.name))
        .collect();
    let known = listing.services.iter().map(|service| service.name.service());
    let near: Vec<&str> = nearest(name.service(), known);
    let elsewhere = near.into_iter().flat_map(|near| {
        listing.services.iter().filter(move |s| s.name.service() == near).map(|s| cx.named(&s.name))
    });
    let suggested = if same.is_empty() { elsewhere.collect() } else { same };
    if suggested.is_empty() {
        return error.hint(cx.suggest("list"));
    }
    suggested.iter().take(3).fold(error, |error, instead| error.hint(command(instead)))
}

/// The URL of one of a service's traffic tags.
pub fn tag_url(cx: &Context, service: &Service, tag: &str) -> Result<String, CommandError> {
    let short = cx.named(&service.name);
    let known: Vec<&str> = service.tags.iter().map(|known| known.tag.as_str()).collect();
    if let Some(found) = service.tags.iter().find(|known| known.tag == tag) {
        return found.url.clone().ok_or_else(|| {
            let message = format!("the tag `{tag}` of `{short}` has no URL");
            CommandError::new(ErrorKind::NotFound, message)
        });
    }
    let message = format!("`{short}` has no traffic tag `{tag}`");
    let error = CommandError::new(ErrorKind::NotFound, message);
    if known.is_empty() {
        return Err(error.because("it has no tags").hint(cx.suggest(&format!("url {short}"))));
    }
    let error = error.because(format!("its tags are `{}`", known.join("`, `")));
    Err(match nearest(tag, known).first() {
        Some(near) => error.hint(cx.command_with_word(tag, near)),
        None => error,
    })
}

struct Search<'a> {
    cx: &'a Context,
    /// What was listed so far, by region.
    listings: Vec<(String, Listing)>,
}

impl Search<'_> {
    /// Lists a region, or every region (`-`), once.
    async fn listing(&mut self, region: &str) -> Result<&Listing, CommandError> {
        if let Some(at) = self.listings.iter().position(|(known, _)| known == region) {
            return Ok(&self.listings[at].1);
        }
        let project = self.cx.project()?.value;
        let listing = self.cx.gateway().await?.services(&project, region).await?;
        warn_of(self.cx, &listing.unreachable);
        let at = self.listings.len();
        self.listings.push((region.to_owned(), listing));
        Ok(&self.listings[at].1)
    }

    /// What could not be read of the search in every region.
    fn unread(&self) -> Option<&Unreadable> {
        let (_, listing) = self.listings.iter().find(|(region, _)| region == "-")?;
        listing.unreachable.first()
    }

    /// The services that a reference stands for: at least one.
    async fn find(&mut self, wanted: &ServiceRef) -> Result<Vec<Found>, CommandError> {
        let direct = |name| Ok(vec![Found { name, facts: None }]);
        let cx = self.cx;
        match wanted {
            ServiceRef::Full(name) => return direct(name.clone()),
            ServiceRef::Regional { region, service } if region != "-" => {
                return direct(ServiceName::new(cx.project()?.value, region, service));
            }
            ServiceRef::Name(service) => {
                if let Some(region) = cx.region()? {
                    return direct(ServiceName::new(cx.project()?.value, region, service));
                }
            }
            ServiceRef::Glob { .. } | ServiceRef::Regional { .. } | ServiceRef::Url(_) => {}
        }
        let region = match wanted {
            // A URL names its service wherever that is.
            ServiceRef::Url(_) => None,
            ServiceRef::Glob { region: Some(region), .. } | ServiceRef::Regional { region, .. } => {
                Some(region.clone())
            }
            _ => cx.region()?,
        };
        let listing = self.listing(region.as_deref().unwrap_or("-")).await?;
        let found: Vec<&Service> =
            listing.services.iter().filter(|service| matches(service, wanted)).collect();
        if found.is_empty() {
            return Err(not_listed(cx, wanted, listing));
        }
        let found: Vec<Found> = found
            .into_iter()
            .map(|service| Found { name: service.name.clone(), facts: Some(service.clone()) })
            .collect();
        settle(cx, wanted, found).await
    }
}

fn matches(service: &Service, wanted: &ServiceRef) -> bool {
    let name = &service.name;
    match wanted {
        ServiceRef::Full(full) => name == full,
        ServiceRef::Glob { region, pattern } => {
            region.as_ref().is_none_or(|region| region == "-" || region == name.region())
                && glob_matches(pattern, name.service())
        }
        ServiceRef::Name(wanted) => name.service() == wanted,
        ServiceRef::Regional { region, service } => {
            (region == "-" || name.region() == region) && name.service() == service
        }
        ServiceRef::Url(origin) => {
            let tags = service.tags.iter().filter_map(|tag| tag.url.as_ref());
            let mut urls = service.urls.iter().chain(&service.custom_audiences).chain(tags);
            // A tag that the API does not list: its documented prefix may stand before any URL
            // of the service.
            let untagged = origin.split_once(TAG_SIGN).map(|(_, host)| format!("https://{host}"));
            urls.any(|url| {
                let listed = url_origin(url);
                listed.as_ref() == Some(origin) || (listed.is_some() && listed == untagged)
            })
        }
    }
}

fn ambiguous(cx: &Context, wanted: &ServiceRef, found: &[Found]) -> CommandError {
    let names: Vec<String> = found.iter().map(|found| found.name.short()).collect();
    let several =
        if wanted.is_glob() { "matches several services" } else { "is in several regions" };
    let message = format!("`{wanted}` {several}: `{}`", names.join("`, `"));
    names.iter().fold(CommandError::new(ErrorKind::Ambiguous, message), |error, name| {
        error.hint(cx.command_with_word(&wanted.to_string(), name))
    })
}

/// The error of a change to a bare name that is in one region, as far as regions could be read: in
/// another there may be one of the same name.
fn perhaps_several(
    cx: &Context,
    wanted: &ServiceRef,
    found: &ServiceName,
    unread: &Unreadable,
) -> CommandError {
    let message = format!("cannot tell whether `{wanted}` is `{}` alone", found.short());
    CommandError::new(ErrorKind::Undetermined, message)
        .because(format!("{}: {}", unread.what, unread.why))
        .hint(cx.command_with_word(&wanted.to_string(), &found.short()))
}

fn not_listed(cx: &Context, wanted: &ServiceRef, listing: &Listing) -> CommandError {
    let project = cx.project().map(|property| property.value).unwrap_or_default();
    if let [first, ..] = listing.unreachable.as_slice() {
        return CommandError::new(
            ErrorKind::Undetermined,
            format!("cannot tell whether there is a service `{wanted}` in project `{project}`"),
        )
        .because(format!("{}: {}", first.what, first.why));
    }
    let what = match wanted {
        ServiceRef::Url(_) => "has the URL",
        ServiceRef::Glob { .. } => "matches",
        _ => "is named",
    };
    let message = format!("no service of project `{project}` {what} `{wanted}`");
    let error = CommandError::new(ErrorKind::NotFound, message);
    let names: Vec<&str> = listing.services.iter().map(|service| service.name.service()).collect();
    let wanted_name = match wanted {
        ServiceRef::Name(name) => name.as_str(),
        ServiceRef::Regional { service, .. } => service.as_str(),
        ServiceRef::Full(name) => name.service(),
        ServiceRef::Glob { .. } | ServiceRef::Url(_) => return error.hint(cx.suggest("list")),
    };
    let near = nearest(wanted_name, names);
    if near.is_empty() {
        return error.hint(cx.suggest("list"));
    }
    near.into_iter()
        .fold(error, |error, name| error.hint(cx.command_with_word(&wanted.to_string(), name)))
}
