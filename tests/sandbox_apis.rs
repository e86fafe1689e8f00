//! What is around Cloud Run in the sandbox: Resource Manager, service accounts, roles.

use serde_json::json;

use crate::support::Api;

#[tokio::test]
async fn projects_folders_and_the_organisation_have_policies() {
    let api = Api::new();
    let project = api.get("v3/projects/sandbox-project").await;
    assert_eq!(project["name"], "projects/123456789012");
    assert_eq!(api.get("v3/projects/123456789012").await, project);
    let folder = api.get(&format!("v3/{}", project["parent"].as_str().unwrap())).await;
    assert_eq!(folder["displayName"], "engineering");
    let organization = api.get(&format!("v3/{}", folder["parent"].as_str().unwrap())).await;
    assert_eq!(organization["displayName"], "example.com");
    for name in ["projects/sandbox-project", "folders/725218103497", "organizations/433637338589"] {
        let path = format!("v3/{name}");
        let version = json!({"options": {"requestedPolicyVersion": 3}});
        let (code, mut policy) = api.post(&format!("{path}:getIamPolicy"), version.clone()).await;
        assert_eq!(code, 200, "{policy}");
        let binding = json!({"role": "roles/run.invoker", "members": ["user:a@example.com"],
            "condition": {"title": "t", "expression": "true"}});
        policy["bindings"].as_array_mut().unwrap().push(binding.clone());
        policy["version"] = json!(3);
        let body = json!({"policy": policy});
        assert_eq!(api.post(&format!("{path}:setIamPolicy"), body.clone()).await.0, 200);
        assert_eq!(
            api.refused("POST", &format!("{path}:setIamPolicy"), Some(&body)).await.1,
            "ABORTED"
        );
        let (_, policy) = api.post(&format!("{path}:getIamPolicy"), version).await;
        assert!(policy["bindings"].as_array().unwrap().contains(&binding), "{policy}");
        // Below version 3 a condition is not shown.
        let (_, policy) = api.post(&format!("{path}:getIamPolicy"), json!({})).await;
        assert!(policy.to_string().contains("_withcond_"), "{policy}");
        let kind = path.split('/').nth(1).unwrap();
        let held = format!("resourcemanager.{kind}.setIamPolicy");
        let asked =
            json!({"permissions": [held, "run.jobs.nosuch", "iam.serviceAccounts.getOpenIdToken"]});
        assert_eq!(
            api.post(&format!("{path}:testIamPermissions"), asked).await,
            (200, json!({"permissions": [held]}))
        );
    }
    // A project's policy is one, by its id and by its number.
    let (_, by_id) = api.post("v3/projects/sandbox-project:getIamPolicy", json!({})).await;
    let (_, by_number) = api.post("v3/projects/123456789012:getIamPolicy", json!({})).await;
    assert_eq!(by_id, by_number);
    for (path, message) in [
        (
            "v3/projects/nosuch",
            "Permission 'resourcemanager.projects.get' denied on resource 'projects/nosuch' (or \
             resource may not exist).",
        ),
        (
            "v3/folders/1",
            "Permission 'resourcemanager.folders.get' denied on resource 'folders/1' (or the \
             folder may not exist).",
        ),
    ] {
        let refused = api.refused("GET", path, None).await;
        assert_eq!(refused, (403, "PERMISSION_DENIED".to_owned(), message.to_owned()));
    }
}

#[tokio::test]
async fn service_accounts_are_made_found_and_listed() {
    let api = Api::new();
    let path = "v1/projects/sandbox-project/serviceAccounts";
    let body = json!({"accountId": "new-one", "serviceAccount": {"displayName": "New"}});
    let (code, made) = api.post(path, body.clone()).await;
    assert_eq!(code, 200, "{made}");
    let email = "new-one@sandbox-project.iam.gserviceaccount.com";
    assert_eq!((&made["email"], &made["displayName"]), (&json!(email), &json!("New")));
    let id = made["uniqueId"].as_str().unwrap();
    for name in [
        format!("{path}/{email}"),
        format!("{path}/{id}"),
        format!("{path}/{}", email.to_uppercase()),
    ] {
        assert_eq!(api.get(&name).await, made, "{name}");
    }
    assert_eq!(api.get(&format!("v1/projects/-/serviceAccounts/{email}")).await, made);
    assert_eq!(api.refused("POST", path, Some(&body)).await.1, "ALREADY_EXISTS");
    for bad in [
        json!({"accountId": "x"}),
        json!({"accountId": "Upper-case"}),
        json!({"accountId": "good-one", "serviceAcount": {}}),
        json!({"accountId": "good-one", "serviceAccount": {"name2": ""}}),
    ] {
        assert_eq!(api.refused("POST", path, Some(&bad)).await.0, 400, "{bad}");
    }
    let list = api.get(&format!("{path}?pageSize=2")).await;
    assert_eq!(list["accounts"].as_array().unwrap().len(), 2);
    let next = list["nextPageToken"].as_str().unwrap();
    let rest = api.get(&format!("{path}?pageToken={next}")).await;
    assert_eq!(rest["accounts"].as_array().unwrap().len(), 4);
    // It can be granted to from now on, and have a policy of its own.
    let bindings = json!([{"role": "roles/iam.serviceAccountTokenCreator", "members": ["user:a@example.com"]}]);
    let (code, set) = api
        .post(&format!("{path}/{email}:setIamPolicy"), json!({"policy": {"bindings": bindings}}))
        .await;
    assert_eq!((code, &set["bindings"]), (200, &bindings));
    let (_, policy) = api.post(&format!("{path}/{email}:getIamPolicy"), json!({})).await;
    assert_eq!(policy["bindings"], bindings);
    assert_eq!(
        api.refused("GET", &format!("{path}/nobody@x"), None).await.2,
        "Unknown service account nobody@x in project sandbox-project."
    );
    assert_eq!(api.world.sandbox(&["grant", email, "hello"]).status, 0);
}

#[tokio::test]
async fn predefined_roles_are_shown() {
    let api = Api::new();
    let invoker = api.get("v1/roles/run.invoker").await;
    assert_eq!(
        invoker["includedPermissions"],
        json!(["run.instances.invoke", "run.jobs.run", "run.routes.invoke"])
    );
    let list = api.get("v1/roles?pageSize=50&view=FULL").await;
    assert_eq!(list["roles"].as_array().unwrap().len(), 50);
    let next = list["nextPageToken"].as_str().unwrap();
    let rest = api.get(&format!("v1/roles?pageSize=50&pageToken={next}")).await;
    assert_eq!(rest["roles"].as_array().unwrap().len(), 1);
    assert_eq!(rest["roles"][0].get("includedPermissions"), None);
    // Of others it is known that they hold nothing that is asked for here.
    let storage = api.get("v1/roles/storage.admin").await;
    assert_eq!(storage["includedPermissions"], json!([]), "{storage}");
    assert_eq!(api.refused("GET", "v1/roles/run.nosuch", None).await.0, 404);
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let api = Api::new();
    // What Google has and the sandbox has not, and what Google has not.
    let here = "The sandbox does not have";
    for (code, why, method, path) in [
        (501, here, "DELETE", "v3/projects/sandbox-project"),
        (501, here, "GET", "v1/projects/sandbox-project/locations/global/workloadIdentityPools"),
        (404, "Method not found:", "POST", "v1/projects/sandbox-project/locations/-/workerpools"),
        (404, "Method not found:", "GET", "v3/projects/sandbox-project/services"),
        (404, "Method not found:", "GET", "v9/projects"),
        (
            404,
            "Method not found:",
            "GET",
            "apis/serving.knative.dev/v1/namespaces/sandbox-project/services/x:getIamPolicy",
        ),
    ] {
        let answer = api.send_to(Some("us-central1"), method, path, Some(&json!({}))).await;
        let end = if code == 501 { "." } else { "" };
        let message = format!("{why} {method} /{path}{end}");
        assert_eq!((answer.0, answer.1["error"]["message"].as_str().unwrap()), (code, &*message));
    }
    let refused = api.refused("GET", "v1/projects/sandbox-project/locations?size=3", None).await;
    assert_eq!(
        refused.2,
        "Invalid JSON payload received. Unknown name \"size\": Cannot bind query parameter. Field \
         'size' could not be found in request message."
    );
}
