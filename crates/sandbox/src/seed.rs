//! The world that a new sandbox starts with: small, and each service with something to teach.

mod governance;
mod resources;

use std::path::Path;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::api::run_v1::domains;
use crate::api::service_body;
use crate::dialect::names::regions;
use crate::records::accounts;
use crate::records::home::{DEFAULT_ACCOUNT, DEFAULT_PROJECT, HOME_REGION};
use crate::records::stamps::{new_etag, stamp};
use crate::records::store::{Fills, Sandbox, SetAside, StoreError};
use crate::records::world::{Collection, FOLDERS, ORGANIZATIONS, Project, World};
use runaccess_domain::resource::ServiceName;

const FOUNDED: OffsetDateTime = datetime!(2026-01-12 09:00 UTC);
const INVOKER: &str = "roles/run.invoker";
const ORGANIZATION: &str = "433637338589";
const FOLDER: &str = "725218103497";

struct Seed {
    project: &'static str,
    region: &'static str,
    service: &'static str,
    body: Value,
    bindings: Value,
}

/// What each version of the store adds to the world.
const FILLS: Fills =
    [fill, fill_around, fill_above, governance::fill, resources::fill, governance::fill_restricted];

impl Sandbox {
    /// Opens the sandbox in a folder, making it with the seeded world where it is new. A damaged
    /// file is set aside under another name, and a new one made.
    pub fn open(
        directory: &Path,
        now: OffsetDateTime,
    ) -> Result<(Self, Option<SetAside>), StoreError> {
        Self::open_filled(directory, now, &FILLS)
    }

    /// Forgets everything and starts from the seeded world. Processes that have it open go on
    /// with the new world. A file whose damage opening it did not meet is set aside here.
    pub fn reset(
        directory: &Path,
        now: OffsetDateTime,
    ) -> Result<(Self, Option<SetAside>), StoreError> {
        Self::reset_filled(directory, now, &FILLS)
    }

    /// Adds `count` services to a project, spread over the regions.
    pub fn add_services(&self, project: &str, count: u32) -> Result<bool, StoreError> {
        self.locally(|world| add_services(world, project, count))
    }
}

/// Fills an empty store.
fn fill(world: &World<'_>) -> rusqlite::Result<()> {
    for project in projects() {
        world.put_project(&project)?;
        for name in ["runner", "ci", "orders-api", "reporting"] {
            let email = format!("{name}@{}.iam.gserviceaccount.com", project.id);
            world.put_first_service_account(&email, &project.id)?;
        }
    }
    for seed in seeds().into_iter().chain(seeds_elsewhere()) {
        put(world, &seed)?;
    }
    Ok(())
}

/// Fills what is around the services: who owns what, accounts, domains, jobs.
fn fill_around(world: &World<'_>) -> rusqlite::Result<()> {
    let founded = stamp(FOUNDED);
    let holder = |kind: &str, id: &str, name: &str| {
        json!({"name": format!("{kind}/{id}"), "displayName": name, "state": "ACTIVE",
            "createTime": founded, "updateTime": founded, "etag": "W/\"7c4e2a90b1d6\""})
    };
    let mut organization = holder(ORGANIZATIONS, ORGANIZATION, "example.com");
    organization["directoryCustomerId"] = Value::from("C03xgje4y");
    world.put_resource(Collection::global(ORGANIZATIONS), ORGANIZATION, &organization)?;
    let mut folder = holder(FOLDERS, FOLDER, "engineering");
    folder["parent"] = Value::from(format!("organizations/{ORGANIZATION}"));
    world.put_resource(Collection::global(FOLDERS), FOLDER, &folder)?;
    let policy = |bindings: Value| json!({"bindings": bindings, "etag": new_etag()});
    world.put_policy(
        &format!("organizations/{ORGANIZATION}"),
        &policy(json!([
            {"role": "roles/resourcemanager.organizationAdmin", "members": ["group:admins@example.com"]},
        ])),
    )?;
    world.put_policy(
        &format!("folders/{FOLDER}"),
        &policy(
            json!([{"role": "roles/run.viewer", "members": ["group:engineering@example.com"]}]),
        ),
    )?;
    for id in world.project_ids()? {
        let Some(project) = world.project(&id)? else { continue };
        world.set_parent(&id, &format!("folders/{FOLDER}"))?;
        let compute = project.compute_account();
        world.put_policy(
            &format!("projects/{id}"),
            &policy(json!([
                {"role": "roles/owner", "members": [format!("user:{DEFAULT_ACCOUNT}")]},
                {"role": "roles/editor", "members": [format!("serviceAccount:{compute}")]},
            ])),
        )?;
        accounts::put(world, &id, &compute)?;
    }
    for (email, project) in world.first_service_accounts()? {
        accounts::put(world, &project, &email)?;
    }
    let Some(project) = world.project(DEFAULT_PROJECT)? else { return Ok(()) };
    for (domain, service, ready) in
        [("shop.example.com", "storefront", true), ("api.example.com", "api", false)]
    {
        domains::put(world, &project, HOME_REGION, (domain, service, ready), FOUNDED)?;
    }
    Ok(())
}

/// Lets the default account look at, and after, what is above its projects, and act as another.
fn fill_above(world: &World<'_>) -> rusqlite::Result<()> {
    let organization = format!("organizations/{ORGANIZATION}");
    let Some(mut policy) = world.policy(&organization)? else { return Ok(()) };
    let role = "roles/resourcemanager.organizationAdmin";
    let member = Value::from(format!("user:{DEFAULT_ACCOUNT}"));
    for binding in policy["bindings"].as_array_mut().into_iter().flatten() {
        let members = binding["members"].as_array().cloned().unwrap_or_default();
        if binding["role"] == role && !members.contains(&member) {
            binding["members"] = members.into_iter().chain([member.clone()]).collect();
        }
    }
    world.put_policy(&organization, &policy)?;
    // One account that the default account may act as.
    let runner = format!("runner@{DEFAULT_PROJECT}.iam.gserviceaccount.com");
    let resource = format!("projects/{DEFAULT_PROJECT}/serviceAccounts/{runner}");
    if world.service_account(&runner)?.is_none() || world.policy(&resource)?.is_some() {
        return Ok(());
    }
    let bindings = json!([{"role": "roles/iam.serviceAccountTokenCreator", "members": [member]}]);
    world.put_policy(&resource, &json!({"bindings": bindings, "etag": new_etag()}))
}

/// Adds services named `svc-00001` and so on, spread over the regions; every seventh public,
/// every eleventh with the invoker check off. `false` if there is no such project.
fn add_services(world: &World<'_>, project: &str, count: u32) -> rusqlite::Result<bool> {
    let Some(project) = world.project(project)? else {
        return Ok(false);
    };
    let regions: Vec<&str> = regions().collect();
    let mut number: usize = 0;
    let mut added = 0;
    while added < count {
        number += 1;
        let region = regions[number % regions.len()];
        let name = ServiceName::new(&project.id, region, format!("svc-{number:05}"));
        if world.service(&name)?.is_some() {
            continue;
        }
        let body = json!({"invokerIamDisabled": number.is_multiple_of(11)});
        let member = format!("user:dev{}@example.com", number % 100);
        let bindings = match number % 7 {
            0 => json!([{"role": INVOKER, "members": ["allUsers", member]}]),
            _ => json!([{"role": INVOKER, "members": [member]}]),
        };
        write(world, &project, &name, &body, &bindings)?;
        added += 1;
    }
    Ok(true)
}

fn put(world: &World<'_>, seed: &Seed) -> rusqlite::Result<()> {
    let Some(project) = world.project(seed.project)? else {
        return Ok(());
    };
    let name = ServiceName::new(seed.project, seed.region, seed.service);
    write(world, &project, &name, &seed.body, &seed.bindings)
}

fn write(
    world: &World<'_>,
    project: &Project,
    name: &ServiceName,
    body: &Value,
    bindings: &Value,
) -> rusqlite::Result<()> {
    let service = service_body::create(project, name, body, DEFAULT_ACCOUNT, FOUNDED);
    world.put_service(name, &service)?;
    world.put_revision(name, &service_body::revision(name, &service, FOUNDED))?;
    if bindings.as_array().is_some_and(|bindings| !bindings.is_empty()) {
        let policy = json!({"bindings": bindings, "etag": new_etag()});
        world.put_policy(&name.to_string(), &policy)?;
    }
    Ok(())
}

fn projects() -> [Project; 3] {
    let project = |id: &str, number: &str, hash: &str, constraints: &[&str]| Project {
        id: id.to_owned(),
        number: number.to_owned(),
        hash: hash.to_owned(),
        domain: "example.com".to_owned(),
        facts: Value::Null,
        constraints: constraints.iter().map(|name| (*name).to_owned()).collect(),
        parent: String::new(),
    };
    [
        project(DEFAULT_PROJECT, "123456789012", "k4qx7v2nza", &[]),
        project(
            "sandbox-shared",
            "210987654321",
            "m8wtc3jrfq",
            &["iam.allowedPolicyMemberDomains"],
        ),
        project(
            "sandbox-locked",
            "345678901234",
            "p2hsy6dbue",
            &["iam.allowedPolicyMemberDomains", "run.managed.requireInvokerIam"],
        ),
    ]
}

fn here(service: &'static str, body: Value, bindings: Value) -> Seed {
    Seed { project: DEFAULT_PROJECT, region: HOME_REGION, service, body, bindings }
}

fn runs_as(account: &str) -> Value {
    let email = format!("{account}@{DEFAULT_PROJECT}.iam.gserviceaccount.com");
    json!({"serviceAccount": email})
}

fn seeds() -> Vec<Seed> {
    let team = json!([{"role": INVOKER, "members": ["group:team@example.com"]}]);
    let orders = json!([{"role": INVOKER, "members": [
        "serviceAccount:runner@sandbox-project.iam.gserviceaccount.com", "user:ana@example.com"]}]);
    vec![
        here("hello", json!({}), json!([])),
        here("storefront", json!({}), json!([{"role": INVOKER, "members": ["allUsers"]}])),
        here("status-page", json!({"invokerIamDisabled": true}), json!([])),
        here("backoffice", json!({"ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY"}), team.clone()),
        here(
            "orders",
            json!({
                "template": runs_as("orders-api"),
                "traffic": [
                    {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100},
                    {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "tag": "canary"},
                ],
            }),
            orders.clone(),
        ),
        Seed {
            region: "europe-west1",
            ..here("orders", json!({"template": runs_as("orders-api")}), orders)
        },
        here(
            "billing",
            json!({"template": runs_as("runner")}),
            json!([
                {"role": INVOKER, "members": [
                    "user:finance@example.com",
                    "deleted:user:leaver@example.com?uid=101234567890123456789",
                ]},
                {"role": INVOKER, "members": ["user:auditor@example.com"], "condition": {
                    "title": "reports only",
                    "description": "May read the reports and nothing else",
                    "expression": "request.path.startsWith(\"/reports\")",
                }},
                {"role": INVOKER, "members": ["user:contractor@example.com"], "condition": {
                    "title": "until spring",
                    "expression": "request.time < timestamp(\"2026-03-31T00:00:00Z\")",
                }},
            ]),
        ),
        here(
            "chat",
            json!({"template": {"containers": [{
                "image": "us-docker.pkg.dev/cloudrun/container/hello",
                "ports": [{"name": "h2c", "containerPort": 8080}],
            }]}}),
            team.clone(),
        ),
        here(
            "intranet",
            json!({"iapEnabled": true}),
            json!([{"role": INVOKER, "members": [
                "serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com"]}]),
        ),
        here(
            "api",
            json!({"customAudiences": ["https://api.example.com"]}),
            json!([{"role": INVOKER, "members": ["domain:example.com"]}]),
        ),
        here(
            "catalog",
            json!({"ingress": "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", "defaultUriDisabled": true}),
            json!([{"role": INVOKER, "members": ["allUsers"]}]),
        ),
        here(
            "reports",
            json!({"template": runs_as("reporting")}),
            json!([
                {"role": INVOKER, "members": ["allAuthenticatedUsers"]},
                {"role": "projects/sandbox-project/roles/reportReader", "members": ["user:ana@example.com"]},
                {"role": "roles/run.developer", "members": ["user:ana@example.com"]},
            ]),
        ),
    ]
}

/// The services of the projects that organisation policies bind.
fn seeds_elsewhere() -> Vec<Seed> {
    let team = json!([{"role": INVOKER, "members": ["group:team@example.com"]}]);
    vec![
        Seed { project: "sandbox-shared", ..here("search", json!({}), team.clone()) },
        Seed {
            project: "sandbox-shared",
            region: "europe-west1",
            ..here("events", json!({}), team.clone())
        },
        Seed { project: "sandbox-locked", ..here("ledger", json!({}), team) },
    ]
}
