//! `explain`: may a principal invoke a service, as a proof that a person can follow.

use comfy_table::{Attribute, Cell, Color};
use serde::Serialize;

use super::table::{columns, flowing, text};
use super::{ConditionShape, Report, Style};
use crate::domain::access::{ABOVE, Decision, Step, Verdict};
use crate::domain::target::Target;

/// The answer for one principal, one service, one request.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainReport {
    pub sandbox: bool,
    pub member: String,
    pub service: String,
    pub request: RequestShape,
    pub verdict: &'static str,
    /// What it would be were all that was not read silent; `null` where the verdict is known, or
    /// would not be even then.
    pub otherwise: Option<&'static str>,
    pub unless: Vec<UnlessRow>,
    pub steps: Vec<StepRow>,
    pub fix: Vec<String>,
}

/// The request that was decided.
#[derive(Clone, Debug, Serialize)]
pub struct RequestShape {
    /// `null` for a job, which has no front end.
    pub path: Option<String>,
    /// `null` behind a load balancer, unless it was said.
    pub host: Option<String>,
    pub time: String,
    pub from: Option<&'static str>,
    /// Of a job: whether running it with overrides is meant; `null` of a service.
    #[serde(rename = "withOverrides")]
    pub with_overrides: Option<bool>,
}

/// Something unknown that the answer turns on.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct UnlessRow {
    pub layer: &'static str,
    pub what: String,
    pub why: String,
}

/// What one layer says.
#[derive(Clone, Debug, Serialize)]
pub struct StepRow {
    pub layer: &'static str,
    pub verdict: &'static str,
    pub reason: String,
    pub source: Option<SourceShape>,
}

/// What a step rests on.
#[derive(Clone, Debug, Serialize)]
pub struct SourceShape {
    pub resource: String,
    pub role: Option<String>,
    pub member: String,
    pub condition: Option<ConditionShape>,
}

impl StepRow {
    fn of(step: &Step<'_>) -> Self {
        let source = step.source.map(|source| SourceShape {
            resource: source.resource.to_owned(),
            role: source.role.map(str::to_owned),
            member: source.member.to_string(),
            condition: source.condition.map(ConditionShape::from),
        });
        Self {
            layer: step.layer.as_str(),
            verdict: step.outcome.as_str(),
            reason: step.reason.clone().into_owned(),
            source,
        }
    }

    fn sentence(&self, service: &str) -> String {
        let Some(source) = &self.source else { return self.reason.clone() };
        let on = match Target::parse(service) {
            Some(target) if source.resource == service => format!("the {}", target.noun()),
            _ => source.resource.clone(),
        };
        let what = match &source.role {
            Some(role) => format!("{role} to {}", source.member),
            None => source.member.clone(),
        };
        let condition = source.condition.as_ref().map(|c| format!(", if {}", c.expression));
        let condition = condition.unwrap_or_default();
        format!("{}: {what} on {on}{condition}", self.reason)
    }
}

impl ExplainReport {
    /// Puts a decision into rows. With `lenient`, what could not be read counts as silent.
    pub fn new(
        (sandbox, lenient): (bool, bool),
        (member, service): (String, String),
        request: RequestShape,
        decision: &Decision<'_>,
        fix: Vec<String>,
    ) -> Self {
        let (verdict, otherwise) = (decision.verdict, decision.otherwise());
        let is_open = verdict == Verdict::Unknown;
        let otherwise = Some(otherwise).filter(|other| is_open && *other != Verdict::Unknown);
        let verdict = otherwise.filter(|_| lenient).unwrap_or(verdict);
        let mut unless: Vec<UnlessRow> = Vec::new();
        for (layer, row) in decision.unless() {
            let row = UnlessRow {
                layer: layer.as_str(),
                what: row.what.to_owned(),
                why: row.doubt.why.clone().into_owned(),
            };
            if !unless.contains(&row) {
                unless.push(row);
            }
        }
        Self {
            sandbox,
            member,
            service,
            request,
            verdict: verdict.as_str(),
            otherwise: otherwise.map(Verdict::as_str),
            unless,
            steps: decision.steps.iter().map(StepRow::of).collect(),
            fix,
        }
    }

    fn headline(&self) -> String {
        let target = Target::parse(&self.service);
        let mut short = target.as_ref().map_or_else(|| self.service.clone(), Target::short);
        if self.request.with_overrides == Some(true) {
            short.push_str(" with overrides");
        }
        let verb = target.as_ref().map_or("invoke", Target::verb);
        match (self.verdict, self.otherwise) {
            ("allowed", None) => format!("allowed: {} may {verb} {short}", self.member),
            ("denied", None) => format!("denied: {} may not {verb} {short}", self.member),
            (taken @ ("allowed" | "denied"), Some(_)) => {
                let may = if taken == "allowed" { "may" } else { "may not" };
                format!(
                    "{taken}: {} {may} {verb} {short}, where what is not known says nothing",
                    self.member
                )
            }
            (_, known) => {
                let known = match known {
                    Some("allowed") => "; what is known says yes",
                    Some(_) => "; what is known says no",
                    None => "",
                };
                format!("unknown: whether {} may {verb} {short}{known}", self.member)
            }
        }
    }
}

impl Report for ExplainReport {
    const ROWS: Option<&'static str> = None;
    const PATHS: &'static [&'static str] = &[
        "sandbox",
        "member",
        "service",
        "request",
        "request.path",
        "request.host",
        "request.time",
        "request.from",
        "request.withOverrides",
        "verdict",
        "otherwise",
        "unless",
        "unless.layer",
        "unless.what",
        "unless.why",
        "steps",
        "steps.layer",
        "steps.verdict",
        "steps.reason",
        "steps.source",
        "steps.source.resource",
        "steps.source.role",
        "steps.source.member",
        "steps.source.condition",
        "steps.source.condition.title",
        "steps.source.condition.expression",
        "fix",
    ];

    fn table(&self, style: Style) -> String {
        let paint = console::Style::new().force_styling(style.color).bold();
        let paint = match self.verdict {
            "allowed" => paint.green(),
            "denied" => paint.red(),
            _ => paint.yellow(),
        };
        let headline = flowing("", &self.headline(), style);
        let mut out = format!("{}\n\n", paint.apply_to(headline.trim_end()));
        let rows = self
            .steps
            .iter()
            .map(|row| vec![text(row.layer), said(row.verdict), text(row.sentence(&self.service))]);
        out += &columns(&["LAYER", "SAYS", "WHY"], rows.collect(), style);
        if !self.unless.is_empty() {
            out += "\nNot known:\n";
            for row in &self.unless {
                let what = match row.what.as_str() {
                    what if row.why.contains(what.trim_start_matches(ABOVE)) => String::new(),
                    what => format!(" on {what}"),
                };
                out += &flowing("  ", &format!("{}{what}: {}", row.layer, row.why), style);
            }
        }
        if !self.fix.is_empty() {
            out += "\nWhat would change it:\n";
            for command in &self.fix {
                out.extend(["  ", command, "\n"]);
            }
        }
        out
    }
}

/// What a layer says, in its colour.
fn said(verdict: &str) -> Cell {
    let cell = text(verdict);
    match verdict {
        "pass" => cell.fg(Color::Green),
        "block" => cell.fg(Color::Red).add_attribute(Attribute::Bold),
        "unknown" => cell.fg(Color::Yellow),
        _ => cell.add_attribute(Attribute::Dim),
    }
}
