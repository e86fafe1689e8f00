//! What is above services in the sandbox: any organisation can be loaded through Google's own calls,
//! and by whom it is asked decides what may be read.

use serde_json::{Value, json};

use crate::support::Api;

const ORGANIZATION: &str = "organizations/433637338589";

/// A call that must succeed, and what it answers: of an operation that is done, its response.
async fn ok(api: &Api, method: &str, path: &str, body: Value) -> Value {
    let body = if body.is_null() { None } else { Some(body) };
    let (code, answer) = api.send(method, path, body.as_ref()).await;
    assert_eq!(code, 200, "{method} {path}: {answer}");
    if answer["done"] == true { answer["response"].clone() } else { answer }
}

async fn let_in(api: &Api, resource: &str, member: &str, role: &str) {
    let version = json!({"options": {"requestedPolicyVersion": 3}});
    let mut policy = ok(api, "POST", &format!("{resource}:getIamPolicy"), version).await;
    let mut bindings = policy["bindings"].as_array().cloned().unwrap_or_default();
    bindings.push(json!({"role": role, "members": [member]}));
    (policy["bindings"], policy["version"]) = (Value::Array(bindings), json!(3));
    ok(api, "POST", &format!("{resource}:setIamPolicy"), json!({"policy": policy})).await;
}

#[tokio::test]
async fn an_organisation_is_loaded_through_googles_own_calls() {
    let mut api = Api::new();
    let folder = |parent: &str, name: &str| json!({"parent": parent, "displayName": name});
    let outer = ok(&api, "POST", "v3/folders", folder(ORGANIZATION, "payments")).await;
    let outer = outer["name"].as_str().unwrap().to_owned();
    let inner = ok(&api, "POST", "v3/folders", folder(&outer, "ledgers")).await;
    let inner = inner["name"].as_str().unwrap().to_owned();
    let project = json!({"projectId": "new-ledger", "parent": inner});
    let made = ok(&api, "POST", "v3/projects", project).await;
    assert_eq!((&made["projectId"], &made["parent"]), (&json!("new-ledger"), &json!(inner)));
    let number = made["name"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let service = json!({"template": {"containers": [{"image": "i"}]}});
    let services = "v2/projects/new-ledger/locations/us-central1/services";
    let started = api.post(&format!("{services}?serviceId=book"), service).await;
    assert_eq!(started.0, 200, "{}", started.1);
    // A group in a group, a role of the organisation's own, a tag, a deny policy.
    let group = |address: &str| {
        json!({"groupKey": {"id": address}, "parent": "customers/C03xgje4y",
            "labels": {"cloudidentity.googleapis.com/groups.discussion_forum": ""}})
    };
    let member = |address: &str| json!({"preferredMemberKey": {"id": address}});
    let books = ok(&api, "POST", "v1/groups", group("books@example.com")).await;
    let keepers = ok(&api, "POST", "v1/groups", group("keepers@example.com")).await;
    let name = |group: &Value| format!("v1/{}/memberships", group["name"].as_str().unwrap());
    ok(&api, "POST", &name(&books), member("keepers@example.com")).await;
    ok(&api, "POST", &name(&keepers), member("kim@example.com")).await;
    let role = json!({"roleId": "bookCaller", "role": {"title": "Book caller", "stage": "BETA",
        "includedPermissions": ["run.routes.invoke"]}});
    ok(&api, "POST", &format!("v1/{ORGANIZATION}/roles"), role).await;
    let custom = format!("{ORGANIZATION}/roles/bookCaller");
    let_in(&api, &format!("v3/{outer}"), "group:books@example.com", &custom).await;
    let explained = async |api: &mut Api| {
        api.world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &format!("{}/", api.serve.endpoint));
        api.world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "opaque");
        api.world.set("CLOUDSDK_CORE_PROJECT", "new-ledger");
        let run = api.world.run(&["explain", "kim@example.com", "us-central1/book", "-o", "json"]);
        let json: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run}"));
        assert!(json["verdict"].is_string(), "{run}");
        let host = format!("book-{number}.us-central1.run.app");
        let token = api.id_token("kim@example.com", "").await;
        let sent = api.front("GET", &host, "/").bearer_auth(token).send().await.unwrap();
        (json["verdict"].as_str().unwrap().to_owned(), sent.status().as_u16())
    };
    assert_eq!(explained(&mut api).await, ("allowed".to_owned(), 200));
    // A role that is taken away gives nothing, and gives again once it is back.
    ok(&api, "DELETE", &format!("v1/{custom}"), Value::Null).await;
    assert_eq!(explained(&mut api).await, ("denied".to_owned(), 403));
    ok(&api, "POST", &format!("v1/{custom}:undelete"), json!({})).await;
    assert_eq!(explained(&mut api).await, ("allowed".to_owned(), 200));
    let disabled = json!({"stage": "DISABLED"});
    ok(&api, "PATCH", &format!("v1/{custom}?updateMask=stage"), disabled).await;
    assert_eq!(explained(&mut api).await, ("denied".to_owned(), 403));
    ok(&api, "PATCH", &format!("v1/{custom}?updateMask=stage"), json!({"stage": "GA"})).await;
    // A deny policy outranks it, under a condition on a tag that is bound further below.
    let key = json!({"parent": ORGANIZATION, "shortName": "books"});
    let key = ok(&api, "POST", "v3/tagKeys", key).await;
    let value = json!({"parent": key["name"], "shortName": "closed"});
    let value = ok(&api, "POST", "v3/tagValues", value).await;
    assert_eq!(value["namespacedName"], "433637338589/books/closed");
    let point = format!("cloudresourcemanager.googleapis.com%2F{}", outer.replace('/', "%2F"));
    let deny = json!({"rules": [{"denyRule": {
        "deniedPrincipals": ["principalSet://goog/public:all"],
        "deniedPermissions": ["run.googleapis.com/routes.*"],
        "denialCondition": {"expression": "resource.matchTag('433637338589/books', 'closed')"},
    }}]});
    let policies = format!("v2/policies/{point}/denypolicies");
    ok(&api, "POST", &format!("{policies}?policyId=closed"), deny).await;
    assert_eq!(explained(&mut api).await, ("allowed".to_owned(), 200));
    let full = format!("//cloudresourcemanager.googleapis.com/projects/{number}");
    let binding = json!({"parent": full, "tagValue": value["name"]});
    let bound = ok(&api, "POST", "v3/tagBindings", binding).await;
    assert_eq!(explained(&mut api).await, ("denied".to_owned(), 403));
    let effective = ok(&api, "GET", &format!("v3/effectiveTags?parent={full}"), Value::Null).await;
    assert_eq!(effective["effectiveTags"][0]["namespacedTagValue"], "433637338589/books/closed");
    ok(&api, "DELETE", &format!("v3/{}", bound["name"].as_str().unwrap()), Value::Null).await;
    assert_eq!(explained(&mut api).await, ("allowed".to_owned(), 200));
    ok(&api, "DELETE", &format!("{policies}/closed"), Value::Null).await;
    // Who leaves the group, leaves.
    let members = ok(&api, "GET", &name(&keepers), Value::Null).await;
    let membership = members["memberships"][0]["name"].as_str().unwrap();
    ok(&api, "DELETE", &format!("v1/{membership}"), Value::Null).await;
    assert_eq!(explained(&mut api).await, ("denied".to_owned(), 403));
    // A folder that holds something stays.
    let refused = api.refused("DELETE", &format!("v3/{outer}"), None).await;
    assert_eq!((refused.0, refused.1.as_str()), (400, "FAILED_PRECONDITION"));
}

#[tokio::test]
async fn by_whom_it_is_asked_decides_what_may_be_read() {
    let api = Api::new();
    let project = "cloudresourcemanager.googleapis.com%2Fprojects%2Fsandbox-project";
    let member = "member_key_id == 'ola@example.com' && 'x' in labels"
        .replace(' ', "%20")
        .replace('&', "%26");
    let iap = "v1/projects/123456789012/iap_web/cloud_run-us-central1/services/intranet";
    for (account, method, path, code) in [
        ("you@example.com", "GET", "v3/folders/725218103497".to_owned(), 200),
        ("ana@example.com", "GET", "v3/folders/725218103497".to_owned(), 403),
        ("you@example.com", "POST", "v3/folders/725218103497:getIamPolicy".to_owned(), 200),
        ("ana@example.com", "POST", "v3/folders/725218103497:getIamPolicy".to_owned(), 403),
        ("you@example.com", "GET", format!("v2/policies/{project}/denypolicies"), 200),
        ("ana@example.com", "GET", format!("v2/policies/{project}/denypolicies"), 403),
        ("you@example.com", "GET", "v1/projects/sandbox-project/roles".to_owned(), 200),
        ("ana@example.com", "GET", "v1/projects/sandbox-project/roles".to_owned(), 403),
        ("you@example.com", "POST", format!("{iap}:getIamPolicy"), 200),
        ("ana@example.com", "POST", format!("{iap}:getIamPolicy"), 403),
        // Groups are their members' and the administrators'.
        ("you@example.com", "GET", "v1/groups:lookup?groupKey.id=team@example.com".to_owned(), 200),
        ("bea@example.com", "GET", "v1/groups:lookup?groupKey.id=team@example.com".to_owned(), 200),
        ("ana@example.com", "GET", "v1/groups:lookup?groupKey.id=team@example.com".to_owned(), 403),
        (
            "you@example.com",
            "GET",
            format!("v1/groups/-/memberships:searchTransitiveGroups?query={member}"),
            200,
        ),
        (
            "ola@example.com",
            "GET",
            format!("v1/groups/-/memberships:searchTransitiveGroups?query={member}"),
            200,
        ),
        (
            "ana@example.com",
            "GET",
            format!("v1/groups/-/memberships:searchTransitiveGroups?query={member}"),
            403,
        ),
        (
            "you@example.com",
            "GET",
            "v2/projects/sandbox-shared/policies/iam.allowedPolicyMemberDomains:getEffectivePolicy"
                .to_owned(),
            200,
        ),
        (
            "ana@example.com",
            "GET",
            "v2/projects/sandbox-shared/policies/iam.allowedPolicyMemberDomains:getEffectivePolicy"
                .to_owned(),
            403,
        ),
        ("ana@example.com", "POST", "v3/folders".to_owned(), 403),
    ] {
        let token = api.access_token(account).await;
        let body = if path == "v3/folders" {
            json!({"parent": ORGANIZATION, "displayName": "mine"})
        } else {
            json!({})
        };
        let body = (method == "POST").then_some(&body);
        let (got, answer) = api.send_as(&token, method, &path, body).await;
        assert_eq!(got, code, "{account} {method} {path}: {answer}");
    }
}

#[tokio::test]
async fn what_is_ill_formed_is_refused() {
    let api = Api::new();
    let deny = "v2/policies/cloudresourcemanager.googleapis.com%2Fprojects%2Fsandbox-project/denypolicies?policyId=x";
    let rule = |principal: &str, permission: &str, expression: Option<&str>| {
        let mut rule = json!({"deniedPrincipals": [principal], "deniedPermissions": [permission]});
        if let Some(expression) = expression {
            rule["denialCondition"] = json!({"expression": expression});
        }
        json!({"rules": [{"denyRule": rule}]})
    };
    let all = "principalSet://goog/public:all";
    for (method, path, body) in [
        ("POST", deny, json!({})),
        ("POST", deny, rule("user:dev@example.com", "run.googleapis.com/routes.invoke", None)),
        ("POST", deny, rule(all, "run.routes.invoke", None)),
        ("POST", deny, rule(all, "run.googleapis.com/*.*", Some("request.path == '/x'"))),
        ("POST", "v3/folders", json!({"parent": "folders/1", "displayName": "lost"})),
        ("POST", "v3/projects", json!({"parent": ORGANIZATION, "projectId": "X"})),
        ("POST", "v1/groups", json!({"groupKey": {"id": "nobody"}, "parent": "customers/C1"})),
        (
            "POST",
            "v1/projects/sandbox-project/roles",
            json!({"roleId": "x!", "role": {"includedPermissions": []}}),
        ),
        (
            "POST",
            "v1/projects/sandbox-project/roles",
            json!({"roleId": "good", "role": {"includedPermissions": ["not a permission"]}}),
        ),
        ("POST", "v1/projects/sandbox-project/roles", json!({"roleId": "good", "role": {"x": 1}})),
        ("POST", "v3/tagKeys", json!({"parent": ORGANIZATION, "shortName": "a/b"})),
        ("POST", "v3/tagBindings", json!({"parent": "//x/y", "tagValue": "tagValues/1"})),
    ] {
        let (code, status, message) = api.refused(method, path, Some(&body)).await;
        assert_eq!((code, status.as_str()), (400, "INVALID_ARGUMENT"), "{path} {body}: {message}");
    }
    let taken = json!({"roleId": "reportReader", "role": {"title": "again"}});
    assert_eq!(api.refused("POST", "v1/projects/sandbox-project/roles", Some(&taken)).await.0, 409);
}

/// Whoever loads a policy and puts it back must not undo another's change.
#[tokio::test]
async fn versions_are_minded() {
    let api = Api::new();
    let path = "v1/projects/sandbox-project/roles/reportReader";
    let role = api.get(path).await;
    let stale = json!({"title": "x", "etag": "AAAA"});
    assert_eq!(api.refused("PATCH", path, Some(&stale)).await.0, 409);
    // The bytes count, in whichever of base64's alphabets: gcloud writes the other.
    let etag = role["etag"].as_str().unwrap().replace('+', "-").replace('/', "_");
    let fresh = json!({"title": "x", "etag": etag});
    assert_eq!(api.send("PATCH", path, Some(&fresh)).await.0, 200);
    assert_eq!(api.refused("DELETE", &format!("{path}?etag=AAAA"), None).await.0, 409);
    let deny = "v2/policies/cloudresourcemanager.googleapis.com%2Forganizations%2F433637338589/denypolicies";
    let list = api.get(deny).await;
    assert_eq!(list["policies"][0].get("rules"), None, "a list shows no rules");
    let one = api.get(&format!("{deny}/no-contractors")).await;
    assert_eq!(one["rules"].as_array().unwrap().len(), 1);
    let mut stale = one.clone();
    stale["etag"] = json!("AAAA");
    assert_eq!(api.refused("PUT", &format!("{deny}/no-contractors"), Some(&stale)).await.0, 409);
    assert_eq!(api.send("PUT", &format!("{deny}/no-contractors"), Some(&one)).await.0, 200);
}

/// What real clients send beside the plain way.
#[tokio::test]
async fn clients_have_ways_of_their_own() {
    let api = Api::new();
    // gcloud encodes a name's slashes twice, and Python writes its booleans with a capital.
    let deny = "v2/policies/cloudresourcemanager.googleapis.com%252Forganizations%252F433637338589";
    let one = api.get(&format!("{deny}/denypolicies/no-contractors")).await;
    assert_eq!(one["displayName"], "No contractors");
    let roles = "v1/projects/sandbox-project/roles";
    ok(&api, "DELETE", &format!("{roles}/reportReader"), Value::Null).await;
    assert_eq!(api.get(&format!("{roles}?showDeleted=False")).await["roles"], Value::Null);
    assert_eq!(api.get(&format!("{roles}?showDeleted=True")).await["roles"][0]["deleted"], true);
    // What is deleted is not brought back in passing, nor is its name free.
    let title = json!({"title": "x"});
    let refused = api.refused("PATCH", &format!("{roles}/reportReader"), Some(&title)).await;
    assert_eq!((refused.0, refused.1.as_str()), (400, "FAILED_PRECONDITION"));
    let again = json!({"roleId": "reportReader", "role": {}});
    assert_eq!(api.refused("POST", roles, Some(&again)).await.0, 400);
    // A trial keeps nothing, and a value is bound by either of its names.
    let key = json!({"parent": ORGANIZATION, "shortName": "tier"});
    let made = ok(&api, "POST", "v3/tagKeys?validateOnly=true", key.clone()).await;
    assert_eq!(made["namespacedName"], "433637338589/tier");
    let named = "v3/tagKeys/namespaced?name=433637338589/tier";
    assert_eq!(api.refused("GET", named, None).await.0, 403);
    let key = ok(&api, "POST", "v3/tagKeys", key).await;
    let value = json!({"parent": key["name"], "shortName": "gold"});
    ok(&api, "POST", "v3/tagValues", value).await;
    let binding = json!({
        "parent": "//cloudresourcemanager.googleapis.com/projects/210987654321",
        "tagValueNamespacedName": "433637338589/tier/gold",
    });
    let bound = ok(&api, "POST", "v3/tagBindings", binding).await;
    let bound = bound["name"].as_str().unwrap();
    ok(&api, "DELETE", &format!("v3/{}", bound.replace("%2F", "%252F")), Value::Null).await;
    // A mask leaves the rest of a policy as it was.
    let policies = "v2/projects/sandbox-project/policies";
    let enforced = json!({"spec": {"rules": [{"enforce": true}]},
        "name": "projects/sandbox-project/policies/run.managed.requireInvokerIam"});
    ok(&api, "POST", policies, enforced).await;
    let one = format!("{policies}/run.managed.requireInvokerIam");
    let trial = json!({"dryRunSpec": {"rules": [{"enforce": false}]}});
    let path = format!("{one}?updateMask=policy.dryRunSpec");
    let after = ok(&api, "PATCH", &path, trial).await;
    assert_eq!(after["spec"]["rules"], json!([{"enforce": true}]));
    assert_eq!(after["dryRunSpec"]["rules"], json!([{"enforce": false}]));
    let all = json!({"spec": {"rules": [{"enforce": false}]}});
    let after = ok(&api, "PATCH", &format!("{one}?updateMask=*"), all.clone()).await;
    assert_eq!(
        (&after["spec"]["rules"], after.get("dryRunSpec")),
        (&json!([{"enforce": false}]), None)
    );
    let path = format!("{one}?updateMask=spec.rules");
    assert_eq!(api.refused("PATCH", &path, Some(&all)).await.0, 400);
    assert_eq!(api.refused("DELETE", &format!("{one}?etag=stale"), None).await.0, 409);
    ok(&api, "DELETE", &one, Value::Null).await;
    assert_eq!(api.refused("DELETE", &one, None).await.0, 404);
    // In the older versions too, a parent that is ill-formed is none, and no reason to leave it out.
    let folders = format!("v2/folders?parent={ORGANIZATION}");
    for (path, body) in [
        (folders.as_str(), json!([])),
        (&folders, json!("x")),
        (
            "v1/projects",
            json!({"projectId": "lost-one", "parent": {"type": "organization", "id": 4}}),
        ),
    ] {
        assert_eq!(api.refused("POST", path, Some(&body)).await.0, 400, "{path} {body}");
    }
    let nobody = json!({"filter": "owner.directorycustomerid:C1"});
    let found = ok(&api, "POST", "v1/organizations:search", nobody).await;
    assert_eq!(found["organizations"], json!([]));
    // A group keeps what it is given, and whoever makes it may own it.
    let group = json!({"groupKey": {"id": "new@example.com"}, "parent": "customerId/C03xgje4y",
        "description": "new", "labels": {"cloudidentity.googleapis.com/groups.security": ""}});
    let path = "v1/groups?initialGroupConfig=WITH_INITIAL_OWNER";
    let group = ok(&api, "POST", path, group).await;
    assert_eq!(
        (&group["description"], &group["parent"]),
        (&json!("new"), &json!("customers/C03xgje4y"))
    );
    let members = api.get(&format!("v1/{}/memberships", group["name"].as_str().unwrap())).await;
    assert_eq!(members["memberships"][0]["preferredMemberKey"]["id"], "you@example.com");
    let query = "query=member_key_id=='you@example.com'%20%26%26%20\
        'cloudidentity.googleapis.com/groups.discussion_forum'%20in%20labels";
    let found = api.get(&format!("v1/groups/-/memberships:searchTransitiveGroups?{query}")).await;
    assert!(!found.to_string().contains("new@example.com"), "{found}");
}
