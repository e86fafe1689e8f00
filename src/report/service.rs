//! `describe`: everything about one service that matters for access and invocation.

use comfy_table::Cell;
use serde::Serialize;

use super::table::{exposure_cell, facts, text, url_or_why};
use super::{InvokerRow, ReadState, Report, Style};
use crate::domain::exposure::{Callers, Exposure, ExposureReport, Reach};
use crate::domain::mapping::{Certificate, DomainMapping};
use crate::domain::service::Service;

/// One service, in full.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceReport {
    pub sandbox: bool,
    pub name: String,
    pub service: String,
    pub project: String,
    pub region: String,
    pub status: StatusShape,
    pub urls: Vec<String>,
    pub tags: Vec<TagShape>,
    /// The domains that are mapped to it; `null` if they may not be listed.
    pub domains: Option<Vec<DomainShape>>,
    pub ingress: String,
    /// The configured value, if it is not in force yet.
    pub ingress_set: Option<String>,
    pub invoker_check: bool,
    pub iap: bool,
    pub default_url: bool,
    pub custom_audiences: Vec<String>,
    pub service_account: Option<String>,
    /// The principal that it calls as, if that is an agent identity and not the service account.
    pub agent_identity: Option<String>,
    pub http2: bool,
    pub callers: Callers,
    pub reach: Reach,
    pub exposure: Exposure,
    pub exposure_reasons: Vec<String>,
    pub inherited: ReadState,
    /// `null` if the policy may not be read.
    pub invokers: Option<Vec<InvokerRow>>,
    pub create_time: Option<String>,
    pub update_time: Option<String>,
    pub etag: Option<String>,
}

/// The address of a service, and whether it is ready.
#[derive(Clone, Debug, Serialize)]
pub struct StatusShape {
    pub url: Option<String>,
    pub ready: Option<bool>,
    pub reason: Option<String>,
    pub message: Option<String>,
}

/// A domain that is mapped to the service.
#[derive(Clone, Debug, Serialize)]
pub struct DomainShape {
    pub domain: String,
    pub certificate: Certificate,
}

/// A traffic tag.
#[derive(Clone, Debug, Serialize)]
pub struct TagShape {
    pub tag: String,
    pub url: Option<String>,
    pub revision: Option<String>,
    pub percent: i64,
}

impl ServiceReport {
    /// Builds the report from what was read of a service.
    pub fn new(
        (sandbox, inherited): (bool, ReadState),
        service: Service,
        exposure: ExposureReport,
        invokers: Option<Vec<InvokerRow>>,
        domains: Option<Vec<DomainMapping>>,
    ) -> Self {
        let Service {
            name,
            url,
            urls,
            tags,
            ingress,
            ingress_set,
            invoker_check,
            iap,
            default_url,
            custom_audiences,
            service_account,
            is_agent: _,
            http2,
            multi_region_id: _,
            vpc_egress: _,
            readiness,
            create_time,
            update_time,
            etag,
            uid: _,
        } = service;
        let ExposureReport { callers, reach, exposure, reasons } = exposure;
        Self {
            sandbox,
            name: name.service().to_owned(),
            service: name.to_string(),
            project: name.project().to_owned(),
            region: name.region().to_owned(),
            status: StatusShape {
                url,
                ready: readiness.ready,
                reason: readiness.reason,
                message: readiness.message,
            },
            urls,
            tags: tags
                .into_iter()
                .map(|tag| TagShape {
                    tag: tag.tag,
                    url: tag.url,
                    revision: tag.revision,
                    percent: tag.percent,
                })
                .collect(),
            domains: domains.map(|domains| {
                let shape = |mapping: DomainMapping| DomainShape {
                    domain: mapping.domain,
                    certificate: mapping.certificate,
                };
                domains.into_iter().map(shape).collect()
            }),
            ingress: ingress.as_str().to_owned(),
            ingress_set: ingress_set.map(|set| set.as_str().to_owned()),
            invoker_check,
            iap,
            default_url,
            custom_audiences,
            service_account,
            agent_identity: None,
            http2,
            callers,
            reach,
            exposure,
            exposure_reasons: reasons,
            inherited,
            invokers,
            create_time,
            update_time,
            etag,
        }
    }
}

impl ServiceReport {
    /// The text if no invoker is known.
    pub(super) fn none_known(&self) -> &'static str {
        match self.inherited {
            ReadState::Read => "none, by any policy",
            ReadState::Unread => "none that is known: what is inherited could not all be read",
        }
    }
}

impl Report for ServiceReport {
    const ROWS: Option<&'static str> = None;
    const PATHS: &'static [&'static str] = &[
        "sandbox",
        "name",
        "service",
        "project",
        "region",
        "status",
        "status.url",
        "status.ready",
        "status.reason",
        "status.message",
        "urls",
        "tags",
        "tags.tag",
        "tags.url",
        "tags.revision",
        "tags.percent",
        "domains",
        "domains.domain",
        "domains.certificate",
        "ingress",
        "ingressSet",
        "invokerCheck",
        "iap",
        "defaultUrl",
        "customAudiences",
        "serviceAccount",
        "agentIdentity",
        "http2",
        "callers",
        "reach",
        "exposure",
        "exposureReasons",
        "inherited",
        "invokers",
        "invokers.member",
        "invokers.role",
        "invokers.via",
        "invokers.resource",
        "invokers.condition",
        "invokers.condition.title",
        "invokers.condition.expression",
        "invokers.conditionNow",
        "invokers.state",
        "invokers.endsAt",
        "invokers.duplicate",
        "createTime",
        "updateTime",
        "etag",
    ];

    fn table(&self, style: Style) -> String {
        let on = |flag: bool| if flag { "on" } else { "off" };
        let mut pairs: Vec<(String, Cell)> = Vec::new();
        let mut put = |name: &str, value: Cell| pairs.push((name.to_owned(), value));
        put("service", text(&self.name));
        put("project", text(&self.project));
        put("region", text(&self.region));
        put("url", text(url_or_why(self.status.url.as_deref(), self.default_url)));
        for url in self.urls.iter().filter(|url| Some(*url) != self.status.url.as_ref()) {
            put("also", text(url));
        }
        for tag in &self.tags {
            let url = tag.url.as_deref().unwrap_or("(no URL)");
            put(&format!("tag {}", tag.tag), text(format!("{url} ({}%)", tag.percent)));
        }
        for domain in self.domains.iter().flatten() {
            let state = match domain.certificate {
                Certificate::Ready => String::new(),
                state => format!(" (certificate {})", state.as_str()),
            };
            put("domain", text(format!("https://{}{state}", domain.domain)));
        }
        let ready = match self.status.ready {
            Some(true) => "yes".to_owned(),
            Some(false) => "no".to_owned(),
            None => "not settled".to_owned(),
        };
        let said = [&self.status.reason, &self.status.message];
        let said: Vec<&str> = said.into_iter().flatten().map(String::as_str).collect();
        put("ready", text([&[ready.as_str()][..], &said].concat().join(": ")));
        put("exposure", exposure_cell(self.exposure));
        for reason in &self.exposure_reasons {
            put("because", text(reason));
        }
        put(
            "ingress",
            text(&match &self.ingress_set {
                Some(set) => format!("{} (set to {set}, which is not in force yet)", self.ingress),
                None => self.ingress.clone(),
            }),
        );
        put("default URL", text(on(self.default_url)));
        put("invoker check", text(on(self.invoker_check)));
        put("IAP", text(on(self.iap)));
        put("protocol", text(if self.http2 { "HTTP/2 (h2c)" } else { "HTTP/1" }));
        put("runs as", text(self.service_account.as_deref().unwrap_or("(not said)")));
        if let Some(agent) = &self.agent_identity {
            put("calls as", text(agent));
        }
        for audience in &self.custom_audiences {
            put("audience", text(audience));
        }
        match &self.invokers {
            None => put("invokers", text("unknown: the policy could not be read")),
            Some(rows) if rows.is_empty() => {
                put("invokers", text(self.none_known()));
            }
            Some(rows) => {
                for row in rows {
                    put("invoker", text(row.sentence()));
                }
            }
        }
        if let Some(time) = &self.create_time {
            put("created", text(time));
        }
        if let Some(time) = &self.update_time {
            put("updated", text(time));
        }
        facts(pairs, style)
    }
}
