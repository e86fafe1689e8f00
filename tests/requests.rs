//! How many requests each command makes.

use crate::support::World;

#[test]
fn commands_make_no_more_requests_than_they_say() {
    let world = World::new();
    for (arguments, requests) in [
        (&["url", "hello"][..], 1),
        (&["url", "us-central1/hello"], 1),
        (&["url", "https://hello-k4qx7v2nza-uc.a.run.app"], 1),
        (&["describe", "us-central1/hello"], 2),
        (&["who", "us-central1/hello"], 2),
        (&["policy", "us-central1/hello"], 1),
        (&["grant", "dev@x.com", "us-central1/hello"], 2),
        (&["grant", "dev@x.com", "us-central1/hello"], 1),
        (&["grant", "dev@x.com", "hello"], 2),
        (&["revoke", "dev@x.com", "us-central1/hello"], 2),
        (&["make-public", "us-central1/hello", "--yes"], 3),
        (&["make-private", "us-central1/hello", "--yes"], 3),
        (&["make-public", "us-central1/hello", "--yes", "--via", "no-invoker-check"], 3),
        (&["list"], 13),
        (&["list", "--no-access"], 1),
    ] {
        let run = world.sandbox(&[arguments, &["-v"]].concat());
        assert_eq!(run.stderr.matches("request: ").count(), requests, "{arguments:?}: {run}");
    }
}
