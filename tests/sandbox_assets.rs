//! Cloud Asset Inventory in the sandbox.

use serde_json::{Value, json};

use crate::support::Api;

const ORGANIZATION: &str = "organizations/433637338589";
const HELLO: &str =
    "//run.googleapis.com/projects/sandbox-project/locations/us-central1/services/hello";

/// The results of every page.
async fn all(api: &Api, path: &str, field: &str, size: usize) -> Vec<Value> {
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let sign = if path.contains('?') { '&' } else { '?' };
        let page = api.get(&format!("v1/{path}{sign}pageSize={size}&pageToken={token}")).await;
        let some = page[field].as_array().cloned().unwrap_or_default();
        assert!(some.len() <= size, "{}", some.len());
        found.extend(some);
        match page["nextPageToken"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => return found,
        }
    }
}

fn texts<'a>(found: &'a [Value], field: &str) -> Vec<&'a str> {
    found.iter().map(|one| one[field].as_str().unwrap()).collect()
}

#[tokio::test]
async fn resources_are_searched_in_a_scope() {
    let api = Api::new();
    let search = format!("{ORGANIZATION}:searchAllResources");
    let services = format!("{search}?assetTypes=run.googleapis.com/Service");
    let found = all(&api, &services, "results", 4).await;
    let names = texts(&found, "name");
    assert!(names.contains(&HELLO), "{names:?}");
    let hello = found.iter().find(|one| one["name"] == HELLO).unwrap();
    assert_eq!(hello["project"], "projects/123456789012");
    assert_eq!(hello["folders"], json!(["folders/725218103497"]));
    assert_eq!(hello["organization"], ORGANIZATION);
    assert_eq!(
        (&hello["location"], &hello["displayName"]),
        (&json!("us-central1"), &json!("hello"))
    );
    assert_eq!(
        hello["parentFullResourceName"],
        "//cloudresourcemanager.googleapis.com/projects/sandbox-project"
    );
    // What is large comes if the mask names it: a service in v1's form, and the tags in force.
    assert_eq!(hello.get("versionedResources"), None);
    let mask = "name,effectiveTags,versionedResources";
    let found = all(&api, &format!("{services}&readMask={mask}"), "results", 500).await;
    let hello = found.iter().find(|one| one["name"] == HELLO).unwrap();
    assert_eq!(hello.get("location"), None);
    let resource = &hello["versionedResources"][0];
    assert_eq!(
        (&resource["version"], &resource["resource"]["kind"]),
        (&json!("v1"), &json!("Service"))
    );
    assert_eq!(
        resource["resource"]["metadata"]["annotations"]["run.googleapis.com/ingress"],
        "all"
    );
    let tags = &hello["effectiveTags"][0];
    assert_eq!(
        tags["attachedResource"],
        "//cloudresourcemanager.googleapis.com/projects/sandbox-project"
    );
    assert_eq!(tags["effectiveTags"][0]["tagKey"], "433637338589/environment");
    assert_eq!(tags["effectiveTags"][0]["tagValue"], "433637338589/environment/production");
    // A project's scope holds its own alone.
    let of_project = "projects/sandbox-shared:searchAllResources?assetTypes=run.*Service";
    let found = all(&api, of_project, "results", 500).await;
    assert!(texts(&found, "project").iter().all(|project| *project == "projects/210987654321"));
}

#[tokio::test]
async fn queries_find_what_they_say() {
    let api = Api::new();
    let count = async |query: &str, kind: &str| {
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let path = format!("{ORGANIZATION}:searchAllResources?query={query}&assetTypes={kind}");
        all(&api, &path, "results", 500).await.len()
    };
    for (query, kind, wanted) in [
        ("name:hello", "run.googleapis.com/Service", 1),
        ("name:services/orders", "run.googleapis.com/Service", 2),
        ("name:orders AND location=europe-west1", "run.googleapis.com/Service", 1),
        ("displayName:hello OR displayName=chat", "run.googleapis.com/Service", 2),
        ("labels.goog-managed-by:cloudfunctions", "run.googleapis.com/Service", 1),
        ("effectiveTagValues:environment/production", "run.googleapis.com/Service", 12),
        ("projectId:sandbox-locked", "cloudresourcemanager.googleapis.com/Project", 1),
        ("includedPermissions:run.routes.invoke", "iam.googleapis.com/Role", 2),
        ("email:runner", "iam.googleapis.com/ServiceAccount", 3),
        ("name:denypolicies", "iam.googleapis.com/PolicyV2", 1),
        ("environment=GEN_2", "cloudfunctions.googleapis.com/Function", 1),
        ("project=projects/345678901234", "orgpolicy.googleapis.com/Policy", 2),
    ] {
        assert_eq!(count(query, kind).await, wanted, "{query}");
    }
    for path in [
        "searchAllResources?query=name:(",
        "searchAllResources?assetTypes=nosuch.googleapis.com/Thing",
        "searchAllResources?readMask=colour",
        "searchAllResources?orderBy=labels",
        "searchAllIamPolicies?orderBy=policy",
    ] {
        let refused = api.refused("GET", &format!("v1/{ORGANIZATION}:{path}"), None).await;
        assert_eq!(refused.0, 400, "{path}");
    }
    let path = format!("{ORGANIZATION}:searchAllResources?orderBy=location%20DESC,name");
    let found =
        all(&api, &format!("{path}&assetTypes=run.googleapis.com/Service"), "results", 500).await;
    let places = texts(&found, "location");
    assert!(places.is_sorted_by(|a, b| a >= b), "{places:?}");
}

#[tokio::test]
async fn policies_are_searched_binding_by_binding() {
    let api = Api::new();
    let search = format!("{ORGANIZATION}:searchAllIamPolicies");
    let of_services = format!("{search}?assetTypes=run.googleapis.com/Service");
    let found = all(&api, &format!("{of_services}&query=policy:allUsers"), "results", 500).await;
    let mut names = texts(&found, "resource");
    names.sort_unstable();
    assert!(names[0].ends_with("/catalog") && names[1].ends_with("/storefront"), "{names:?}");
    assert_eq!(names.len(), 2);
    // Only what matches is in a result.
    let query = "query=policy:contractor@example.com";
    let found = all(&api, &format!("{of_services}&{query}"), "results", 500).await;
    let bound = found[0]["policy"]["bindings"].as_array().unwrap();
    assert_eq!(bound.len(), 1);
    assert_eq!(bound[0]["condition"]["title"], "until spring");
    let query = "query=policy.role.permissions:run.routes.invoke%20memberTypes:group";
    let found = all(&api, &format!("{search}?{query}"), "results", 500).await;
    let matched = &found[0]["explanation"]["matchedPermissions"];
    assert!(matched.to_string().contains("run.routes.invoke"), "{matched}");
    // A role's permissions that may not be read drop its bindings.
    let reader = api.access_token("ana@example.com").await;
    let path = format!("v1/{search}?query=roles:reportReader");
    let (code, refused) = api.send_as(&reader, "GET", &path, None).await;
    assert_eq!(code, 403, "{refused}");
    assert!(refused.to_string().contains("cloudasset.assets.searchAllIamPolicies"), "{refused}");
}

#[tokio::test]
async fn assets_are_listed_with_their_content() {
    let api = Api::new();
    let list = "projects/sandbox-project/assets";
    let found = all(&api, &format!("{list}?contentType=RESOURCE"), "assets", 7).await;
    let hello = found.iter().find(|asset| asset["name"] == HELLO).unwrap();
    assert_eq!(hello["ancestors"][0], "projects/123456789012");
    assert_eq!(hello["ancestors"][2], ORGANIZATION);
    assert_eq!(hello["resource"]["discoveryName"], "Service");
    assert_eq!(hello["resource"]["data"]["metadata"]["name"], "hello");
    assert!(!found.iter().any(|asset| asset["assetType"].as_str().unwrap().starts_with("iap.")));
    // By the number, as Google's library for Python sends it; of IAP too.
    let found = all(&api, &format!("{list}?contentType=2"), "assets", 500).await;
    let iap = found.iter().find(|asset| asset["assetType"] == "iap.googleapis.com/WebService");
    let name = iap.unwrap()["name"].as_str().unwrap();
    let wanted = "//iap.googleapis.com/projects/123456789012/iap_web/cloud_run-us-central1/services/intranet";
    assert_eq!(name, wanted);
    assert!(found.iter().all(|asset| asset["iamPolicy"].is_object()));
    let path = format!("{ORGANIZATION}/assets?contentType=ORG_POLICY");
    let found = all(&api, &path, "assets", 500).await;
    let locked = "//cloudresourcemanager.googleapis.com/projects/sandbox-locked";
    let locked = found.iter().find(|asset| asset["name"] == locked).unwrap();
    let set = locked["orgPolicy"].as_array().unwrap();
    let required = set.iter().find(|policy| policy["booleanPolicy"].is_object()).unwrap();
    assert_eq!(required["constraint"], "constraints/run.managed.requireInvokerIam");
    assert_eq!(required["booleanPolicy"]["enforced"], true);
    assert!(set.iter().any(|policy| policy["listPolicy"]["allowedValues"] == json!(["C03xgje4y"])));
    // Each content takes a permission of its own.
    let token = api.access_token("ana@example.com").await;
    let path = format!("v1/{list}?contentType=IAM_POLICY");
    let (_, refused) = api.send_as(&token, "GET", &path, None).await;
    assert!(refused.to_string().contains("cloudasset.assets.listIamPolicy"), "{refused}");
}

#[tokio::test]
async fn effective_policies_go_up_to_the_scope() {
    let api = Api::new();
    let orders = HELLO.replace("hello", "orders");
    let path = |scope: &str| format!("v1/{scope}/effectiveIamPolicies:batchGet?names={orders}");
    let whole = api.get(&path(ORGANIZATION)).await;
    let attached =
        texts(whole["policyResults"][0]["policies"].as_array().unwrap(), "attachedResource")
            .iter()
            .map(|name| name.rsplit_once('/').unwrap().0.rsplit('/').next().unwrap().to_owned())
            .collect::<Vec<_>>();
    assert_eq!(attached, ["services", "projects", "folders", "organizations"]);
    let own = api.get(&path("projects/sandbox-project")).await;
    assert_eq!(own["policyResults"][0]["policies"].as_array().unwrap().len(), 2);
    let many = vec![format!("names={orders}"); 21].join("&");
    let path = format!("v1/{ORGANIZATION}/effectiveIamPolicies:batchGet?{many}");
    assert_eq!(api.refused("GET", &path, None).await.0, 400);
}

#[tokio::test]
async fn policies_are_as_late_as_a_fault_makes_them() {
    let api = Api::with_faults(&["asset-age=36h"]);
    let query = "query=policy:newcomer@example.com&assetTypes=run.googleapis.com/Service";
    let search = format!("v1/{ORGANIZATION}:searchAllIamPolicies?{query}");
    api.let_in("hello", "user:newcomer@example.com", "roles/run.invoker").await;
    assert_eq!(api.get(&search).await, json!({}));
    // What was so before is still told.
    api.let_in("storefront", "user:another@example.com", "roles/run.invoker").await;
    let open = search.replace("newcomer@example.com", "allUsers");
    assert_eq!(api.get(&open).await["results"].as_array().unwrap().len(), 2);
    let list = api.get("v1/projects/sandbox-project/assets?contentType=IAM_POLICY").await;
    let fresh = Api::new();
    let now = fresh.get("v1/projects/sandbox-project/assets?contentType=IAM_POLICY").await;
    let day = |list: &Value| list["readTime"].as_str().unwrap()[..10].to_owned();
    assert!(day(&list) < day(&now), "{list}");
    fresh.let_in("hello", "user:newcomer@example.com", "roles/run.invoker").await;
    assert_eq!(fresh.get(&search).await["results"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn exports_are_lines_in_a_file_that_stands_for_the_bucket() {
    let api = Api::new();
    let ask = |content: &str, target: Value| {
        json!({"contentType": content, "assetTypes": ["run.googleapis.com/.*", "iam.*Role"],
            "outputConfig": {"gcsDestination": target}})
    };
    let path = format!("v1/{ORGANIZATION}:exportAssets");
    let body = ask("RESOURCE", json!({"uri": "gs://bucket/all.jsonl"}));
    let (code, operation) = api.post(&path, body).await;
    assert_eq!(code, 200, "{operation}");
    assert_eq!(operation.get("done"), None);
    let done = api.get(&format!("v1/{}", operation["name"].as_str().unwrap())).await;
    assert_eq!(
        done["response"]["outputResult"]["gcsResult"]["uris"],
        json!(["gs://bucket/all.jsonl"])
    );
    let buckets = api.world.state().join("sandbox/buckets");
    let text = std::fs::read_to_string(buckets.join("bucket/all.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let hello = lines.iter().find(|line| line["name"] == HELLO).unwrap();
    assert_eq!(hello["asset_type"], "run.googleapis.com/Service");
    assert_eq!(hello["resource"]["discovery_name"], "Service");
    assert!(hello["resource"]["data"]["metadata"]["creationTimestamp"].is_string());
    let body = ask("IAM_POLICY", json!({"uriPrefix": "gs://bucket/by-type"}));
    assert_eq!(api.post(&path, body).await.0, 200);
    let kind = buckets.join("bucket/by-type/run.googleapis.com/Service/0");
    assert!(std::fs::read_to_string(kind).unwrap().contains("iam_policy"));
    for uri in ["gs://bucket", "gs://../x/y", "gs://bucket/../../x", "/etc/x", "gs:///x/y"] {
        let body = ask("RESOURCE", json!({"uri": uri}));
        assert_eq!(api.refused("POST", &path, Some(&body)).await.0, 400, "{uri}");
    }
}
