//! The sandbox where Google's own clients and documents told it wrong: one test a fault.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::Api;

const PROJECT: &str = "v2/projects/sandbox-project/locations";
const SERVICES: &str = "v2/projects/sandbox-project/locations/us-central1/services";
const HELLO: &str = "v2/projects/sandbox-project/locations/us-central1/services/hello";
const ROBOT: &str = "runner@sandbox-project.iam.gserviceaccount.com";
const OWNED: &str = "v1/projects/-/serviceAccounts";

fn names(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn all_regions_are_listed_and_those_out_of_reach_named() {
    let api = Api::with_faults(&["unreadable-region=europe-west1"]);
    for kind in ["services", "jobs"] {
        let all = api.get(&format!("{PROJECT}/-/{kind}")).await;
        let found = names(&all[kind]);
        assert!(found.len() > 1, "{all}");
        assert!(found.iter().all(|name| !name.contains("europe-west1")), "{found:?}");
    }
    let all = api.get(&format!("{PROJECT}/-/services")).await;
    assert_eq!(all["unreachable"], json!(["europe-west1"]));
    let api = Api::new();
    let all = api.get(&format!("{PROJECT}/-/services")).await;
    assert!(names(&all["services"]).iter().any(|name| name.contains("europe-west1")), "{all}");
    assert_eq!(all.get("unreachable"), None);
    // Page by page it is the same.
    let (mut paged, mut token) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{PROJECT}/-/services?pageSize=5&pageToken={token}")).await;
        paged.extend(names(&page["services"]));
        match page["nextPageToken"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    assert_eq!(paged, names(&all["services"]));
    assert_eq!(api.refused("GET", &format!("{PROJECT}/moon/services"), None).await.0, 400);
}

#[tokio::test]
async fn no_page_is_longer_than_its_method_allows() {
    let api = Api::new();
    let tested = "v1/permissions:queryTestablePermissions";
    let some = api.post(tested, json!({})).await.1;
    assert_eq!(some["permissions"].as_array().unwrap().len(), 100);
    let accounts = "v1/projects/sandbox-project/serviceAccounts";
    for n in 0..101 {
        let asked = json!({"accountId": format!("account-{n}")});
        assert_eq!(api.post(accounts, asked).await.0, 200);
    }
    for (asked, found) in [("", 20), ("?pageSize=30", 30), ("?pageSize=1000", 100)] {
        let page = api.get(&format!("{accounts}{asked}")).await;
        assert_eq!(page["accounts"].as_array().unwrap().len(), found, "{asked}");
        assert!(page["nextPageToken"].is_string());
    }
}

#[tokio::test]
async fn the_newest_comes_first() {
    let api = Api::new();
    let image = json!({"template": {"containers": [{"image": "i"}]}});
    for name in ["first", "second"] {
        let (code, made) = api.post(&format!("{SERVICES}?serviceId={name}"), image.clone()).await;
        assert_eq!(code, 200, "{made}");
    }
    let found = names(&api.get(SERVICES).await["services"]);
    let short: Vec<&str> = found.iter().map(|name| name.rsplit('/').next().unwrap()).collect();
    assert_eq!(short[..2], ["second", "first"]);
}

#[tokio::test]
async fn system_annotations_and_labels_are_refused_in_what_is_new() {
    let api = Api::new();
    for (start, field) in [
        ("run.googleapis.com/", "annotations"),
        ("cloud.googleapis.com/", "annotations"),
        ("serving.knative.dev/", "labels"),
        ("autoscaling.knative.dev/", "annotations"),
    ] {
        let own = json!({format!("{start}anything"): "x"});
        let container = json!([{"image": "i"}]);
        for body in [
            json!({field: own, "template": {"containers": container}}),
            json!({"template": {field: own, "containers": container}}),
        ] {
            for path in [
                format!("{SERVICES}?serviceId=new"),
                format!("{SERVICES}?serviceId=new&validateOnly=true"),
            ] {
                let refused = api.refused("POST", &path, Some(&body)).await;
                assert_eq!(refused.0, 400, "{body}");
                let text = format!("system {field} are not supported in Cloud Run API v2.");
                assert!(refused.2.ends_with(&text), "{}", refused.2);
            }
        }
        let job = json!({field: own, "template": {"template": {"containers": container}}});
        let path = format!("{PROJECT}/us-central1/jobs?jobId=new");
        assert_eq!(api.refused("POST", &path, Some(&job)).await.0, 400);
    }
    // What v1 put there stays when v2 sends it back.
    let home = "apis/serving.knative.dev/v1/namespaces/sandbox-project/services";
    let body = json!({"apiVersion": "serving.knative.dev/v1", "kind": "Service",
        "metadata": {"name": "older", "annotations": {"run.googleapis.com/odd": "x"}},
        "spec": {"template": {"spec": {"containers": [{"image": "i"}]}}}});
    let (code, made) = api.send_to(Some("us-central1"), "POST", home, Some(&body)).await;
    assert_eq!(code, 200, "{made}");
    let older = api.get(&format!("{SERVICES}/older")).await;
    assert_eq!(older["annotations"]["run.googleapis.com/odd"], "x");
    let (code, answer) = api.send("PATCH", &format!("{SERVICES}/older"), Some(&older)).await;
    assert_eq!(code, 200, "{answer}");
    let mut more = api.get(&format!("{SERVICES}/older")).await;
    more["annotations"]["run.googleapis.com/another"] = json!("y");
    assert_eq!(api.refused("PATCH", &format!("{SERVICES}/older"), Some(&more)).await.0, 400);
}

#[tokio::test]
async fn a_mask_may_name_what_the_server_alone_sets() {
    let api = Api::new();
    let before = api.get(HELLO).await;
    let mask =
        "name,uid,client,creator,uri,conditions,etag,template.timeout,terminal_condition.state";
    let body = json!({"uid": "mine", "uri": "https://x", "client": "firebase",
        "template": {"timeout": "10s"}});
    let (code, answer) =
        api.send("PATCH", &format!("{HELLO}?updateMask={mask}"), Some(&body)).await;
    assert_eq!(code, 200, "{answer}");
    let after = api.get(HELLO).await;
    assert_eq!((&after["uid"], &after["uri"]), (&before["uid"], &before["uri"]));
    assert_eq!(
        (&after["client"], &after["template"]["timeout"]),
        (&json!("firebase"), &json!("10s"))
    );
    for unknown in ["nosuch", "template.nosuch", "uid.x"] {
        let path = format!("{HELLO}?updateMask={unknown}");
        assert_eq!(api.refused("PATCH", &path, Some(&json!({}))).await.0, 400, "{unknown}");
    }
}

#[tokio::test]
async fn clients_may_authenticate_as_http_has_it() {
    let api = Api::new();
    let client = "32555940559.apps.googleusercontent.com";
    let basic = BASE64_STANDARD.encode(format!("{client}:secret"));
    for path in ["v1/oauthtoken", "token"] {
        let form = "grant_type=refresh_token&refresh_token=1//sandbox:dev@example.com";
        let request = api.client.post(format!("{}/{path}", api.serve.endpoint));
        let request =
            request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let without = request.try_clone().unwrap().send().await.unwrap();
        assert_eq!(without.status(), 400, "{path}");
        let with = request.header("authorization", format!("Basic {basic}")).send().await.unwrap();
        assert_eq!(with.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn what_is_in_force_has_a_policy_that_lists() {
    let api = Api::new();
    for (project, constraints) in [
        ("sandbox-project", &[][..]),
        ("sandbox-shared", &["iam.allowedPolicyMemberDomains"]),
        ("sandbox-locked", &["run.managed.requireInvokerIam", "iam.allowedPolicyMemberDomains"]),
    ] {
        let path = format!("v2/projects/{project}/policies");
        let found = api.get(&path).await;
        let mut listed = names(&found["policies"]);
        let mut wanted: Vec<String> = Vec::new();
        for constraint in constraints {
            let policy = api.get(&format!("{path}/{constraint}")).await;
            wanted.push(policy["name"].as_str().unwrap().to_owned());
            let in_force = api.get(&format!("{path}/{constraint}:getEffectivePolicy")).await;
            assert_eq!(in_force["spec"]["rules"], policy["spec"]["rules"]);
        }
        listed.sort();
        wanted.sort();
        assert_eq!(listed, wanted, "{project}");
    }
    // Once taken away, it is no longer in force.
    let path = "v2/projects/sandbox-locked/policies/run.managed.requireInvokerIam";
    assert_eq!(api.send("DELETE", path, None).await.0, 200);
    let ledger = "v2/projects/sandbox-locked/locations/us-central1/services/ledger";
    let open = json!({"invokerIamDisabled": true});
    let path = format!("{ledger}?updateMask=invokerIamDisabled");
    assert_eq!(api.send("PATCH", &path, Some(&open)).await.0, 200);
}

#[tokio::test]
async fn service_usage_tells_on_from_off() {
    let api = Api::new();
    let path = "v1/projects/sandbox-project/services";
    for (name, state) in [
        ("run", "ENABLED"),
        ("cloudfunctions", "ENABLED"),
        ("iamcredentials", "ENABLED"),
        ("serviceusage", "ENABLED"),
        ("bigquery", "DISABLED"),
    ] {
        let service = api.get(&format!("{path}/{name}.googleapis.com")).await;
        assert_eq!(service["state"], state, "{name}");
    }
    let on = api.get(&format!("{path}?filter=state:ENABLED&pageSize=200")).await;
    assert!(on["services"].as_array().unwrap().iter().all(|one| one["state"] == "ENABLED"), "{on}");
    assert_eq!(api.get(&format!("{path}?filter=state:DISABLED")).await, json!({}));
    let batch =
        format!("{path}:batchGet?names={path}/run.googleapis.com&names={path}/x.googleapis.com");
    let batch = api.get(&batch.replace("names=v1/", "names=")).await;
    let states: Vec<&Value> =
        batch["services"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, [&json!("ENABLED"), &json!("DISABLED")]);
}

#[tokio::test]
async fn a_namespaces_refusal_names_the_namespace() {
    let api = Api::new();
    let stranger = api.access_token("stranger@example.com").await;
    let path = "apis/serving.knative.dev/v1/namespaces/sandbox-project/services/hello";
    let url = format!("{}/{path}", api.serve.endpoint);
    let request = api.client.get(url).bearer_auth(stranger).header("Host", "us-central1-127.0.0.1");
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        answer["error"]["message"],
        "Permission 'run.services.get' denied on resource \
         'namespaces/sandbox-project/services/hello' (or resource may not exist)."
    );
}

#[tokio::test]
async fn a_functions_service_is_called_at_the_functions_address() {
    let api = Api::new();
    let url = "https://us-central1-sandbox-shared.cloudfunctions.net/resize_image";
    let service = "v2/projects/sandbox-shared/locations/us-central1/services/resize-image";
    let service = api.get(service).await;
    assert!(service["urls"].as_array().unwrap().contains(&json!(url)), "{service}");
    assert!(service["customAudiences"].as_array().unwrap().contains(&json!(url)), "{service}");
    let host = "us-central1-sandbox-shared.cloudfunctions.net";
    assert_eq!(api.front("GET", host, "/resize_image").send().await.unwrap().status(), 403);
    assert_eq!(api.front("GET", host, "/nosuch").send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn what_is_not_said_has_cloud_runs_defaults() {
    let api = Api::new();
    let hello = api.get(HELLO).await;
    let template = &hello["template"];
    let limits = json!({"cpu": "1000m", "memory": "512Mi"});
    assert_eq!(template["containers"][0]["resources"]["limits"], limits);
    assert_eq!(template["containers"][0]["resources"]["cpuIdle"], true);
    assert_eq!(template["executionEnvironment"], "EXECUTION_ENVIRONMENT_GEN2");
    assert_eq!(hello["launchStage"], "GA");
    // With requirements of one's own, the processor stays unless it is said to go (documented).
    let body = json!({"template": {"containers": [
        {"image": "i", "resources": {"limits": {"memory": "1Gi"}}}]}});
    let (_, operation) = api.post(&format!("{SERVICES}?serviceId=own"), body).await;
    let own = api.done(&operation).await;
    let resources = &own["template"]["containers"][0]["resources"];
    assert_eq!(resources["limits"], json!({"memory": "1Gi", "cpu": "1000m"}));
    assert_eq!(resources.get("cpuIdle"), None);
    // v1 calls that `cpu-throttling: false`, and says nothing of what is on unless it is off.
    let home = "apis/serving.knative.dev/v1/namespaces/sandbox-project/services";
    let annotation = |service: &Value| {
        service["spec"]["template"]["metadata"]["annotations"]["run.googleapis.com/cpu-throttling"]
            .clone()
    };
    let path = format!("{home}/hello");
    let (_, mut service) = api.send_to(Some("us-central1"), "GET", &path, None).await;
    assert_eq!(annotation(&service), Value::Null);
    service["spec"]["template"]["metadata"]["annotations"]["run.googleapis.com/cpu-throttling"] =
        json!("false");
    service["spec"]["template"]["metadata"].as_object_mut().unwrap().remove("name");
    let (code, put) = api.send_to(Some("us-central1"), "PUT", &path, Some(&service)).await;
    assert_eq!((code, annotation(&put)), (200, json!("false")), "{put}");
    let resources = api.get(HELLO).await["template"]["containers"][0]["resources"].clone();
    assert_eq!(resources["cpuIdle"], false);
    let job = api.get(&format!("{PROJECT}/us-central1/jobs/nightly")).await;
    assert_eq!(job["template"]["template"]["maxRetries"], 3);
}

#[tokio::test]
async fn a_role_outside_the_tables_is_known_to_hold_nothing() {
    let api = Api::new();
    assert_eq!(api.refused("GET", "v1/roles/run.nosuch", None).await.0, 404);
    let role = api.get("v1/roles/bigquery.admin").await;
    assert_eq!(role["includedPermissions"], json!([]));
    // Those of a parent, by the method that lists them by a parameter.
    let own = api.get("v1/roles?parent=projects/sandbox-project").await;
    assert_eq!(names(&own["roles"]), ["projects/sandbox-project/roles/reportReader"]);
}

#[tokio::test]
async fn keys_and_tokens_can_be_looked_up() {
    let api = Api::new();
    let certificates = api.get("oauth2/v1/certs").await;
    let keys = api.get("oauth2/v3/certs").await;
    let id = keys["keys"][0]["kid"].as_str().unwrap();
    let pem = certificates[id].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
    let token = api.id_token("dev@example.com", "").await;
    let said = api.get(&format!("tokeninfo?id_token={token}")).await;
    assert_eq!(
        (&said["email"], &said["email_verified"]),
        (&json!("dev@example.com"), &json!("true"))
    );
    assert_eq!(said["kid"], id);
    assert!(said["exp"].is_string());
    let access = api.access_token("dev@example.com").await;
    let said = api.get(&format!("tokeninfo?access_token={access}")).await;
    assert_eq!(said["email"], "dev@example.com");
    for bad in ["id_token=x", "access_token=x", ""] {
        let (code, answer) = api.send("GET", &format!("tokeninfo?{bad}"), None).await;
        assert_eq!((code, &answer["error"]), (400, &json!("invalid_token")), "{bad}");
    }
    // One is not the other.
    assert_eq!(api.send("GET", &format!("tokeninfo?id_token={access}"), None).await.0, 400);
    assert_eq!(api.send("GET", &format!("tokeninfo?access_token={token}"), None).await.0, 400);
}

#[tokio::test]
async fn revisions_are_deleted_if_nothing_needs_them() {
    let api = Api::new();
    let first = api.get(HELLO).await["latestCreatedRevision"].as_str().unwrap().to_owned();
    let refused = api.refused("DELETE", &format!("v2/{first}"), None).await;
    assert_eq!((refused.0, refused.1.as_str()), (400, "FAILED_PRECONDITION"));
    let body = json!({"template": {"containers": [{"image": "other"}]}});
    let (_, operation) =
        api.send("PATCH", &format!("{HELLO}?updateMask=template"), Some(&body)).await;
    api.done(&operation).await;
    // Of all services at once, and of one.
    let all = api.get(&format!("{SERVICES}/-/revisions?pageSize=1000")).await;
    let own = api.get(&format!("{HELLO}/revisions")).await;
    assert!(names(&all["revisions"]).len() > names(&own["revisions"]).len());
    assert_eq!(names(&own["revisions"]).len(), 2);
    let (code, operation) = api.send("DELETE", &format!("v2/{first}"), None).await;
    assert_eq!(code, 200, "{operation}");
    assert!(api.done(&operation).await["deleteTime"].is_string());
    assert_eq!(api.refused("GET", &format!("v2/{first}"), None).await.0, 404);
    assert_eq!(names(&api.get(&format!("{HELLO}/revisions")).await["revisions"]).len(), 1);
}

#[tokio::test]
async fn jobs_are_changed_and_their_runs_kept() {
    let api = Api::new();
    let nightly = format!("{PROJECT}/us-central1/jobs/nightly");
    let mut job = api.get(&nightly).await;
    job["template"]["taskCount"] = json!(3);
    job["template"]["template"]["containers"][0]["name"] = json!("main");
    let (code, operation) = api.send("PATCH", &nightly, Some(&job)).await;
    assert_eq!(code, 200, "{operation}");
    let changed = api.done(&operation).await;
    assert_eq!(
        (&changed["generation"], &changed["template"]["taskCount"]),
        (&json!("2"), &json!(3))
    );
    // With the etag that was read before, it is a conflict.
    assert_eq!(api.refused("PATCH", &nightly, Some(&job)).await.1, "ABORTED");
    let overrides = json!({"overrides": {"taskCount": 2, "timeout": "60s", "containerOverrides": [
        {"name": "main", "args": ["--fast"], "env": [{"name": "A", "value": "b"}]}]}});
    let (code, operation) = api.post(&format!("{nightly}:run"), overrides).await;
    assert_eq!(code, 200, "{operation}");
    let ran = api.done(&operation).await;
    let task = &ran["template"];
    assert_eq!((&ran["taskCount"], &task["timeout"]), (&json!(2), &json!("60s")));
    assert_eq!(task["containers"][0]["args"], json!(["--fast"]));
    assert_eq!(task["containers"][0]["env"], json!([{"name": "A", "value": "b"}]));
    let name = format!("v2/{}", ran["name"].as_str().unwrap());
    assert_eq!(api.get(&name).await["uid"], ran["uid"]);
    assert_eq!(names(&api.get(&format!("{nightly}/executions")).await["executions"]).len(), 1);
    let all = format!("{PROJECT}/us-central1/jobs/-/executions");
    assert_eq!(names(&api.get(&all).await["executions"]).len(), 1);
    let tasks = api.get(&format!("{name}/tasks")).await;
    assert_eq!(names(&tasks["tasks"]).len(), 2);
    let one = format!("v2/{}", tasks["tasks"][1]["name"].as_str().unwrap());
    assert_eq!(api.get(&one).await["index"], 1);
    assert_eq!(api.get(&nightly).await["executionCount"], 1);
    assert_eq!(api.refused("POST", &format!("{name}:cancel"), Some(&json!({}))).await.0, 400);
    // v1 shows the same.
    let short = name.rsplit('/').next().unwrap();
    let home = "apis/run.googleapis.com/v1/namespaces/sandbox-project";
    let path = format!("{home}/executions/{short}");
    let (code, shown) = api.send_to(Some("us-central1"), "GET", &path, None).await;
    assert_eq!((code, &shown["metadata"]["name"]), (200, &json!(short)), "{shown}");
    let selected = format!("{home}/tasks?labelSelector=run.googleapis.com/execution={short}");
    let (_, found) = api.send_to(Some("us-central1"), "GET", &selected, None).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 2, "{found}");
    assert_eq!(api.send("DELETE", &name, None).await.0, 200);
    assert_eq!(api.refused("GET", &name, None).await.0, 404);
    assert_eq!(api.send("DELETE", &nightly, None).await.0, 200);
    assert_eq!(api.refused("GET", &format!("{nightly}/executions"), None).await.0, 404);
}

#[tokio::test]
async fn projects_and_folders_are_searched_and_filtered() {
    let api = Api::new();
    let all = api.get("v3/projects:search").await;
    assert_eq!(names(&all["projects"]).len(), 3);
    for (query, count) in [
        ("parent:folders/725218103497", 3),
        ("projectId:sandbox-locked", 1),
        ("id:sandbox-*", 3),
        ("displayName:nosuch", 0),
        ("state:ACTIVE%20id:sandbox-project", 1),
    ] {
        let found = api.get(&format!("v3/projects:search?query={query}")).await;
        assert_eq!(names(&found["projects"]).len(), count, "{query}");
    }
    assert_eq!(names(&api.get("v3/folders:search").await["folders"]).len(), 1);
    let found = api.get("v3/folders:search?query=displayName=engineering").await;
    assert_eq!(names(&found["folders"]).len(), 1);
    let (_, found) = api.post("v2/folders:search", json!({"query": "displayName=none"})).await;
    assert_eq!(found, json!({}));
    for (filter, count) in [
        ("lifecycleState:ACTIVE", 3),
        ("parent.type:folder%20parent.id:725218103497", 3),
        ("id:sandbox-shared", 1),
        ("labels.team:*", 0),
    ] {
        let found = api.get(&format!("v1/projects?filter={filter}")).await;
        let found = found["projects"].as_array().map_or(0, Vec::len);
        assert_eq!(found, count, "{filter}");
    }
    // Who may see nothing finds nothing, and is not refused.
    let stranger = api.access_token("stranger@example.com").await;
    let (code, none) = api.send_as(&stranger, "GET", "v3/projects:search", None).await;
    assert_eq!((code, none), (200, json!({})));
    let functions = "v2/projects/sandbox-shared/locations/-/functions";
    let found = api.get(&format!("{functions}?filter=environment=%22GEN_2%22")).await;
    assert_eq!(names(&found["functions"]).len(), 1);
}

/// An access token of the account that may be acted as.
async fn tokens_of(api: &Api) -> String {
    let asked = json!({"scope": ["https://www.googleapis.com/auth/cloud-platform"]});
    let (_, answer) = api.post(&format!("{OWNED}/{ROBOT}:generateAccessToken"), asked).await;
    answer["accessToken"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn accounts_are_changed_turned_off_and_sign() {
    let api = Api::new();
    let account = format!("{OWNED}/{ROBOT}");
    let change = json!({"serviceAccount": {"displayName": "Runs", "description": "it"},
        "updateMask": "displayName"});
    let (code, changed) = api.send("PATCH", &account, Some(&change)).await;
    assert_eq!((code, &changed["displayName"]), (200, &json!("Runs")), "{changed}");
    assert_eq!(changed.get("description"), None);
    let long = json!({"serviceAccount": {"displayName": "x".repeat(101)},
        "updateMask": "displayName"});
    assert_eq!(api.refused("PATCH", &account, Some(&long)).await.0, 400);
    let other = json!({"serviceAccount": {}, "updateMask": "email"});
    assert_eq!(api.refused("PATCH", &account, Some(&other)).await.0, 400);
    let payload = BASE64_STANDARD.encode("anything");
    let (code, signed) =
        api.post(&format!("{account}:signBlob"), json!({"payload": payload})).await;
    assert_eq!(code, 200, "{signed}");
    assert!(signed["signedBlob"].is_string() && signed["keyId"].is_string(), "{signed}");
    let (_, older) =
        api.post(&format!("{account}:signBlob"), json!({"bytesToSign": payload})).await;
    assert_eq!(older["signature"], signed["signedBlob"]);
    // What it signs gets a token.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let audience = "https://hello-k4qx7v2nza-uc.a.run.app";
    let claims = json!({"iss": ROBOT, "sub": ROBOT, "iat": now, "exp": now + 600,
        "aud": format!("{}/token", api.serve.endpoint), "target_audience": audience});
    let (code, signed) =
        api.post(&format!("{account}:signJwt"), json!({"payload": claims.to_string()})).await;
    assert_eq!(code, 200, "{signed}");
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", signed["signedJwt"].as_str().unwrap()),
    ];
    let (code, tokens) = api.form("token", &form).await;
    assert_eq!(code, 200, "{tokens}");
    // Who may not sign does not.
    let stranger = api.access_token("stranger@example.com").await;
    let path = format!("{account}:signJwt");
    let body = json!({"payload": "{}"});
    assert_eq!(api.send_as(&stranger, "POST", &path, Some(&body)).await.0, 403);
    // Turned off, it gets no token by any way, until it is on again.
    let own = tokens_of(&api).await;
    assert_eq!(api.send_as(&own, "GET", "v3/projects:search", None).await.0, 200);
    assert_eq!(api.post(&format!("{account}:disable"), json!({})).await.0, 200);
    assert_eq!(api.get(&account).await["disabled"], true);
    assert_eq!(api.send_as(&own, "GET", "v3/projects:search", None).await.0, 401);
    let asked = json!({"audience": audience});
    let path = format!("{account}:generateIdToken");
    assert_eq!(api.refused("POST", &path, Some(&asked)).await.1, "FAILED_PRECONDITION");
    assert_eq!(api.form("token", &form).await.0, 400);
    assert_eq!(api.post(&format!("{account}:enable"), json!({})).await.0, 200);
    assert_eq!(api.post(&path, asked).await.0, 200);
}

#[tokio::test]
async fn the_metadata_server_names_a_zone() {
    let api = Api::new();
    let ask = async |path: &str| {
        let url = format!("{}/computeMetadata/v1/{path}", api.serve.endpoint);
        let answer = api.client.get(url).header("Metadata-Flavor", "Google").send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let zone = "projects/123456789012/zones/us-central1-1".to_owned();
    assert_eq!(ask("instance/zone").await, (200, zone));
    assert_eq!(ask("instance/id").await.0, 200);
    assert!(ask("instance/").await.1.contains("zone"));
}

#[tokio::test]
async fn ill_formed_members_are_refused_and_twice_is_once() {
    let api = Api::new();
    let set = async |member: &str| {
        let policy = json!({"bindings": [{"role": "roles/run.invoker",
            "members": [member, member]}]});
        api.post(&format!("{HELLO}:setIamPolicy"), json!({"policy": policy})).await
    };
    for member in [
        "domain:",
        "user:",
        "group:@example.com",
        "user:a b@example.com",
        "user:a@",
        "principal://",
        "principalSet://",
        "serviceAccount:a",
        "someone",
        "",
    ] {
        assert_eq!(set(member).await.0, 400, "{member}");
    }
    let (code, policy) = set("user:dev@example.com").await;
    assert_eq!(code, 200, "{policy}");
    assert_eq!(policy["bindings"][0]["members"], json!(["user:dev@example.com"]));
}

#[tokio::test]
async fn an_apis_identity_is_there_once_it_was_made() {
    let api = Api::new();
    let made = json!({"projectId": "brand-new", "parent": "folders/725218103497"});
    let (code, project) = api.post("v3/projects", made).await;
    assert_eq!(code, 200, "{project}");
    let number =
        project["response"]["name"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let image = json!({"template": {"containers": [{"image": "i"}]}});
    let services = "v2/projects/brand-new/locations/us-central1/services";
    assert_eq!(api.post(&format!("{services}?serviceId=s"), image).await.0, 200);
    let agent = format!("service-{number}@gcp-sa-iap.iam.gserviceaccount.com");
    let policy = json!({"policy": {"bindings": [{"role": "roles/run.invoker",
        "members": [format!("serviceAccount:{agent}")]}]}});
    let path = format!("{services}/s:setIamPolicy");
    let refused = api.refused("POST", &path, Some(&policy)).await;
    assert_eq!(refused.2, format!("Service account {agent} does not exist."));
    let identity = "v1beta1/projects/brand-new/services/iap.googleapis.com:generateServiceIdentity";
    let (code, answer) = api.post(identity, json!({})).await;
    assert_eq!((code, &answer["response"]["email"]), (200, &json!(agent)), "{answer}");
    assert_eq!(api.post(&path, policy).await.0, 200);
}

#[tokio::test]
async fn hosts_of_mexico_have_googles_code() {
    let api = Api::new();
    let services = "v2/projects/sandbox-project/locations/northamerica-south1/services";
    let image = json!({"template": {"containers": [{"image": "i"}]}});
    let (_, operation) = api.post(&format!("{services}?serviceId=mx"), image).await;
    let made = api.done(&operation).await;
    assert_eq!(made["uri"], "https://mx-k4qx7v2nza-pv.a.run.app");
}

#[tokio::test]
async fn the_page_of_a_reserved_path_is_googles_in_form_and_size() {
    let api = Api::new();
    let answer =
        api.front("GET", "hello-k4qx7v2nza-uc.a.run.app", "/healthz").send().await.unwrap();
    assert_eq!(answer.status(), 404);
    let page = answer.text().await.unwrap();
    assert!((1_300..1_800).contains(&page.len()), "{}", page.len());
    assert!(page.contains("\n  <title>Error 404 (Not Found)!!1</title>\n"), "{page}");
    assert!(page.contains("<code>/healthz</code>"), "{page}");
}

#[tokio::test]
async fn an_assertion_need_not_name_its_key() {
    let api = Api::new();
    let (_, key) = api.post(&format!("{OWNED}/{ROBOT}/keys"), json!({})).await;
    let file = BASE64_STANDARD.decode(key["privateKeyData"].as_str().unwrap()).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({"iss": ROBOT, "sub": ROBOT, "iat": now, "exp": now + 600,
        "aud": format!("{}/token", api.serve.endpoint), "scope": "x"});
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
    header.kid = None;
    let key = file["private_key"].as_str().unwrap();
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(key.as_bytes()).unwrap();
    let signed = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    let exchange = async |assertion: &str| {
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        api.form("token", &[("grant_type", grant), ("assertion", assertion)]).await
    };
    let (code, tokens) = exchange(&signed).await;
    assert_eq!(code, 200, "{tokens}");
    // Another's name under the same signature is no assertion.
    let mut parts: Vec<String> = signed.split('.').map(str::to_owned).collect();
    let mut forged = claims;
    forged["iss"] = json!("ci@sandbox-project.iam.gserviceaccount.com");
    parts[1] = BASE64_URL_SAFE_NO_PAD.encode(forged.to_string());
    assert_eq!(exchange(&parts.join(".")).await.0, 400);
}

#[tokio::test]
async fn instances_and_worker_pools_are_kept_with_their_policies() {
    let api = Api::new();
    let container = json!([{"image": "i"}]);
    for (kind, id, body, mask) in [
        ("instances", "instanceId", json!({"containers": container}), "description"),
        (
            "workerPools",
            "workerPoolId",
            json!({"template": {"containers": container}}),
            "description",
        ),
    ] {
        let home = format!("{PROJECT}/us-central1/{kind}");
        assert_eq!(api.refused("POST", &format!("{home}?{id}=x"), Some(&json!({}))).await.0, 400);
        let (code, operation) = api.post(&format!("{home}?{id}=one"), body.clone()).await;
        assert_eq!(code, 200, "{operation}");
        let made = api.done(&operation).await;
        let path = format!("{home}/one");
        assert_eq!(api.get(&path).await["uid"], made["uid"]);
        assert_eq!(api.refused("POST", &format!("{home}?{id}=one"), Some(&body)).await.0, 409);
        // Beside the one that there is.
        for list in [home.clone(), format!("{PROJECT}/-/{kind}")] {
            assert_eq!(names(&api.get(&list).await[kind]).len(), 2, "{list}");
        }
        // v1 shows the same.
        let v1 = format!(
            "apis/run.googleapis.com/v1/namespaces/sandbox-project/{}",
            kind.to_lowercase()
        );
        let listed = api.get(&v1).await;
        assert_eq!(listed["items"].as_array().unwrap().len(), 2, "{listed}");
        let newest = &listed["items"][0]["metadata"];
        assert_eq!((&newest["name"], &newest["uid"]), (&json!("one"), &made["uid"]));
        assert_eq!(newest["labels"]["cloud.googleapis.com/location"], "us-central1");
        let change = json!({"description": "of ours", "etag": made["etag"]});
        let masked = format!("{path}?updateMask={mask},uid");
        let (code, operation) = api.send("PATCH", &masked, Some(&change)).await;
        assert_eq!(code, 200, "{operation}");
        let changed = api.done(&operation).await;
        assert_eq!((&changed["description"], &changed["uid"]), (&json!("of ours"), &made["uid"]));
        assert_eq!(api.refused("PATCH", &masked, Some(&change)).await.1, "ABORTED");
        let policy = json!({"policy": {"bindings": [
            {"role": "roles/run.invoker", "members": ["user:dev@example.com"]}]}});
        let (code, set) = api.post(&format!("{path}:setIamPolicy"), policy).await;
        assert_eq!(code, 200, "{set}");
        assert_eq!(api.policy(&path).await["bindings"], set["bindings"]);
        let held = format!("run.{}.get", kind.to_lowercase());
        let asked = json!({"permissions": [held]});
        let (_, answer) = api.post(&format!("{path}:testIamPermissions"), asked).await;
        assert_eq!(answer["permissions"], json!([held]));
        let stranger = api.access_token("stranger@example.com").await;
        let (_, refused) = api.send_as(&stranger, "GET", &path, None).await;
        assert!(refused.to_string().contains(&held), "{refused}");
        assert_eq!(api.send("DELETE", &path, None).await.0, 200);
        assert_eq!(api.refused("GET", &path, None).await.0, 404);
    }
    // An instance has an address, unless it is off.
    let home = format!("{PROJECT}/us-central1/instances");
    let body = json!({"containers": container});
    let (_, operation) = api.post(&format!("{home}?instanceId=seen"), body).await;
    assert_eq!(
        api.done(&operation).await["urls"],
        json!(["https://seen-123456789012.us-central1.run.app"])
    );
    let off = json!({"defaultUriDisabled": true});
    let path = format!("{home}/seen?updateMask=defaultUriDisabled");
    let (_, operation) = api.send("PATCH", &path, Some(&off)).await;
    assert_eq!(api.done(&operation).await.get("urls"), None);
    assert_eq!(api.post(&format!("{home}/seen:stop"), json!({})).await.0, 200);
}

#[tokio::test]
async fn who_makes_what_is_missing_must_be_allowed_to() {
    let api = Api::new();
    let updater = api.access_token("updater@example.com").await;
    let role = json!({"roleId": "updater", "role": {"includedPermissions": [
        "run.services.update", "run.jobs.update", "run.instances.update",
        "run.workerpools.update", "run.services.get"]}});
    assert_eq!(api.post("v1/projects/sandbox-project/roles", role).await.0, 200);
    let version = json!({"options": {"requestedPolicyVersion": 3}});
    let path = "v3/projects/sandbox-project";
    let (_, mut policy) = api.post(&format!("{path}:getIamPolicy"), version).await;
    policy["bindings"].as_array_mut().unwrap().push(json!({
        "role": "projects/sandbox-project/roles/updater", "members": ["user:updater@example.com"]}));
    let body = json!({"policy": policy});
    assert_eq!(api.post(&format!("{path}:setIamPolicy"), body).await.0, 200);
    let containers = json!([{"image": "i"}]);
    for (kind, name, body) in [
        ("services", "services", json!({"template": {"containers": containers}})),
        ("jobs", "jobs", json!({"template": {"template": {"containers": containers}}})),
        ("instances", "instances", json!({"containers": containers})),
        ("workerPools", "workerpools", json!({"template": {"containers": containers}})),
    ] {
        let path = format!("{PROJECT}/us-central1/{kind}/fresh?allowMissing=true");
        let (code, refused) = api.send_as(&updater, "PATCH", &path, Some(&body)).await;
        assert_eq!(code, 403, "{refused}");
        assert!(refused.to_string().contains(&format!("run.{name}.create")), "{refused}");
        assert_eq!(api.send("PATCH", &path, Some(&body)).await.0, 200, "{kind}");
    }
}

#[tokio::test]
async fn documented_bounds_and_defaults_are_held() {
    let api = Api::new();
    let container = |more: Value| {
        let mut container = json!({"image": "i"});
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"template": {"containers": [container],
            "volumes": [{"name": "v", "secret": {"secret": "s"}}, {"name": "e", "emptyDir": {}}]}})
    };
    let path = format!("{SERVICES}?serviceId=bounds&validateOnly=true");
    for (more, code) in [
        (json!({"startupProbe": {"httpGet": {}, "grpc": {}}}), 400),
        (json!({"startupProbe": {"initialDelaySeconds": 241}}), 400),
        (json!({"livenessProbe": {"initialDelaySeconds": 3600}}), 200),
        (json!({"livenessProbe": {"timeoutSeconds": 20}}), 400),
        (json!({"livenessProbe": {"timeoutSeconds": 20, "periodSeconds": 30}}), 200),
        (json!({"startupProbe": {"tcpSocket": {"port": 70000}}}), 400),
        (json!({"volumeMounts": [{"name": "nosuch", "mountPath": "/x"}]}), 400),
        (json!({"volumeMounts": [{"name": "v", "mountPath": "/x:y"}]}), 400),
        (json!({"volumeMounts": [{"name": "v", "mountPath": "/x", "subPath": "y"}]}), 400),
        (json!({"volumeMounts": [{"name": "e", "mountPath": "/x", "subPath": "y"}]}), 200),
        (json!({"env": [{"name": "A", "value": "x".repeat(32_769)}]}), 400),
        (json!({"env": [{"name": "A", "value": "x".repeat(32_768)}]}), 200),
    ] {
        let (got, answer) = api.post(&path, container(more.clone())).await;
        assert_eq!(got, code, "{}: {answer}", more.to_string().get(..80).unwrap_or_default());
    }
    let checked = async |body: Value| {
        let (code, answer) = api.post(&path, body).await;
        assert_eq!(code, 200, "{answer}");
        answer["response"]["template"].clone()
    };
    let part = json!({"resources": {"limits": {"cpu": "500m", "memory": "512Mi"}}});
    let template = checked(container(part)).await;
    assert_eq!(template["maxInstanceRequestConcurrency"], 1);
    assert_eq!(template["scaling"]["maxInstanceCount"], 100);
    let mut network = container(json!({}));
    network["template"]["vpcAccess"] = json!({"connector": "c"});
    let template = checked(network).await;
    assert_eq!(template["maxInstanceRequestConcurrency"], 80);
    assert_eq!(template["vpcAccess"]["egress"], "PRIVATE_RANGES_ONLY");
    // Names and labels above.
    for (path, body) in [
        ("v3/folders", json!({"parent": "organizations/433637338589", "displayName": "-x-"})),
        ("v3/folders", json!({"parent": "organizations/433637338589", "displayName": "a/b"})),
        ("v3/tagKeys", json!({"parent": "organizations/433637338589", "shortName": "-x"})),
        (
            "v3/tagKeys",
            json!({"parent": "organizations/433637338589", "shortName": "x",
                "description": "d".repeat(257)}),
        ),
        ("v3/projects", json!({"projectId": "brand-new", "labels": {"Team": "web"}})),
        ("v3/projects", json!({"projectId": "brand-new", "labels": {"team": "Web Shop"}})),
    ] {
        assert_eq!(api.refused("POST", path, Some(&body)).await.0, 400, "{body}");
    }
    let group = api.get("v1/groups:lookup?groupKey.id=team@example.com").await;
    let path = format!("v1/{}/memberships", group["name"].as_str().unwrap());
    for roles in [
        json!([{"name": "KING"}]),
        json!([{"name": "MEMBER"}, {"name": "MEMBER"}]),
        json!([{"name": "OWNER", "expiryDetail": {"expireTime": "2030-01-01T00:00:00Z"}}]),
    ] {
        let body = json!({"preferredMemberKey": {"id": "new@example.com"}, "roles": roles});
        assert_eq!(api.refused("POST", &path, Some(&body)).await.0, 400, "{roles}");
    }
}
