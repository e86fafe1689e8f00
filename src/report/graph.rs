//! `graph`: which principals may invoke which services, as a table, a Mermaid or a Graphviz drawing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use comfy_table::{Attribute, Cell, Color};
use serde::Serialize;

use super::table::{columns, text};
use super::{ConditionShape, ReadState, Report, Style, UnknownRow};
use crate::domain::graph::{Edge, Graph, Node};
use crate::domain::member::{Member, MemberKind};
use crate::domain::resource::ServiceName;
use crate::domain::role::INVOKER;

/// The principals and the services that they may invoke in a project.
#[derive(Clone, Debug, Serialize)]
pub struct GraphReport {
    pub sandbox: bool,
    pub project: String,
    pub graph: Vec<EdgeRow>,
    pub services: Vec<NodeRow>,
    pub unknown: Vec<UnknownRow>,
    /// The format of the drawing; `None` for a table.
    #[serde(skip)]
    pub drawing: Option<Drawing>,
}

/// The format of a drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawing {
    Dot,
    Mermaid,
}

/// A principal that may invoke a service.
#[derive(Clone, Debug, Serialize)]
pub struct EdgeRow {
    /// The principal; `allUsers` if no permission is checked.
    pub caller: Member,
    pub kind: CallerKind,
    /// The full names of the services that run as this principal.
    pub runs: Vec<String>,
    /// The service that it may invoke; `null` for every service below `resource`.
    pub service: Option<String>,
    pub resource: String,
    /// `null` if the invoker check is off.
    pub role: Option<String>,
    pub condition: Option<ConditionShape>,
    #[serde(skip)]
    short: Short,
}

#[derive(Clone, Debug, Serialize)]
pub struct NodeRow {
    pub service: String,
    /// The service account that it runs as; `null` if unknown.
    pub account: Option<String>,
    /// Whether its policy was read.
    pub policy: ReadState,
    #[serde(skip)]
    short: String,
}

#[derive(Clone, Debug, Default)]
struct Short {
    caller: String,
    runs: Vec<String>,
    service: Option<String>,
}

impl GraphReport {
    /// Builds the report from a graph.
    pub fn new(
        (sandbox, project): (bool, &str),
        nodes: &[Node],
        graph: Graph,
        drawing: Option<Drawing>,
    ) -> Self {
        let Graph { edges, unknown } = graph;
        Self {
            sandbox,
            project: project.to_owned(),
            graph: edges.into_iter().map(EdgeRow::from).collect(),
            services: nodes
                .iter()
                .map(|node| NodeRow {
                    service: node.name.to_string(),
                    account: node.account.as_ref().map(shortened),
                    policy: ReadState::of(node.grants.is_ok()),
                    short: node.name.short(),
                })
                .collect(),
            unknown: unknown.into_iter().map(|(what, why)| UnknownRow { what, why }).collect(),
            drawing,
        }
    }
}

impl From<Edge> for EdgeRow {
    fn from(edge: Edge) -> Self {
        let Edge { caller, runs, service, resource, grant } = edge;
        let condition = grant.as_ref().and_then(|grant| grant.condition.as_ref());
        Self {
            kind: CallerKind::of(&caller),
            condition: condition.map(ConditionShape::from),
            role: grant.as_ref().map(|grant| grant.role.clone()),
            runs: runs.iter().map(ToString::to_string).collect(),
            service: service.as_ref().map(ToString::to_string),
            resource,
            short: Short {
                caller: shortened(&caller),
                runs: runs.iter().map(ServiceName::short).collect(),
                service: service.map(|name| name.short()),
            },
            caller,
        }
    }
}

/// The kind of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CallerKind {
    Domain,
    Group,
    Other,
    /// Anyone, or anyone with a Google account.
    Public,
    ServiceAccount,
    User,
}

impl CallerKind {
    fn of(member: &Member) -> Self {
        match member.kind() {
            MemberKind::AllUsers | MemberKind::AllAuthenticatedUsers => Self::Public,
            MemberKind::ServiceAccount => Self::ServiceAccount,
            MemberKind::User => Self::User,
            MemberKind::Group => Self::Group,
            MemberKind::Domain => Self::Domain,
            _ => Self::Other,
        }
    }
}

/// The address of a service account, which shows its kind; other principals as policies name them.
fn shortened(member: &Member) -> String {
    match member.kind() {
        MemberKind::ServiceAccount => member.address().to_owned(),
        _ => member.to_string(),
    }
}

impl EdgeRow {
    fn words(&self) -> String {
        let mut words = match &self.role {
            None => "the invoker check is off".to_owned(),
            Some(role) => role.clone(),
        };
        if let Some(condition) = &self.condition {
            words.extend([", if ", &condition.expression]);
        }
        words
    }

    /// The label of an edge; empty for an unconditional grant of the usual role.
    fn label(&self) -> String {
        let role = match self.role.as_deref() {
            None => return "check off".to_owned(),
            Some(INVOKER) => "",
            Some(role) => role.rsplit('/').next().unwrap_or(role),
        };
        match (&self.condition, role) {
            (None, role) => role.to_owned(),
            (Some(condition), "") => format!("if {}", condition.title),
            (Some(condition), role) => format!("{role}, if {}", condition.title),
        }
    }

    fn runs_in_short(&self) -> String {
        match self.short.runs.as_slice() {
            [] => String::new(),
            [first] => first.clone(),
            [first, rest @ ..] if rest.len() > 3 => format!("{first} and {} more", rest.len()),
            all => all.join(", "),
        }
    }
}

impl Report for GraphReport {
    const ROWS: Option<&'static str> = Some("graph");
    const PATHS: &'static [&'static str] = &[
        "caller",
        "kind",
        "runs",
        "service",
        "resource",
        "role",
        "condition",
        "condition.title",
        "condition.expression",
    ];

    fn table(&self, style: Style) -> String {
        match self.drawing {
            Some(Drawing::Mermaid) => return self.mermaid(),
            Some(Drawing::Dot) => return self.dot(),
            None => {}
        }
        let rows = self.graph.iter().map(|edge| {
            let to = match &edge.short.service {
                Some(service) => text(service),
                None => {
                    text(format!("all below {}", edge.resource)).add_attribute(Attribute::Italic)
                }
            };
            let caller: Cell = text(&edge.short.caller);
            let caller = match edge.kind {
                CallerKind::Public => caller.fg(Color::Red).add_attribute(Attribute::Bold),
                _ => caller,
            };
            vec![to, caller, text(edge.runs_in_short()), text(edge.words())]
        });
        let mut out =
            columns(&["SERVICE", "MAY BE CALLED BY", "WHICH RUNS", "BY"], rows.collect(), style);
        let called: Vec<&Option<String>> = self.graph.iter().map(|edge| &edge.service).collect();
        let lonely: Vec<&str> = self
            .services
            .iter()
            .filter(|node| {
                node.policy == ReadState::Read && !called.contains(&&Some(node.service.clone()))
            })
            .map(|node| node.short.as_str())
            .collect();
        if !lonely.is_empty() {
            let _ = writeln!(out, "\nno grant of their own: {}", lonely.join(", "));
        }
        let unread = self.services.iter().filter(|node| node.policy == ReadState::Unread);
        let unread: Vec<&str> = unread.map(|node| node.short.as_str()).collect();
        if !unread.is_empty() {
            let _ = writeln!(out, "\nunknown, not read: {}", unread.join(", "));
        }
        out
    }
}

impl NodeRow {
    fn label(&self) -> String {
        match self.policy {
            ReadState::Unread => format!("{} (policy not read)", self.short),
            ReadState::Read => self.short.clone(),
        }
    }
}

/// The id of the node that stands for every service of the project.
const PROJECT: &str = "project";

/// The nodes to draw.
struct Picture<'a> {
    /// By principal: the node id, the label and the kind.
    callers: BTreeMap<&'a str, (String, String, CallerKind)>,
    services: BTreeMap<&'a str, String>,
}

impl GraphReport {
    fn picture(&self) -> Picture<'_> {
        let mut callers = BTreeMap::new();
        for edge in &self.graph {
            let next = format!("c{}", callers.len());
            let label = match edge.caller.kind() {
                MemberKind::AllUsers => "anyone".to_owned(),
                MemberKind::AllAuthenticatedUsers => "any Google account".to_owned(),
                _ => edge.short.caller.clone(),
            };
            callers.entry(edge.caller.as_str()).or_insert((next, label, edge.kind));
        }
        let ids = |at: usize| format!("s{at}");
        let services = self.services.iter().enumerate();
        let services = services.map(|(at, node)| (node.service.as_str(), ids(at))).collect();
        Picture { callers, services }
    }

    /// The edges: from, to (`None` for the whole project), label, and whether the edge means "runs
    /// as".
    fn lines(&self, picture: &Picture<'_>) -> Vec<(String, Option<String>, String, bool)> {
        let mut lines = Vec::new();
        for node in &self.services {
            let Some(account) = &node.account else { continue };
            let member = format!("serviceAccount:{account}");
            if let Some((id, _, _)) = picture.callers.get(member.as_str()) {
                let from = picture.services[node.service.as_str()].clone();
                lines.push((from, Some(id.clone()), "runs as".to_owned(), true));
            }
        }
        for edge in &self.graph {
            let (from, _, _) = &picture.callers[edge.caller.as_str()];
            let to =
                edge.service.as_ref().map(|service| picture.services[service.as_str()].clone());
            let label = edge.label();
            let line = (from.clone(), to, label, false);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines
    }

    fn mermaid(&self) -> String {
        // Within quotes, Mermaid accepts every character except these.
        let label =
            |text: &str| text.replace('&', "#amp;").replace('"', "#quot;").replace('<', "#lt;");
        let picture = self.picture();
        let mut out = "flowchart LR\n".to_owned();
        for node in &self.services {
            let id = &picture.services[node.service.as_str()];
            let _ = writeln!(out, "    {id}[\"{}\"]", label(&node.label()));
        }
        // Access to every service is drawn to one node: a frame around the services would tear them
        // apart.
        if self.graph.iter().any(|edge| edge.service.is_none()) {
            let _ =
                writeln!(out, "    project{{{{\"every service of {}\"}}}}", label(&self.project));
        }
        for (id, name, kind) in picture.callers.values() {
            let name = label(name);
            let _ = match *kind {
                CallerKind::Public => writeln!(out, "    {id}((\"{name}\")):::public"),
                CallerKind::ServiceAccount => writeln!(out, "    {id}([\"{name}\"])"),
                _ => writeln!(out, "    {id}[/\"{name}\"/]"),
            };
        }
        for (from, to, words, runs) in self.lines(&picture) {
            let arrow = if runs { "-.->" } else { "-->" };
            let to = to.as_deref().unwrap_or(PROJECT);
            let _ = match words.as_str() {
                "" => writeln!(out, "    {from} {arrow} {to}"),
                words => writeln!(out, "    {from} {arrow}|\"{}\"| {to}", label(words)),
            };
        }
        out += "    classDef public stroke:#c00,stroke-width:3px\n";
        out
    }

    fn dot(&self) -> String {
        let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let picture = self.picture();
        let mut out = "digraph access {\n    rankdir=LR;\n    compound=true;\n".to_owned();
        let _ = writeln!(
            out,
            "    subgraph cluster_project {{\n        label={};",
            quote(&self.project)
        );
        // An edge to every service ends at the frame.
        out += "        project [shape=point, style=invis];\n";
        for node in &self.services {
            let id = &picture.services[node.service.as_str()];
            let _ = writeln!(out, "        {id} [shape=box, label={}];", quote(&node.label()));
        }
        out += "    }\n";
        for (id, name, kind) in picture.callers.values() {
            let shape = match *kind {
                CallerKind::Public => "shape=doublecircle, color=red",
                CallerKind::ServiceAccount => "shape=ellipse",
                _ => "shape=house",
            };
            let _ = writeln!(out, "    {id} [{shape}, label={}];", quote(name));
        }
        for (from, to, words, runs) in self.lines(&picture) {
            let mut attributes: Vec<String> = Vec::new();
            if !words.is_empty() {
                attributes.push(format!("label={}", quote(&words)));
            }
            if runs {
                attributes.push("style=dashed".to_owned());
            }
            if to.is_none() {
                attributes.push("lhead=cluster_project".to_owned());
            }
            let said = match attributes.as_slice() {
                [] => String::new(),
                all => format!(" [{}]", all.join(", ")),
            };
            let to = to.as_deref().unwrap_or(PROJECT);
            let _ = writeln!(out, "    {from} -> {to}{said};");
        }
        out += "}\n";
        out
    }
}
