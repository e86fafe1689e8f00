//! `explain`: whether a principal may invoke a service, as a proof that a person can follow.

use comfy_table::{Attribute, Cell, Color};
use serde::Serialize;

use super::table::{columns, flowing, text};
use super::{ConditionShape, Report, Style};
use crate::domain::access::{ABOVE, Decision, Layer, Origin, Outcome, Step, Verdict};
use crate::domain::target::Target;

/// The answer for one principal, one service and one request.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainReport {
    pub sandbox: bool,
    pub member: String,
    pub service: String,
    pub request: RequestShape,
    pub verdict: Verdict,
    /// The verdict if everything that was not read neither granted nor denied; `null` if the verdict
    /// is known, or would be unknown even then.
    pub otherwise: Option<Verdict>,
    pub unless: Vec<UnlessRow>,
    pub steps: Vec<StepRow>,
    pub fix: Vec<String>,
}

/// The request that was decided.
#[derive(Clone, Debug, Serialize)]
pub struct RequestShape {
    /// `null` for a job, which has no front end.
    pub path: Option<String>,
    /// `null` behind a load balancer, unless the host was given.
    pub host: Option<String>,
    pub time: String,
    pub from: Option<Origin>,
    /// For a job: whether running it with overrides is meant; `null` for a service.
    #[serde(rename = "withOverrides")]
    pub with_overrides: Option<bool>,
}

/// An unknown fact that the verdict depends on.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct UnlessRow {
    pub layer: Layer,
    pub what: String,
    pub why: String,
}

/// The outcome of one layer.
#[derive(Clone, Debug, Serialize)]
pub struct StepRow {
    pub layer: Layer,
    pub verdict: Outcome,
    pub reason: String,
    pub source: Option<SourceShape>,
}

/// The policy entry that a step is based on.
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
            layer: step.layer,
            verdict: step.outcome,
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
    /// Builds the report from a decision. With `lenient`, whatever could not be read neither grants
    /// nor denies.
    pub fn new(
        (sandbox, lenient): (bool, bool),
        (member, service): (String, String),
        request: RequestShape,
        decision: &Decision<'_>,
        fix: Vec<String>,
    ) -> Self {
        let mut unless: Vec<UnlessRow> = Vec::new();
        for (layer, row) in decision.unless() {
            let row = UnlessRow {
                layer,
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
            verdict: decision.acted_on(lenient),
            otherwise: decision.otherwise(),
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
        let (is, may) = match self.verdict {
            Verdict::Allowed => ("allowed", "may"),
            Verdict::Denied => ("denied", "may not"),
            Verdict::Unknown => {
                let known = match self.otherwise {
                    Some(Verdict::Allowed) => "; what is known says yes",
                    Some(_) => "; what is known says no",
                    None => "",
                };
                return format!("unknown: whether {} may {verb} {short}{known}", self.member);
            }
        };
        let taken =
            if self.otherwise.is_some() { ", where what is not known says nothing" } else { "" };
        format!("{is}: {} {may} {verb} {short}{taken}", self.member)
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
            Verdict::Allowed => paint.green(),
            Verdict::Denied => paint.red(),
            Verdict::Unknown => paint.yellow(),
        };
        let headline = flowing("", &self.headline(), style);
        let mut out = format!("{}\n\n", paint.apply_to(headline.trim_end()));
        let rows = self.steps.iter().map(|row| {
            vec![text(row.layer.as_str()), said(row.verdict), text(row.sentence(&self.service))]
        });
        out += &columns(&["LAYER", "SAYS", "WHY"], rows.collect(), style);
        if !self.unless.is_empty() {
            out += "\nNot known:\n";
            for row in &self.unless {
                let what = match row.what.as_str() {
                    what if row.why.contains(what.trim_start_matches(ABOVE)) => String::new(),
                    what => format!(" on {what}"),
                };
                out += &flowing("  ", &format!("{}{what}: {}", row.layer.as_str(), row.why), style);
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

/// The outcome of a layer, coloured.
fn said(outcome: Outcome) -> Cell {
    let cell = text(outcome.as_str());
    match outcome {
        Outcome::Pass => cell.fg(Color::Green),
        Outcome::Block => cell.fg(Color::Red).add_attribute(Attribute::Bold),
        Outcome::Unknown => cell.fg(Color::Yellow),
        Outcome::Skip => cell.add_attribute(Attribute::Dim),
    }
}
