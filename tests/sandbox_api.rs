//! The sandbox's Admin API as any client meets it: on the wire, in both JSON dialects.

use serde_json::json;

use crate::support::{Api, without_etags};

const SERVICES: &str = "v2/projects/sandbox-project/locations/us-central1/services";
const HELLO: &str = "v2/projects/sandbox-project/locations/us-central1/services/hello";
const BILLING: &str = "v2/projects/sandbox-project/locations/us-central1/services/billing";
const INT: &str = "$alt=json;enum-encoding=int";

#[tokio::test]
async fn services_are_created_read_changed_and_deleted() {
    let api = Api::new();
    let (code, operation) = api
        .post(
            &format!("{SERVICES}?serviceId=new"),
            json!({"labels": {"team": "a"}, "template": {"containers": [{"image": "i"}]}}),
        )
        .await;
    assert_eq!(code, 200);
    let service = api.done(&operation).await;
    assert_eq!(service["@type"], "type.googleapis.com/google.cloud.run.v2.Service");
    assert_eq!(service["uri"], "https://new-k4qx7v2nza-uc.a.run.app");
    assert_eq!(
        service["urls"],
        json!([
            "https://new-123456789012.us-central1.run.app",
            "https://new-k4qx7v2nza-uc.a.run.app"
        ])
    );
    assert_eq!(service["ingress"], "INGRESS_TRAFFIC_ALL");
    assert_eq!(
        service["template"]["serviceAccount"],
        "123456789012-compute@developer.gserviceaccount.com"
    );
    let new = format!("{SERVICES}/new");
    let before = api.get(&new).await;
    assert_eq!(before["generation"], "1");
    for (mask, body) in [
        ("invokerIamDisabled", json!({"invokerIamDisabled": true, "labels": {}})),
        ("default_uri_disabled", json!({"defaultUriDisabled": true})),
    ] {
        let path = format!("{new}?updateMask={mask}");
        let (code, operation) = api.send("PATCH", &path, Some(&body)).await;
        assert_eq!(code, 200, "{operation}");
        api.done(&operation).await;
    }
    let after = api.get(&new).await;
    assert_eq!(after["invokerIamDisabled"], true);
    assert_eq!(after["labels"], json!({"team": "a"}), "what the mask does not name stays");
    assert_eq!((after.get("uri"), after.get("urls")), (None, None));
    assert_eq!(after["generation"], "3");
    assert_ne!(after["etag"], before["etag"]);
    let stale = json!({"etag": before["etag"], "description": "x"});
    let refused = api.refused("PATCH", &new, Some(&stale)).await;
    assert_eq!((refused.0, refused.1.as_str()), (409, "ABORTED"));
    let (code, _) = api.send("DELETE", &new, None).await;
    assert_eq!(code, 200);
    let missing = api.refused("GET", &new, None).await;
    assert_eq!(
        missing,
        (404, "NOT_FOUND".into(), "Resource 'new' of kind 'SERVICE' in region 'us-central1' in project 'sandbox-project' does not exist.".into())
    );
}

#[tokio::test]
async fn what_the_api_does_not_know_is_refused() {
    let api = Api::new();
    for (method, path, body, code, status) in [
        (
            "POST",
            format!("{SERVICES}?serviceId=x"),
            json!({"colour": "red"}),
            400,
            "INVALID_ARGUMENT",
        ),
        ("POST", format!("{SERVICES}?serviceId=Bad"), json!({}), 400, "INVALID_ARGUMENT"),
        ("POST", format!("{SERVICES}?serviceId=hello"), json!({}), 409, "ALREADY_EXISTS"),
        ("PATCH", format!("{HELLO}?updateMask=colour"), json!({}), 400, "INVALID_ARGUMENT"),
        ("PATCH", HELLO.to_owned(), json!({"invokerIamDisabled": "yes"}), 400, "INVALID_ARGUMENT"),
        (
            "POST",
            format!("{HELLO}:setIamPolicy"),
            json!({"policy": {"colour": 1}}),
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "GET",
            "v2/projects/nosuch/locations/us-central1/services".to_owned(),
            json!({}),
            403,
            "PERMISSION_DENIED",
        ),
        (
            "POST",
            "v2/projects/sandbox-project/locations/us-central1/builds:submit".to_owned(),
            json!({}),
            501,
            "UNIMPLEMENTED",
        ),
        ("GET", "v3/anything".to_owned(), json!({}), 404, "NOT_FOUND"),
        ("GET", format!("{SERVICES}?fields=a("), json!({}), 400, "INVALID_ARGUMENT"),
        ("GET", format!("{SERVICES}?pageToken=x"), json!({}), 400, "INVALID_ARGUMENT"),
    ] {
        let refused = api.refused(method, &path, Some(&body)).await;
        assert_eq!(
            (refused.0, refused.1.as_str()),
            (code, status),
            "{method} {path}: {}",
            refused.2
        );
    }
    let url = format!("{}/{HELLO}:setIamPolicy", api.serve.endpoint);
    let answer = api.client.post(url).bearer_auth("t").body("{").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 400);
}

#[tokio::test]
async fn nobody_is_let_in_without_a_token_or_with_a_foreign_one() {
    let api = Api::new();
    let url = format!("{}/{HELLO}", api.serve.endpoint);
    let status = |request: reqwest::RequestBuilder| async {
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(api.client.get(&url)).await, 401);
    assert_eq!(status(api.client.get(&url).header("Authorization", "Basic eDp5")).await, 401);
    let foreign = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln";
    assert_eq!(status(api.client.get(&url).bearer_auth(foreign)).await, 401);
    assert_eq!(status(api.client.get(&url).bearer_auth("ya29.opaque")).await, 200);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let api = Api::new();
    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let page = api.get(&format!("{SERVICES}?pageSize=4&pageToken={token}")).await;
        let services = page["services"].as_array().unwrap();
        assert!(services.len() <= 4);
        names.extend(services.iter().map(|s| s["name"].as_str().unwrap().to_owned()));
        match page["nextPageToken"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    assert_eq!(names.len(), 11);
    let v1 = api.get("v1/projects/sandbox-project/locations/-/services?limit=5").await;
    assert_eq!(v1["items"].as_array().unwrap().len(), 5);
    let next = v1["metadata"]["continue"].as_str().unwrap();
    let v1 =
        api.get(&format!("v1/projects/sandbox-project/locations/-/services?continue={next}")).await;
    assert_eq!(v1["items"].as_array().unwrap().len(), 7);
    assert_eq!(v1["metadata"], json!({}));
}

#[tokio::test]
async fn both_versions_show_one_service() {
    let api = Api::new();
    let v1 =
        |name: &str| format!("v1/projects/sandbox-project/locations/us-central1/services/{name}");
    let orders = api.get(&v1("orders")).await;
    assert_eq!(orders["kind"], "Service");
    assert_eq!(orders["metadata"]["namespace"], "123456789012");
    assert_eq!(orders["metadata"]["labels"]["cloud.googleapis.com/location"], "us-central1");
    assert_eq!(orders["status"]["url"], "https://orders-k4qx7v2nza-uc.a.run.app");
    assert_eq!(
        orders["status"]["traffic"][1]["url"],
        "https://canary---orders-k4qx7v2nza-uc.a.run.app"
    );
    assert_eq!(orders["status"]["conditions"][0]["type"], "Ready");
    let annotation = async |name: &str, key: &str| {
        let service = api.get(&v1(name)).await;
        service["metadata"]["annotations"][format!("run.googleapis.com/{key}")].clone()
    };
    assert_eq!(annotation("status-page", "invoker-iam-disabled").await, "true");
    assert_eq!(annotation("backoffice", "ingress").await, "internal");
    assert_eq!(annotation("catalog", "default-url-disabled").await, "true");
    assert_eq!(annotation("intranet", "iap-enabled").await, "true");
    assert_eq!(annotation("api", "custom-audiences").await, "[\"https://api.example.com\"]");
    assert_eq!(
        annotation("hello", "urls").await,
        "[\"https://hello-123456789012.us-central1.run.app\",\"https://hello-k4qx7v2nza-uc.a.run.app\"]"
    );
    let by_number = api.get("v1/projects/123456789012/locations/europe-west1/services").await;
    assert_eq!(by_number["items"].as_array().unwrap().len(), 1);
    let locations = api.get("v1/projects/sandbox-project/locations").await;
    assert_eq!(locations["locations"].as_array().unwrap().len(), 48);
}

#[tokio::test]
async fn revisions_follow_the_template() {
    let api = Api::new();
    let count = async || {
        api.get(&format!("{HELLO}/revisions")).await["revisions"].as_array().unwrap().len()
    };
    assert_eq!(count().await, 1);
    let template = json!({"template": {"containers": [{"image": "other"}]}});
    api.send("PATCH", &format!("{HELLO}?updateMask=template"), Some(&template)).await;
    assert_eq!(count().await, 2);
    let latest = api.get(HELLO).await["latestReadyRevision"].as_str().unwrap().to_owned();
    let revision = api.get(&format!("v2/{latest}")).await;
    assert_eq!(revision["containers"][0]["image"], "other");
    assert_eq!(api.refused("GET", &format!("{HELLO}/revisions/nosuch"), None).await.0, 404);
}

#[tokio::test]
async fn enums_are_numbers_for_those_who_ask() {
    let api = Api::new();
    let service = api.get(&format!("{SERVICES}/backoffice?{INT}")).await;
    assert_eq!((&service["ingress"], &service["launchStage"]), (&json!(2), &json!(4)));
    assert_eq!(service["terminalCondition"]["state"], 4);
    assert_eq!(service["traffic"][0]["type"], 1);
    let (code, _) = api
        .send("PATCH", &format!("{HELLO}?updateMask=ingress&{INT}"), Some(&json!({"ingress": 3})))
        .await;
    assert_eq!(code, 200);
    assert_eq!(api.get(HELLO).await["ingress"], "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER");
}

#[tokio::test]
async fn only_the_fields_asked_for_are_sent() {
    let api = Api::new();
    let answer = api.get(&format!("{HELLO}?fields=uri,traffic/percent")).await;
    assert_eq!(
        answer,
        json!({"uri": "https://hello-k4qx7v2nza-uc.a.run.app", "traffic": [{"percent": 100}]})
    );
}

#[tokio::test]
async fn a_policy_is_guarded_by_its_etag() {
    let api = Api::new();
    assert_eq!(api.policy(HELLO).await, json!({"etag": "ACAB"}));
    let set = format!("{HELLO}:setIamPolicy");
    let bindings = json!([{"role": "roles/run.invoker", "members": ["user:a@x.com"]}]);
    let (code, first) =
        api.post(&set, json!({"policy": {"etag": "ACAB", "bindings": bindings}})).await;
    assert_eq!((code, &first["version"]), (200, &json!(1)));
    let refused =
        api.refused("POST", &set, Some(&json!({"policy": {"etag": "ACAB", "bindings": []}}))).await;
    assert_eq!(
        refused,
        (409, "ABORTED".into(), "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.".into())
    );
    let (code, second) = api.post(&set, json!({"policy": {"bindings": []}})).await;
    assert_eq!(code, 200, "without an etag the policy is overwritten blindly");
    assert_ne!(second["etag"], first["etag"]);
}

#[tokio::test]
async fn conditions_need_version_3() {
    let api = Api::new();
    let plain = api.get(&format!("{BILLING}:getIamPolicy")).await;
    assert_eq!(plain["version"], 1);
    let role = plain["bindings"][1]["role"].as_str().unwrap();
    assert!(role.starts_with("roles/run.invoker_withcond_"), "{role}");
    assert_eq!(plain["bindings"][1].get("condition"), None);
    let policy = api.policy(BILLING).await;
    assert_eq!(policy["version"], 3);
    let set = format!("{BILLING}:setIamPolicy");
    let mut below = policy.clone();
    below["version"] = json!(1);
    assert_eq!(api.refused("POST", &set, Some(&json!({"policy": below}))).await.0, 400);
    let disguised = api.refused("POST", &set, Some(&json!({"policy": plain}))).await;
    assert_eq!(disguised.0, 400);
    let (code, same) = api.post(&set, json!({"policy": policy})).await;
    assert_eq!(code, 200);
    assert_eq!(without_etags(same), without_etags(policy));
    for version in [2, 4, -1] {
        let refused =
            api.refused("POST", &set, Some(&json!({"policy": {"version": version}}))).await;
        assert_eq!(refused.0, 400);
    }
    let path = format!("{BILLING}:getIamPolicy?options.requestedPolicyVersion=2");
    assert_eq!(api.refused("GET", &path, None).await.0, 400);
}

#[tokio::test]
async fn audit_configs_change_only_where_the_mask_names_them() {
    let api = Api::new();
    let set = format!("{HELLO}:setIamPolicy");
    let audit = json!([{"service": "allServices", "auditLogConfigs": [{"logType": 1}]}]);
    let named = json!({"policy": {"auditConfigs": audit}, "updateMask": "auditConfigs"});
    let (code, policy) = api.post(&set, named).await;
    assert_eq!(
        (code, &policy["auditConfigs"][0]["auditLogConfigs"][0]["logType"]),
        (200, &json!("ADMIN_READ"))
    );
    let bindings = json!([{"role": "roles/run.invoker", "members": ["user:a@x.com"]}]);
    let (_, policy) = api.post(&set, json!({"policy": {"bindings": bindings}})).await;
    assert!(policy["auditConfigs"].is_array() && policy["bindings"].is_array());
    let (_, policy) =
        api.post(&set, json!({"policy": {}, "updateMask": {"paths": ["bindings"]}})).await;
    assert!(policy["auditConfigs"].is_array() && policy.get("bindings").is_none());
}

#[tokio::test]
async fn members_and_roles_are_checked_in_googles_words() {
    let api = Api::new();
    let set = format!("{HELLO}:setIamPolicy");
    for (role, member, message) in [
        (
            "roles/run.invoker",
            "frob:a@x.com",
            "The member frob:a@x.com is of an unknown type. Please set a valid type prefix for the member.",
        ),
        (
            "roles/run.invoker",
            "a@x.com",
            "The member a@x.com is of an unknown type. Please set a valid type prefix for the member.",
        ),
        (
            "roles/run.invoker",
            "serviceAccount:no@sandbox-project.iam.gserviceaccount.com",
            "Service account no@sandbox-project.iam.gserviceaccount.com does not exist.",
        ),
        ("roles/nosuch", "user:a@x.com", "Role roles/nosuch is not supported for this resource."),
    ] {
        let body = json!({"policy": {"bindings": [{"role": role, "members": [member]}]}});
        let refused = api.refused("POST", &set, Some(&body)).await;
        assert_eq!((refused.0, refused.2.as_str()), (400, message));
    }
    let many: Vec<String> = (0..1_501).map(|i| format!("user:u{i}@x.com")).collect();
    let body = json!({"policy": {"bindings": [{"role": "roles/run.invoker", "members": many}]}});
    let refused = api.refused("POST", &set, Some(&body)).await;
    assert!(
        refused.2.contains("(1501) is larger than the maximum allowed size 1500"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn organisation_policies_are_not_retroactive() {
    let api = Api::new();
    let search = "v2/projects/sandbox-shared/locations/us-central1/services/search";
    let set = format!("{search}:setIamPolicy");
    let with = |member: &str| json!({"policy": {"bindings": [{"role": "roles/run.invoker", "members": [member]}]}});
    let refused = api.refused("POST", &set, Some(&with("allUsers"))).await;
    assert_eq!(
        refused,
        (400, "FAILED_PRECONDITION".into(), "One or more users named in the policy do not belong to a permitted customer,  perhaps due to an organization policy.".into())
    );
    assert_eq!(api.post(&set, with("user:a@example.com")).await.0, 200);
    assert_eq!(api.post(&set, with("user:a@elsewhere.com")).await.0, 400);
    let ledger = "v2/projects/sandbox-locked/locations/us-central1/services/ledger";
    let off = json!({"invokerIamDisabled": true});
    let refused =
        api.refused("PATCH", &format!("{ledger}?updateMask=invokerIamDisabled"), Some(&off)).await;
    assert!(refused.2.contains("invoker_iam_disabled is not currently available"), "{refused:?}");
}

#[tokio::test]
async fn permissions_are_tested() {
    let api = Api::new();
    let test = format!("{HELLO}:testIamPermissions");
    let (_, held) =
        api.post(&test, json!({"permissions": ["run.routes.invoke", "run.services.get"]})).await;
    assert_eq!(held, json!({"permissions": ["run.routes.invoke", "run.services.get"]}));
    assert_eq!(api.post(&test, json!({"permissions": ["run.*"]})).await.0, 400);
    assert_eq!(api.post(&test, json!({"permissions": ["storage.buckets.get"]})).await.0, 400);
}

#[tokio::test]
async fn a_policy_of_the_wrong_types_is_refused_and_wipes_nothing() {
    let api = Api::new();
    let before = api.policy(BILLING).await;
    for policy in [
        json!({"bindings": {}}),
        json!({"bindings": [{"role": "roles/run.invoker", "members": "user:a@x.com"}]}),
        json!({"bindings": [{"role": "roles/run.invoker", "members": [7]}]}),
        json!({"bindings": [{"role": 7, "members": []}]}),
        json!({"etag": 5, "bindings": []}),
        json!({"auditConfigs": [{"colour": 1}]}),
    ] {
        let body = json!({"policy": policy});
        let refused = api.refused("POST", &format!("{BILLING}:setIamPolicy"), Some(&body)).await;
        assert_eq!(refused.0, 400, "{body}");
    }
    assert_eq!(api.policy(BILLING).await, before);
}

#[tokio::test]
async fn a_mask_may_name_a_part_of_a_part() {
    let api = Api::new();
    let chat = format!("{SERVICES}/chat");
    let body =
        json!({"template": {"serviceAccount": "ci@sandbox-project.iam.gserviceaccount.com"}});
    let path = format!("{chat}?updateMask=template.service_account");
    assert_eq!(api.send("PATCH", &path, Some(&body)).await.0, 200);
    let after = api.get(&chat).await;
    assert_eq!(after["template"]["serviceAccount"], body["template"]["serviceAccount"]);
    assert_eq!(after["template"]["containers"][0]["ports"][0]["name"], "h2c");
    let bad = json!({"ingress": "banana"});
    assert_eq!(api.refused("PATCH", &chat, Some(&bad)).await.0, 400);
}

#[tokio::test]
async fn a_mask_goes_no_further_than_the_messages_do() {
    let api = Api::new();
    let before = api.get(HELLO).await;
    for mask in ["template.containers.image", "template.nosuch", "labels.a.b", "nosuch"] {
        let path = format!("{HELLO}?updateMask={mask}");
        let refused = api.refused("PATCH", &path, Some(&json!({"labels": {"a": "b"}}))).await;
        assert_eq!(refused.0, 400, "{mask}");
    }
    assert_eq!(api.get(HELLO).await, before);
    let path = format!("{HELLO}?updateMask=template.timeout,labels.a");
    let body = json!({"labels": {"a": "b", "c": "d"}});
    assert_eq!(api.send("PATCH", &path, Some(&body)).await.0, 200);
    let after = api.get(HELLO).await;
    assert_eq!(
        (&after["labels"], &after["template"]["timeout"]),
        (&json!({"a": "b"}), &json!("300s"))
    );
}

#[tokio::test]
async fn nothing_is_taken_for_what_it_is_not() {
    let api = Api::new();
    let body = json!({"template": {"containers": [{"image": "i"}]}});
    let path = format!("{SERVICES}?serviceId=new&validateOnly=1");
    assert_eq!(api.refused("POST", &path, Some(&body)).await.0, 400);
    assert_eq!(api.refused("GET", &format!("{SERVICES}/new"), None).await.0, 404);
    let rules = json!({"policy": {"rules": []}});
    assert_eq!(api.refused("POST", &format!("{HELLO}:setIamPolicy"), Some(&rules)).await.0, 400);
    let annotation = json!({"template": {"containers": [{"image": "i"}]},
        "annotations": {"run.googleapis.com/invoker-iam-disabled": "true"}});
    let path = format!("{SERVICES}?serviceId=new");
    assert_eq!(api.refused("POST", &path, Some(&annotation)).await.0, 400);
    // Names as the protocol buffers have them are taken in a query.
    assert!(api.get(&format!("{SERVICES}?page_size=2")).await["nextPageToken"].is_string());
    let slip = json!({"optoins": {}});
    assert_eq!(
        api.refused("POST", "v3/projects/sandbox-project:getIamPolicy", Some(&slip)).await.0,
        400
    );
}

/// A page in a browser can have a name of its own resolve to this machine.
#[tokio::test]
async fn a_host_that_is_not_the_sandboxs_is_refused() {
    let api = Api::new();
    let ask = |host: &str, path: &str| {
        let url = format!("{}/{path}", api.serve.endpoint);
        api.client.get(url).header("Host", host).bearer_auth("t").send()
    };
    for host in
        ["evil.example", "evil.example:8787", "127.0.0.1.evil.example", "localhost.evil.example"]
    {
        for path in [HELLO, "sandbox/faults"] {
            assert_eq!(ask(host, path).await.unwrap().status(), 403, "{host}");
        }
    }
    for host in ["localhost:1", "[::1]:1", "run.googleapis.com", "us-central1-127.0.0.1:1"] {
        assert_eq!(ask(host, HELLO).await.unwrap().status(), 200, "{host}");
    }
    // A service's own host is the front end's, whatever the path.
    assert_eq!(ask("hello.localhost", HELLO).await.unwrap().status(), 401);
}

/// IAM keeps a member once, however often and however it is written, and takes no deleted one without
/// its number.
#[tokio::test]
async fn a_member_is_kept_once_and_whole() {
    let api = Api::new();
    let path = "v2/projects/sandbox-project/locations/us-central1/services/hello:setIamPolicy";
    let set = async |members: &[&str]| {
        let bindings = json!([{"role": "roles/run.invoker", "members": members}]);
        api.send("POST", path, Some(&json!({"policy": {"bindings": bindings}}))).await
    };
    let (code, answer) = set(&["user:a@x.com", "user:A@x.com", "user:b@x.com"]).await;
    assert_eq!(code, 200, "{answer}");
    assert_eq!(answer["bindings"][0]["members"], json!(["user:a@x.com", "user:b@x.com"]));
    for bad in
        ["deleted:user:a@x.com", "deleted:group:g@x.com?uid=", "deleted:serviceAccount:?uid=1"]
    {
        assert_eq!(set(&[bad]).await.0, 400, "{bad}");
    }
    assert_eq!(set(&["deleted:user:a@x.com?uid=12"]).await.0, 200);
}
