//! `list`: the services of a project and their exposure.

use serde::Serialize;

use super::table::{columns, exposure_cell, text, url_or_why};
use super::{ReadState, Report, Style, UnknownRow};
use crate::domain::exposure::{Callers, Exposure, ExposureReport, Reach};
use crate::domain::service::Service;
use crate::domain::target::{WorkloadKind, WorkloadName};

/// The services of a project.
#[derive(Clone, Debug, Serialize)]
pub struct ServicesReport {
    pub sandbox: bool,
    pub services: Vec<ServiceRow>,
    pub unknown: Vec<UnknownRow>,
}

/// One service in a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRow {
    pub kind: ListedKind,
    pub name: String,
    pub service: String,
    pub project: String,
    pub region: String,
    pub url: Option<String>,
    pub urls: Vec<String>,
    /// `null`, as what follows of an address, for what has none.
    pub ingress: Option<String>,
    /// The configured value, if it is not in force yet.
    pub ingress_set: Option<String>,
    pub invoker_check: Option<bool>,
    pub iap: Option<bool>,
    pub callers: Callers,
    pub reach: Option<Reach>,
    pub exposure: Option<Exposure>,
    pub exposure_reasons: Vec<String>,
    pub inherited: ReadState,
    pub invoker_count: Option<usize>,
    #[serde(skip)]
    default_url: bool,
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListedKind {
    Service,
    /// A service, by the function that it runs.
    Function,
    Instance,
    Job,
    WorkerPool,
}

impl ListedKind {
    /// Every kind, in the order of lists.
    pub const ALL: [Self; 5] =
        [Self::Service, Self::Function, Self::Instance, Self::Job, Self::WorkerPool];

    /// What it is, in a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            Self::WorkerPool => "worker pool",
            other => other.as_str(),
        }
    }

    /// Its word, in JSON, in tables and as an option's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Function => "function",
            Self::Instance => "instance",
            Self::Job => "job",
            Self::WorkerPool => "worker-pool",
        }
    }
}

impl From<WorkloadKind> for ListedKind {
    fn from(of: WorkloadKind) -> Self {
        match of {
            WorkloadKind::Job => Self::Job,
            WorkloadKind::WorkerPool => Self::WorkerPool,
        }
    }
}

impl Serialize for ListedKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The access facts of a row.
#[derive(Clone, Debug)]
pub struct RowAccess {
    pub exposure: ExposureReport,
    /// `None` if the policy was not or could not be read.
    pub invoker_count: Option<usize>,
}

impl ServiceRow {
    /// Builds the row of a job or a worker pool.
    pub fn of_workload(
        name: &WorkloadName,
        callers: Callers,
        invoker_count: Option<usize>,
    ) -> Self {
        Self {
            kind: name.kind.into(),
            name: name.name.clone(),
            service: name.to_string(),
            project: name.project.clone(),
            region: name.region.clone(),
            url: None,
            urls: Vec::new(),
            ingress: None,
            ingress_set: None,
            invoker_check: None,
            iap: None,
            callers,
            reach: None,
            exposure: None,
            exposure_reasons: Vec::new(),
            inherited: ReadState::Unread,
            invoker_count,
            default_url: true,
        }
    }

    /// Builds the row of what has an address.
    pub fn new(kind: ListedKind, service: &Service, access: RowAccess) -> Self {
        let RowAccess { exposure, invoker_count } = access;
        let ExposureReport { callers, reach, exposure, reasons } = exposure;
        Self {
            kind,
            name: service.name.service().to_owned(),
            service: service.name.to_string(),
            project: service.name.project().to_owned(),
            region: service.name.region().to_owned(),
            url: service.url.clone(),
            urls: service.urls.clone(),
            ingress: Some(service.ingress.as_str().to_owned()),
            ingress_set: service.ingress_set.as_ref().map(|set| set.as_str().to_owned()),
            invoker_check: Some(service.invoker_check),
            iap: Some(service.iap),
            callers,
            reach: Some(reach),
            exposure: Some(exposure),
            exposure_reasons: reasons,
            inherited: ReadState::Unread,
            invoker_count,
            default_url: service.default_url,
        }
    }
}

impl Report for ServicesReport {
    const ROWS: Option<&'static str> = Some("services");
    const PATHS: &'static [&'static str] = &[
        "kind",
        "name",
        "service",
        "project",
        "region",
        "url",
        "urls",
        "ingress",
        "ingressSet",
        "invokerCheck",
        "iap",
        "callers",
        "reach",
        "exposure",
        "exposureReasons",
        "inherited",
        "invokerCount",
    ];

    fn table(&self, style: Style) -> String {
        if self.services.is_empty() {
            return String::new();
        }
        let is_mixed = self.services.iter().any(|row| row.kind != ListedKind::Service);
        let rows = self
            .services
            .iter()
            .map(|row| {
                let count = match (row.callers, row.invoker_count) {
                    (Callers::Anyone, _) => "anyone".to_owned(),
                    (_, Some(count)) => count.to_string(),
                    (_, None) => "?".to_owned(),
                };
                let exposure = row.exposure.map_or_else(|| text("-"), exposure_cell);
                let url = match row.exposure {
                    Some(_) => url_or_why(row.url.as_deref(), row.default_url),
                    None => "-",
                };
                let own = [text(&row.region), exposure, text(count), text(url)];
                let named = if is_mixed { vec![text(row.kind.as_str())] } else { Vec::new() };
                named.into_iter().chain([text(&row.name)]).chain(own).collect()
            })
            .collect();
        let heads = ["KIND", "NAME", "REGION", "EXPOSURE", "INVOKERS", "URL"];
        columns(if is_mixed { &heads } else { &heads[1..] }, rows, style)
    }
}
