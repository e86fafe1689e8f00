//! What carries an invoker beside a service: jobs, functions by their services, services of several
//! regions.

use insta::assert_snapshot;

use crate::support::{Serve, World};

const RUNNER: &str = "runner@sandbox-project.iam.gserviceaccount.com";

#[test]
fn a_job_is_granted_told_and_undone_like_a_service() {
    let world = World::new();
    assert_snapshot!(world.sandbox(&["grant", "dev@example.com", "jobs/nightly"]), @"
    --- stdout
    SERVICE                   STATUS   CHANGE
    jobs/us-central1/nightly  changed  +user:dev@example.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-project (the sandbox's own), as you@example.com
      jobs/us-central1/nightly
        + user:dev@example.com  roles/run.invoker
    note: `user:dev@example.com` can run `jobs/us-central1/nightly` by its own policy
    undo: runaccess --sandbox undo s1
    --- status 0
    ");
    assert_snapshot!(world.sandbox(&["who", "jobs/nightly", "--indirect"]), @"
    --- stdout
    MEMBER                                                             ROLE               VIA                       STATE        CONDITION
    serviceAccount:runner@sandbox-project.iam.gserviceaccount.com      roles/run.invoker  job                       active
    user:dev@example.com                                               roles/run.invoker  job                       active
    user:you@example.com                                               roles/owner        projects/sandbox-project  active
    serviceAccount:123456789012-compute@developer.gserviceaccount.com  roles/editor       projects/sandbox-project  active
    group:sre@example.com                                              roles/run.invoker  folders/725218103497      conditional  resource.matchTag('433637338589/environment', 'production') (holds now)

    COULD LET ITSELF IN                                                                HOW                                                                FROM                                                                       ROLE
    user:you@example.com                                                               by changing its policy                                             projects/sandbox-project                                                   roles/owner
    serviceAccount:service-123456789012@gcp-sa-cloudscheduler.iam.gserviceaccount.com  with tokens of 123456789012-compute@developer.gserviceaccount.com  projects/sandbox-project                                                   roles/cloudscheduler.serviceAgent
    user:you@example.com                                                               with tokens of runner@sandbox-project.iam.gserviceaccount.com      projects/-/serviceAccounts/runner@sandbox-project.iam.gserviceaccount.com  roles/iam.serviceAccountTokenCreator
    serviceAccount:service-123456789012@gcp-sa-cloudscheduler.iam.gserviceaccount.com  with tokens of runner@sandbox-project.iam.gserviceaccount.com      projects/sandbox-project                                                   roles/cloudscheduler.serviceAgent
    --- status 0
    ");
    assert_snapshot!(world.sandbox(&["explain", "dev@example.com", "jobs/nightly"]), @"
    --- stdout
    allowed: user:dev@example.com may run jobs/us-central1/nightly

    LAYER     SAYS  WHY
    boundary  pass  no principal access boundary binds the caller
    deny      pass  no deny policy reaches the caller
    allow     pass  a role that carries the permission is granted: roles/run.invoker to user:dev@example.com on the job
    --- status 0
    ");
    let json = world.json(&["explain", "gil@example.com", "nightly", "--kind", "job"]);
    assert_eq!(json["verdict"], "denied");
    assert_eq!(json["request"]["path"], serde_json::Value::Null);
    assert_eq!(
        json["fix"],
        serde_json::json!(["runaccess --sandbox grant gil@example.com jobs/us-central1/nightly"])
    );
    assert_eq!(world.sandbox(&["undo", "s1", "--yes"]).status, 0);
    assert_eq!(world.json(&["who", "jobs/nightly"])["kind"], "job");
    let again = world.json(&["explain", "dev@example.com", "jobs/nightly"]);
    assert_eq!(again["verdict"], "denied");
}

#[test]
fn a_condition_on_a_job_is_not_dropped_on_the_way_to_gcloud() {
    let world = World::new();
    let grant = ["grant", "dev@example.com", "jobs/nightly", "--for", "4h", "--print", "gcloud"];
    let run = world.sandbox(&grant);
    assert_eq!(run.status, 2, "{run}");
    assert!(run.stdout.is_empty() && run.stderr.contains("no conditions"), "{run}");
    assert_eq!(world.sandbox(&["grant", "dev@example.com", "jobs/nightly"]).status, 0);
    for of in ["jobs/nightly", "jobs/us-central1/nightly"] {
        let history = world.json(&["history", "--service", of]);
        assert_eq!(history["entries"].as_array().unwrap().len(), 1, "{of}");
    }
}

#[test]
fn a_jobs_own_permission_counts() {
    let world = World::new();
    // Each lets its members do one thing, and not the other.
    for (role, verdict) in
        [("roles/run.servicesInvoker", "denied"), ("roles/run.jobsExecutor", "allowed")]
    {
        let grant = ["grant", "dev@example.com", "jobs/nightly", "--role", role];
        assert_eq!(world.sandbox(&grant).status, 0, "{role}");
        let json = world.json(&["explain", "dev@example.com", "jobs/nightly"]);
        assert_eq!(json["verdict"], verdict, "{role}");
    }
    let grant = ["grant", "eve@example.com", "jobs/nightly", "--role", "roles/run.servicesInvoker"];
    let warned = world.sandbox(&grant).stderr;
    assert!(warned.contains("does not let anyone run a job"), "{warned}");
    let revoke = ["revoke", "dev@example.com", "jobs/nightly", "--any-role"];
    let json = world.json(&revoke);
    assert_eq!(json["changes"][0]["removed"][0]["role"], "roles/run.jobsExecutor");
}

#[test]
fn jobs_are_found_by_every_form_and_missed_kindly() {
    let world = World::new();
    let full = "projects/sandbox-project/locations/us-central1/jobs/nightly";
    for typed in ["jobs/nightly", "jobs/us-central1/nightly", full] {
        assert_eq!(world.json(&["who", typed])["service"], full, "{typed}");
    }
    let both = world.json(&["grant", "dev@example.com", "jobs/imp*", "--yes"]);
    assert_eq!(both["changes"].as_array().unwrap().len(), 2);
    assert_snapshot!(world.sandbox(&["who", "jobs/import"]), @"
    --- stderr
    error: `jobs/import` is a job in several regions: `jobs/europe-west1/import`, `jobs/us-central1/import`
    hint: runaccess --sandbox who jobs/europe-west1/import
    hint: runaccess --sandbox who jobs/us-central1/import
    --- status 2
    ");
    assert_snapshot!(world.sandbox(&["policy", "jobs/nightl"]), @"
    --- stderr
    error: no job of project `sandbox-project` is named `nightl`
    hint: runaccess --sandbox policy jobs/nightly
    --- status 6
    ");
    assert_snapshot!(world.sandbox(&["who", "jobs/us-central1/nosuch"]), @"
    --- stderr
    error: could not read the policy of `jobs/us-central1/nosuch`
    caused by: Resource 'nosuch' of kind 'JOB' in region 'us-central1' in project 'sandbox-project' does not exist.
    --- status 6
    ");
    assert_snapshot!(world.sandbox(&["grant", "dev@example.com", "jobs/nightly", "--wait"]), @"
    --- stderr
    error: `--wait` is for what has an address: a service or an instance
    hint: runaccess --sandbox grant dev@example.com jobs/nightly
    --- status 2
    ");
    assert_snapshot!(
        world.sandbox(&["explain", "dev@example.com", "jobs/nightly", "--path", "/x"]),
        @"
    --- stderr
    error: `jobs/us-central1/nightly` is a job, and has no address
    caused by: `--path`, `--host` and `--from` are about requests to a service
    --- status 2
    "
    );
    assert_snapshot!(world.sandbox(&["grant", "jobs/nightly", "dev@example.com"]), @"
    --- stderr
    error: `jobs/nightly` is a job and `dev@example.com` a principal: the principal comes first
    hint: runaccess --sandbox grant dev@example.com jobs/nightly
    --- status 2
    ");
    // A command that is about requests knows no jobs.
    assert_eq!(world.sandbox(&["url", "jobs/nightly"]).status, 2);
}

#[test]
fn a_job_is_not_looked_for_where_a_region_cannot_be_searched() {
    let mut world = World::new();
    let serve = Serve::with_faults(&world, &["unreadable-region=europe-west1"]);
    world.reach(&serve);
    let run = world.run(&["grant", "dev@example.com", "jobs/nightly"]);
    assert_eq!(run.status, 9, "{run}");
    assert!(run.stderr.contains("cannot tell in which regions `nightly` is"), "{run}");
    let run = world.run(&["grant", "dev@example.com", "jobs/us-central1/nightly"]);
    assert_eq!(run.status, 0, "{run}");
}

#[test]
fn a_jobs_policy_is_saved_and_restored() {
    let world = World::new();
    let saved = world.home().join("nightly.json");
    let policy = world.sandbox(&["policy", "jobs/nightly", "-o", "json"]).stdout;
    std::fs::write(&saved, policy).unwrap();
    assert_eq!(world.sandbox(&["revoke", RUNNER, "jobs/nightly"]).status, 0);
    let restore = ["restore", saved.to_str().unwrap(), "jobs/nightly", "--ignore-etag"];
    let json = world.json(&restore);
    let member = format!("serviceAccount:{RUNNER}");
    assert_eq!(json["changes"][0]["added"][0]["member"], member);
}

#[test]
fn a_function_is_named_and_its_service_changed() {
    let world = World::new();
    let shared =
        |words: &[&str]| world.sandbox(&[&["--project", "sandbox-shared"], words].concat());
    assert_snapshot!(shared(&["grant", "dev@example.com", "functions/resize_image"]), @"
    --- stdout
    SERVICE                   STATUS   CHANGE
    us-central1/resize-image  changed  +user:dev@example.com (roles/run.invoker)
    --- stderr
    note: the function `resize_image` runs as the service `us-central1/resize-image`
    sandbox plan: project sandbox-shared (`--project`), as you@example.com
      us-central1/resize-image
        + user:dev@example.com  roles/run.invoker
    note: `user:dev@example.com` can invoke `us-central1/resize-image` by its own policy: `user:dev@example.com` has `roles/run.invoker` on `us-central1/resize-image`
    undo: runaccess --sandbox --project sandbox-shared undo s1
    --- status 0
    ");
    assert_snapshot!(shared(&["who", "functions/old_hook"]), @"
    --- stderr
    error: the function `old_hook` has no service under it
    caused by: it is of the 1st generation, whose access is its own
    hint: gcloud functions get-iam-policy old_hook --region=us-central1 --project=sandbox-shared # asks Google, not the sandbox
    --- status 6
    ");
    assert_snapshot!(shared(&["who", "functions/resize_imag"]), @"
    --- stderr
    error: no function of project `sandbox-shared` is named `resize_imag`
    hint: runaccess --sandbox --project sandbox-shared who functions/resize_image
    --- status 6
    ");
    let explained = shared(&["explain", "dev@example.com", "resize_image", "--kind", "function"]);
    assert_eq!(explained.status, 0, "{explained}");
}

#[test]
fn a_multi_region_service_is_one_change_with_each_regions_outcome() {
    let world = World::new();
    let shared =
        |words: &[&str]| world.sandbox(&[&["--project", "sandbox-shared"], words].concat());
    assert_snapshot!(shared(&["grant", "dev@example.com", "checkout"]), @"
    --- stdout
    SERVICE                STATUS   CHANGE
    europe-west1/checkout  changed  +user:dev@example.com (roles/run.invoker)
    us-central1/checkout   changed  +user:dev@example.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-shared (`--project`), as you@example.com
      europe-west1/checkout
        + user:dev@example.com  roles/run.invoker
      us-central1/checkout
        + user:dev@example.com  roles/run.invoker
    note: `user:dev@example.com` can invoke `europe-west1/checkout` by its own policy: `user:dev@example.com` has `roles/run.invoker` on `europe-west1/checkout`
    note: `user:dev@example.com` can invoke `us-central1/checkout` by its own policy: `user:dev@example.com` has `roles/run.invoker` on `us-central1/checkout`
    undo: runaccess --sandbox --project sandbox-shared undo s1
    --- status 0
    ");
    assert_snapshot!(shared(&["who", "checkout"]), @"
    --- stderr
    error: `checkout` is one service in several regions, each with a policy of its own: `europe-west1/checkout`, `us-central1/checkout`
    hint: runaccess --sandbox --project sandbox-shared who europe-west1/checkout
    hint: runaccess --sandbox --project sandbox-shared who us-central1/checkout
    --- status 2
    ");
    assert_snapshot!(shared(&["undo", "s1", "--yes"]), @"
    --- stdout
    SERVICE                STATUS   CHANGE
    europe-west1/checkout  changed  -user:dev@example.com (roles/run.invoker)
    us-central1/checkout   changed  -user:dev@example.com (roles/run.invoker)
    --- stderr
    sandbox plan: project sandbox-shared (`--project`), as you@example.com
    note: `s1` was: runaccess --sandbox --project sandbox-shared grant dev@example.com checkout
      europe-west1/checkout
        - user:dev@example.com  roles/run.invoker
        exposure: restricted, as before
      us-central1/checkout
        - user:dev@example.com  roles/run.invoker
        exposure: restricted, as before
    note: whether `user:dev@example.com` can invoke `europe-west1/checkout` by its own policy is unknown: who is in `group:team@example.com` is not known
    note: whether `user:dev@example.com` can invoke `us-central1/checkout` by its own policy is unknown: who is in `group:team@example.com` is not known
    undo: runaccess --sandbox --project sandbox-shared undo s2
    --- status 0
    ");
    // A region alone is one that was named.
    let one = shared(&["grant", "dev@example.com", "us-central1/checkout", "-n"]);
    assert!(!one.stderr.contains("europe-west1"), "{one}");
    // Two services of one name are not one service.
    assert_eq!(world.sandbox(&["grant", "dev@example.com", "orders"]).status, 2);
}
