//! Resolves a typed name to jobs, worker pools or instances, or to the service of a function.

use super::project_of;
use crate::cloud::Unreadable;
use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::nearest::nearest;
use crate::domain::printable::with_article;
use crate::domain::resource::{InstanceRef, Invoked, ServiceName, ServiceRef, glob_matches};
use crate::domain::target::{FunctionRef, Target, TargetRef, WorkloadKind, WorkloadName};

/// What is looked for in the list of a kind.
struct Wanted<'a> {
    /// As it was typed.
    typed: TargetRef,
    /// What one is called.
    noun: &'static str,
    /// How names of the kind begin on the command line.
    word: &'static str,
    project: String,
    region: Option<String>,
    /// A name, or a pattern.
    pattern: &'a str,
    is_glob: bool,
}

/// The jobs or worker pools that match a reference: at least one, else an error.
pub(super) async fn workloads(
    cx: &Context,
    kind: WorkloadKind,
    reference: &ServiceRef,
) -> Result<Vec<Target>, CommandError> {
    let set = cx.region()?;
    let project = project_of(cx, reference).await?;
    let of = |region: &str, name: &str| {
        let (project, region, name) = (project.clone(), region.to_owned(), name.to_owned());
        Target::Workload(WorkloadName { kind, project, region, name })
    };
    let (region, pattern) = match reference {
        ServiceRef::Full(name) => return Ok(vec![of(name.region(), name.service())]),
        ServiceRef::Glob { region, pattern } => (region.clone().or(set), pattern.as_str()),
        ServiceRef::Regional { region, service } => (Some(region.clone()), service.as_str()),
        ServiceRef::Name(name) | ServiceRef::InProject { service: name, .. } => {
            (set, name.as_str())
        }
        ServiceRef::Instance(_) | ServiceRef::Url(_) => {
            let message = format!("`{reference}` names no {}", kind.noun());
            return Err(CommandError::usage(message));
        }
    };
    let wanted = Wanted {
        typed: TargetRef::Workload(kind, reference.clone()),
        noun: kind.noun(),
        word: kind.word(),
        project: project.clone(),
        region: region.filter(|region| region != "-"),
        pattern,
        is_glob: reference.is_glob(),
    };
    if let (Some(region), false) = (&wanted.region, wanted.is_glob) {
        return Ok(vec![of(region, pattern)]);
    }
    let (all, unread) = cx.gateway().await?.workloads(kind, &project).await?;
    let all: Vec<Target> = all.into_iter().map(Target::Workload).collect();
    matching(cx, &wanted, all, &unread, |target| match target {
        Target::Workload(workload) => (&workload.region, &workload.name),
        _ => ("", ""),
    })
}

/// The instances that match a reference: at least one, else an error.
pub(super) async fn instances(
    cx: &Context,
    reference: &InstanceRef,
) -> Result<Vec<ServiceName>, CommandError> {
    let InstanceRef { project, region, pattern } = reference;
    let project = match project {
        Some(project) => cx.project_id(project).await,
        None => cx.project()?.value,
    };
    let region = region.clone().or(cx.region()?).filter(|region| region != "-");
    let wanted = Wanted {
        typed: TargetRef::Service(ServiceRef::Instance(reference.clone())),
        noun: Invoked::Instance.noun(),
        word: Invoked::Instance.collection(),
        project: project.clone(),
        region,
        pattern,
        is_glob: reference.is_glob(),
    };
    if let (Some(region), false) = (&wanted.region, wanted.is_glob) {
        return Ok(vec![ServiceName::new(project, region, pattern).of_kind(Invoked::Instance)]);
    }
    let (all, unread) = cx.gateway().await?.instances(&project).await?;
    matching(cx, &wanted, all, &unread, |name| (name.region(), name.service()))
}

/// Those of a list that are wanted; for a plain name that several have, an error.
fn matching<T: Clone + Into<Target>>(
    cx: &Context,
    wanted: &Wanted<'_>,
    all: Vec<T>,
    unread: &[Unreadable],
    place: impl Fn(&T) -> (&str, &str),
) -> Result<Vec<T>, CommandError> {
    let Wanted { typed, noun, word, project, region, pattern, is_glob } = wanted;
    check_whole(cx, *is_glob || region.is_some(), pattern, unread)?;
    let names: Vec<String> = all.iter().map(|one| place(one).1.to_owned()).collect();
    let is_wanted = |one: &T| {
        let (at, name) = place(one);
        region.as_ref().is_none_or(|region| region == at) && glob_matches(pattern, name)
    };
    let found: Vec<T> = all.into_iter().filter(is_wanted).collect();
    if found.len() > 1 && !is_glob {
        return Err(several(cx, typed, noun, &found));
    }
    if !found.is_empty() {
        return Ok(found);
    }
    let what = if *is_glob { "matches" } else { "is named" };
    let message = format!("no {noun} of project `{project}` {what} `{pattern}`");
    let error = CommandError::new(ErrorKind::NotFound, message);
    let near = nearest(pattern, names.iter().map(String::as_str));
    Err(near.into_iter().fold(error, |error, near| {
        error.hint(cx.command_with_target(typed, &format!("{word}/{near}")))
    }))
}

/// The error for a name that several have.
fn several<T: Clone + Into<Target>>(
    cx: &Context,
    typed: &TargetRef,
    noun: &str,
    found: &[T],
) -> CommandError {
    let found: Vec<Target> = found.iter().cloned().map(Into::into).collect();
    let names: Vec<String> = found.iter().map(Target::short).collect();
    let is = with_article(noun);
    let message = format!("`{typed}` is {is} in several regions: `{}`", names.join("`, `"));
    found.iter().fold(CommandError::new(ErrorKind::Ambiguous, message), |error, one| {
        error.hint(cx.command_with_target(typed, &cx.named(one)))
    })
}

/// The error for a pattern that matches several, of a command that takes one.
pub(super) fn one_wanted(cx: &Context, typed: &TargetRef, found: &[Target]) -> CommandError {
    let names: Vec<String> = found.iter().map(Target::short).collect();
    let message =
        format!("`{typed}` matches several {}s: `{}`", typed.kind().noun(), names.join("`, `"));
    found.iter().fold(CommandError::new(ErrorKind::Ambiguous, message), |error, one| {
        error.hint(cx.command_with_target(typed, &cx.named(one)))
    })
}

/// Warns of regions that could not be searched. For a plain name this is an error, because another of
/// the same name may exist in one of them.
fn check_whole(
    cx: &Context,
    is_said: bool,
    name: &str,
    unread: &[Unreadable],
) -> Result<(), CommandError> {
    super::warn_of(cx, unread);
    match unread.first().filter(|_| !is_said) {
        None => Ok(()),
        Some(unread) => {
            let message = format!("cannot tell in which regions `{name}` is");
            Err(CommandError::new(ErrorKind::Undetermined, message)
                .because(format!("{}: {}", unread.what, unread.why))
                .hint(cx.command_with_option("--region", Some("REGION"))))
        }
    }
}

/// The service of a function: a Cloud Functions (2nd gen) function runs as a Cloud Run service,
/// whose policy decides who may call it (documented).
pub(super) async fn service_of(
    cx: &Context,
    wanted: &FunctionRef,
) -> Result<ServiceName, CommandError> {
    let project = match &wanted.project {
        Some(project) => cx.project_id(project).await,
        None => cx.project()?.value,
    };
    let region = match &wanted.region {
        Some(region) => Some(region.clone()),
        None => cx.region()?,
    };
    let name = &wanted.function;
    let typed = TargetRef::Function(wanted.clone());
    let (all, unread) = cx.gateway().await?.functions(&project).await?;
    check_whole(cx, region.is_some(), name, &unread)?;
    let is_there = |at: &str| region.as_ref().is_none_or(|region| region == at);
    let found: Vec<_> = all
        .iter()
        .filter(|function| function.name == *name && is_there(&function.region))
        .collect();
    match found.as_slice() {
        [only] => match &only.service {
            Some(service) => {
                let short = cx.named(service);
                cx.terminal.note(&format!("the function `{name}` runs as the service `{short}`"));
                Ok(service.clone())
            }
            None => Err(CommandError::new(
                ErrorKind::NotFound,
                format!("the function `{name}` has no service under it"),
            )
            .because("it is of the 1st generation, whose access is its own")
            .hint_gcloud(format!(
                "functions get-iam-policy {name} --region={} --project={project}",
                only.region
            ))),
        },
        [] => {
            let message = format!("no function of project `{project}` is named `{name}`");
            let error = CommandError::new(ErrorKind::NotFound, message);
            let near = nearest(name, all.iter().map(|function| function.name.as_str()));
            Err(near.into_iter().fold(error, |error, near| {
                let instead = FunctionRef { function: near.to_owned(), ..wanted.clone() };
                error
                    .hint(cx.command_with_target(&typed, &TargetRef::Function(instead).to_string()))
            }))
        }
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|function| {
                    let region = Some(function.region.clone());
                    TargetRef::Function(FunctionRef { region, ..wanted.clone() }).to_string()
                })
                .collect();
            let message = format!("`{name}` is a function in several regions");
            Err(names
                .iter()
                .fold(CommandError::new(ErrorKind::Ambiguous, message), |error, name| {
                    error.hint(cx.command_with_target(&typed, name))
                }))
        }
    }
}
