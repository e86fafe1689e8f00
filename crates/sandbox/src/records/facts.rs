//! A kept service in the domain's terms: read here by itself, so that a misreading of the wire in
//! the client cannot hide behind the same one here.

use serde_json::Value;

use runaccess_domain::resource::ServiceName;
use runaccess_domain::service::{Ingress, Readiness, Service, TrafficTag};

/// What a service, as it is kept in v2's form, says of who may reach and invoke it.
pub(crate) fn facts(body: &Value, name: &ServiceName) -> Service {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let list = |value: &Value| value.as_array().into_iter().flatten().filter_map(text).collect();
    let tags = body["trafficStatuses"].as_array().into_iter().flatten().filter_map(|target| {
        Some(TrafficTag {
            tag: text(&target["tag"])?,
            url: text(&target["uri"]),
            revision: text(&target["revision"]),
            percent: target["percent"].as_i64().unwrap_or_default(),
        })
    });
    let ports = body["template"]["containers"].as_array().into_iter().flatten();
    let mut ports = ports.flat_map(|container| container["ports"].as_array().into_iter().flatten());
    Service {
        ingress_set: None,
        name: name.clone(),
        url: text(&body["uri"]),
        urls: list(&body["urls"]),
        tags: tags.collect(),
        ingress: match body["ingress"].as_str().unwrap_or_default() {
            "" | "INGRESS_TRAFFIC_UNSPECIFIED" | "INGRESS_TRAFFIC_ALL" => Ingress::All,
            "INGRESS_TRAFFIC_INTERNAL_ONLY" => Ingress::Internal,
            "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER" => Ingress::InternalAndLoadBalancing,
            "INGRESS_TRAFFIC_NONE" => Ingress::None,
            other => Ingress::Other(other.to_owned()),
        },
        invoker_check: body["invokerIamDisabled"] != true,
        iap: body["iapEnabled"] == true,
        default_url: body["defaultUriDisabled"] != true,
        custom_audiences: list(&body["customAudiences"]),
        service_account: text(&body["template"]["serviceAccount"]),
        is_agent: None,
        http2: ports.any(|port| port["name"] == "h2c"),
        multi_region_id: text(&body["multiRegionSettings"]["multiRegionId"]),
        // Who may call it does not rest on that.
        vpc_egress: None,
        readiness: Readiness::default(),
        create_time: text(&body["createTime"]),
        update_time: text(&body["updateTime"]),
        etag: text(&body["etag"]),
        uid: text(&body["uid"]),
    }
}
