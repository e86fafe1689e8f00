//! Errors for names that match no resource or several, with the command that finds the right one.

use super::FoundService;
use crate::cloud::{Failure, FailureKind, Listing, Unreadable};
use crate::context::Context;
use crate::domain::address::owners;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::nearest::nearest;
use crate::domain::resource::{Invoked, ServiceName, ServiceRef};
use crate::domain::service::Service;
use crate::domain::target::Target;

/// The error of a failed read of one service. If the service does not exist, with similar names.
pub async fn unread(cx: &Context, name: &ServiceName, failure: Failure) -> CommandError {
    let missing = failure.kind == FailureKind::NotFound;
    let error = CommandError::from(failure);
    if missing { not_found(cx, name, error).await } else { error }
}

/// The error for a service without a URL.
pub fn without_url(cx: &Context, service: &Service) -> CommandError {
    let short = cx.named(&service.name);
    let why = if service.default_url {
        "it has none yet: no revision of it is ready"
    } else {
        "its default URL is off, so only a load balancer or a domain leads there"
    };
    CommandError::new(ErrorKind::NoUrl, format!("`{short}` has no URL"))
        .because(why)
        .hint(cx.suggest(&format!("describe {short}")))
}

/// The error of a failed read of a resource that a command changes.
pub async fn unread_target(cx: &Context, name: &Target, failure: Failure) -> CommandError {
    match name {
        Target::Service(service) => unread(cx, service, failure).await,
        _ => failure.into(),
    }
}

/// The error for a service that does not exist under this name: with similar names, and the regions
/// that have it.
async fn not_found(cx: &Context, name: &ServiceName, error: CommandError) -> CommandError {
    let Ok(gateway) = cx.gateway().await else {
        return error;
    };
    let listed = match name.kind() {
        Invoked::Service => gateway.services(name.project(), "-").await.map(|listing| {
            listing.services.into_iter().map(|service| service.name).collect::<Vec<_>>()
        }),
        Invoked::Instance => gateway.instances(name.project()).await.map(|(names, _)| names),
    };
    let Ok(listed) = listed else {
        return error;
    };
    let of_name = |name: &str| -> Vec<String> {
        let known = listed.iter().filter(|known| known.service() == name);
        known.map(|known| cx.named(known)).collect()
    };
    let same = of_name(name.service());
    let near: Vec<&str> = nearest(name.service(), listed.iter().map(ServiceName::service));
    let elsewhere = near.into_iter().flat_map(of_name);
    let suggested = if same.is_empty() { elsewhere.collect() } else { same };
    if suggested.is_empty() {
        let kind = match name.kind() {
            Invoked::Service => "",
            Invoked::Instance => " --kind instance",
        };
        return error.hint(cx.suggest(&format!("list{kind}")));
    }
    suggested
        .iter()
        .take(3)
        .fold(error, |error, instead| error.hint(cx.command_with_service(name, instead)))
}

pub(super) fn ambiguous(cx: &Context, wanted: &ServiceRef, found: &[FoundService]) -> CommandError {
    let names: Vec<String> = found.iter().map(|found| found.name.short()).collect();
    let several = if wanted.is_glob() && wanted.is_of_instance() {
        "matches several instances"
    } else if wanted.is_glob() {
        "matches several services"
    } else if super::is_multi_region(found) {
        "is one service in several regions, each with a policy of its own"
    } else if let ServiceRef::Url(_) = wanted {
        "is an address of several services"
    } else {
        "is in several regions"
    };
    let message = format!("`{wanted}` {several}: `{}`", names.join("`, `"));
    let typed = wanted.clone().into();
    found.iter().fold(CommandError::new(ErrorKind::Ambiguous, message), |error, found| {
        error.hint(cx.command_with_target(&typed, &cx.named(&found.name)))
    })
}

/// The error for changing a service by its bare name, if it was found in one region while other
/// regions could not be read: they may have a service of the same name.
pub(super) fn perhaps_several(
    cx: &Context,
    wanted: &ServiceRef,
    found: &ServiceName,
    unread: &Unreadable,
) -> CommandError {
    let message = format!("cannot tell whether `{wanted}` is `{}` alone", found.short());
    CommandError::new(ErrorKind::Undetermined, message)
        .because(format!("{}: {}", unread.what, unread.why))
        .hint(cx.command_with_target(&wanted.clone().into(), &cx.named(found)))
}

pub(super) fn not_listed(cx: &Context, wanted: &ServiceRef, listing: &Listing) -> CommandError {
    let project = match wanted {
        ServiceRef::InProject { project, .. } => project.clone(),
        _ => cx.project().map(|property| property.value).unwrap_or_default(),
    };
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
        ServiceRef::Regional { service, .. } | ServiceRef::InProject { service, .. } => {
            service.as_str()
        }
        ServiceRef::Full(name) => name.service(),
        ServiceRef::Instance(instance) => &instance.pattern,
        ServiceRef::Url(address) => {
            let untagged = address.untagged();
            let of_tag = untagged.as_ref().and_then(|(tag, untagged)| {
                Some((*tag, owners(&listing.services, untagged).first()?.0))
            });
            return match of_tag {
                Some((tag, service)) => {
                    let owner = cx.named(&service.name);
                    error
                        .because(format!("`{owner}` has no traffic tag `{tag}`"))
                        .hint(cx.suggest(&format!("url {owner} --all")))
                }
                None => error.hint(cx.suggest("list")),
            };
        }
        ServiceRef::Glob { .. } => return error.hint(cx.suggest("list")),
    };
    let near = nearest(wanted_name, names);
    if near.is_empty() {
        return error.hint(cx.suggest("list"));
    }
    let project = wanted.project();
    let instead = |near: &str| match (wanted, project) {
        (ServiceRef::Regional { region, .. }, _) => format!("{region}/{near}"),
        (_, Some(project)) => format!("namespaces/{project}/services/{near}"),
        _ => near.to_owned(),
    };
    let typed = wanted.clone().into();
    near.into_iter()
        .fold(error, |error, near| error.hint(cx.command_with_target(&typed, &instead(near))))
}

/// The error for a failed search. A caller who may not list services can give the full name of one.
pub(super) fn unlisted(cx: &Context, wanted: &ServiceRef, failure: Failure) -> CommandError {
    let is_refused = failure.kind == FailureKind::PermissionDenied;
    let mut error = CommandError::from(failure);
    let instead = match wanted {
        ServiceRef::Name(name) => format!("REGION/{name}"),
        ServiceRef::InProject { project, service } => {
            format!("projects/{project}/locations/REGION/services/{service}")
        }
        ServiceRef::Url(_) => "REGION/NAME".to_owned(),
        ServiceRef::Full(_)
        | ServiceRef::Glob { .. }
        | ServiceRef::Instance(_)
        | ServiceRef::Regional { .. } => {
            return error;
        }
    };
    if is_refused {
        error.hints.insert(0, cx.command_with_target(&wanted.clone().into(), &instead).into());
    }
    error
}
