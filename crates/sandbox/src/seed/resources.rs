//! What stands beside the seeded services: jobs, functions, a multi-region service, and what the public
//! DNS says of their domains.

use serde_json::{Value, json};

use super::{
    DEFAULT_ACCOUNT, DEFAULT_PROJECT, FOUNDED, HOME_REGION, INVOKER, Seed, new_etag, put, runs_as,
};
use crate::api::call::Site;
use crate::api::{dns, functions, job_place, jobs, workloads};
use crate::dialect::api_error::ApiError;
use crate::faults::Effects;
use crate::records::stamps::stamp;
use crate::records::world::World;
use runaccess_domain::member::Member;

const ELSEWHERE: &str = "europe-west1";
/// The project whose services are the functions' and the multi-region one.
const SHARED: &str = "sandbox-shared";
/// What the regions of one multi-region service share.
const MULTI_REGION: &str = "a3f1c2d4-6b57-4e80-9d21-0c8e5f7a1b42";

/// Fills in what stands beside the services.
pub(super) fn fill(world: &World<'_>) -> rusqlite::Result<()> {
    dns::put(world, "shop.example.com", "CNAME", dns::HOSTED)?;
    dns::put(world, "api.example.com", "CNAME", "old-gateway.example.net.")?;
    let shared = |region: &'static str, service: &'static str, body: Value| Seed {
        project: SHARED,
        region,
        service,
        body,
        bindings: json!([{"role": INVOKER, "members": ["group:team@example.com"]}]),
    };
    let regions = json!({"regions": [HOME_REGION, ELSEWHERE], "multiRegionId": MULTI_REGION});
    for seed in [
        shared(HOME_REGION, "checkout", json!({"multiRegionSettings": regions})),
        shared(ELSEWHERE, "checkout", json!({"multiRegionSettings": regions})),
        shared(HOME_REGION, "resize-image", json!({})),
    ] {
        put(world, &seed)?;
    }
    // What fails here but the store is a slip in this file.
    around(world).map_err(|error| rusqlite::Error::InvalidParameterName(error.message))
}

fn around(world: &World<'_>) -> Result<(), ApiError> {
    let (who, effects) = (Member::of_account(DEFAULT_ACCOUNT), Effects::default());
    let Some(project) = world.project(DEFAULT_PROJECT)? else { return Ok(()) };
    let site =
        Site { world, project: &project, who: &who, base: "", now: FOUNDED, effects: &effects };
    let nightly = runs_as("reporting");
    for (region, name, account) in [
        (HOME_REGION, "nightly", &nightly),
        (HOME_REGION, "import", &Value::Null),
        (ELSEWHERE, "import", &Value::Null),
    ] {
        let mut template = json!({"template": {"containers": [
            {"image": "us-docker.pkg.dev/cloudrun/container/job"}]}});
        if let Some(account) = account.get("serviceAccount") {
            template["template"]["serviceAccount"] = account.clone();
        }
        let job = jobs::made(&site, region, name, &json!({"template": template}))?;
        world.put_resource(job_place::kept_in(&site, region), name, &job)?;
    }
    let full = format!("projects/{DEFAULT_PROJECT}/locations/{HOME_REGION}/jobs/nightly");
    let bindings = json!([{"role": INVOKER,
        "members": ["serviceAccount:runner@sandbox-project.iam.gserviceaccount.com"]}]);
    world.put_policy(&full, &json!({"bindings": bindings, "etag": new_etag()}))?;
    let container = json!([{"image": "us-docker.pkg.dev/cloudrun/container/hello"}]);
    let body = json!({"containers": container});
    let notebook = workloads::seed_instance(&site, HOME_REGION, "notebook", &body)?;
    let body = json!({"template": {"containers": container}});
    let consumer = workloads::seed_worker_pool(&site, HOME_REGION, "consumer", &body)?;
    for (made, role, member) in [
        (&notebook, INVOKER, "user:ana@example.com"),
        (&notebook, "roles/run.servicesInvoker", "user:bea@example.com"),
        (&consumer, "roles/run.developer", "group:team@example.com"),
    ] {
        let full = made["name"].as_str().unwrap_or_default();
        let mut policy =
            world.policy(full)?.unwrap_or_else(|| json!({"bindings": [], "etag": new_etag()}));
        if let Some(bindings) = policy["bindings"].as_array_mut() {
            bindings.push(json!({"role": role, "members": [member]}));
        }
        world.put_policy(full, &policy)?;
    }
    // Google gives its own account for Cloud Scheduler this role when that is first used; here Pub/Sub's
    // and Cloud Tasks' lack theirs, as those of old projects do.
    let home = format!("projects/{DEFAULT_PROJECT}");
    if let Some(mut policy) = world.policy(&home)? {
        let agent =
            format!("service-{}@gcp-sa-cloudscheduler.iam.gserviceaccount.com", project.number);
        if let Some(bindings) = policy["bindings"].as_array_mut() {
            bindings.push(json!({"role": "roles/cloudscheduler.serviceAgent",
                "members": [format!("serviceAccount:{agent}")]}));
        }
        world.put_policy(&home, &policy)?;
    }
    let Some(project) = world.project(SHARED)? else { return Ok(()) };
    let site = Site { project: &project, ..site };
    for (name, made) in [
        ("resize_image", functions::second_generation(&site, HOME_REGION, "resize_image")),
        ("old_hook", functions::first_generation(&site, HOME_REGION, "old_hook")),
    ] {
        world.put_resource(functions::place(&site, HOME_REGION), name, &made)?;
    }
    // Their services say whose they are (observed).
    let name = runaccess_domain::resource::ServiceName::new(SHARED, HOME_REGION, "resize-image");
    if let Some(mut service) = world.service(&name)? {
        service["labels"] = json!({"goog-managed-by": "cloudfunctions"});
        // So do their addresses: by the function's own it is called too (firebase-tools' own code).
        let url = format!("https://{HOME_REGION}-{SHARED}.cloudfunctions.net/resize_image");
        if let Some(urls) = service["urls"].as_array_mut() {
            urls.push(Value::from(url.clone()));
        }
        service["customAudiences"] = json!([url]);
        service["updateTime"] = Value::from(stamp(FOUNDED));
        world.put_service(&name, &service)?;
    }
    Ok(())
}
