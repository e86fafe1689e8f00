//! What is offered against a refusal helps: it is run, and asked again.

use serde_json::Value;

use crate::support::World;

const MEMBERS: [&str; 6] = [
    "you@example.com",
    "somebody@elsewhere.example",
    "allUsers",
    "group:staff@example.com",
    "runner@sandbox-project.iam.gserviceaccount.com",
    "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/x",
];
const ORIGINS: [&str; 2] = ["internet", "load-balancer"];

fn services(world: &World, project: &str) -> Vec<String> {
    let all = world.json(&["list", "--no-access", "--project", project]);
    let rows = all["services"].as_array().unwrap().iter();
    rows.map(|row| format!("{}/{}", row["region"].as_str().unwrap(), row["name"].as_str().unwrap()))
        .collect()
}

/// The commands of a report, each checked for what no remedy may be.
fn commands(told: &Value, what: &str) -> Vec<String> {
    let fix = told["fix"].as_array().cloned().unwrap_or_default();
    let fix: Vec<String> = fix.iter().map(|one| one.as_str().unwrap().to_owned()).collect();
    for command in &fix {
        let shouted = command
            .split([' ', '=', '/'])
            .any(|word| word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
        assert!(!shouted, "{what}: {command} holds a placeholder");
        let is_ours = command.starts_with("runaccess --sandbox ");
        assert!(is_ours || command.contains("# asks Google"), "{what}: {command}");
    }
    fix
}

/// Runs the commands that are this program's. Whether all of them are.
fn run(world: &World, fix: &[String], what: &str) -> bool {
    for command in fix.iter().filter(|command| command.starts_with("runaccess ")) {
        let words = shell_words(command);
        let words: Vec<&str> = words.iter().skip(2).map(String::as_str).collect();
        let done = world.sandbox(&[&words[..], &["--yes"]].concat());
        assert_eq!(done.status, 0, "{what}: {command}: {done}");
    }
    fix.iter().all(|command| command.starts_with("runaccess "))
}

/// The words of a command with single quotes alone.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (at, part) in command.split('\'').enumerate() {
        if at % 2 == 1 {
            words.last_mut().unwrap().push_str(part);
        } else {
            let mut pieces = part.split(' ');
            words.last_mut().unwrap().push_str(pieces.next().unwrap());
            words.extend(pieces.map(str::to_owned));
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn each_remedy_of_explain_makes_the_answer_better() {
    let (mut refused, mut helped, mut none) = (0, 0, 0);
    for project in ["sandbox-project", "sandbox-shared"] {
        // Reads change nothing: one world is enough for them.
        let reader = World::new();
        for service in services(&reader, project) {
            for member in MEMBERS {
                for origin in ORIGINS {
                    let words =
                        ["explain", member, &service, "--from", origin, "--project", project];
                    let told = reader.json(&words);
                    if told["verdict"] != "denied" {
                        continue;
                    }
                    refused += 1;
                    let what = format!("{words:?}");
                    let fix = commands(&told, &what);
                    none += usize::from(fix.is_empty());
                    if fix.is_empty() {
                        continue;
                    }
                    let world = World::new();
                    if !run(&world, &fix, &what) {
                        continue;
                    }
                    helped += 1;
                    let after = world.json(&words);
                    // What a group or a domain may is not known, unless it is granted as such.
                    assert_ne!(after["verdict"], "denied", "{what}: {fix:?}: {after:#}");
                    let one = !["group:", "domain:"].iter().any(|kind| member.starts_with(kind));
                    assert!(!one || after["verdict"] == "allowed", "{what}: {fix:?}: {after:#}");
                }
            }
        }
    }
    assert!(helped > 50, "{helped} of {refused} helped, {none} have no remedy");
}

#[test]
fn each_remedy_of_doctor_makes_the_answer_better() {
    let mut helped = 0;
    for project in ["sandbox-project", "sandbox-shared"] {
        let reader = World::new();
        for service in services(&reader, project) {
            for more in [&[][..], &["/healthz"], &["--method", "OPTIONS"], &["--no-request"]] {
                let words = [&["doctor", &service, "--project", project][..], more].concat();
                let told = reader.json(&words);
                let what = format!("{words:?}");
                let fix = commands(&told, &what);
                // What is only looked at, or serves until it is stopped, changes nothing.
                let changes = |command: &String| {
                    ["grant", "ingress", "default-url", "audience", "make-public"]
                        .iter()
                        .any(|verb| command.contains(&format!(" {verb} ")))
                };
                if told["verdict"] != "refused" || fix.is_empty() || !fix.iter().all(changes) {
                    continue;
                }
                let world = World::new();
                run(&world, &fix, &what);
                helped += 1;
                let after = world.json(&words);
                assert_ne!(after["signature"], told["signature"], "{what}: {fix:?}: {after:#}");
            }
        }
    }
    assert!(helped > 0);
}

/// What an organisation policy would refuse is not offered.
#[test]
fn the_way_that_is_open_is_offered() {
    let world = World::new();
    let fix = |words: &[&str]| world.json(&[&["explain"], words].concat())["fix"].clone();
    let shared = ["allUsers", "us-central1/search", "--project", "sandbox-shared"];
    let offered = fix(&shared);
    let text = offered.to_string();
    assert!(offered == serde_json::json!([]) || text.contains("--via no-invoker-check"), "{text}");
    let own = fix(&["allUsers", "us-central1/hello"]);
    assert_eq!(own, serde_json::json!(["runaccess --sandbox make-public us-central1/hello"]));
}

/// Whoever may not read a service is told of its address, which `grant` takes.
#[test]
fn a_service_that_may_not_be_read_is_named_by_its_address() {
    let world = World::new();
    let url = "https://hello-k4qx7v2nza-uc.a.run.app";
    let told = world.json(&["--account", "bob@elsewhere.example", "doctor", url]);
    let fix = commands(&told, "doctor");
    assert_eq!(fix, [format!("runaccess --sandbox grant bob@elsewhere.example {url}")], "{told:#}");
}

/// A token for a mapped domain is for nobody until the service takes that audience.
#[test]
fn a_token_for_a_mapped_domain_is_helped_by_an_audience() {
    let world = World::new();
    let robot = "runner@sandbox-project.iam.gserviceaccount.com";
    let shop = "https://shop.example.com";
    for words in
        [&["make-private", "storefront", "--yes"][..], &["grant", robot, "storefront", "--yes"]]
    {
        assert_eq!(world.sandbox(words).status, 0);
    }
    let token = world.sandbox(&["--account", robot, "token", "--audience", shop]).stdout;
    let file = world.home().join("token");
    std::fs::write(&file, token.trim()).unwrap();
    let words = ["doctor", shop, "--id-token-file", file.to_str().unwrap()];
    let told = world.json(&words);
    let fix = commands(&told, "doctor");
    assert_eq!(fix, [format!("runaccess --sandbox audience add us-central1/storefront {shop}")]);
    run(&world, &fix, "doctor");
    assert_eq!(world.json(&words)["verdict"], "ok");
}
