//! What the program writes, held against what Google's official Rust clients send for the same.

use google_cloud_auth::credentials::Credentials;
use google_cloud_iam_admin_v1::client::Iam;
use google_cloud_iam_admin_v1::model::ServiceAccount;
use google_cloud_iam_v1::model::Policy;
use google_cloud_run_v2::client::{Jobs, Services};
use google_cloud_run_v2::model::Service;
use google_cloud_wkt::FieldMask;
use serde_json::Value;

use crate::clients::Token;
use crate::support::{Counter, Sent, Serve, World};

const HOME: &str = "projects/sandbox-project/locations/us-central1";

/// What the program writes for a command; questions that are asked by POST are no writes.
fn written(world: &World, counter: &Counter, arguments: &[&str]) -> Vec<Sent> {
    counter.take_writes();
    let run = world.run(arguments);
    assert_eq!(run.status, 0, "{run}");
    let is_write = |sent: &Sent| {
        let asks = [":getIamPolicy", ":testIamPermissions"];
        !asks.iter().any(|end| sent.path.ends_with(end))
    };
    counter.take_writes().into_iter().filter(is_write).collect()
}

/// What the official client sends, whatever is answered.
async fn officially<T, E>(
    counter: &Counter,
    send: impl Future<Output = Result<T, E>>,
) -> Vec<Sent> {
    counter.take_writes();
    drop(send.await);
    counter.take_writes()
}

/// The same however it is spelled: the official clients send a system parameter (`$alt`) with every request,
/// and parameters that are false, which is what they are if they are not sent.
fn essence(sent: &[Sent]) -> Vec<Sent> {
    let mut sent = sent.to_vec();
    for request in &mut sent {
        request.query.retain(|(name, value)| !name.starts_with('$') && value != "false");
    }
    sent
}

fn policy(body: &Value) -> Policy {
    serde_json::from_value(body["policy"].clone()).unwrap()
}

#[tokio::test]
async fn every_write_is_what_the_official_client_sends() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    let counter = Counter::before(&serve.endpoint);
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &counter.endpoint);
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "t");
    world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
    let credentials = Credentials::from(Token);
    let endpoint = counter.endpoint.trim_end_matches('/');
    let services =
        Services::builder().with_endpoint(endpoint).with_credentials(credentials.clone());
    let services = services.build().await.unwrap();
    let jobs = Jobs::builder().with_endpoint(endpoint).with_credentials(credentials.clone());
    let jobs = jobs.build().await.unwrap();
    let iam = Iam::builder().with_endpoint(endpoint).with_credentials(credentials);
    let iam = iam.build().await.unwrap();

    let hello = format!("{HOME}/services/hello");
    let condition = "request.path.startsWith('/a')";
    for arguments in [
        &["grant", "dev@x.com", "us-central1/hello"][..],
        &[
            "grant",
            "on@x.com",
            "us-central1/hello",
            "--condition",
            condition,
            "--condition-title",
            "t",
        ],
        &["revoke", "dev@x.com", "us-central1/hello"],
    ] {
        let own = written(&world, &counter, arguments);
        assert_eq!(own.len(), 1, "{own:?}");
        let set = services.set_iam_policy().set_resource(&hello).set_policy(policy(&own[0].body));
        assert_eq!(essence(&own), essence(&officially(&counter, set.send()).await));
    }
    let own = written(&world, &counter, &["grant", "dev@x.com", "jobs/us-central1/nightly"]);
    let set = jobs.set_iam_policy().set_resource(format!("{HOME}/jobs/nightly"));
    let set = set.set_policy(policy(&own[0].body)).send();
    assert_eq!(essence(&own), essence(&officially(&counter, set).await));

    for (arguments, field) in [
        (&["ingress", "us-central1/hello", "internal", "--yes"][..], "ingress"),
        (&["invoker-check", "us-central1/hello", "off", "--yes"], "invoker_iam_disabled"),
        (&["default-url", "us-central1/hello", "off", "--yes"], "default_uri_disabled"),
        (&["iap", "us-central1/hello", "on", "--yes"], "iap_enabled"),
        (&["audience", "add", "us-central1/hello", "https://gw.example.com"], "custom_audiences"),
    ] {
        let own = written(&world, &counter, arguments);
        let service: Service = serde_json::from_value(own[0].body.clone()).unwrap();
        let mask = FieldMask::default().set_paths([field]);
        let update = services.update_service().set_service(service).set_update_mask(mask);
        assert_eq!(essence(&own[..1]), essence(&officially(&counter, update.send()).await));
    }

    let connect =
        ["connect", "storefront", "us-central1/orders", "--create-service-account", "--yes"];
    let own = written(&world, &counter, &connect);
    let body = &own[0].body;
    let account: ServiceAccount = serde_json::from_value(body["serviceAccount"].clone()).unwrap();
    let create = iam.create_service_account().set_name("projects/sandbox-project");
    let create = create.set_account_id(body["accountId"].as_str().unwrap());
    let create = create.set_service_account(account).send();
    assert_eq!(essence(&own[..1]), essence(&officially(&counter, create).await));
    let own = written(&world, &counter, &["undo", "--yes"]);
    let gone = own.last().unwrap().clone();
    assert_eq!(gone.method, "DELETE");
    let delete = iam.delete_service_account().set_name(gone.path.trim_start_matches("/v1/")).send();
    assert_eq!(essence(&[gone]), essence(&officially(&counter, delete).await));
}
