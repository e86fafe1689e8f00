//! What the values of a service or job must be, beyond their types. The bounds are documented; the
//! words in which Cloud Run refuses them are not certain.

use serde_json::Value;

use crate::dialect::api_error::ApiError;
use runaccess_domain::resource::ServiceName;

const MAX_CONCURRENCY: i64 = 1_000;
const MAX_SERVICE_SECONDS: f64 = 3_600.0;
/// Seven days.
const MAX_TASK_SECONDS: f64 = 604_800.0;

/// Checks the service that a request would leave behind. `has_revision` knows the names of its
/// revisions.
pub(crate) fn check_service(
    name: &ServiceName,
    service: &Value,
    has_revision: impl Fn(&str) -> bool,
) -> Result<(), ApiError> {
    let template = &service["template"];
    check_containers("service.template", template)?;
    let concurrency = template["maxInstanceRequestConcurrency"].as_i64().unwrap_or_default();
    if !(0..=MAX_CONCURRENCY).contains(&concurrency) {
        return Err(bad(
            "service.template.maxInstanceRequestConcurrency",
            &format!("{concurrency} is not from 0 to {MAX_CONCURRENCY}"),
        ));
    }
    check_timeout("service.template.timeout", template, MAX_SERVICE_SECONDS)?;
    if let Some(revision) = template["revision"].as_str()
        && !revision.is_empty()
        && !revision.starts_with(&format!("{}-", name.service()))
    {
        return Err(bad(
            "service.template.revision",
            &format!("'{revision}' does not begin with '{}-'", name.service()),
        ));
    }
    check_traffic(name, service, has_revision)
}

/// Checks a job.
pub(crate) fn check_job(job: &Value) -> Result<(), ApiError> {
    let task = &job["template"]["template"];
    check_containers("job.template.template", task)?;
    check_timeout("job.template.template.timeout", task, MAX_TASK_SECONDS)
}

/// Checks the containers of what has some.
pub(crate) fn check_containers(at: &str, template: &Value) -> Result<(), ApiError> {
    let containers = template["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if containers.is_empty() {
        return Err(bad(&format!("{at}.containers"), "there must be at least one"));
    }
    let ingress = containers
        .iter()
        .filter(|container| container["ports"].as_array().is_some_and(|ports| !ports.is_empty()));
    if containers.len() > 1 && ingress.count() > 1 {
        let why = "exactly one container may have an exposed port";
        return Err(bad(&format!("{at}.containers.ports"), why));
    }
    for container in containers {
        if container["image"].as_str().is_none_or(str::is_empty) {
            return Err(bad(&format!("{at}.containers.image"), "it must be said"));
        }
        for port in container["ports"].as_array().into_iter().flatten() {
            let number = port["containerPort"].as_i64().unwrap_or(8080);
            if !(1..=65_535).contains(&number) {
                let why = format!("{number} is not from 1 to 65535");
                return Err(bad(&format!("{at}.containers.ports.containerPort"), &why));
            }
        }
        check_env(at, container)?;
        check_mounts(at, template, container)?;
        for (probe, longest_delay) in
            [("startupProbe", 240), ("livenessProbe", 3_600), ("readinessProbe", 3_600)]
        {
            let at = format!("{at}.containers.{probe}");
            check_probe(&at, &container[probe], longest_delay)?;
        }
        for (kind, limit) in container["resources"]["limits"].as_object().into_iter().flatten() {
            let text = limit.as_str().unwrap_or_default();
            if !is_quantity(text) {
                let why = format!("'{text}' is not a quantity");
                return Err(bad(&format!("{at}.containers.resources.limits.{kind}"), &why));
            }
        }
    }
    Ok(())
}

/// The most characters of a variable's name, and bytes of its value.
const MAX_VARIABLE: usize = 32_768;

fn check_env(at: &str, container: &Value) -> Result<(), ApiError> {
    for variable in container["env"].as_array().into_iter().flatten() {
        for part in ["name", "value"] {
            if variable[part].as_str().is_some_and(|text| text.len() > MAX_VARIABLE) {
                let why = format!("it is longer than {MAX_VARIABLE}");
                return Err(bad(&format!("{at}.containers.env.{part}"), &why));
            }
        }
    }
    Ok(())
}

fn check_mounts(at: &str, template: &Value, container: &Value) -> Result<(), ApiError> {
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let mut volumes = template["volumes"].as_array().into_iter().flatten();
        let name = mount["name"].as_str().unwrap_or_default();
        let Some(volume) = volumes.find(|volume| volume["name"] == name) else {
            let why = format!("there is no volume '{name}'");
            return Err(bad(&format!("{at}.containers.volumeMounts.name"), &why));
        };
        if mount["mountPath"].as_str().is_some_and(|path| path.contains(':')) {
            return Err(bad(&format!("{at}.containers.volumeMounts.mountPath"), "it holds ':'"));
        }
        let is_of_secret = volume["secret"].is_object();
        if is_of_secret && mount["subPath"].as_str().is_some_and(|path| !path.is_empty()) {
            let why = "a secret is mounted whole";
            return Err(bad(&format!("{at}.containers.volumeMounts.subPath"), why));
        }
    }
    Ok(())
}

fn check_probe(at: &str, probe: &Value, longest_delay: i64) -> Result<(), ApiError> {
    if !probe.is_object() {
        return Ok(());
    }
    let ways = ["httpGet", "tcpSocket", "grpc"].iter().filter(|way| probe[**way].is_object());
    if ways.count() > 1 {
        return Err(bad(at, "exactly one of httpGet, tcpSocket and grpc may be said"));
    }
    for way in ["httpGet", "tcpSocket", "grpc"] {
        let port = &probe[way]["port"];
        if port.as_i64().is_some_and(|port| !(1..=65_535).contains(&port)) {
            return Err(bad(
                &format!("{at}.{way}.port"),
                &format!("{port} is not from 1 to 65535"),
            ));
        }
    }
    let number = |field: &str, default: i64| {
        probe[field].as_i64().filter(|number| *number != 0).unwrap_or(default)
    };
    let (period, timeout) = (number("periodSeconds", 10), number("timeoutSeconds", 1));
    let delay = number("initialDelaySeconds", 0);
    if !(0..=longest_delay).contains(&delay) {
        let why = format!("{delay} is not from 0 to {longest_delay}");
        return Err(bad(&format!("{at}.initialDelaySeconds"), &why));
    }
    if !(1..=3_600).contains(&timeout) || timeout > period {
        let why = format!("{timeout} is not from 1 to the period, {period}");
        return Err(bad(&format!("{at}.timeoutSeconds"), &why));
    }
    Ok(())
}

fn check_timeout(at: &str, template: &Value, most: f64) -> Result<(), ApiError> {
    let Some(text) = template["timeout"].as_str().filter(|text| !text.is_empty()) else {
        return Ok(());
    };
    let seconds = text.strip_suffix('s').and_then(|number| number.parse::<f64>().ok());
    match seconds {
        Some(seconds) if seconds > 0.0 && seconds <= most => Ok(()),
        _ => Err(bad(at, &format!("'{text}' is not a duration of up to {most}s"))),
    }
}

fn check_traffic(
    name: &ServiceName,
    service: &Value,
    has_revision: impl Fn(&str) -> bool,
) -> Result<(), ApiError> {
    let targets = service["traffic"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut sum = 0;
    for target in targets {
        let percent = target["percent"].as_i64().unwrap_or_default();
        if !(0..=100).contains(&percent) {
            return Err(bad("service.traffic.percent", &format!("{percent} is not from 0 to 100")));
        }
        sum += percent;
        let revision = target["revision"].as_str().unwrap_or_default();
        let short = revision.rsplit('/').next().unwrap_or_default();
        if !short.is_empty() && !has_revision(short) {
            let service = name.service();
            let why = format!("the service '{service}' has no revision '{short}'");
            return Err(bad("service.traffic.revision", &why));
        }
    }
    if !targets.is_empty() && sum != 100 {
        return Err(bad("service.traffic", &format!("the percents are {sum} in all, not 100")));
    }
    Ok(())
}

/// Whether a text is a quantity as Kubernetes writes it, such as `512Mi` or `1000m`.
fn is_quantity(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    digits.parse::<f64>().is_ok_and(|number| number >= 0.0)
        && matches!(unit, "" | "m" | "k" | "K" | "M" | "G" | "T" | "Ki" | "Mi" | "Gi" | "Ti")
}

fn bad(at: &str, why: &str) -> ApiError {
    ApiError::invalid(format!("Invalid value at '{at}': {why}."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_out_of_bounds_are_refused() {
        let name = ServiceName::new("p", "us-central1", "s");
        let check = |service: &Value| check_service(&name, service, |known| known == "s-1");
        let good = json!({
            "template": {"containers": [{"image": "i", "resources": {"limits": {"cpu": "1000m"}}}],
                "timeout": "300s", "maxInstanceRequestConcurrency": 80, "revision": "s-new"},
            "traffic": [{"percent": 90}, {"percent": 10, "revision": "s-1"}, {"tag": "t"}],
        });
        assert_eq!(check(&good), Ok(()));
        for (pointer, value) in [
            ("/template/containers", json!([])),
            ("/template/containers/0/image", json!("")),
            ("/template/containers/0/ports", json!([{"containerPort": 99_999}])),
            ("/template/containers/0/resources/limits/cpu", json!("loads")),
            ("/template/timeout", json!("99999s")),
            ("/template/timeout", json!("soon")),
            ("/template/maxInstanceRequestConcurrency", json!(-4)),
            ("/template/revision", json!("other")),
            ("/traffic", json!([{"percent": 50}])),
            ("/traffic/0/percent", json!(300)),
            ("/traffic/1/revision", json!("ghost")),
        ] {
            let mut bad = good.clone();
            match bad.pointer_mut(pointer) {
                Some(place) => *place = value,
                None => bad["template"]["containers"][0]["ports"] = value,
            }
            assert_eq!(check(&bad).unwrap_err().code, 400, "{pointer}");
        }
    }
}
