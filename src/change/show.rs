//! Shows plans on stderr before anything is written.

use super::{ChangeOptions, Planned};
use crate::context::Context;
use crate::domain::error::{CommandError, quoted};
use crate::domain::invokers::Grant;
use crate::domain::plan::Plan;
use crate::domain::printable::{one_line, printable};

/// Shows the plans of all targets as one.
pub(super) fn plan(
    cx: &Context,
    plans: &[Planned],
    options: &ChangeOptions,
) -> Result<(), CommandError> {
    let out = cx.terminal;
    let project = cx.project().ok();
    let identity = cx.identity()?;
    let place = if cx.is_sandbox() { "sandbox plan" } else { "plan" };
    let elsewhere = |project: &str| plans.iter().all(|(name, _)| name.project() != project);
    let of_project = match (&project, plans.first()) {
        (Some(project), Some((name, _))) if elsewhere(&project.value) => {
            format!("project {} (named in full)", name.project())
        }
        (Some(project), _) => format!("project {} ({})", project.value, project.source),
        (None, Some((name, _))) => format!("project {} (named in full)", name.project()),
        (None, None) => "no project".to_owned(),
    };
    let by = match &identity.account {
        Some(account) => format!("as {account}"),
        None => format!("by {}", identity.source),
    };
    out.say(&format!("{}: {of_project}, {by}", out.style().bold().apply_to(place)));
    if let Some(other) = identity.other_passed_over() {
        out.note(&format!("{other}; this is {}", identity.source));
    }
    for note in &options.remarks.notes {
        out.note(note);
    }
    for warning in &options.remarks.warnings {
        out.warning(warning);
    }
    for (name, planned) in plans {
        let title = out.style().bold().apply_to(cx.named(name));
        match planned {
            // With a single plan, its error is printed right after this.
            Err(_) if plans.len() == 1 => out.say(&format!("  {title}  cannot be planned")),
            Err(error) => {
                out.say(&format!("  {title}  cannot be planned: {}", printable(&error.message)));
            }
            Ok(plan) if plan.is_empty() => {
                out.say(&format!("  {title}  nothing to change"));
                remarks(cx, plan);
            }
            Ok(plan) => {
                out.say(&format!("  {title}"));
                for grant in plan.added() {
                    out.say(&format!("    {}", out.style().green().apply_to(line('+', grant))));
                }
                for grant in plan.removed() {
                    out.say(&format!("    {}", out.style().red().apply_to(line('-', grant))));
                }
                for setting in plan.settings() {
                    out.say(&format!("    {}", setting.words()));
                }
                if let Some((before, after)) = plan.exposure() {
                    let (before, after) = (before.as_str(), after.as_str());
                    if before == after {
                        out.say(&format!("    exposure: {after}, as before"));
                    } else {
                        out.say(&format!("    exposure: {before} -> {after}"));
                    }
                }
                remarks(cx, plan);
            }
        }
    }
    Ok(())
}

fn remarks(cx: &Context, plan: &Plan) {
    let out = cx.terminal;
    for note in plan.notes() {
        out.say(&format!("    {} {}", out.style().cyan().apply_to("note:"), printable(note)));
    }
    for warning in plan.warnings() {
        out.say(&format!(
            "    {} {}",
            out.style().yellow().bold().apply_to("warning:"),
            printable(warning)
        ));
    }
    for grant in plan.beside() {
        let title = grant.condition.as_ref().map_or("", |condition| condition.title.as_str());
        let member = quoted(grant.member.as_str());
        let (target, title) = (cx.named(plan.target()), quoted(title));
        let role = &grant.role;
        let command = format!("revoke {member} {target} --role {role} --condition-title {title}");
        out.say(&format!("    to take those of that title away: {}", cx.suggest(&command)));
    }
}

fn line(sign: char, grant: &Grant) -> String {
    let text = match &grant.condition {
        None => format!("{sign} {}  {}", grant.member, grant.role),
        Some(condition) => {
            format!("{sign} {}  {}  if {}", grant.member, grant.role, condition.expression)
        }
    };
    one_line(&text)
}
