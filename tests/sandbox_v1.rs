//! Run v1 on the sandbox: as gcloud and older tools use it, and in step with v2.

use serde_json::{Value, json};

use crate::support::Api;

const V1: &str = "v1/projects/sandbox-project/locations";
const V2: &str = "v2/projects/sandbox-project/locations/us-central1";
const SPACE: &str = "apis/serving.knative.dev/v1/namespaces/sandbox-project";

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_namespace_is_a_region_by_its_host_and_every_region_by_the_global_one() {
    let api = Api::new();
    let (code, regional) =
        api.send_to(Some("europe-west1"), "GET", &format!("{SPACE}/services"), None).await;
    assert_eq!((code, names(&regional)), (200, vec!["orders"]));
    let all = api.get(&format!("{SPACE}/services")).await;
    assert_eq!(names(&all).len(), 12);
    let by_number = "apis/serving.knative.dev/v1/namespaces/123456789012/services/hello";
    let (code, hello) = api.send_to(Some("us-central1"), "GET", by_number, None).await;
    assert_eq!((code, &hello["kind"]), (200, &json!("Service")), "{hello}");
    let refused = api.refused("GET", &format!("{SPACE}/services/hello"), None).await;
    assert_eq!((refused.0, refused.1.as_str()), (400, "INVALID_ARGUMENT"));
    let (code, missing) =
        api.send_to(Some("europe-west1"), "GET", &format!("{SPACE}/services/hello"), None).await;
    assert_eq!(
        (code, missing["error"]["message"].as_str().unwrap()),
        (
            404,
            "Resource 'hello' of kind 'SERVICE' in region 'europe-west1' in project \
             'sandbox-project' does not exist."
        )
    );
    let (code, _) =
        api.send_to(Some("mars-west1"), "GET", &format!("{SPACE}/services"), None).await;
    assert_eq!(code, 404);
    let refused = api.refused("GET", &format!("{V1}/-/services?alt=xml"), None).await;
    assert_eq!(refused.0, 501);
    let refused = api.refused("GET", &format!("{V1}/mars-west1/services"), None).await;
    assert_eq!(refused.0, 404);
}

#[tokio::test]
async fn lists_are_selected_by_label_and_come_in_pages() {
    let api = Api::new();
    for (name, team) in [("hello", "a"), ("orders", "a"), ("chat", "b")] {
        let path = format!("{V2}/services/{name}?updateMask=labels");
        assert_eq!(api.send("PATCH", &path, Some(&json!({"labels": {"team": team}}))).await.0, 200);
    }
    let selected = |selector: &str| {
        let selector = selector.replace(' ', "+").replace('=', "%3D");
        format!("{V1}/us-central1/services?labelSelector={selector}")
    };
    assert_eq!(names(&api.get(&selected("team = a")).await), ["orders", "hello"]);
    assert_eq!(names(&api.get(&selected("team in (a, b),team != a")).await), ["chat"]);
    let location = "cloud.googleapis.com/location = us-central1";
    assert_eq!(names(&api.get(&selected(location)).await).len(), 11);
    // A page is full of what was asked for, however far apart that lies.
    let page = api.get(&format!("{}&limit=1", selected("team = a"))).await;
    assert_eq!(names(&page), ["orders"]);
    let next = page["metadata"]["continue"].as_str().unwrap();
    let page = api.get(&format!("{}&limit=1&continue={next}", selected("team = a"))).await;
    assert_eq!((names(&page), &page["metadata"]), (vec!["hello"], &json!({})));
    assert_eq!(api.refused("GET", &selected("team a"), None).await.0, 400);
    let refused = api.refused("GET", &format!("{V1}/-/services?watch=true"), None).await;
    assert_eq!(refused.2, "The sandbox does not have `watch` for lists.");
}

#[tokio::test]
async fn what_either_version_writes_the_other_reads() {
    let api = Api::new();
    let (path, v2) = (format!("{V1}/us-central1/services/hello"), format!("{V2}/services/hello"));
    let mut service = api.get(&path).await;
    let annotations = &mut service["metadata"]["annotations"];
    annotations["run.googleapis.com/ingress"] = json!("internal-and-cloud-load-balancing");
    annotations["run.googleapis.com/invoker-iam-disabled"] = json!("True");
    annotations["run.googleapis.com/iap-enabled"] = json!("true");
    annotations["run.googleapis.com/default-url-disabled"] = json!("true");
    annotations["run.googleapis.com/custom-audiences"] = json!("[\"https://a.example.com\"]");
    annotations["run.googleapis.com/minScale"] = json!("2");
    annotations["example.com/own"] = json!("kept");
    service["metadata"]["labels"]["team"] = json!("a");
    let spec = &mut service["spec"]["template"]["spec"];
    spec["timeoutSeconds"] = json!(60);
    spec["containers"][0]["env"] = json!([
        {"name": "A", "value": "b"},
        {"name": "S", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "latest"}}},
    ]);
    spec["volumes"] = json!([{"name": "v", "secret": {
        "secretName": "secret", "items": [{"key": "3", "path": "p"}]}}]);
    let (code, replaced) = api.send("PUT", &path, Some(&service)).await;
    assert_eq!(code, 200, "{replaced}");
    let seen = api.get(&v2).await;
    assert_eq!(seen["ingress"], "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER");
    for flag in ["invokerIamDisabled", "iapEnabled", "defaultUriDisabled"] {
        assert_eq!(seen[flag], true, "{flag}");
    }
    assert_eq!(seen.get("uri"), None);
    assert_eq!(seen["customAudiences"], json!(["https://a.example.com"]));
    assert_eq!(seen["scaling"], json!({"minInstanceCount": 2}));
    assert_eq!(seen["annotations"], json!({"example.com/own": "kept"}));
    assert_eq!(seen["labels"], json!({"team": "a"}));
    assert_eq!(seen["template"]["timeout"], "60s");
    assert_eq!(
        seen["template"]["containers"][0]["env"],
        json!([
            {"name": "A", "value": "b"},
            {"name": "S", "valueSource": {"secretKeyRef": {"secret": "secret", "version": "latest"}}},
        ])
    );
    assert_eq!(
        seen["template"]["volumes"],
        json!([{"name": "v", "secret": {"secret": "secret", "items": [{"path": "p", "version": "3"}]}}])
    );
    // And back: what v2 writes, v1 reads.
    let body = json!({"ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY", "customAudiences": ["b"]});
    let mask = "ingress,custom_audiences,invoker_iam_disabled,iap_enabled,default_uri_disabled";
    assert_eq!(api.send("PATCH", &format!("{v2}?updateMask={mask}"), Some(&body)).await.0, 200);
    let seen = api.get(&path).await;
    let annotations = seen["metadata"]["annotations"].as_object().unwrap();
    for (name, value) in [
        ("run.googleapis.com/ingress", Some("internal")),
        ("run.googleapis.com/ingress-status", Some("internal")),
        ("run.googleapis.com/custom-audiences", Some("[\"b\"]")),
        ("run.googleapis.com/invoker-iam-disabled", None),
        ("run.googleapis.com/iap-enabled", None),
        ("run.googleapis.com/default-url-disabled", None),
        ("run.googleapis.com/minScale", Some("2")),
        ("example.com/own", Some("kept")),
    ] {
        let found = annotations.get(name).map(|value| value.as_str().unwrap());
        assert_eq!(found, value, "{name}");
    }
    assert!(annotations["run.googleapis.com/urls"].as_str().unwrap().starts_with("[\"https://"));
    assert_eq!(seen["status"]["url"], "https://hello-k4qx7v2nza-uc.a.run.app");
}

#[tokio::test]
async fn a_stale_version_is_a_conflict_and_a_dry_run_writes_nothing() {
    let api = Api::new();
    let path = format!("{V1}/us-central1/services/hello");
    let first = api.get(&path).await;
    let mut changed = first.clone();
    changed["metadata"]["labels"]["team"] = json!("a");
    let (code, dry) = api.send("PUT", &format!("{path}?dryRun=all"), Some(&changed)).await;
    assert_eq!((code, &dry["metadata"]["labels"]["team"]), (200, &json!("a")));
    assert_eq!(api.get(&path).await, first);
    assert_eq!(api.send("PUT", &path, Some(&changed)).await.0, 200);
    let refused = api.refused("PUT", &path, Some(&changed)).await;
    let current = api.get(&path).await;
    let version =
        |service: &Value| service["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    assert_eq!(
        refused,
        (
            409,
            "ABORTED".to_owned(),
            format!(
                "Conflict for resource 'hello': version '{}' was specified but current version is \
                 '{}'.",
                version(&first),
                version(&current)
            )
        )
    );
    // Without a version the last one to write wins.
    changed["metadata"]["resourceVersion"] = Value::Null;
    assert_eq!(api.send("PUT", &path, Some(&changed)).await.0, 200);
}

#[tokio::test]
async fn services_are_created_and_deleted() {
    let api = Api::new();
    let body = |name: &str| {
        json!({
            "apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "sandbox-project"},
            "spec": {"template": {"spec": {"containers": [{"image": "i"}]}}},
        })
    };
    let path = format!("{V1}/us-central1/services");
    let (code, dry) = api.send("POST", &format!("{path}?dryRun=all"), Some(&body("new"))).await;
    assert_eq!((code, &dry["metadata"]["name"]), (200, &json!("new")), "{dry}");
    assert_eq!(api.refused("GET", &format!("{path}/new"), None).await.0, 404);
    let (code, made) = api
        .send_to(Some("us-central1"), "POST", &format!("{SPACE}/services"), Some(&body("new")))
        .await;
    assert_eq!(code, 200, "{made}");
    assert_eq!(made["status"]["conditions"][0]["status"], "True");
    assert_eq!(made["status"]["observedGeneration"], made["metadata"]["generation"]);
    assert_eq!(api.get(&format!("{V2}/services/new")).await["uri"], made["status"]["url"]);
    assert_eq!(api.refused("POST", &path, Some(&body("new"))).await.1, "ALREADY_EXISTS");
    let (code, _) = api.send("DELETE", &format!("{path}/new?dryRun=all"), None).await;
    assert_eq!(code, 200);
    let (code, deleted) =
        api.send("DELETE", &format!("{path}/new?propagationPolicy=Foreground"), None).await;
    assert_eq!((code, &deleted["status"]), (200, &json!("Success")));
    assert_eq!(api.refused("DELETE", &format!("{path}/new"), None).await.0, 404);
    for (field, value) in [
        ("/kind", json!("Route")),
        ("/apiVersion", json!("serving.knative.dev/v2")),
        ("/metadata/namespace", json!("other")),
        ("/metadata/name", json!("Not-A-Name")),
        ("/spec/templat", json!({})),
        ("/spec/template/spec/containers/0/imagee", json!("i")),
        ("/spec/template/spec/timeoutSeconds", json!("soon")),
        ("/spec/template/spec/timeoutSeconds", json!(999_999)),
        ("/spec/template/spec/containers", json!([])),
        ("/spec/traffic", json!([{"latestRevision": true, "percent": 30}])),
        ("/spec/traffic", json!([{"revisionName": "ghost", "percent": 100}])),
        ("/metadata/annotations", json!({"run.googleapis.com/ingress": "everybody"})),
    ] {
        let mut body = body("other");
        let (parent, name) = field.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value;
        let refused = api.refused("POST", &path, Some(&body)).await;
        assert_eq!((refused.0, refused.1.as_str()), (400, "INVALID_ARGUMENT"), "{field}");
    }
    assert_eq!(api.refused("GET", &format!("{path}/other"), None).await.0, 404);
}

#[tokio::test]
async fn what_v2_has_no_place_for_is_kept_for_v1() {
    let api = Api::new();
    let path = format!("{V1}/us-central1/services/hello");
    let mut service = api.get(&path).await;
    let spec = &mut service["spec"]["template"]["spec"];
    spec["containers"][0]["imagePullPolicy"] = json!("Always");
    spec["enableServiceLinks"] = json!(true);
    assert_eq!(api.send("PUT", &path, Some(&service)).await.0, 200);
    let spec = api.get(&path).await["spec"]["template"]["spec"].clone();
    assert_eq!(spec["containers"][0]["imagePullPolicy"], "Always");
    assert_eq!(spec["enableServiceLinks"], true);
    let v2 = api.get(&format!("{V2}/services/hello")).await.to_string();
    assert!(!v2.contains("imagePullPolicy") && !v2.contains("_v1"), "{v2}");
    // What v2 does beside the template leaves it as it is.
    let mask = format!("{V2}/services/hello?updateMask=labels");
    assert_eq!(api.send("PATCH", &mask, Some(&json!({"labels": {"a": "b"}}))).await.0, 200);
    let spec = api.get(&path).await["spec"]["template"]["spec"].clone();
    assert_eq!(spec["enableServiceLinks"], true);
}

/// What v1 cannot say is not lost when a client of v1 sends back what it read.
#[tokio::test]
async fn what_v1_reads_and_puts_back_leaves_v2_as_it_was() {
    let api = Api::new();
    let (path, v2) = (format!("{V1}/us-central1/services/hello"), format!("{V2}/services/hello"));
    let rich = json!({
        "launchStage": "EARLY_ACCESS",
        "description": "d",
        "labels": {"team": "a"},
        "ingress": "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
        "iapEnabled": true,
        "scaling": {"scalingMode": "MANUAL", "manualInstanceCount": 3, "maxInstanceCount": 9},
        "template": {
            "revision": "hello-chosen",
            "timeout": "30.500s",
            "sessionAffinity": true,
            "healthCheckDisabled": true,
            "scaling": {"minInstanceCount": 1},
            "vpcAccess": {"egress": "ALL_TRAFFIC", "networkInterfaces": [{"network": "n"}]},
            "nodeSelector": {"accelerator": "nvidia-l4"},
            "volumes": [
                {"name": "b", "gcs": {"bucket": "b", "mountOptions": ["o"]}},
                {"name": "e", "emptyDir": {"medium": "DISK", "sizeLimit": "1Gi"}},
                {"name": "s", "secret": {"secret": "s", "items": [{"path": "p", "version": "1"}]}},
                {"name": "q", "cloudSqlInstance": {"instances": ["i"]}},
            ],
            "containers": [
                {"image": "i", "ports": [{"name": "h2c", "containerPort": 80}],
                    "resources": {"cpuIdle": true, "limits": {"cpu": "2"}}},
                {"image": "j", "dependsOn": ["x"],
                    "env": [{"name": "S", "valueSource": {"secretKeyRef": {"secret": "s", "version": "1"}}}],
                    "resources": {"cpuIdle": true, "startupCpuBoost": true}},
            ],
        },
    });
    let (code, operation) = api.send("PATCH", &v2, Some(&rich)).await;
    assert_eq!(code, 200, "{operation}");
    let settled = |mut service: Value| {
        for field in ["etag", "generation", "observedGeneration", "updateTime"] {
            service.as_object_mut().unwrap().remove(field);
        }
        for pointer in ["/terminalCondition", "/conditions/0", "/conditions/1"] {
            service
                .pointer_mut(pointer)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove("lastTransitionTime");
        }
        service
    };
    let before = settled(api.get(&v2).await);
    let read = api.get(&path).await;
    assert_eq!(api.send("PUT", &path, Some(&read)).await.0, 200);
    let after = settled(api.get(&v2).await);
    assert_eq!(after, before);
    assert!(after["latestCreatedRevision"].as_str().unwrap().ends_with("/hello-chosen"));
}

#[tokio::test]
async fn what_v1_alone_says_outlives_changes_beside_it() {
    let api = Api::new();
    let (path, v2) = (format!("{V1}/us-central1/services/hello"), format!("{V2}/services/hello"));
    let mut service = api.get(&path).await;
    let owner = json!([{"apiVersion": "v1", "kind": "K", "name": "n", "uid": "u"}]);
    service["metadata"]["ownerReferences"] = owner.clone();
    service["metadata"]["clusterName"] = json!("c");
    service["spec"]["template"]["spec"]["enableServiceLinks"] = json!(true);
    let container = &mut service["spec"]["template"]["spec"]["containers"][0];
    container["imagePullPolicy"] = json!("Always");
    container["ports"][0]["protocol"] = json!("TCP");
    assert_eq!(api.send("PUT", &path, Some(&service)).await.0, 200);
    let mask = format!("{v2}?updateMask=template.timeout");
    let body = json!({"template": {"timeout": "60s"}});
    assert_eq!(api.send("PATCH", &mask, Some(&body)).await.0, 200);
    let seen = api.get(&path).await;
    assert_eq!(seen["metadata"]["ownerReferences"], owner);
    assert_eq!(seen["metadata"]["clusterName"], "c");
    let spec = &seen["spec"]["template"]["spec"];
    assert_eq!((&spec["timeoutSeconds"], &spec["enableServiceLinks"]), (&json!(60), &json!(true)));
    assert_eq!(spec["containers"][0]["imagePullPolicy"], "Always");
    assert_eq!(spec["containers"][0]["ports"][0]["protocol"], "TCP");
    // Nor is it lost where the container itself is changed beside it.
    let mut v2_service = api.get(&v2).await;
    v2_service["template"]["containers"][0]["env"] = json!([{"name": "A", "value": "b"}]);
    assert_eq!(api.send("PATCH", &v2, Some(&v2_service)).await.0, 200);
    let seen = api.get(&path).await;
    let container = &seen["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["imagePullPolicy"], "Always");
    // Other containers are not the ones of which it was said.
    let mask = format!("{v2}?updateMask=template.containers");
    let body = json!({"template": {"containers": [{"image": "other"}]}});
    assert_eq!(api.send("PATCH", &mask, Some(&body)).await.0, 200);
    let seen = api.get(&path).await;
    assert_eq!(seen["spec"]["template"]["spec"]["containers"][0].get("imagePullPolicy"), None);
    assert_eq!(seen["metadata"]["clusterName"], "c");
}

#[tokio::test]
async fn revisions_routes_and_configurations_are_read() {
    let api = Api::new();
    let at = |rest: &str| format!("{V1}/us-central1/{rest}");
    let revisions =
        api.get(&at("revisions?labelSelector=serving.knative.dev/service+%3D+hello")).await;
    assert_eq!(revisions["kind"], "RevisionList");
    let name = names(&revisions)[0].to_owned();
    assert!(name.starts_with("hello-00001-"), "{name}");
    assert_eq!(names(&revisions).len(), 1);
    let revision = api.get(&at(&format!("revisions/{name}"))).await;
    assert_eq!(revision, revisions["items"][0]);
    let route = api.get(&at("routes/hello")).await;
    assert_eq!(route["status"]["url"], "https://hello-k4qx7v2nza-uc.a.run.app");
    assert_eq!(route["spec"]["traffic"], json!([{"percent": 100, "latestRevision": true}]));
    let configuration = api.get(&at("configurations/hello")).await;
    assert_eq!(configuration["status"]["latestReadyRevisionName"], name);
    assert_eq!(names(&api.get(&at("routes")).await).len(), 11);
    assert_eq!(names(&api.get(&at("configurations?limit=3")).await).len(), 3);
    for (kind, message) in [("routes", "ROUTE"), ("configurations", "CONFIGURATION")] {
        let refused = api.refused("GET", &at(&format!("{kind}/nosuch")), None).await;
        assert!(refused.2.contains(&format!("of kind '{message}'")), "{refused:?}");
    }
    assert_eq!(api.refused("GET", &at("revisions/nosuch"), None).await.0, 404);
}

#[tokio::test]
async fn domain_mappings_are_read() {
    let api = Api::new();
    let space = "apis/domains.cloudrun.com/v1/namespaces/sandbox-project/domainmappings";
    let (code, list) = api.send_to(Some("us-central1"), "GET", space, None).await;
    assert_eq!((code, names(&list)), (200, vec!["api.example.com", "shop.example.com"]));
    let shop = api.get(&format!("{V1}/us-central1/domainmappings/shop.example.com")).await;
    assert_eq!(shop["status"]["mappedRouteName"], "storefront");
    assert_eq!(shop["status"]["conditions"][0]["status"], "True");
    assert_eq!(names(&api.get(&format!("{V1}/europe-west1/domainmappings")).await).len(), 0);
}

#[tokio::test]
async fn operations_are_waited_for_listed_and_deleted() {
    let api = Api::new();
    let (_, operation) = api
        .send("PATCH", &format!("{V2}/services/hello?updateMask=labels"), Some(&json!({})))
        .await;
    let name = operation["name"].as_str().unwrap();
    let (code, done) = api.post(&format!("v1/{name}:wait"), json!({})).await;
    assert_eq!((code, &done["done"]), (200, &json!(true)));
    for version in ["v1", "v2"] {
        let list = api
            .get(&format!("{version}/projects/sandbox-project/locations/us-central1/operations"))
            .await;
        assert_eq!(list["operations"], json!([done]));
    }
    assert_eq!(api.send("DELETE", &format!("v1/{name}"), None).await, (200, json!({})));
    assert_eq!(api.refused("GET", &format!("v2/{name}"), None).await.0, 404);
}

#[tokio::test]
async fn jobs_are_made_in_either_version_and_have_policies() {
    let api = Api::new();
    let v2_job =
        json!({"template": {"taskCount": 2, "template": {"containers": [{"image": "i"}]}}});
    let (code, operation) = api.post(&format!("{V2}/jobs?jobId=hourly"), v2_job).await;
    assert_eq!(code, 200, "{operation}");
    assert_eq!(api.done(&operation).await["@type"], "type.googleapis.com/google.cloud.run.v2.Job");
    let space = "apis/run.googleapis.com/v1/namespaces/sandbox-project/jobs";
    let home = Some("us-central1");
    let (code, hourly) = api.send_to(home, "GET", &format!("{space}/hourly"), None).await;
    assert_eq!(code, 200, "{hourly}");
    let spec = &hourly["spec"]["template"]["spec"];
    assert_eq!(
        (&spec["taskCount"], &spec["template"]["spec"]["maxRetries"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(spec["template"]["spec"]["timeoutSeconds"], "600");
    let weekly = json!({
        "apiVersion": "run.googleapis.com/v1", "kind": "Job", "metadata": {"name": "weekly"},
        "spec": {"template": {"spec": {"parallelism": 3, "template": {"spec": {
            "timeoutSeconds": "30",
            "containers": [{"image": "j", "imagePullPolicy": "Always"}],
        }}}}},
    });
    let (code, made) = api.send_to(home, "POST", space, Some(&weekly)).await;
    assert_eq!(code, 200, "{made}");
    let run = &made["spec"]["template"]["spec"]["template"]["spec"];
    assert_eq!(run["containers"][0]["imagePullPolicy"], "Always");
    let seen = api.get(&format!("{V2}/jobs/weekly")).await;
    assert_eq!(seen["template"]["parallelism"], 3);
    assert_eq!(seen["template"]["template"]["timeout"], "30s");
    assert!(!seen.to_string().contains("imagePullPolicy"), "{seen}");
    assert_eq!(api.get(&format!("{V2}/jobs")).await["jobs"].as_array().unwrap().len(), 4);
    let (_, list) = api.send_to(home, "GET", space, None).await;
    assert_eq!(names(&list), ["weekly", "hourly", "import", "nightly"]);
    let select = "?labelSelector=cloud.googleapis.com/location+%3D+us-central1";
    assert_eq!(
        names(&api.get(&format!("{space}{select}")).await),
        ["weekly", "hourly", "import", "nightly"]
    );
    for version in ["v1", "v2"] {
        let job = format!("{version}/projects/sandbox-project/locations/us-central1/jobs/weekly");
        let policy = api.policy(&job).await;
        let bindings = json!([{"role": "roles/run.invoker", "members": ["user:a@example.com"]}]);
        let body = json!({"policy": {"etag": policy["etag"], "bindings": bindings}});
        assert_eq!(api.post(&format!("{job}:setIamPolicy"), body).await.0, 200);
        assert_eq!(api.policy(&job).await["bindings"], bindings);
        let asked = json!({"permissions": ["run.jobs.run"]});
        assert_eq!(
            api.post(&format!("{job}:testIamPermissions"), asked.clone()).await,
            (200, asked)
        );
    }
    assert_eq!(api.send_to(home, "DELETE", &format!("{space}/weekly"), None).await.0, 200);
    let (code, operation) = api.send("DELETE", &format!("{V2}/jobs/hourly"), None).await;
    assert_eq!(code, 200);
    api.done(&operation).await;
    assert_eq!(api.refused("GET", &format!("{V2}/jobs/hourly"), None).await.0, 404);
    assert_eq!(api.refused("POST", &format!("{V2}/jobs/x:run"), Some(&json!({}))).await.0, 404);
}
