//! `--print gcloud`: the gcloud commands that would do what a plan does.

use serde::Serialize;

use super::{Report, Style};
use crate::domain::condition::Condition;
use crate::domain::invokers::Grant;
use crate::domain::outcome::{ChangeOutcome, Status};
use crate::domain::setting::{Setting, SettingName};
use crate::error::quoted;

/// The commands, in the order in which they are to be run.
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
    /// Writes planned changes as commands. `flags` say which account or configuration acts.
    pub fn new(sandbox: bool, flags: &[String], outcomes: &[ChangeOutcome]) -> Self {
        let planned = outcomes.iter().filter(|outcome| outcome.status == Status::Planned);
        let commands = planned.flat_map(|outcome| {
            let target = &outcome.target;
            let service = target.to_string();
            let place = [
                target.service().to_owned(),
                format!("--project={}", target.project()),
                format!("--region={}", target.region()),
            ];
            let command = move |verb: &str, rest: Vec<String>| {
                let words = ["gcloud", "run", "services", verb].map(str::to_owned);
                let words = words.into_iter().chain(place.clone()).chain(rest);
                let words: Vec<String> =
                    words.chain(flags.iter().cloned()).map(|word| quoted(&word)).collect();
                GcloudCommand { service: service.clone(), command: words.join(" ") }
            };
            let binding = |verb, grants: &[Grant]| -> Vec<GcloudCommand> {
                grants.iter().map(|grant| command(verb, of_grant(grant))).collect()
            };
            let mut commands = binding("add-iam-policy-binding", &outcome.added);
            commands.extend(binding("remove-iam-policy-binding", &outcome.removed));
            commands.extend(
                outcome.settings.iter().map(|setting| command("update", of_setting(setting))),
            );
            commands
        });
        Self { sandbox, commands: commands.collect() }
    }
}

/// Without a word on conditions, gcloud refuses to touch a policy that has any (measured).
fn of_grant(grant: &Grant) -> Vec<String> {
    let condition = match &grant.condition {
        None => "None".to_owned(),
        Some(condition) => of_condition(condition),
    };
    vec![
        format!("--member={}", grant.member),
        format!("--role={}", grant.role),
        format!("--condition={condition}"),
    ]
}

/// A condition as gcloud's flag takes it: pairs joined by commas, or by another sign that is said
/// first where a comma is in them (`gcloud topic escaping`).
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

fn of_setting(setting: &Setting) -> Vec<String> {
    let on = setting.after == "on";
    let flag = |flag: &str| vec![format!("--{}{flag}", if on { "" } else { "no-" })];
    match setting.name {
        SettingName::DefaultUrl => flag("default-url"),
        SettingName::Iap => flag("iap"),
        SettingName::Ingress => vec![format!("--ingress={}", setting.after)],
        SettingName::InvokerCheck => flag("invoker-iam-check"),
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
