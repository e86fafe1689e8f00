//! Errors of refused changes, with the commands that may help.

use super::Remarks;
use crate::cloud::{Failure, FailureKind};
use crate::context::Context;
use crate::domain::action::Action;
use crate::domain::error::{CommandError, ErrorKind, Hint, quoted};
use crate::domain::member::Member;
use crate::domain::plan::{Plan, Refusal};
use crate::domain::principal::agent_of;
use crate::domain::role::INVOKER;
use crate::domain::target::Target;

/// The error of a refused plan, with the commands that may help.
pub(super) fn of_plan(cx: &Context, refusal: &Refusal, remarks: &Remarks) -> CommandError {
    let message = refusal.to_string();
    let with = |option: &str| format!("{} {option}", cx.command());
    match refusal {
        Refusal::Limit { service, .. } => CommandError::new(ErrorKind::LimitExceeded, message)
            .hint(cx.suggest(&format!("policy {service}"))),
        Refusal::OnlyConditional { titles, .. } => {
            let error = CommandError::new(ErrorKind::ConditionRequired, message);
            let error = titles.iter().fold(error, |error, title| {
                error.hint(with(&format!("--condition-title {}", quoted(title))))
            });
            error.hint(with("--any-condition"))
        }
        Refusal::NoSuchCondition { titles, .. } => {
            let error = CommandError::new(ErrorKind::ConditionRequired, message)
                .because(format!("its conditions are titled `{}`", titles.join("`, `")));
            titles.iter().fold(error, |error, held| {
                error.hint(cx.command_with_instead("--condition-title", held))
            })
        }
        Refusal::Forbidden { service, other_way_open, .. } => {
            let error = CommandError::new(ErrorKind::OrganisationPolicy, message)
                .because("it is in force on the project, so nothing was sent");
            match remarks.other_way.as_ref().filter(|_| *other_way_open) {
                Some(command) => error.hint(command.clone()),
                None => error.hint(cx.suggest(&format!("describe {service}"))),
            }
        }
        Refusal::LimitsNothing { service, member, role } => {
            let command = match role.as_str() {
                INVOKER => format!("revoke {} {service}", quoted(member.as_str())),
                role => format!("revoke {} {service} --role {role}", quoted(member.as_str())),
            };
            // Both commands, because the first one alone would lock the user out.
            CommandError::new(ErrorKind::LimitsNothing, message)
                .hint(cx.suggest(&command))
                .hint(cx.command())
        }
        Refusal::NotToBeUndone { .. } => {
            let other = remarks.may_be_meant.clone().unwrap_or_else(|| cx.suggest("history"));
            CommandError::new(ErrorKind::NotToBeUndone, message).hint(other)
        }
        Refusal::SavedBefore { .. } => CommandError::new(ErrorKind::SavedBefore, message)
            .hint(with("--dry-run"))
            .hint(with("--ignore-etag")),
        Refusal::NotThere { .. } => CommandError::new(ErrorKind::NotFound, message),
        Refusal::MappedElsewhere { domain, .. } => {
            CommandError::new(ErrorKind::FailedPrecondition, message)
                .because("a domain leads to one service at a time")
                .hint(cx.suggest(&format!("domains unmap {domain}")))
        }
        Refusal::ServiceUnread { .. } => CommandError::new(ErrorKind::Undetermined, message),
        Refusal::Membership { member, .. } => CommandError::usage(message).because(format!(
            "Google answers: Member {member} is invalid due to membership type restrictions on the \
             resource."
        )),
        Refusal::AsksOfAnAddress { .. } => CommandError::usage(message)
            .because("a job is run by its API: `request.time` and tags can be asked of"),
        Refusal::CannotStand { .. } => CommandError::usage(message),
    }
}

/// Recognizes refusals by organization policies, from texts that were observed on Cloud Run, and
/// names the constraint and the alternatives. `None` for any other refusal.
pub(super) fn organisation_policy(
    cx: &Context,
    failure: &Failure,
    plan: &Plan,
    other_way: Option<&str>,
) -> Option<CommandError> {
    if failure.kind != FailureKind::FailedPrecondition {
        return None;
    }
    let short = plan.target().short();
    let (constraint, what) = if failure.message.contains("permitted customer") {
        let members: Vec<&str> = plan.added().iter().map(|grant| grant.member.as_str()).collect();
        ("iam.allowedPolicyMemberDomains", format!("forbids `{}`", members.join("` or `")))
    } else if failure.message.contains("iam.managed.allowedPolicyMembers") {
        // Whether the message names the constraint is not certain.
        let members: Vec<&str> = plan.added().iter().map(|grant| grant.member.as_str()).collect();
        ("iam.managed.allowedPolicyMembers", format!("forbids `{}`", members.join("` or `")))
    } else if failure.message.contains("invoker_iam_disabled is not currently available") {
        ("run.managed.requireInvokerIam", "forbids turning the invoker check off".to_owned())
    } else {
        return None;
    };
    let message = format!("the organisation policy `constraints/{constraint}` {what} on `{short}`");
    let error =
        CommandError::new(ErrorKind::OrganisationPolicy, message).because(failure.message.clone());
    Some(match other_way {
        Some(command) => error.hint(command),
        None => error.hint(cx.suggest(&format!("describe {}", cx.named(plan.target())))),
    })
}

/// Recognizes why a domain cannot be mapped: the caller's ownership is not verified, or the domain
/// is mapped elsewhere. `None` for any other refusal.
pub(super) fn of_domain(cx: &Context, failure: &Failure, plan: &Plan) -> Option<CommandError> {
    let Target::Mapping(mapping) = plan.target() else { return None };
    let domain = &mapping.domain;
    match failure.kind {
        FailureKind::AlreadyExists => {
            let message = format!("`{domain}` is mapped already, in another project or region");
            Some(
                CommandError::new(ErrorKind::FailedPrecondition, message)
                    .because(failure.message.clone())
                    .hint(match plan.action() {
                        Action::DomainMap => format!("{} --force-override", cx.command()),
                        _ => cx.suggest(&format!("domains map {domain} SERVICE --force-override")),
                    }),
            )
        }
        // The text is from general knowledge, not observed.
        FailureKind::PermissionDenied if failure.message.contains("authorized to administer") => {
            let message = format!("`{domain}` is not known to be yours");
            let parent = domain.split_once('.').filter(|(_, rest)| rest.contains('.'));
            let verified = parent.map_or(domain.as_str(), |(_, parent)| parent);
            Some(
                CommandError::new(ErrorKind::PermissionDenied, message)
                    .because("who owns a domain is verified in Google's Search Console")
                    .hint_gcloud(format!("domains verify {verified}")),
            )
        }
        _ => None,
    }
}

/// The error of a change that depends on a failed one.
pub(super) fn held_up(short: &str, before: &str) -> CommandError {
    let message = format!("`{short}` was left as it is: it rests on `{before}`");
    CommandError::new(ErrorKind::FailedPrecondition, message)
}

/// The error of a half-done change: what is left, and why.
pub(super) fn half_done(short: &str, done: &str, left: &str, cause: CommandError) -> CommandError {
    let mut error = in_part(short, done, left, cause);
    error.kind = ErrorKind::Partial;
    error.message = format!("`{short}` is half done: it was possible to {done}, not to {left}");
    error.hints.clear();
    error
}

/// The error of a change of which a part was refused.
pub(super) fn in_part(short: &str, done: &str, left: &str, cause: CommandError) -> CommandError {
    let message = format!("`{short}`: it was possible to {done}, not to {left}");
    let mut error = CommandError::new(cause.kind, message).because(cause.message);
    error.causes.extend(cause.causes);
    error.hints = cause.hints;
    error
}

/// Recognizes that a Google service agent does not exist in its project, and suggests the command
/// that creates it. `None` for any other failure.
pub(super) fn of_agent(failure: &Failure, plan: &Plan) -> Option<CommandError> {
    let named = |member: &&Member| failure.names_missing_principal(member.address());
    let member = plan.added().iter().map(|grant| &grant.member).find(named)?;
    let (api, number) = agent_of(member.address())?;
    let mut error = CommandError::from(failure.clone());
    error.hints = vec![Hint::Gcloud(format!(
        "beta services identity create --service={api}.googleapis.com --project={number}"
    ))];
    Some(error.because(format!("`{}` is made when its API is first used", member.address())))
}
