//! Converts between the APIs' models and the types of the domain.

use google_cloud_iam_v1::model::{Policy as PolicyModel, SetIamPolicyRequest};
use google_cloud_iam_v2::model as deny;
use google_cloud_run_v2::model;
use google_cloud_run_v2::model::condition::State;
use google_cloud_wkt::Timestamp;

use super::wire::{Binding, Condition, Item, Text};
use crate::domain::condition as domain;
use crate::domain::deny::DenyRule;
use crate::domain::invokers::Grant;
use crate::domain::member::Member;
use crate::domain::policy::Policy;
use crate::domain::resource::ServiceName;
use crate::domain::service::{Ingress, Readiness, Service, TrafficTag, VpcEgress};
use crate::domain::setting::Switch;

/// The word for an ingress that v2 does not return.
pub(super) const UNSPECIFIED: &str = "unspecified";

/// A Cloud Run v2 service, under the name that was requested.
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
        ingress_set: None,
        ingress: ingress_of_v2(&service.ingress),
        invoker_check: !service.invoker_iam_disabled,
        iap: service.iap_enabled,
        default_url: !service.default_uri_disabled,
        custom_audiences: service.custom_audiences.clone(),
        service_account: account.and_then(some),
        is_agent: None,
        http2,
        multi_region_id: service
            .multi_region_settings
            .as_ref()
            .and_then(|settings| some(settings.multi_region_id.clone())),
        vpc_egress: service
            .template
            .as_ref()
            .and_then(|template| template.vpc_access.as_ref())
            .map(egress),
        readiness: service.terminal_condition.as_ref().map(readiness_v2).unwrap_or_default(),
        create_time: service.create_time.map(timestamp),
        update_time: service.update_time.map(timestamp),
        etag: some(service.etag.clone()),
        uid: some(service.uid.clone()),
    }
}

/// A Cloud Run instance, under the name that was requested: it has no revisions, so no tags, and no
/// audiences of its own (discovery document).
pub(super) fn instance_v2(instance: &model::Instance, asked: &ServiceName) -> Service {
    let mut ports = instance.containers.iter().flat_map(|container| &container.ports);
    let account = some(instance.service_account.clone());
    Service {
        name: asked.clone(),
        url: instance.urls.first().cloned(),
        urls: instance.urls.clone(),
        tags: Vec::new(),
        ingress_set: None,
        ingress: ingress_of_v2(&instance.ingress),
        invoker_check: !instance.invoker_iam_disabled,
        iap: instance.iap_enabled,
        default_url: true,
        custom_audiences: Vec::new(),
        service_account: account,
        is_agent: None,
        http2: ports.any(|port| port.name == "h2c"),
        multi_region_id: None,
        vpc_egress: instance.vpc_access.as_ref().map(egress),
        readiness: instance.terminal_condition.as_ref().map(readiness_v2).unwrap_or_default(),
        create_time: instance.create_time.map(timestamp),
        update_time: instance.update_time.map(timestamp),
        etag: some(instance.etag.clone()),
        uid: some(instance.uid.clone()),
    }
}

/// The ingress in force, as v2 returns it.
fn ingress_of_v2(ingress: &model::IngressTraffic) -> Ingress {
    match ingress {
        model::IngressTraffic::All => Ingress::All,
        // It is unspecified at first; v1 returns the configured one.
        model::IngressTraffic::Unspecified => Ingress::Other(UNSPECIFIED.to_owned()),
        model::IngressTraffic::InternalOnly => Ingress::Internal,
        model::IngressTraffic::InternalLoadBalancer => Ingress::InternalAndLoadBalancing,
        model::IngressTraffic::None => Ingress::None,
        other => {
            let value = || format!("{}", other.value().unwrap_or_default());
            Ingress::Other(other.name().map_or_else(value, str::to_owned))
        }
    }
}

/// Which requests use a VPC network.
pub(super) fn egress(access: &model::VpcAccess) -> VpcEgress {
    match access.egress {
        model::vpc_access::VpcEgress::AllTraffic => VpcEgress::AllTraffic,
        _ => VpcEgress::PrivateRanges,
    }
}

/// A service with only these switches and audiences, and the update mask for them.
pub(super) fn turned(
    name: &ServiceName,
    switches: &[Switch],
    audiences: Option<Vec<String>>,
    etag: String,
) -> (model::Service, Vec<&'static str>) {
    let mut service = model::Service::new().set_name(name.to_string()).set_etag(etag);
    let mut mask = Vec::new();
    for switch in switches {
        let field;
        (service, field) = match switch {
            Switch::DefaultUrl(on) => (service.set_default_uri_disabled(!on), "defaultUriDisabled"),
            Switch::Iap(on) => (service.set_iap_enabled(*on), "iapEnabled"),
            Switch::Ingress(ingress) => (service.set_ingress(ingress_v2(ingress)), "ingress"),
            Switch::InvokerCheck(on) => {
                (service.set_invoker_iam_disabled(!on), "invokerIamDisabled")
            }
        };
        mask.push(field);
    }
    if let Some(audiences) = audiences {
        service = service.set_custom_audiences(audiences);
        mask.push("customAudiences");
    }
    (service, mask)
}

/// A policy in the official request model; `None` if the model does not support one of its fields.
pub(super) fn set_policy_request(policy: &Policy) -> Option<SetIamPolicyRequest> {
    let policy = serde_json::from_value(serde_json::to_value(policy).ok()?).ok()?;
    Some(SetIamPolicyRequest::new().set_policy::<PolicyModel>(policy))
}

fn ingress_v2(ingress: &Ingress) -> model::IngressTraffic {
    match ingress {
        Ingress::All => model::IngressTraffic::All,
        Ingress::Internal => model::IngressTraffic::InternalOnly,
        Ingress::InternalAndLoadBalancing => model::IngressTraffic::InternalLoadBalancer,
        Ingress::None => model::IngressTraffic::None,
        Ingress::Other(word) => model::IngressTraffic::from(word.as_str()),
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

/// A Cloud Run v1 service from the all-regions list; `None` if it has no name or region.
///
/// `status.url` (v1) and `uri` (v2) are assumed to be the same, which is not certain.
pub(super) fn service_v1(item: &Item<'_>, project: &str) -> Option<Service> {
    let name = item.metadata.name.as_ref()?.as_str();
    let region = item.metadata.labels.location.as_ref()?.as_str();
    let annotations = &item.metadata.annotations;
    let list = |annotation: &Option<Text<'_>>| -> Vec<String> {
        let text = annotation.as_ref().map(Text::as_str);
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    };
    let spec = &item.spec.template.spec;
    let mut ports = spec.containers.iter().flat_map(|container| &container.ports);
    let url = text(item.status.url.as_ref());
    let tags = item.status.traffic.iter().filter_map(|target| {
        Some(TrafficTag {
            tag: text(target.tag.as_ref())?,
            url: text(target.url.as_ref()),
            revision: text(target.revision_name.as_ref()),
            percent: target.percent.unwrap_or_default(),
        })
    });
    let word = |text: Option<&Text<'_>>| {
        Ingress::from_annotation(text.map(Text::as_str).unwrap_or_default())
    };
    let set = word(annotations.ingress.as_ref());
    // If the ingress in force is absent, it is assumed to be the configured one.
    let ingress =
        annotations.ingress_status.as_ref().map_or_else(|| set.clone(), |it| word(Some(it)));
    Some(Service {
        name: ServiceName::new(project, region, name),
        urls: all_urls(url.as_ref(), list(&annotations.urls)),
        url,
        tags: tags.collect(),
        ingress_set: Some(set).filter(|set| *set != ingress),
        ingress,
        invoker_check: !is_true(annotations.invoker_iam_disabled.as_ref()),
        iap: is_true(annotations.iap_enabled.as_ref()),
        default_url: !is_true(annotations.default_url_disabled.as_ref()),
        custom_audiences: list(&annotations.custom_audiences),
        service_account: text(spec.service_account_name.as_ref()),
        is_agent: None,
        http2: ports.any(|port| port.name.as_ref().is_some_and(|name| name.as_str() == "h2c")),
        multi_region_id: text(item.metadata.labels.multi_region_id.as_ref()),
        // The list does not request it.
        vpc_egress: None,
        readiness: readiness_v1(&item.status.conditions),
        create_time: text(item.metadata.creation_timestamp.as_ref()),
        update_time: None,
        etag: None,
        uid: None,
    })
}

/// gcloud writes `True`, others write `true` (read in gcloud's source).
fn is_true(annotation: Option<&Text<'_>>) -> bool {
    annotation.is_some_and(|text| text.as_str().eq_ignore_ascii_case("true"))
}

fn readiness_v1(conditions: &[Condition<'_>]) -> Readiness {
    let is_ready = |condition: &&Condition<'_>| {
        condition.kind.as_ref().is_some_and(|kind| kind.as_str() == "Ready")
    };
    let Some(condition) = conditions.iter().find(is_ready) else {
        return Readiness::default();
    };
    Readiness {
        ready: match condition.status.as_ref().map(Text::as_str) {
            Some("True") => Some(true),
            Some("False") => Some(false),
            _ => None,
        },
        reason: text(condition.reason.as_ref()),
        message: text(condition.message.as_ref()),
    }
}

/// The grants of a policy; `None` if a binding has no role.
pub(super) fn grants_of(bindings: &[Binding<'_>]) -> Option<Vec<Grant>> {
    let mut grants = Vec::with_capacity(bindings.iter().map(|binding| binding.members.len()).sum());
    for binding in bindings {
        let role = binding.role.as_ref()?.as_str();
        let condition = binding.condition.as_ref().map(|condition| domain::Condition {
            title: text(condition.title.as_ref()).unwrap_or_default(),
            description: text(condition.description.as_ref()).unwrap_or_default(),
            expression: text(condition.expression.as_ref()).unwrap_or_default(),
        });
        for member in &binding.members {
            grants.push(Grant {
                role: role.to_owned(),
                member: Member::from_policy(member.as_str()),
                condition: condition.clone(),
            });
        }
    }
    Some(grants)
}

/// The rules of a deny policy. A rule of an unknown kind may deny anything, so it is an error.
pub(super) fn deny_rules(policy: deny::Policy) -> Result<Vec<DenyRule>, String> {
    let name = policy.name;
    let rules = policy.rules.into_iter().map(|rule| {
        let Some(rule) = rule.deny_rule() else {
            return Err(format!("`{name}` holds a rule of a kind that is not known here"));
        };
        let rule = *rule.clone();
        let members = |texts: Vec<String>| texts.into_iter().map(Member::from_policy).collect();
        Ok(DenyRule {
            policy: name.clone(),
            denied_principals: members(rule.denied_principals),
            exception_principals: members(rule.exception_principals),
            denied_permissions: rule.denied_permissions,
            exception_permissions: rule.exception_permissions,
            condition: rule.denial_condition.map(|expr| domain::Condition {
                title: expr.title,
                description: expr.description,
                expression: expr.expression,
            }),
        })
    });
    rules.collect()
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

fn text(text: Option<&Text<'_>>) -> Option<String> {
    text.map(Text::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn any_field() -> impl Strategy<Value = Value> {
        prop_oneof![Just(json!(1)), Just(json!("x")), Just(json!([{"b": 1, "a": null}]))]
    }

    fn any_binding() -> impl Strategy<Value = Value> {
        let members = vec(prop_oneof![Just("user:A@x.com"), Just("allUsers")], 0..3);
        let condition = proptest::option::of(("[a-z ']{0,9}", "[a-z]{0,3}", "[a-z]{0,3}"));
        let unknown = proptest::option::of(any_field());
        (members, condition, unknown).prop_map(|(members, condition, unknown)| {
            let mut binding = json!({"role": "roles/run.invoker", "members": members});
            if let Some((expression, title, description)) = condition {
                binding["condition"] = json!({
                    "expression": expression, "title": title, "description": description
                });
            }
            if let Some(unknown) = unknown {
                binding["zebra"] = unknown.clone();
                binding["anew"] = unknown;
            }
            binding
        })
    }

    proptest! {
        #[test]
        fn a_policy_is_written_byte_for_byte_as_the_official_model_writes_it(
            bindings in vec(any_binding(), 0..4),
            etag in prop_oneof![Just(""), Just("ACAB"), Just("BwYAAAAAAAA=")],
            version in 0..4,
            unknown in proptest::option::of(any_field()),
        ) {
            let mut sent = json!({"etag": etag, "version": version, "bindings": bindings});
            sent["auditConfigs"] = json!([{"service": "allServices", "auditLogConfigs": [
                {"logType": 1, "exemptedMembers": ["user:e@x.com"], "ignoreChildExemptions": true}
            ]}]);
            if let Some(unknown) = unknown {
                sent["zebra"] = unknown.clone();
                sent["anew"] = unknown;
            }
            let own: Policy = serde_json::from_value(sent.clone()).unwrap();
            let official: PolicyModel = serde_json::from_value(sent).unwrap();
            let own_bytes = serde_json::to_string(&own).unwrap();
            prop_assert_eq!(&own_bytes, &serde_json::to_string(&official).unwrap());
            // Parsing and writing a policy loses nothing.
            let again: Policy = serde_json::from_str(&own_bytes).unwrap();
            prop_assert_eq!(&again, &own);
            let request = serde_json::to_string(&set_policy_request(&own).unwrap()).unwrap();
            prop_assert_eq!(request, format!("{{\"policy\":{own_bytes}}}"));
        }
    }

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
        let v1 = v1.to_string();
        let from_v1 = service_v1(&serde_json::from_str(&v1).unwrap(), "p").unwrap();
        let from_v2 = service_v2(&v2, &name);
        assert_eq!(from_v1, from_v2);
        assert_eq!(from_v1.ingress, Ingress::InternalAndLoadBalancing);
        assert!(!from_v1.invoker_check && from_v1.http2 && !from_v1.default_url);
    }

    #[test]
    fn what_is_in_force_is_told_from_what_is_set() {
        for (annotations, in_force, set) in [
            (json!({}), Ingress::All, None),
            (json!({"run.googleapis.com/ingress": "internal"}), Ingress::Internal, None),
            (
                json!({"run.googleapis.com/ingress": "internal", "run.googleapis.com/ingress-status": "all"}),
                Ingress::All,
                Some(Ingress::Internal),
            ),
            (
                json!({"run.googleapis.com/ingress": "all", "run.googleapis.com/ingress-status": "all"}),
                Ingress::All,
                None,
            ),
        ] {
            let labels = json!({"cloud.googleapis.com/location": "us-central1"});
            let metadata = json!({"name": "s", "labels": labels, "annotations": annotations});
            let text = json!({ "metadata": metadata }).to_string();
            let service = service_v1(&serde_json::from_str(&text).unwrap(), "p").unwrap();
            assert_eq!((service.ingress, service.ingress_set), (in_force, set), "{annotations}");
        }
    }

    #[test]
    fn what_has_no_name_is_no_service() {
        let of = |text: &'static str| service_v1(&serde_json::from_str(text).unwrap(), "p");
        assert_eq!(of(r#"{"metadata": {"name": "s"}}"#), None);
        assert_eq!(of("{}"), None);
    }
}
