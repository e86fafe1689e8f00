//! Principals as policies hold them, and as people type them.

use serde_json::{Value, json};

use crate::support::{Plain, Serve, World, members_of};

const HELLO: &str = "projects/sandbox-project/locations/us-central1/services/hello";
const AGENT: &str = "principal://agents.global.org-433637338589.system.id.goog/resources/run/projects/123456789012/locations/us-central1/services/chat";
const EVERYONE: &str = "principalSet://goog/public:all";

/// A server whose policy of `hello` holds these, whatever Google's own would say of them.
fn holding(members: &[&str]) -> (World, crate::support::FakeServer) {
    let bindings = json!([{"role": "roles/run.invoker", "members": members}]);
    let state = std::sync::Mutex::new(json!({"etag": "ACAB", "bindings": bindings}));
    let server = crate::support::FakeServer::start(move |line| {
        let policy = state.lock().unwrap();
        if line.contains("IamPolicy") {
            return crate::support::Answer::json(&policy);
        }
        if line.contains("/services/hello") {
            return crate::support::Answer::json(&json!({"name": HELLO, "etag": "e", "uid": "u",
                "uri": "https://hello-x-uc.a.run.app", "ingress": "INGRESS_TRAFFIC_ALL"}));
        }
        crate::support::Answer::error(403, "PERMISSION_DENIED", "No.")
    });
    let mut world = World::new();
    for api in ["RUN", "CLOUDRESOURCEMANAGER", "IAM", "ORGPOLICY", "CLOUDIDENTITY", "IAP"] {
        world.set(&format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}"), &server.endpoint);
    }
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "t");
    world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
    (world, server)
}

#[test]
fn whatever_a_policy_holds_is_saved_restored_explained_and_revoked() {
    for member in [
        AGENT,
        "principalHierarchy://new.example/kind",
        "robot:R2D2",
        "User:dev@x.com",
        "dev@x.com",
        "principal://",
        "deleted:robot:x?uid=1",
        EVERYONE,
        "principalSet://goog/cloudIdentityCustomerId/C01abc",
        "two words",
    ] {
        let (world, server) = holding(&[member, "user:other@example.com"]);
        let policy = world.run(&["policy", "us-central1/hello", "-o", "json"]);
        assert!(policy.stdout.contains(member), "{policy}");
        let file = world.home().join("saved.json");
        std::fs::write(&file, &policy.stdout).unwrap();
        let run = world.run(&["restore", file.to_str().unwrap(), "us-central1/hello", "--check"]);
        assert_eq!(run.status, 0, "{member}: {run}");
        let run = world.run(&["explain", member, "us-central1/hello"]);
        assert!(matches!(run.status, 0 | 9) || member.starts_with("deleted:"), "{member}: {run}");
        let run = world.run(&["revoke", "--member", member, "us-central1/hello", "--yes"]);
        let sent = server.bodies(":setIamPolicy");
        let left = &sent.last().unwrap_or_else(|| panic!("{member}: {run}"))["policy"];
        assert_eq!(members_of(left, "roles/run.invoker"), ["user:other@example.com"], "{member}");
    }
    // What no policy holds is no principal.
    let (world, _server) = holding(&["user:other@example.com"]);
    for command in ["revoke", "explain"] {
        let run = world.run(&[command, "User:dev@x.com", "us-central1/hello"]);
        assert_eq!(run.status, 2, "{run}");
        assert!(run.stderr.contains("user:dev@x.com"), "{run}");
    }
}

#[test]
fn what_means_everyone_is_everyone() {
    let (world, _server) = holding(&[EVERYONE]);
    let list = world.json_of(&["describe", "us-central1/hello"]);
    assert_eq!(list["exposure"], "public", "{list}");
    let run = world.run(&["make-private", "us-central1/hello", "-n"]);
    assert!(run.stderr.contains(&format!("- {EVERYONE}")), "{run}");
    // What the project grants is the same policy here, and keeps it open.
    assert!(run.stderr.contains("keeps the service open"), "{run}");
}

#[test]
fn deny_only_forms_are_granted_nowhere() {
    let world = World::new();
    let serve = Serve::start(&world);
    let plain = Plain::of(&serve.endpoint);
    for (member, instead) in [
        (EVERYONE, Some("allUsers")),
        ("principalSet://goog/cloudIdentityCustomerId/C01abc", None),
        ("principalSet://goog/group/team@example.com", Some("group:team@example.com")),
        ("principal://goog/subject/dev@example.com", Some("user:dev@example.com")),
        (
            "principal://iam.googleapis.com/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com",
            Some("serviceAccount:a@p.iam.gserviceaccount.com"),
        ),
    ] {
        let run = world.sandbox(&["grant", "--member", member, "hello", "--yes"]);
        assert_eq!(run.status, 2, "{run}");
        if let Some(instead) = instead {
            assert!(run.stderr.contains(instead), "{run}");
        }
        let policy = json!({"policy": {"bindings": [
            {"role": "roles/run.invoker", "members": [member]}]}});
        let (code, answer) = plain.send("POST", &format!("v2/{HELLO}:setIamPolicy"), Some(&policy));
        assert_eq!(code, 400, "{member}: {answer}");
    }
    // A kind of tomorrow's is for IAM to judge, and asked about.
    let run = world.sandbox(&["grant", "--member", "principal://new.example/x", "hello"]);
    assert_eq!(run.status, 2, "{run}");
    assert!(run.stderr.contains("not known here"), "{run}");
    let run = world.sandbox(&["grant", "--member", AGENT, "hello"]);
    assert_eq!(run.status, 0, "{run}");
}

#[test]
fn the_sandbox_takes_well_formed_members_each_once() {
    let world = World::new();
    let serve = Serve::start(&world);
    let plain = Plain::of(&serve.endpoint);
    let set = |members: Value| {
        let policy = json!({"policy": {"bindings": [
            {"role": "roles/run.invoker", "members": members}]}});
        plain.send("POST", &format!("v2/{HELLO}:setIamPolicy"), Some(&policy))
    };
    for bad in
        ["domain:", "group:@example.com", "user:a b@example.com", "principal://", "user:", "a"]
    {
        assert_eq!(set(json!([bad])).0, 400, "{bad}");
    }
    let (code, policy) = set(json!(["user:a@example.com", "user:a@example.com"]));
    assert_eq!(code, 200, "{policy}");
    assert_eq!(members_of(&policy, "roles/run.invoker"), ["user:a@example.com"]);
}

#[test]
fn a_job_takes_only_who_is_named() {
    let world = World::new();
    for member in ["allUsers", "allAuthenticatedUsers"] {
        let run = world.sandbox(&["grant", member, "jobs/nightly", "--yes"]);
        assert_eq!(run.status, 2, "{run}");
        assert!(run.stderr.contains("membership type restrictions"), "{run}");
    }
    let serve = Serve::start(&world);
    let policy = json!({"policy": {"bindings": [
        {"role": "roles/run.invoker", "members": ["allUsers"]}]}});
    let job = "v2/projects/sandbox-project/locations/us-central1/jobs/nightly:setIamPolicy";
    let (code, answer) = Plain::of(&serve.endpoint).send("POST", job, Some(&policy));
    assert_eq!(code, 400, "{answer}");
    assert_eq!(
        answer["error"]["message"],
        "Member allUsers is invalid due to membership type restrictions on the resource."
    );
}

#[test]
fn sets_are_judged_for_all_that_they_stand_for() {
    let world = World::new();
    world.sandbox(&["grant", "domain:partner.example", "hello", "--yes"]);
    // An address is of one domain.
    let run = world.sandbox(&["explain", "domain:corp.example", "hello"]);
    assert_eq!(run.status, 3, "{run}");
    // A group that is denied may hold some of them.
    let run = world.sandbox(&["explain", "domain:partner.example", "hello"]);
    assert_eq!(run.status, 9, "{run}");
    let run = world.sandbox(&[
        "explain",
        "domain:partner.example",
        "hello",
        "-o",
        "value(steps.verdict)",
    ]);
    assert!(run.stdout.contains("pass"), "{run}");
    // A group is judged by who is in it: of the team, whom nobody granted `api` but by the domain.
    let run = world.sandbox(&["explain", "group:team@example.com", "hello"]);
    assert_eq!(run.status, 3, "{run}");
    assert!(run.stdout.contains(" get in"), "{run}");
}

#[test]
fn a_federated_principal_has_no_token_of_its_own() {
    let world = World::new();
    let federated = "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/subject/x";
    for (member, word) in [(federated, "workloadIdentityUser"), (AGENT, "account")] {
        world.sandbox(&["grant", "--member", member, "hello"]);
        let run = world.sandbox(&["explain", member, "hello"]);
        assert_eq!(run.status, 9, "{run}");
        assert!(run.stdout.contains(word), "{run}");
        // What lets in anybody lets it in too.
        assert_eq!(world.sandbox(&["explain", member, "status-page"]).status, 0);
        assert_eq!(world.sandbox(&["explain", member, "api"]).status, 3);
        // The way is an account to act as.
        let run = world.sandbox(&["connect", member, "hello"]);
        assert_eq!(run.status, 2, "{run}");
        let run = world.sandbox(&[
            "connect",
            member,
            "hello",
            "--as",
            "runner@sandbox-project.iam.gserviceaccount.com",
            "--code",
            "none",
        ]);
        assert_eq!(run.status, 0, "{run}");
        let role = if member == AGENT {
            "roles/iam.serviceAccountOpenIdTokenCreator"
        } else {
            "roles/iam.workloadIdentityUser"
        };
        assert!(run.stderr.contains(&format!("+ {member}  {role}")), "{run}");
        assert_eq!(world.sandbox(&["undo", "--yes"]).status, 0);
    }
}

#[test]
fn an_agent_is_who_calls_and_not_its_account() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    let plain = Plain::of(&serve.endpoint);
    let chat = "projects/sandbox-project/locations/us-central1/services/chat";
    let body = json!({"template": {"workloadIdentityConfig": {
        "identityType": "IDENTITY_TYPE_AGENT_IDENTITY"},
        "containers": [{"image": "us-docker.pkg.dev/cloudrun/container/hello"}]}});
    let (code, answer) = plain.send(
        "PATCH",
        &format!("v2/{chat}?updateMask=template.workloadIdentityConfig"),
        Some(&body),
    );
    assert_eq!(code, 200, "{answer}");
    let run = world.run(&["grant", "service:chat", "us-central1/hello"]);
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stderr.contains(&format!("+ {AGENT}")), "{run}");
    assert_eq!(world.json_of(&["describe", "us-central1/chat"])["agentIdentity"], AGENT);
    let graph = world.run(&["graph", "-o", "json"]);
    assert!(graph.stdout.contains(AGENT), "{graph}");
    let run = world.run(&["connect", "us-central1/chat", "us-central1/hello"]);
    assert_eq!(run.status, 2, "{run}");
    let as_runner = ["--as", "runner@sandbox-project.iam.gserviceaccount.com", "--code", "none"];
    let run = world
        .run(&[&["connect", "us-central1/chat", "us-central1/hello"][..], &as_runner].concat());
    assert!(run.stderr.contains("roles/iam.serviceAccountOpenIdTokenCreator"), "{run}");
    assert!(run.stderr.contains("+ serviceAccount:runner@"), "{run}");
}

#[test]
fn a_job_is_run_with_overrides_by_a_role_of_its_own() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    let job = "jobs/us-central1/nightly";
    world.run(&["grant", "ana@example.com", job]);
    assert_eq!(world.run(&["explain", "ana@example.com", job]).status, 0);
    let run = world.run(&["explain", "ana@example.com", job, "--with-overrides"]);
    assert_eq!(run.status, 3, "{run}");
    let run = world.run(&["who", job, "--with-overrides", "-o", "json"]);
    assert!(!run.stdout.contains("ana@example.com"), "{run}");
    let run = world.run(&["grant", "ana@example.com", job, "--with-overrides"]);
    assert!(run.stderr.contains("roles/run.jobsExecutorWithOverrides"), "{run}");
    assert_eq!(world.run(&["explain", "ana@example.com", job, "--with-overrides"]).status, 0);
    for command in ["explain", "grant"] {
        let run = world.run(&[command, "ana@example.com", "us-central1/hello", "--with-overrides"]);
        assert_eq!(run.status, 2, "{run}");
    }
}

#[tokio::test]
async fn a_job_runs_for_who_may() {
    let api = crate::support::Api::new();
    let path = "v2/projects/sandbox-project/locations/us-central1/jobs/nightly";
    let plain = Plain::of(&api.serve.endpoint);
    let with = json!({"overrides": {"taskCount": 2}});
    let (code, operation) = plain.send("POST", &format!("{path}:run"), Some(&json!({})));
    assert_eq!(code, 200, "{operation}");
    assert!(operation["metadata"]["name"].as_str().unwrap().contains("/executions/nightly-"));
    assert_eq!(plain.send("POST", &format!("{path}:run"), Some(&with)).0, 200);
    let policy = json!({"policy": {"bindings": [
        {"role": "roles/run.invoker", "members": ["user:ana@example.com"]}]}});
    assert_eq!(plain.send("POST", &format!("{path}:setIamPolicy"), Some(&policy)).0, 200);
    let (ana, eve) =
        (api.access_token("ana@example.com").await, api.access_token("eve@example.com").await);
    let run = format!("{path}:run");
    assert_eq!(api.send_as(&ana, "POST", &run, Some(&json!({}))).await.0, 200);
    let (code, answer) = api.send_as(&ana, "POST", &run, Some(&with)).await;
    assert_eq!(code, 403, "{answer}");
    assert!(answer.to_string().contains("run.jobs.runWithOverrides"), "{answer}");
    assert_eq!(api.send_as(&eve, "POST", &run, Some(&json!({}))).await.0, 403);
}

/// A predefined role outside the table is asked of IAM once, and decides.
#[test]
fn a_role_of_another_service_lets_nobody_in() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    let plain = Plain::of(&serve.endpoint);
    let home = "v1/projects/sandbox-project";
    let asked = json!({"options": {"requestedPolicyVersion": 3}});
    let (_, mut policy) = plain.send("POST", &format!("{home}:getIamPolicy"), Some(&asked));
    policy["bindings"]
        .as_array_mut()
        .unwrap()
        .push(json!({"role": "roles/storage.admin", "members": ["user:store@partner.example"]}));
    let set = json!({"policy": policy});
    assert_eq!(plain.send("POST", &format!("{home}:setIamPolicy"), Some(&set)).0, 200);
    let run = world.run(&["explain", "store@partner.example", "us-central1/hello", "-v"]);
    assert_eq!(run.status, 3, "{run}");
    assert_eq!(run.stderr.matches("roles/storage.admin").count(), 1, "{run}");
}

/// Cloud Run's front end takes an agent's own token, or does not, as a setting says.
#[tokio::test]
async fn an_agents_own_token_is_taken_by_a_setting() {
    let agent = format!("metadata-account={AGENT}");
    for (setting, status) in [("agent-identity=refused", 401), ("agent-identity=accepted", 200)] {
        let api = crate::support::Api::with(&["--set", &agent, "--set", setting]);
        let plain = Plain::of(&api.serve.endpoint);
        let policy = json!({"policy": {"bindings": [
            {"role": "roles/run.invoker", "members": [AGENT]}]}});
        assert_eq!(plain.send("POST", &format!("v2/{HELLO}:setIamPolicy"), Some(&policy)).0, 200);
        let host = "hello-k4qx7v2nza-uc.a.run.app";
        let path = "computeMetadata/v1/instance/service-accounts/default/identity";
        let asked = format!("{}/{path}?audience=https://{host}", api.serve.endpoint);
        let asked = api.client.get(asked).header("Metadata-Flavor", "Google");
        let token = asked.send().await.unwrap().text().await.unwrap();
        let call = api.client.get(&api.serve.endpoint).header("Host", host).bearer_auth(token);
        assert_eq!(call.send().await.unwrap().status().as_u16(), status, "{setting}");
    }
}

/// Principal access boundaries bear on the running of jobs, whatever is granted.
#[tokio::test]
async fn a_boundary_keeps_accounts_from_a_job() {
    let api = crate::support::Api::new();
    let mut world = World::new();
    world.reach(&api.serve);
    let plain = Plain::of(&api.serve.endpoint);
    let runner = "runner@sandbox-project.iam.gserviceaccount.com";
    let job = "jobs/us-central1/nightly";
    let explain = |member: &str| world.run(&["explain", member, job, "-o", "json"]);
    let of = |run: &crate::support::Run, name: &str| run.json()[name].as_str().map(str::to_owned);
    assert_eq!(explain(runner).status, 0);
    let token = api.access_token(runner).await;
    let path = "v2/projects/sandbox-project/locations/us-central1/jobs/nightly:run";
    assert_eq!(api.send_as(&token, "POST", path, Some(&json!({}))).await.0, 200);
    let organization = "v3/organizations/433637338589/locations/global";
    let rule = |project: &str| {
        json!({"details": {"rules": [{"effect": "ALLOW",
            "resources": [format!("//cloudresourcemanager.googleapis.com/projects/{project}")]}]}})
    };
    let bind = |id: &str| {
        let policy = format!(
            "organizations/433637338589/locations/global/principalAccessBoundaryPolicies/{id}"
        );
        let set = "//cloudresourcemanager.googleapis.com/projects/sandbox-project";
        let body = json!({"policy": policy, "target": {"principalSet": set}});
        let at = "v3/projects/123456789012/locations/global/policyBindings";
        plain.send("POST", &format!("{at}?policyBindingId={id}"), Some(&body))
    };
    for (id, project) in [("elsewhere", "sandbox-shared"), ("here", "123456789012")] {
        let at = format!(
            "{organization}/principalAccessBoundaryPolicies?principalAccessBoundaryPolicyId={id}"
        );
        let (code, answer) = plain.send("POST", &at, Some(&rule(project)));
        assert_eq!(code, 200, "{answer}");
    }
    let (code, answer) = bind("elsewhere");
    assert_eq!(code, 200, "{answer}");
    let run = explain(runner);
    assert_eq!(run.status, 3, "{run}");
    assert!(run.stdout.contains("`elsewhere` keeps the caller to other resources"), "{run}");
    assert_eq!(run.json()["fix"], json!([]), "no grant helps");
    assert_eq!(api.send_as(&token, "POST", path, Some(&json!({}))).await.0, 403);
    // A service is not known to be kept by them.
    world.run(&["grant", runner, "us-central1/hello"]);
    assert_eq!(world.run(&["explain", runner, "us-central1/hello"]).status, 0);
    // One of a group who is kept out keeps the group out.
    let group = json!({"groupKey": {"id": "mix@example.com"}, "parent": "customers/C03xgje4y",
        "labels": {"cloudidentity.googleapis.com/groups.discussion_forum": ""}});
    let (code, made) = plain.send("POST", "v1/groups?initialGroupConfig=EMPTY", Some(&group));
    assert_eq!(code, 200, "{made}");
    let memberships = format!("v1/{}/memberships", made["response"]["name"].as_str().unwrap());
    for id in [runner, "dev@example.com"] {
        let member = json!({"preferredMemberKey": {"id": id}, "roles": [{"name": "MEMBER"}]});
        let (code, answer) = plain.send("POST", &memberships, Some(&member));
        assert_eq!(code, 200, "{answer}");
    }
    world.run(&["grant", "group:mix@example.com", job]);
    let run = explain("group:mix@example.com");
    assert_eq!(run.status, 3, "{run}");
    assert!(run.stdout.contains("1 of 2 members of `group:mix@example.com` get in"), "{run}");
    // One that names the project lets at it again.
    assert_eq!(bind("here").0, 200);
    assert_eq!(explain(runner).status, 0);
    assert_eq!(api.send_as(&token, "POST", path, Some(&json!({}))).await.0, 200);
    // People are of the organisation, and consumers of none; of others it is not known.
    for (member, boundary) in [
        ("ana@example.com", "pass"),
        ("somebody@gmail.com", "pass"),
        ("somebody@partner.example", "unknown"),
        ("ci@other-project.iam.gserviceaccount.com", "unknown"),
    ] {
        let steps = explain(member).json()["steps"].clone();
        assert_eq!(steps[0]["layer"], "boundary", "{steps}");
        assert_eq!(steps[0]["verdict"], boundary, "{member}: {steps}");
    }
    // Who may not read them is told so, and what it would be without.
    let token = api.access_token("ana@example.com").await;
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", &token);
    let viewer = json!({"policy": {"bindings": [
        {"role": "roles/run.admin", "members": ["user:ana@example.com"]},
        {"role": "roles/run.invoker", "members": [format!("serviceAccount:{runner}")]}]}});
    let at = "v2/projects/sandbox-project/locations/us-central1/jobs/nightly:setIamPolicy";
    assert_eq!(plain.send("POST", at, Some(&viewer)).0, 200);
    let run = world.run(&["explain", runner, job, "-o", "json"]);
    assert_eq!(run.status, 9, "{run}");
    assert_eq!(of(&run, "otherwise").as_deref(), Some("allowed"), "{run}");
    assert!(run.stdout.contains("iam.policybindings.list"), "{run}");
}

/// The sandbox's front end and its APIs know where an account is at home, as `explain` does.
#[tokio::test]
async fn an_account_of_another_project_is_judged_alike() {
    let api = crate::support::Api::new();
    let mut world = World::new();
    world.reach(&api.serve);
    let plain = Plain::of(&api.serve.endpoint);
    let body = json!({"accountId": "shared-acc"});
    let (code, made) =
        plain.send("POST", "v1/projects/sandbox-shared/serviceAccounts", Some(&body));
    assert_eq!(code, 200, "{made}");
    let account = made["email"].as_str().unwrap().to_owned();
    world.run(&["grant", &account, "us-central1/hello", "jobs/us-central1/nightly"]);
    let host = "hello-k4qx7v2nza-uc.a.run.app";
    let run = "v2/projects/sandbox-project/locations/us-central1/jobs/nightly:run";
    let point = "cloudresourcemanager.googleapis.com%2Fprojects%2Fsandbox-project";
    for (id, project, denied) in
        [("locked", "345678901234", false), ("shared", "210987654321", true)]
    {
        let set = format!(
            "principalSet://cloudresourcemanager.googleapis.com/projects/{project}/type/ServiceAccount"
        );
        let rule = json!({"rules": [{"denyRule": {"deniedPrincipals": [set], "deniedPermissions":
            ["run.googleapis.com/routes.invoke", "run.googleapis.com/jobs.run"]}}]});
        let at = format!("v2/policies/{point}/denypolicies?policyId=deny-{id}");
        assert_eq!(plain.send("POST", &at, Some(&rule)).0, 200);
        let expected = if denied { (3, 403) } else { (0, 200) };
        for target in ["us-central1/hello", "jobs/us-central1/nightly"] {
            let explained = world.run(&["explain", &account, target]);
            assert_eq!(explained.status, expected.0, "{id}: {explained}");
        }
        let token = api.id_token(&account, &format!("https://{host}")).await;
        let call = api.client.get(&api.serve.endpoint).header("Host", host).bearer_auth(token);
        assert_eq!(call.send().await.unwrap().status().as_u16(), expected.1, "{id}");
        let token = api.access_token(&account).await;
        assert_eq!(api.send_as(&token, "POST", run, Some(&json!({}))).await.0, expected.1, "{id}");
    }
}

/// Who of a domain is denied by name keeps the domain out.
#[test]
fn one_of_a_domain_who_is_denied_is_enough() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    let plain = Plain::of(&serve.endpoint);
    let rule = json!({"rules": [{"denyRule": {
        "deniedPrincipals": ["principal://goog/subject/mallory@corp.example"],
        "deniedPermissions": ["run.googleapis.com/routes.invoke"]}}]});
    let point = "cloudresourcemanager.googleapis.com%2Fprojects%2Fsandbox-project";
    let at = format!("v2/policies/{point}/denypolicies?policyId=mallory");
    assert_eq!(plain.send("POST", &at, Some(&rule)).0, 200);
    let run = world.run(&["explain", "domain:corp.example", "us-central1/storefront"]);
    assert_eq!(run.status, 3, "{run}");
}

/// A run with overrides has what was asked for, and takes nothing that is ill-formed.
#[tokio::test]
async fn overrides_are_taken_at_their_word() {
    let api = crate::support::Api::new();
    let plain = Plain::of(&api.serve.endpoint);
    let path = "v2/projects/sandbox-project/locations/us-central1/jobs/nightly:run";
    let run = |overrides: Value| plain.send("POST", path, Some(&json!({"overrides": overrides})));
    let (code, operation) = run(json!({"taskCount": 3, "timeout": "5s"}));
    assert_eq!(code, 200, "{operation}");
    assert_eq!(operation["metadata"]["taskCount"], 3, "{operation}");
    for bad in [
        json!({"taskCount": "x"}),
        json!({"taskCount": -1}),
        json!({"timeout": "5"}),
        json!({"containerOverrides": [{"name": "nosuch"}]}),
        json!({"nosuch": 1}),
    ] {
        assert_eq!(run(bad.clone()).0, 400, "{bad}");
    }
}
