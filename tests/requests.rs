//! How many requests each command makes, counted on the wire.

use crate::support::{Counter, Serve, World};

const RUNNER: &str = "runner@sandbox-project.iam.gserviceaccount.com";

#[test]
fn commands_make_no_more_requests_than_they_say() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    let counter = Counter::before(&serve.endpoint);
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &counter.endpoint);
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "t");
    world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
    for (arguments, requests) in [
        (&["url", "hello"][..], 1),
        (&["url", "us-central1/hello"], 1),
        (&["url", "https://hello-k4qx7v2nza-uc.a.run.app"], 1),
        // The service and its policy; project, folder and organisation, each with its policy and its
        // deny policies; one deny policy, its tags, and ten roles that are in no table; `describe`
        // also lists domains, and reads the ingress that is set.
        (&["describe", "us-central1/hello"], 25),
        (&["who", "us-central1/hello"], 23),
        // And who is in which group; of one who is denied, four organisation policies, so that no remedy is
        // offered that they refuse.
        (&["explain", "ana@example.com", "us-central1/hello"], 19),
        // Who is in it, and in which groups they are.
        (&["explain", "group:team@example.com", "us-central1/hello"], 43),
        // Of a job the organisation's principal access boundaries too.
        (&["explain", "ana@example.com", "jobs/us-central1/nightly"], 15),
        (&["policy", "us-central1/hello"], 1),
        // The service is read beside its policy: one round trip, and the write another.
        (&["grant", "dev@x.com", "us-central1/hello"], 3),
        (&["grant", "dev@x.com", "us-central1/hello"], 2),
        (&["grant", "dev@x.com", "hello"], 3),
        (&["revoke", "dev@x.com", "us-central1/hello"], 3),
        // A look ahead is at four organisation policies, a foreign principal's too.
        (&["make-public", "us-central1/hello", "--yes"], 7),
        // Whether it could be undone, organisation policies say.
        (&["revoke", "allUsers", "us-central1/hello", "--yes"], 7),
        (&["make-public", "us-central1/hello", "--yes", "--no-preflight"], 3),
        (&["make-private", "us-central1/hello", "--yes"], 27),
        // One of them looks at the operation.
        (&["make-public", "us-central1/hello", "--yes", "--via", "no-invoker-check"], 8),
        // It turns the check on again, and nobody is let in.
        (&["undo", "--yes"], 4),
        (&["grant", "dev@x.com", "us-central1/hello", "--for", "4h"], 3),
        (&["undo", "--yes"], 3),
        (&["ingress", "us-central1/hello", "internal", "--yes"], 5),
        // What is known of changes that ended is all in the journal.
        (&["history"], 0),
        (&["iap", "us-central1/hello", "on", "--yes"], 6),
        (&["audience", "add", "us-central1/hello", "https://gw"], 4),
        (&["grant", "dev@x.com", "jobs/us-central1/nightly"], 3),
        (&["grant", "dev@x.com", "jobs/nightly"], 3),
        (&["domains"], 1),
        // Where the certificate is not there, the CAA records of the domain and of the one above it.
        (&["domains", "--check"], 5),
        (&["domains", "map", "a.example.com", "us-central1/hello"], 5),
        (&["url", "us-central1/hello", "--all"], 2),
        // What each runs as no list says.
        (&["graph"], 46),
        (&["connect", RUNNER, "us-central1/hello", "--code", "none"], 48),
        (&["list"], 13),
        (&["list", "--no-access"], 1),
        (&["roles"], 0),
    ] {
        let run = world.run(arguments);
        assert!(matches!(run.status, 0 | 3), "{run}");
        assert_eq!(counter.take(), requests, "{arguments:?}: {run}");
    }
}
