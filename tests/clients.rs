//! Clients that nobody here wrote, unchanged, against a serving sandbox. A client that is not
//! installed is left out, and its test says so; `tests/clients/set-up` installs two of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use google_cloud_auth::credentials::Credentials;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_iam_v1::model::{Binding, GetPolicyOptions};
use google_cloud_longrunning::model::Operation;
use google_cloud_run_v2::client::{Jobs, Services};
use google_cloud_run_v2::model::{
    Container, ExecutionTemplate, Job, RevisionTemplate, Service, TaskTemplate,
};
use google_cloud_wkt::FieldMask;

use crate::support::{Run, Serve, World, without_etags};

const HOME: &str = "projects/sandbox-project/locations/us-central1";

/// Says that a test was left out, where a person or CI reads it.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn skipped(what: &str) {
    eprintln!("skipped: {what} is not installed here");
}

/// Where `tests/clients/set-up` puts things.
fn installed(name: &str) -> Option<PathBuf> {
    let binary = Path::new(env!("CARGO_BIN_EXE_runaccess"));
    let found = binary.ancestors().nth(2).unwrap().join("clients").join(name);
    found.exists().then_some(found)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Runs a suite, which ends well only where all that it asserts holds.
#[track_caller]
fn passes(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn googles_python_client() {
    let Some(python) = installed("python/bin/python") else {
        return skipped("google-cloud-run for Python");
    };
    let (world, suite) = (World::new(), script("run_v2.py"));
    let serve = Serve::start(&world);
    passes(Command::new(python).arg(suite).env("ENDPOINT", &serve.endpoint));
}

#[test]
fn googles_python_client_of_discovery_documents() {
    let Some(python) = installed("python/bin/python") else {
        return skipped("google-api-python-client");
    };
    let (world, suite) = (World::new(), script("discovery.py"));
    let serve = Serve::start(&world);
    passes(Command::new(python).arg(suite).env("ENDPOINT", &serve.endpoint));
}

#[test]
fn googles_python_library_for_credentials() {
    let Some(python) = installed("python/bin/python") else {
        return skipped("google-auth for Python");
    };
    let (world, suite) = (World::new(), script("tokens.py"));
    let serve = Serve::start(&world);
    let mut command = Command::new(python);
    command.arg(suite).env("ENDPOINT", &serve.endpoint);
    command.env("GCE_METADATA_HOST", serve.endpoint.trim_start_matches("http://"));
    passes(&mut command);
}

#[test]
fn googles_node_client() {
    let Some(modules) = installed("node/node_modules") else {
        return skipped("@google-cloud/run for Node");
    };
    let (world, suite) = (World::new(), script("run_v2.mjs"));
    let serve = Serve::start(&world);
    let mut node = Command::new("node");
    node.arg(suite).env("MODULES", modules.parent().unwrap());
    passes(node.env("ENDPOINT", &serve.endpoint));
}

/// Runs one of Google's Python suites, or says that it is skipped.
fn python(suite: &str, what: &str) {
    let Some(python) = installed("python/bin/python") else { return skipped(what) };
    let world = World::new();
    let serve = Serve::start(&world);
    passes(Command::new(python).arg(script(suite)).env("ENDPOINT", &serve.endpoint));
}

/// Runs a Node suite, or says that it is skipped.
fn node(suite: &str, package: &str) {
    if installed(&format!("node/node_modules/{package}")).is_none() {
        return skipped(package);
    }
    let modules = installed("node").unwrap();
    let world = World::new();
    let serve = Serve::start(&world);
    let mut node = Command::new("node");
    node.arg(script(suite)).env("MODULES", modules).env("ENDPOINT", &serve.endpoint);
    passes(node.env("HOME", world.home()));
}

#[test]
fn googles_python_client_of_assets() {
    python("assets.py", "google-cloud-asset for Python");
}

#[test]
fn a_client_that_speaks_grpc_alone_is_told_so() {
    python("grpc_only.py", "google-cloud-run's asynchronous client");
}

#[test]
fn googles_node_client_of_discovery_documents() {
    node("googleapis.mjs", "googleapis");
}

#[test]
fn firebase_tools() {
    node("firebase.cjs", "firebase-tools");
}

#[test]
fn cloud_custodian() {
    let Some(python) = installed("custodian/bin/custodian") else {
        return skipped("Cloud Custodian");
    };
    let python = python.with_file_name("python");
    let world = World::new();
    let serve = Serve::with(&world, &["--tls"]);
    let mut custodian = Command::new(python);
    custodian.arg(script("custodian.py")).env("HOME", world.home());
    custodian.env("PORT", serve.endpoint.rsplit(':').next().unwrap());
    passes(custodian.env("CA", world.state().join("sandbox/ca.pem")));
}

#[derive(Debug)]
pub(crate) struct Token;

impl google_cloud_auth::credentials::CredentialsProvider for Token {
    async fn headers(
        &self,
        _: http::Extensions,
    ) -> Result<
        google_cloud_auth::credentials::CacheableResource<http::HeaderMap>,
        google_cloud_gax::error::CredentialsError,
    > {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", "Bearer opaque".parse().unwrap());
        let entity_tag = google_cloud_auth::credentials::EntityTag::new();
        Ok(google_cloud_auth::credentials::CacheableResource::New { entity_tag, data: headers })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

#[tokio::test]
async fn googles_rust_client() {
    let world = World::new();
    let serve = Serve::start(&world);
    let credentials = Credentials::from(Token);
    let services = Services::builder()
        .with_endpoint(&serve.endpoint)
        .with_credentials(credentials.clone())
        .build()
        .await
        .unwrap();
    let mut pages = services.list_services().set_parent(HOME).set_page_size(4).by_item();
    let mut count = 0;
    while let Some(service) = pages.next().await {
        assert!(service.unwrap().name.starts_with(HOME));
        count += 1;
    }
    assert_eq!(count, 11);
    let hello = format!("{HOME}/services/hello");
    let read = services.get_service().set_name(&hello).send().await.unwrap();
    assert_eq!(read.uri, "https://hello-k4qx7v2nza-uc.a.run.app");
    let missing = services.get_service().set_name(format!("{HOME}/services/nosuch")).send().await;
    let status = missing.unwrap_err().status().cloned().unwrap();
    assert_eq!(status.code, Code::NotFound);
    assert!(status.message.starts_with("Resource 'nosuch' of kind 'SERVICE'"), "{status:?}");

    let options = GetPolicyOptions::new().set_requested_policy_version(3);
    let policy = services.get_iam_policy().set_resource(&hello).set_options(options);
    let mut policy = policy.send().await.unwrap();
    policy
        .bindings
        .push(Binding::new().set_role("roles/run.invoker").set_members(["user:ana@example.com"]));
    let set = || services.set_iam_policy().set_resource(&hello).set_policy(policy.clone()).send();
    assert_eq!(set().await.unwrap().bindings[0].members, ["user:ana@example.com"]);
    assert_eq!(set().await.unwrap_err().status().unwrap().code, Code::Aborted);

    // Looks at an operation until it is done, as the client's own poller does.
    let done = async |mut operation: Operation| {
        while !operation.done {
            let look = services.get_operation().set_name(&operation.name).send();
            operation = look.await.unwrap();
        }
        assert!(operation.error().is_none(), "{operation:?}");
    };
    let off = Service::new().set_name(&hello).set_invoker_iam_disabled(true);
    let mask = FieldMask::default().set_paths(["invoker_iam_disabled"]);
    let update = services.update_service().set_service(off).set_update_mask(mask);
    done(update.send().await.unwrap()).await;
    assert!(services.get_service().set_name(&hello).send().await.unwrap().invoker_iam_disabled);
    let container = || Container::new().set_image("i");
    let template = RevisionTemplate::new().set_containers([container()]);
    let create = services
        .create_service()
        .set_parent(HOME)
        .set_service_id("from-rust")
        .set_service(Service::new().set_template(template));
    done(create.send().await.unwrap()).await;
    let made = format!("{HOME}/services/from-rust");
    done(services.delete_service().set_name(&made).send().await.unwrap()).await;

    let jobs = Jobs::builder()
        .with_endpoint(&serve.endpoint)
        .with_credentials(credentials)
        .build()
        .await
        .unwrap();
    let task = TaskTemplate::new().set_containers([container()]);
    let job = Job::new().set_template(ExecutionTemplate::new().set_template(task));
    let create = jobs.create_job().set_parent(HOME).set_job_id("hourly").set_job(job);
    done(create.send().await.unwrap()).await;
    assert_eq!(jobs.list_jobs().set_parent(HOME).send().await.unwrap().jobs.len(), 3);
}

/// The installed gcloud, unmodified. It makes up a host name of a region and the endpoint's, such
/// as `us-central1-127.0.0.1`, which no resolver knows: the sandbox stands in as its HTTP proxy, so
/// that no name need be resolved.
struct Gcloud {
    world: World,
    serve: Serve,
}

impl Gcloud {
    fn start() -> Option<Self> {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        if !std::env::split_paths(&paths).any(|folder| folder.join("gcloud").exists()) {
            skipped("gcloud");
            return None;
        }
        let world = World::new();
        let serve = Serve::start(&world);
        Some(Self { world, serve })
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Run {
        let endpoint = format!("{}/", self.serve.endpoint);
        let output = Command::new("gcloud")
            .args(arguments)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|paths| ("PATH", paths)))
            .env("HOME", self.world.home())
            .env("CLOUDSDK_CONFIG", self.world.home().join("gcloud"))
            .envs(
                ["RUN", "SERVICEUSAGE", "CLOUDRESOURCEMANAGER", "IAM", "CLOUDIDENTITY"]
                    .map(|api| (format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}"), &endpoint)),
            )
            .env("CLOUDSDK_AUTH_ACCESS_TOKEN", "opaque")
            .env("CLOUDSDK_CORE_PROJECT", "sandbox-project")
            .env("CLOUDSDK_RUN_REGION", "us-central1")
            .env("CLOUDSDK_CORE_DISABLE_PROMPTS", "1")
            .env("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "true")
            .env("CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK", "true")
            .env("http_proxy", &endpoint)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        self.world.finished(output)
    }

    /// Runs what must end well, and returns its result.
    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!(run.status, 0, "{arguments:?}: {run}");
        run.stdout
    }

    /// Runs what must fail, with this in what it says.
    #[track_caller]
    fn fails(&self, arguments: &[&str], said: &str) {
        let run = self.run(arguments);
        assert_eq!(run.status, 1, "{arguments:?}: {run}");
        assert!(run.stderr.contains(said), "{arguments:?}: {run}");
    }
}

#[test]
fn gcloud_reads() {
    let Some(gcloud) = Gcloud::start() else { return };
    let all = gcloud.ok(&["run", "services", "list", "--format=value(metadata.name)"]);
    assert_eq!(all.lines().count(), 12, "{all}");
    let one = ["run", "services", "list", "--region=europe-west1", "--format=value(metadata.name)"];
    assert_eq!(gcloud.ok(&one), "orders\n");
    let url = ["run", "services", "describe", "hello", "--format=value(status.url)"];
    assert_eq!(gcloud.ok(&url), "https://hello-k4qx7v2nza-uc.a.run.app\n");
    assert!(
        gcloud.ok(&["run", "services", "describe", "backoffice"]).contains("Ingress: internal")
    );
    gcloud.fails(&["run", "services", "describe", "nosuch"], "Cannot find service [nosuch]");
    let regions = gcloud.ok(&["run", "regions", "list", "--format=value(locationId)"]);
    assert_eq!(regions.lines().count(), 48);
    let domains = ["beta", "run", "domain-mappings", "list", "--region=us-central1"];
    let domains = gcloud.ok(&[&domains[..], &["--format=value(metadata.name)"]].concat());
    assert_eq!(domains, "api.example.com\nshop.example.com\n");
    let revisions =
        ["run", "revisions", "list", "--service=hello", "--format=value(metadata.name)"];
    assert!(gcloud.ok(&revisions).starts_with("hello-00001-"));
}

/// An organisation is loaded with gcloud alone, and bears on who may invoke.
#[test]
fn gcloud_makes_what_is_above() {
    let Some(gcloud) = Gcloud::start() else { return };
    let verdict = |member: &str| {
        gcloud.world.json(&["explain", member, "us-central1/hello"])["verdict"].clone()
    };
    assert_eq!(verdict("gil@example.com"), "denied");
    let role = "projects/sandbox-project/roles/greeter";
    let permissions = "--permissions=run.routes.invoke";
    gcloud.ok(&["iam", "roles", "create", "greeter", "--project=sandbox-project", permissions]);
    let update = ["iam", "roles", "update", "greeter", "--project=sandbox-project"];
    gcloud.ok(&[&update[..], &["--title=Greeter"]].concat());
    let group = "--group-email=greeters@example.com";
    let groups = ["identity", "groups"];
    let create = ["create", "greeters@example.com", "--organization=example.com"];
    gcloud.ok(&[&groups[..], &create].concat());
    let add = ["memberships", "add", group, "--member-email=gil@example.com"];
    gcloud.ok(&[&groups[..], &add].concat());
    let binding = ["--member=group:greeters@example.com", &format!("--role={role}")];
    let add = ["projects", "add-iam-policy-binding", "sandbox-project"];
    gcloud.ok(&[&add[..], &binding].concat());
    assert_eq!(verdict("gil@example.com"), "allowed");
    let file = gcloud.world.home().join("deny.json");
    let denial = r#"{"rules": [{"denyRule": {
        "deniedPrincipals": ["principalSet://goog/group/greeters@example.com"],
        "deniedPermissions": ["run.googleapis.com/routes.invoke"]}}]}"#;
    std::fs::write(&file, denial).unwrap();
    let folder = gcloud.ok(&[
        "resource-manager",
        "folders",
        "list",
        "--organization=433637338589",
        "--format=value(name)",
    ]);
    let point = format!(
        "--attachment-point=cloudresourcemanager.googleapis.com/folders/{}",
        folder.trim().rsplit('/').next().unwrap()
    );
    let file = format!("--policy-file={}", file.display());
    let policy = ["iam", "policies", "create", "no-greeters", "--kind=denypolicies", &point, &file];
    gcloud.ok(&policy);
    assert_eq!(verdict("gil@example.com"), "denied");
}

#[test]
fn gcloud_changes_policies() {
    let Some(gcloud) = Gcloud::start() else { return };
    let binding = |verb: &str, service: &str, member: &str, more: &[&str]| -> Vec<String> {
        let verb = format!("{verb}-iam-policy-binding");
        let member = format!("--member={member}");
        let fixed = [
            "run",
            "services",
            &verb,
            service,
            &member,
            "--role=roles/run.invoker",
            "--format=json",
        ];
        fixed.iter().chain(more).map(|word| (*word).to_owned()).collect()
    };
    let of = |words: &[String]| -> Run {
        gcloud.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let run = of(&binding("add", "hello", "user:ana@example.com", &[]));
    assert!(run.status == 0 && run.stdout.contains("user:ana@example.com"), "{run}");
    assert_eq!(run.stderr, "Updated IAM policy for service [hello].\n");
    let ours = gcloud.world.json(&["policy", "hello"]);
    assert_eq!(ours["bindings"][0]["members"][0], "user:ana@example.com");
    assert_eq!(of(&binding("remove", "hello", "user:ana@example.com", &[])).status, 0);
    let again = of(&binding("remove", "hello", "user:ana@example.com", &[]));
    assert_eq!(again.status, 1, "{again}");
    assert!(again.stderr.contains("Policy binding with the specified"), "{again}");

    // Conditions: kept, asked for, written and taken away.
    let condition = "--condition=expression=request.path==\"/a\",title=t";
    assert_eq!(of(&binding("add", "billing", "user:ben@example.com", &[condition])).status, 0);
    let run = of(&binding("add", "billing", "user:ben@example.com", &[]));
    assert!(run.status == 1 && run.stderr.contains("non-interactive mode"), "{run}");
    let policy = gcloud.ok(&["run", "services", "get-iam-policy", "billing", "--format=json"]);
    let policy: serde_json::Value = serde_json::from_str(&policy).unwrap();
    assert_eq!((policy["bindings"].as_array().unwrap().len(), &policy["version"]), (4, &3.into()));
    let run = of(&binding("remove", "billing", "user:ben@example.com", &["--all"]));
    assert_eq!(run.status, 0, "{run}");

    // A whole policy from a file; then the same file, which is stale.
    let file = gcloud.world.home().join("policy.json");
    std::fs::write(&file, policy.to_string()).unwrap();
    let set = ["run", "services", "set-iam-policy", "billing", file.to_str().unwrap()];
    gcloud.fails(&set, "There were concurrent policy changes");
    let mut blind = policy;
    blind.as_object_mut().unwrap().remove("etag");
    std::fs::write(&file, blind.to_string()).unwrap();
    assert!(gcloud.ok(&set).contains("user:ben@example.com"));

    let run = of(&binding("add", "hello", "allusers", &[]));
    assert!(run.status == 1 && run.stderr.contains("is of an unknown type"), "{run}");
    let project = "--project=sandbox-shared";
    let run = of(&binding("add", "search", "allUsers", &[project]));
    assert!(run.stderr.contains("do not belong to a permitted customer,  perhaps due to"), "{run}");
    let run = of(&binding("add", "nosuch", "user:ana@example.com", &[]));
    assert!(run.stderr.contains("Resource 'nosuch' of kind 'SERVICE'"), "{run}");
}

#[test]
fn gcloud_changes_services() {
    let Some(gcloud) = Gcloud::start() else { return };
    let update = |more: &[&str]| {
        gcloud.ok(&[&["run", "services", "update", "hello"], more].concat());
        gcloud.world.json(&["describe", "us-central1/hello"])
    };
    let seen = update(&["--ingress=internal", "--no-invoker-iam-check"]);
    assert_eq!((&seen["ingress"], &seen["invokerCheck"]), (&"internal".into(), &false.into()));
    let seen =
        update(&["--ingress=all", "--invoker-iam-check", "--add-custom-audiences=https://a"]);
    assert_eq!((&seen["ingress"], &seen["invokerCheck"]), (&"all".into(), &true.into()));
    assert_eq!(seen["customAudiences"], serde_json::json!(["https://a"]));
    update(&["--update-env-vars=A=b", "--memory=256Mi", "--timeout=60"]);
    let spec =
        "--format=value(spec.template.spec.containers[0].env,spec.template.spec.timeoutSeconds)";
    let spec = gcloud.ok(&["run", "services", "describe", "hello", spec]);
    assert_eq!(spec, "{'name': 'A', 'value': 'b'}\t60\n");
    let image = "--image=us-docker.pkg.dev/cloudrun/container/hello";
    gcloud.ok(&["run", "deploy", "fresh", image, "--allow-unauthenticated"]);
    assert_eq!(gcloud.world.json(&["describe", "fresh"])["exposure"], "public");
    gcloud.ok(&["run", "jobs", "create", "hourly", "--image=i"]);
    let jobs = ["run", "jobs", "list", "--format=value(metadata.name)"];
    assert_eq!(gcloud.ok(&jobs), "hourly\nimport\nimport\nnightly\n");
    gcloud.ok(&["run", "jobs", "delete", "hourly"]);
    gcloud.ok(&["run", "services", "delete", "hello"]);
    gcloud.fails(&["run", "services", "delete", "hello"], "could not be found");
    assert_eq!(gcloud.world.sandbox(&["describe", "us-central1/hello"]).status, 6);
}

#[test]
fn gcloud_does_what_is_printed_for_it() {
    let Some(gcloud) = Gcloud::start() else { return };
    let ours = World::new();
    let changes: [&[&str]; 4] = [
        &["grant", "ana@example.com,group:new@example.com", "hello"],
        &["revoke", "auditor@example.com,contractor@example.com", "billing", "--any-condition"],
        &["make-private", "storefront", "status-page"],
        &["make-public", "chat", "--via", "no-invoker-check"],
    ];
    for change in changes {
        let printed = gcloud.world.sandbox(&[change, &["--print", "gcloud"]].concat());
        assert_eq!(printed.status, 0, "{printed}");
        for line in printed.stdout.lines() {
            // Words as the shell takes them apart.
            let words = Command::new("sh")
                .args(["-c", &format!("printf '%s\\n' {line}")])
                .output()
                .unwrap();
            let words = String::from_utf8(words.stdout).unwrap();
            gcloud.ok(&words.lines().skip(1).collect::<Vec<_>>());
        }
        let done = ours.sandbox(&[change, &["--yes"]].concat());
        assert_eq!(done.status, 0, "{done}");
    }
    for service in ["hello", "billing", "storefront", "status-page", "chat"] {
        let policy = |world: &World| {
            let mut policy = without_etags(world.json(&["policy", service]));
            policy.as_object_mut().unwrap().remove("version");
            policy
        };
        let theirs = policy(&gcloud.world);
        assert_eq!(theirs, policy(&ours), "{service}");
        let check = |world: &World| world.json(&["describe", service])["invokerCheck"].clone();
        assert_eq!(check(&gcloud.world), check(&ours), "{service}");
    }
}

/// What gcloud saves, restores; what this program grants until a time, gcloud shows and takes; and what the
/// first condition breaks for gcloud is as it was announced.
#[test]
fn gcloud_and_this_program_take_each_others_policies() {
    let Some(gcloud) = Gcloud::start() else { return };
    let get = ["run", "services", "get-iam-policy", "billing"];
    let bindings = || {
        let policy = gcloud.world.json(&["policy", "us-central1/billing"]);
        let mut bindings = policy["bindings"].as_array().unwrap().clone();
        for binding in &mut bindings {
            let members = binding["members"].as_array_mut().unwrap();
            members.sort_by_key(ToString::to_string);
        }
        bindings.sort_by_key(ToString::to_string);
        bindings
    };
    let before = bindings();
    for format in ["json", "yaml"] {
        let saved = gcloud.ok(&[&get[..], &[&format!("--format={format}")]].concat());
        let file = gcloud.world.home().join(format!("saved.{format}"));
        std::fs::write(&file, saved).unwrap();
        gcloud.world.sandbox(&["grant", "new@example.com", "us-central1/billing"]);
        gcloud.world.sandbox(&["revoke", "finance@example.com", "us-central1/billing"]);
        let file = file.to_str().unwrap();
        let restore = ["restore", file, "us-central1/billing", "--ignore-etag", "--yes"];
        let run = gcloud.world.sandbox(&restore);
        assert_eq!(run.status, 0, "{run}");
        assert_eq!(bindings(), before);
    }
    // What is printed here, gcloud sets.
    let printed = gcloud.world.sandbox(&["policy", "us-central1/billing", "-o", "json"]).stdout;
    let file = gcloud.world.home().join("ours.json");
    std::fs::write(&file, printed).unwrap();
    gcloud.ok(&["run", "services", "set-iam-policy", "billing", file.to_str().unwrap()]);
    assert_eq!(bindings(), before);

    gcloud.world.sandbox(&["grant", "dev@example.com", "us-central1/hello", "--for", "4h"]);
    let hello =
        ["run", "services", "get-iam-policy", "hello", "--format=value(bindings.condition)"];
    assert!(gcloud.ok(&hello).contains("request.time < timestamp("));
    let add = ["run", "services", "add-iam-policy-binding", "hello", "--role=roles/run.invoker"];
    let member = "--member=user:ops@example.com";
    gcloud.fails(&[&add[..], &[member]].concat(), "--condition=None");
    gcloud.ok(&[&add[..], &[member, "--condition=None"]].concat());
    // And what gcloud did since stays when the grant is taken back.
    let last = gcloud.world.json(&["history"])["entries"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(gcloud.world.sandbox(&["undo", &last]).status, 0);
    let left = gcloud.ok(&[
        "run",
        "services",
        "get-iam-policy",
        "hello",
        "--format=value(bindings.members)",
    ]);
    assert!(left.contains("ops@example.com") && !left.contains("dev@example.com"), "{left}");
}

/// What `connect` prints, run as it is against the sandbox's metadata server and front end: but for its
/// scheme, since the front end is asked by way of an HTTP proxy, which the sandbox stands in for.
struct Programs {
    world: World,
    serve: Serve,
}

impl Programs {
    const URL: &str = "https://orders-k4qx7v2nza-uc.a.run.app";

    fn start() -> Self {
        let world = World::new();
        let account = "orders-api@sandbox-project.iam.gserviceaccount.com";
        let connect = ["connect", account, "us-central1/orders", "--code", "none"];
        assert_eq!(world.sandbox(&connect).status, 0);
        let serve = Serve::with(&world, &["--set", &format!("metadata-account={account}")]);
        Self { world, serve }
    }

    fn program(&self, language: &str) -> String {
        let account = "orders-api@sandbox-project.iam.gserviceaccount.com";
        let connect = ["connect", account, "us-central1/orders", "--code", language];
        let text = self.world.sandbox(&connect).stdout;
        // The audience stays what it is.
        assert_eq!(text.matches(Self::URL).count(), 2, "{text}");
        text.replacen(Self::URL, &Self::URL.replace("https:", "http:"), 1)
    }

    /// Runs it as on one of Google's machines, and checks that it gets 200.
    #[track_caller]
    fn gets_200(&self, name: &str, language: &str, command: &mut Command, by_proxy: bool) {
        let file = self.world.home().join(name);
        std::fs::write(&file, self.program(language)).unwrap();
        let host = self.serve.endpoint.trim_start_matches("http://");
        command
            .arg(&file)
            .env("GCE_METADATA_HOST", host)
            // Where Google's library for Python looks whether there is one.
            .env("GCE_METADATA_IP", host)
            .env("HOME", self.world.home())
            .stdin(Stdio::null());
        if by_proxy {
            for (name, value) in [("http_proxy", &*self.serve.endpoint), ("no_proxy", "127.0.0.1")]
            {
                command.env(name, value).env(name.to_uppercase(), value);
            }
        }
        let output = command.output().unwrap();
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{out}{err}");
        assert!(out.lines().any(|line| line.split(' ').any(|word| word == "200")), "{out}{err}");
    }
}

#[test]
fn the_printed_python_program_gets_through() {
    let Some(python) = installed("python/bin/python") else {
        return skipped("google-auth for Python");
    };
    let programs = Programs::start();
    programs.gets_200("call.py", "python", &mut Command::new(python), true);
}

#[test]
fn the_printed_node_program_gets_through() {
    let Some(modules) = installed("node/node_modules") else {
        return skipped("google-auth-library for Node");
    };
    let programs = Programs::start();
    // Modules are looked for beside the program.
    std::os::unix::fs::symlink(modules, programs.world.home().join("node_modules")).unwrap();
    // This library tunnels through a proxy even for plain HTTP: names lead to the sandbox instead.
    let names = programs.world.home().join("names.mjs");
    let port = programs.serve.endpoint.rsplit(':').next().unwrap();
    let lead_here = format!(
        "import net from 'node:net';
        const connect = net.Socket.prototype.connect;
        net.Socket.prototype.connect = function (...rest) {{
            const to = Array.isArray(rest[0]) ? rest[0][0] : rest[0];
            Object.assign(to, {{ host: '127.0.0.1', port: {port}, lookup: undefined }});
            return connect.apply(this, rest);
        }};"
    );
    std::fs::write(&names, lead_here).unwrap();
    let mut node = Command::new("node");
    node.arg("--import").arg(&names);
    programs.gets_200("call.mjs", "node", &mut node, false);
}

#[test]
fn the_printed_go_program_gets_through() {
    let library = Path::new("/usr/share/gocode/src/google.golang.org/api/idtoken");
    let go = Command::new("go").arg("version").output();
    if go.is_err() || !library.exists() {
        return skipped("Go, with google.golang.org/api/idtoken from Debian");
    }
    let programs = Programs::start();
    let mut go = Command::new("go");
    go.arg("run").env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode");
    go.env("GOCACHE", Path::new(env!("CARGO_BIN_EXE_runaccess")).with_file_name("go-cache"));
    programs.gets_200("call.go", "go", &mut go, true);
}

#[test]
fn the_printed_curl_program_gets_through() {
    let programs = Programs::start();
    programs.gets_200("call.sh", "curl", &mut Command::new("sh"), true);
    // Without the grant it does not.
    let revoke =
        ["revoke", "orders-api@sandbox-project.iam.gserviceaccount.com", "us-central1/orders"];
    assert_eq!(programs.world.sandbox(&revoke).status, 0);
    let file = programs.world.home().join("call.sh");
    let run = Command::new("sh")
        .arg(file)
        .env("GCE_METADATA_HOST", programs.serve.endpoint.trim_start_matches("http://"))
        .env("http_proxy", &programs.serve.endpoint)
        .env("no_proxy", "127.0.0.1")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&run.stdout).trim_end().ends_with("403"));
}

/// What stands beside services: gcloud makes it, this program sees it, and the other way round.
#[test]
fn gcloud_and_this_program_share_what_stands_beside_services() {
    let Some(gcloud) = Gcloud::start() else { return };
    let ours = |words: &[&str]| {
        let run = gcloud.world.sandbox(words);
        assert_eq!(run.status, 0, "{run}");
    };
    let domains = ["beta", "run", "domain-mappings"];
    let region = "--region=us-central1";
    let create = ["create", "--service=hello", "--domain=blog.example.com", region];
    let said = gcloud.ok(&[&domains[..], &create].concat());
    assert!(said.contains("ghs.googlehosted.com."), "{said}");
    let told = gcloud.world.json(&["domains", "hello"]);
    assert_eq!(told["domains"][0]["domain"], "blog.example.com");
    ours(&["domains", "unmap", "blog.example.com", "--yes"]);
    ours(&["domains", "map", "news.example.com", "hello"]);
    let list = ["list", region, "--format=value(metadata.name)"];
    let listed = gcloud.ok(&[&domains[..], &list].concat());
    assert!(listed.contains("news.example.com") && !listed.contains("blog"), "{listed}");
    let delete = ["delete", "--domain=news.example.com", region];
    gcloud.ok(&[&domains[..], &delete].concat());
    assert_eq!(gcloud.world.json(&["domains", "hello"])["domains"], serde_json::json!([]));
    // Jobs.
    ours(&["grant", "dev@example.com", "jobs/nightly"]);
    let policy = ["run", "jobs", "get-iam-policy", "nightly", "--format=value(bindings.members)"];
    assert!(gcloud.ok(&policy).contains("user:dev@example.com"));
    let member = ["--member=user:eve@example.com", "--role=roles/run.invoker"];
    gcloud.ok(&[&["run", "jobs", "add-iam-policy-binding", "nightly"][..], &member].concat());
    let json = gcloud.world.json(&["explain", "eve@example.com", "jobs/nightly"]);
    assert_eq!(json["verdict"], "allowed");
    // Identity-Aware Proxy, audiences, services of several regions.
    gcloud.ok(&["beta", "run", "services", "update", "hello", "--iap"]);
    assert_eq!(gcloud.world.json(&["iap", "hello", "on"])["changes"][0]["status"], "unchanged");
    gcloud.ok(&["run", "services", "update", "hello", "--add-custom-audiences=https://gw"]);
    let described = gcloud.world.json(&["describe", "hello"]);
    assert_eq!(described["customAudiences"], serde_json::json!(["https://gw"]));
    let several = ["beta", "run", "multi-region-services", "list", "--project=sandbox-shared"];
    let several = gcloud.ok(&[&several[..], &["--format=value(metadata.name)"]].concat());
    assert_eq!(several, "checkout\ncheckout\n");
    // Accounts.
    ours(&["connect", "storefront", "us-central1/orders", "--create-service-account", "--yes"]);
    let accounts = ["iam", "service-accounts", "list", "--format=value(email)"];
    let made = "storefront@sandbox-project.iam.gserviceaccount.com";
    assert!(gcloud.ok(&accounts).contains(made));
    gcloud.ok(&["iam", "service-accounts", "delete", made]);
    let policy = gcloud.world.sandbox(&["policy", "us-central1/orders"]).stdout;
    assert!(policy.contains(&format!("deleted:serviceAccount:{made}?uid=")), "{policy}");
}
