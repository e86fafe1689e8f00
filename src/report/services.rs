//! `list`: the services of a project and their exposure.

use serde::Serialize;

use super::table::{columns, exposure_cell, text, url_or_why};
use super::{ReadState, Report, Style, UnknownRow};
use crate::domain::exposure::{Callers, Exposure, ExposureReport, Reach};
use crate::domain::service::Service;

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
    pub name: String,
    pub service: String,
    pub project: String,
    pub region: String,
    pub url: Option<String>,
    pub urls: Vec<String>,
    pub ingress: String,
    /// The configured value, if it is not in force yet.
    pub ingress_set: Option<String>,
    pub invoker_check: bool,
    pub iap: bool,
    pub callers: Callers,
    pub reach: Reach,
    pub exposure: Exposure,
    pub exposure_reasons: Vec<String>,
    pub inherited: ReadState,
    pub invoker_count: Option<usize>,
    #[serde(skip)]
    default_url: bool,
}

/// The access facts of a row.
#[derive(Clone, Debug)]
pub struct RowAccess {
    pub exposure: ExposureReport,
    /// `None` if the policy was not or could not be read.
    pub invoker_count: Option<usize>,
}

impl ServiceRow {
    /// Builds the row of a service.
    pub fn new(service: &Service, access: RowAccess) -> Self {
        let RowAccess { exposure, invoker_count } = access;
        let ExposureReport { callers, reach, exposure, reasons } = exposure;
        Self {
            name: service.name.service().to_owned(),
            service: service.name.to_string(),
            project: service.name.project().to_owned(),
            region: service.name.region().to_owned(),
            url: service.url.clone(),
            urls: service.urls.clone(),
            ingress: service.ingress.as_str().to_owned(),
            ingress_set: service.ingress_set.as_ref().map(|set| set.as_str().to_owned()),
            invoker_check: service.invoker_check,
            iap: service.iap,
            callers,
            reach,
            exposure,
            exposure_reasons: reasons,
            inherited: ReadState::Unread,
            invoker_count,
            default_url: service.default_url,
        }
    }
}

impl ServicesReport {
    /// Builds the list.
    pub fn new(
        sandbox: bool,
        services: impl IntoIterator<Item = (Service, RowAccess)>,
        unknown: Vec<UnknownRow>,
    ) -> Self {
        let rows = services.into_iter().map(|(service, access)| ServiceRow::new(&service, access));
        Self { sandbox, services: rows.collect(), unknown }
    }
}

impl Report for ServicesReport {
    const ROWS: Option<&'static str> = Some("services");
    const PATHS: &'static [&'static str] = &[
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
        let rows = self
            .services
            .iter()
            .map(|row| {
                let count = match (row.callers, row.invoker_count) {
                    (Callers::Anyone, _) => "anyone".to_owned(),
                    (_, Some(count)) => count.to_string(),
                    (_, None) => "?".to_owned(),
                };
                vec![
                    text(&row.name),
                    text(&row.region),
                    exposure_cell(row.exposure),
                    text(count),
                    text(url_or_why(row.url.as_deref(), row.default_url)),
                ]
            })
            .collect();
        columns(&["NAME", "REGION", "EXPOSURE", "INVOKERS", "URL"], rows, style)
    }
}
