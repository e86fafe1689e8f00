//! Resolves a typed name to a job, or to the service of a function.

use super::project_of;
use crate::cloud::Unreadable;
use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::nearest::nearest;
use crate::domain::resource::{ServiceName, ServiceRef, glob_matches};
use crate::domain::target::{FunctionRef, JobName, Target, TargetRef};

/// The jobs that match a reference: at least one, else an error.
pub(super) async fn jobs(cx: &Context, wanted: &ServiceRef) -> Result<Vec<JobName>, CommandError> {
    let set = cx.region()?;
    let (region, name) = match wanted {
        ServiceRef::Full(name) => {
            return Ok(vec![JobName {
                project: project_of(cx, wanted).await?,
                region: name.region().to_owned(),
                job: name.service().to_owned(),
            }]);
        }
        ServiceRef::Glob { region, pattern } => (region.clone().or(set), pattern),
        ServiceRef::Regional { region, service } => (Some(region.clone()), service),
        ServiceRef::Name(name) | ServiceRef::InProject { service: name, .. } => (set, name),
        ServiceRef::Url(_) => return Err(CommandError::usage("a job has no address")),
    };
    let region = region.filter(|region| region != "-");
    let project = project_of(cx, wanted).await?;
    if let (Some(region), false) = (&region, wanted.is_glob()) {
        return Ok(vec![JobName { project, region: region.clone(), job: name.clone() }]);
    }
    let (all, unread) = cx.gateway().await?.jobs(&project).await?;
    check_whole(cx, wanted.is_glob() || region.is_some(), name, &unread)?;
    let is_there = |job: &&JobName| region.as_ref().is_none_or(|region| *region == job.region);
    let found: Vec<JobName> =
        all.iter().filter(is_there).filter(|job| glob_matches(name, &job.job)).cloned().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let what = if wanted.is_glob() { "matches" } else { "is named" };
    let message = format!("no job of project `{project}` {what} `{name}`");
    let error = CommandError::new(ErrorKind::NotFound, message);
    let near = nearest(name, all.iter().map(|job| job.job.as_str()));
    let typed = TargetRef::Job(wanted.clone());
    Err(near.into_iter().fold(error, |error, near| {
        error.hint(cx.command_with_target(&typed, &format!("jobs/{near}")))
    }))
}

/// Warns of regions that could not be searched. For a plain name this is an error, because a job of
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

/// The error for a name that matches several jobs.
pub(super) fn several_jobs(cx: &Context, wanted: &ServiceRef, found: &[JobName]) -> CommandError {
    let names: Vec<String> = found.iter().map(|job| Target::Job(job.clone()).short()).collect();
    let several =
        if wanted.is_glob() { "matches several jobs" } else { "is a job in several regions" };
    let message = format!("`{wanted}` {several}: `{}`", names.join("`, `"));
    let typed = TargetRef::Job(wanted.clone());
    found.iter().fold(CommandError::new(ErrorKind::Ambiguous, message), |error, job| {
        error.hint(cx.command_with_target(&typed, &cx.named(&Target::Job(job.clone()))))
    })
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
