//! The access panel of the guided mode: what the console shows beside a service.

use comfy_table::Cell;

use super::table::{exposure_cell, facts, text, url_or_why};
use super::{ServiceReport, Style};

/// The callers of a service and its access settings, in a few lines.
pub fn panel(service: &ServiceReport, style: Style) -> String {
    let on = |flag: bool| if flag { "on" } else { "off" };
    let mut pairs: Vec<(String, Cell)> = Vec::new();
    let mut put = |name: &str, value: Cell| pairs.push((format!("  {name}"), value));
    let title = format!("{}/{}", service.region, service.name);
    put("service", text(title));
    put("url", text(url_or_why(service.status.url.as_deref(), service.default_url)));
    put("exposure", exposure_cell(service.exposure));
    for reason in &service.exposure_reasons {
        put("because", text(reason));
    }
    put("ingress", text(&service.ingress));
    put("invoker check", text(on(service.invoker_check)));
    match service.invokers.as_deref() {
        None => put("invokers", text("unknown: the policy could not be read")),
        Some([]) => put("invokers", text(service.none_known())),
        Some(rows) => {
            for row in rows {
                put("invoker", text(row.sentence()));
            }
        }
    }
    facts(pairs, style)
}
