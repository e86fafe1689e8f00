//! `--print gcloud`: the gcloud commands that make the changes of a plan.

use serde::Serialize;

use super::{Report, Style};
use crate::domain::action::Action;
use crate::domain::condition::Condition;
use crate::domain::error::quoted;
use crate::domain::invokers::Grant;
use crate::domain::outcome::{ChangeOutcome, Status};
use crate::domain::resource::Invoked;
use crate::domain::service::Ingress;
use crate::domain::setting::{Setting, Switch, SwitchKind};
use crate::domain::target::Target;

/// The commands, in the order in which to run them.
#[derive(Clone, Debug, Serialize)]
pub struct GcloudReport {
    pub sandbox: bool,
    pub commands: Vec<GcloudCommand>,
}

/// One command, ready for a shell.
#[derive(Clone, Debug, Serialize)]
pub struct GcloudCommand {
    pub service: String,
    pub command: String,
}

impl GcloudReport {
    /// The resource of a planned change that gcloud has no command for, and why. gcloud does not
    /// support conditions on jobs and refuses to edit a policy that has any (measured); it has no
    /// ingress `none` (read in its source).
    pub fn beyond(outcomes: &[ChangeOutcome]) -> Option<(String, &'static str)> {
        let mut planned = outcomes.iter().filter(|outcome| outcome.status == Status::Planned);
        planned.find_map(|outcome| {
            let mut grants = outcome.difference.added.iter().chain(&outcome.difference.removed);
            let is_conditional =
                outcome.is_conditional || grants.any(|grant| grant.condition.is_some());
            let closes = |set: &Setting| {
                matches!(set, Setting::Switch(turn) if *turn.to() == Switch::Ingress(Ingress::None))
            };
            let why = match &outcome.target {
                Target::Workload(_) if is_conditional => {
                    "its commands for jobs and worker pools know no conditions, and do not edit a policy that has any"
                }
                _ if outcome.difference.settings.iter().any(closes) => "it knows no ingress `none`",
                _ => return None,
            };
            Some((outcome.target.short(), why))
        })
    }

    /// Writes planned changes as commands. `flags` name the account or the configuration to use.
    pub fn new(sandbox: bool, flags: &[String], outcomes: &[ChangeOutcome]) -> Self {
        let planned = outcomes.iter().filter(|outcome| outcome.status == Status::Planned);
        // Deletions come last, because other changes may depend on what they delete.
        let deletes = |outcome: &&ChangeOutcome| {
            let mut settings = outcome.difference.settings.iter();
            settings.any(|set| matches!(set, Setting::Account { present: false, .. }))
        };
        let (last, first): (Vec<_>, Vec<_>) = planned.partition(deletes);
        let planned = first.into_iter().chain(last);
        let commands = planned.flat_map(|outcome| {
            let target = outcome.target.clone();
            let service = target.to_string();
            let command = move |words: Vec<String>| {
                let words = words.into_iter().chain(flags.iter().cloned());
                let words: Vec<String> = words.map(|word| quoted(&word)).collect();
                let command = format!("gcloud {}", words.join(" "));
                GcloudCommand { service: service.clone(), command }
            };
            let binding = |verb, grants: &[Grant]| -> Vec<GcloudCommand> {
                grants.iter().map(|grant| command(of_grant(&target, verb, grant))).collect()
            };
            let settings =
                outcome.difference.settings.iter().map(|setting| of_setting(&target, setting));
            let mut commands: Vec<GcloudCommand> = settings.map(&command).collect();
            let first = commands.len();
            commands.extend(binding("add-iam-policy-binding", &outcome.difference.added));
            commands.extend(binding("remove-iam-policy-binding", &outcome.difference.removed));
            // An account is created before it is granted a role; a service's policy is set first.
            if target.service().is_some() && outcome.action != Action::Turn(SwitchKind::Iap) {
                commands.rotate_left(first);
            }
            commands
        });
        Self { sandbox, commands: commands.collect() }
    }
}

/// The words that name a resource to gcloud, including the verb.
fn place(target: &Target, verb: &str) -> Vec<String> {
    let project = format!("--project={}", target.project());
    let words: Vec<String> = match target {
        Target::Account(account) => {
            let group = ["iam", "service-accounts", verb].map(str::to_owned);
            group.into_iter().chain([account.address.clone()]).collect()
        }
        Target::Mapping(mapping) => {
            let group = ["beta", "run", "domain-mappings", verb].map(str::to_owned);
            group.into_iter().chain([format!("--domain={}", mapping.domain)]).collect()
        }
        Target::Service(service) => {
            let group: &[&str] = match service.kind() {
                Invoked::Service => &["run", "services", verb],
                // In preview.
                Invoked::Instance => &["beta", "run", "instances", verb],
            };
            let group = group.iter().map(|word| (*word).to_owned());
            group.chain([service.service().to_owned()]).collect()
        }
        Target::Workload(workload) => {
            let group = ["run", workload.kind.word(), verb].map(str::to_owned);
            group.into_iter().chain([workload.name.clone()]).collect()
        }
    };
    let region = target.region().map(|region| format!("--region={region}"));
    words.into_iter().chain([project]).chain(region).collect()
}

/// The gcloud command for a grant. Without a condition flag, gcloud refuses to edit a policy that has
/// any condition (measured); for jobs it accepts no such flag, and for worker pools that is taken to be so.
fn of_grant(target: &Target, verb: &str, grant: &Grant) -> Vec<String> {
    let condition = match &grant.condition {
        None => "None".to_owned(),
        Some(condition) => of_condition(condition),
    };
    let mut words = place(target, verb);
    words.extend([format!("--member={}", grant.member), format!("--role={}", grant.role)]);
    if !matches!(target, Target::Workload(_)) {
        words.push(format!("--condition={condition}"));
    }
    words
}

/// A condition in the syntax of gcloud's flag: pairs joined by commas. If a pair contains a comma,
/// another delimiter is used and declared first (`gcloud topic escaping`).
fn of_condition(condition: &Condition) -> String {
    let mut pairs =
        vec![format!("expression={}", condition.expression), format!("title={}", condition.title)];
    if !condition.description.is_empty() {
        pairs.push(format!("description={}", condition.description));
    }
    let is_free = |sign: &&str| !pairs.iter().any(|pair| pair.contains(*sign));
    match [",", ";", ":", "|", "#", "~", "@@", "%%"].into_iter().find(is_free) {
        Some(",") | None => pairs.join(","),
        Some(sign) => format!("^{sign}^{}", pairs.join(sign)),
    }
}

fn of_setting(target: &Target, setting: &Setting) -> Vec<String> {
    let update = |flag: String| -> Vec<String> {
        place(target, "update").into_iter().chain([flag]).collect()
    };
    let flag = |name: &str, on: bool| update(format!("--{}{name}", if on { "" } else { "no-" }));
    // Not generally available in every version (measured with 528).
    let beta = |words: Vec<String>| std::iter::once("beta".to_owned()).chain(words).collect();
    match setting {
        Setting::Switch(turn) => match turn.to() {
            Switch::DefaultUrl(on) => beta(flag("default-url", *on)),
            Switch::Iap(on) => beta(flag("iap", *on)),
            Switch::Ingress(ingress) => update(format!("--ingress={}", ingress.as_str())),
            Switch::InvokerCheck(on) => flag("invoker-iam-check", *on),
        },
        Setting::CustomAudience { audience, present: false } => {
            update(format!("--remove-custom-audiences={audience}"))
        }
        Setting::CustomAudience { audience, present: true } => {
            update(format!("--add-custom-audiences={audience}"))
        }
        Setting::Account { present: false, .. } | Setting::DomainMapping { present: false, .. } => {
            place(target, "delete")
        }
        Setting::Account { address, present: true } => {
            let id = address.split('@').next().unwrap_or_default();
            ["iam", "service-accounts", "create", id]
                .map(str::to_owned)
                .into_iter()
                .chain([format!("--project={}", target.project())])
                .collect()
        }
        Setting::DomainMapping { service, present: true } => {
            place(target, "create").into_iter().chain([format!("--service={service}")]).collect()
        }
    }
}

impl Report for GcloudReport {
    const ROWS: Option<&'static str> = Some("commands");
    const PATHS: &'static [&'static str] = &["service", "command"];

    fn table(&self, _: Style) -> String {
        self.commands.iter().map(|line| line.command.clone() + "\n").collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_joined_by_a_sign_that_is_not_in_it() {
        let of = |expression: &str, description: &str| {
            of_condition(&Condition {
                title: "t".to_owned(),
                description: description.to_owned(),
                expression: expression.to_owned(),
            })
        };
        assert_eq!(of("a == 1", ""), "expression=a == 1,title=t");
        assert_eq!(of("f(a, b)", "d"), "^;^expression=f(a, b);title=t;description=d");
        assert_eq!(of("f(a, b; c)", ""), "^:^expression=f(a, b; c):title=t");
    }
}
