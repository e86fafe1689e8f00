//! From what the APIs send to the domain's own terms.

use google_cloud_run_v2::model;
use google_cloud_run_v2::model::condition::State;
use google_cloud_wkt::Timestamp;
use serde_json::Value;

use crate::domain::resource::ServiceName;
use crate::domain::service::{Ingress, Readiness, Service, TrafficTag};

/// A service of Run v2, under the name by which it was asked for.
pub(super) fn service_v2(service: &model::Service, asked: &ServiceName) -> Service {
    let ports = service.template.iter().flat_map(|template| &template.containers);
    let http2 = ports.flat_map(|container| &container.ports).any(|port| port.name == "h2c");
    let account = service.template.as_ref().map(|template| template.service_account.clone());
    let url = some(service.uri.clone());
    Service {
        name: asked.clone(),
        urls: all_urls(url.as_ref(), service.urls.iter().cloned()),
        url,
        tags: service
            .traffic_statuses
            .iter()
            .filter(|target| !target.tag.is_empty())
            .map(|target| TrafficTag {
                tag: target.tag.clone(),
                url: some(target.uri.clone()),
                revision: some(last_segment(&target.revision)),
                percent: i64::from(target.percent),
            })
            .collect(),
        ingress: match &service.ingress {
            model::IngressTraffic::All | model::IngressTraffic::Unspecified => Ingress::All,
            model::IngressTraffic::InternalOnly => Ingress::Internal,
            model::IngressTraffic::InternalLoadBalancer => Ingress::InternalAndLoadBalancing,
            model::IngressTraffic::None => Ingress::None,
            other => {
                Ingress::Other(other.name().map_or_else(
                    || format!("{}", other.value().unwrap_or_default()),
                    str::to_owned,
                ))
            }
        },
        invoker_check: !service.invoker_iam_disabled,
        iap: service.iap_enabled,
        default_url: !service.default_uri_disabled,
        custom_audiences: service.custom_audiences.clone(),
        service_account: account.and_then(some),
        http2,
        readiness: service.terminal_condition.as_ref().map(readiness_v2).unwrap_or_default(),
        create_time: service.create_time.map(timestamp),
        update_time: service.update_time.map(timestamp),
        etag: some(service.etag.clone()),
    }
}

fn readiness_v2(condition: &model::Condition) -> Readiness {
    Readiness {
        ready: match condition.state {
            State::ConditionSucceeded => Some(true),
            State::ConditionFailed => Some(false),
            _ => None,
        },
        reason: condition.reason().and_then(|reason| reason.name()).map(str::to_owned),
        message: some(condition.message.clone()),
    }
}

fn timestamp(time: Timestamp) -> String {
    String::from(time)
}

/// A service of Run v1, as the all-regions list yields it; `None` where it has no name or region.
///
/// `status.url` (v1) and `uri` (v2) are taken to be the same, which is not certain.
pub(super) fn service_v1(item: &Value, project: &str) -> Option<Service> {
    let metadata = &item["metadata"];
    let name = metadata["name"].as_str()?;
    let region = metadata["labels"]["cloud.googleapis.com/location"].as_str()?;
    let annotation = |key: &str| {
        metadata["annotations"][format!("run.googleapis.com/{key}")].as_str().unwrap_or_default()
    };
    let is_true = |key: &str| annotation(key).eq_ignore_ascii_case("true");
    let list = |key: &str| serde_json::from_str::<Vec<String>>(annotation(key)).unwrap_or_default();
    let status = &item["status"];
    let spec = &item["spec"]["template"]["spec"];
    let containers = spec["containers"].as_array();
    let mut ports =
        containers.into_iter().flatten().filter_map(|c| c["ports"].as_array()).flatten();
    let url = text(&status["url"]);
    let traffic = status["traffic"].as_array();
    Some(Service {
        name: ServiceName::new(project, region, name),
        urls: all_urls(url.as_ref(), list("urls")),
        url,
        tags: traffic
            .into_iter()
            .flatten()
            .filter_map(|target| {
                Some(TrafficTag {
                    tag: text(&target["tag"])?,
                    url: text(&target["url"]),
                    revision: text(&target["revisionName"]),
                    percent: target["percent"].as_i64().unwrap_or_default(),
                })
            })
            .collect(),
        ingress: Ingress::from_annotation(annotation("ingress")),
        invoker_check: !is_true("invoker-iam-disabled"),
        iap: is_true("iap-enabled"),
        default_url: !is_true("default-url-disabled"),
        custom_audiences: list("custom-audiences"),
        service_account: text(&spec["serviceAccountName"]),
        http2: ports.any(|port| port["name"] == "h2c"),
        readiness: readiness_v1(&status["conditions"]),
        create_time: text(&metadata["creationTimestamp"]),
        update_time: None,
        etag: None,
    })
}

fn readiness_v1(conditions: &Value) -> Readiness {
    let ready = conditions.as_array().into_iter().flatten().find(|c| c["type"] == "Ready");
    let Some(condition) = ready else {
        return Readiness::default();
    };
    Readiness {
        ready: match condition["status"].as_str() {
            Some("True") => Some(true),
            Some("False") => Some(false),
            _ => None,
        },
        reason: text(&condition["reason"]),
        message: text(&condition["message"]),
    }
}

fn all_urls(first: Option<&String>, others: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut urls: Vec<String> = first.into_iter().cloned().collect();
    for url in others {
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls
}

fn last_segment(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_views_of_one_service_say_the_same() {
        let v1 = json!({
            "metadata": {
                "name": "s", "namespace": "1",
                "labels": {"cloud.googleapis.com/location": "us-central1"},
                "annotations": {
                    "run.googleapis.com/ingress": "internal-and-cloud-load-balancing",
                    "run.googleapis.com/invoker-iam-disabled": "True",
                    "run.googleapis.com/default-url-disabled": "true",
                    "run.googleapis.com/iap-enabled": "true",
                    "run.googleapis.com/custom-audiences": "[\"https://a.example\"]",
                    "run.googleapis.com/urls": "[\"https://s-1.us-central1.run.app\",\"https://s-h-uc.a.run.app\"]",
                },
            },
            "spec": {"template": {"spec": {"serviceAccountName": "sa@p.iam.gserviceaccount.com",
                "containers": [{"ports": [{"name": "h2c", "containerPort": 8080}]}]}}},
            "status": {
                "url": "https://s-h-uc.a.run.app",
                "traffic": [{"revisionName": "s-1", "percent": 100},
                    {"revisionName": "s-2", "tag": "canary", "url": "https://canary---s-h-uc.a.run.app"}],
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        });
        let v2: model::Service = serde_json::from_value(json!({
            "name": "projects/p/locations/us-central1/services/s",
            "ingress": 3, "invokerIamDisabled": true, "defaultUriDisabled": true, "iapEnabled": true,
            "customAudiences": ["https://a.example"],
            "urls": ["https://s-1.us-central1.run.app", "https://s-h-uc.a.run.app"],
            "uri": "https://s-h-uc.a.run.app",
            "template": {"serviceAccount": "sa@p.iam.gserviceaccount.com",
                "containers": [{"ports": [{"name": "h2c", "containerPort": 8080}]}]},
            "trafficStatuses": [
                {"type": 2, "revision": "projects/p/locations/us-central1/services/s/revisions/s-1", "percent": 100},
                {"type": 2, "revision": "s-2", "tag": "canary", "uri": "https://canary---s-h-uc.a.run.app"}],
            "terminalCondition": {"type": "Ready", "state": 4},
        }))
        .unwrap();
        let name = ServiceName::new("p", "us-central1", "s");
        let from_v1 = service_v1(&v1, "p").unwrap();
        let from_v2 = service_v2(&v2, &name);
        assert_eq!(from_v1, from_v2);
        assert_eq!(from_v1.ingress, Ingress::InternalAndLoadBalancing);
        assert!(!from_v1.invoker_check && from_v1.http2 && !from_v1.default_url);
    }

    #[test]
    fn what_has_no_name_is_no_service() {
        assert_eq!(service_v1(&json!({"metadata": {"name": "s"}}), "p"), None);
        assert_eq!(service_v1(&json!("<html>"), "p"), None);
    }
}
