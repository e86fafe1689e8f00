//! Many processes on one service, most of what can go wrong going wrong, and another writer in between:
//! nothing is lost, and each tells the truth.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::support::{Plain, Run, Serve, World, is_soak, members_of, told};

const HELLO: &str = "projects/sandbox-project/locations/us-central1/services/hello";
const INVOKER: &str = "roles/run.invoker";

/// A fifth of all answers, in all.
const FAULTS: [&str; 9] = [
    "409,method=POST,route=*:setIamPolicy,rate=0.03,seed=1",
    "429,rate=0.03,retry-after=0,seed=2",
    "500,rate=0.02,seed=3",
    "500,rate=0.02,when=after,seed=4",
    "503,rate=0.02,when=after,seed=5",
    "reset,rate=0.02,seed=6",
    "reset,rate=0.02,when=after,seed=7",
    "truncate,rate=0.02,seed=8",
    "latency=200ms..1500ms,rate=0.04,seed=9",
];

/// Bindings that nobody here is about.
fn bystanders() -> Vec<Value> {
    vec![
        json!({"role": INVOKER, "members": ["user:bystander@x.com"], "bindingId": "kept",
            "condition": {"title": "t", "expression": "request.path == \"/x\"", "location": "l"}}),
        json!({"role": "roles/run.viewer", "members": ["group:look@x.com"], "bindingId": "too"}),
    ]
}

fn spawned(world: &World, words: &[&str]) -> Child {
    let words = [words, &["-o", "json"]].concat();
    world.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn ended(world: &World, child: Child) -> (Run, Value) {
    let run = world.finished(child.wait_with_output().unwrap());
    let json = serde_json::from_str(&run.stdout).unwrap_or_default();
    (run, json)
}

#[test]
fn a_swarm_under_faults_loses_nothing_and_tells_the_truth() {
    let (processes, at_once) = if is_soak() { (200, 200) } else { (48, 24) };
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    let plain = Plain::of(&serve.endpoint);
    let member = |number: usize| format!("user:u{number}@x.com");
    // Every second one is there already, to be revoked.
    let there: Vec<String> = (0..processes).filter(|n| n % 2 == 1).map(member).collect();
    let all = json!({"role": INVOKER, "members": there});
    plain.set_bindings(HELLO, &bystanders().into_iter().chain([all]).collect());
    plain.add_faults(&FAULTS.map(str::to_owned));
    let numbers: Vec<usize> = (0..processes).collect();
    let mut outcomes: Vec<(usize, Run, Value)> = Vec::new();
    for wave in numbers.chunks(at_once) {
        let started = wave.iter().map(|number| {
            let verb = if number % 2 == 1 { "revoke" } else { "grant" };
            let typed = format!("u{number}@x.com");
            // Some have no patience, so that what they wrote may be done without their knowing.
            let patience = if number % 3 == 0 { "900ms" } else { "40s" };
            (*number, spawned(&world, &[verb, &typed, HELLO, "--timeout", patience]))
        });
        let started: Vec<(usize, Child)> = started.collect();
        outcomes.extend(started.into_iter().map(|(number, child)| {
            let (run, json) = ended(&world, child);
            (number, run, json)
        }));
    }
    plain.no_faults();
    let policy = plain.policy(HELLO);
    let held = members_of(&policy, INVOKER);
    let history = world.json_of(&["history", "--limit", "1000"]);
    let entries = history["entries"].as_array().unwrap();
    let mut tally = std::collections::BTreeMap::<String, usize>::new();
    for (number, run, json) in &outcomes {
        let is_done = held.contains(&member(*number)) == (number % 2 == 0);
        let change = &json["changes"][0];
        let typed = format!("u{number}@x.com ");
        let entry =
            entries.iter().find(|entry| entry["command"].as_str().unwrap().contains(&typed));
        let state = entry.map_or("none", |entry| entry["state"].as_str().unwrap());
        *tally.entry(format!("exit {}, {state}", run.status)).or_default() += 1;
        // Of one that failed the journal knows no more than what was said of it, and what is there.
        let said = (run.status, change["status"].as_str(), state);
        let truth = match said {
            (0, Some("changed"), "applied" | "effect-present")
            | (1..=9, Some("failed"), "effect-present") => is_done,
            (1..=9, Some("failed"), "failed" | "effect-absent") | (1..=9, _, "none") => !is_done,
            _ => false,
        };
        assert!(truth, "u{number} is done: {is_done}, journal: {state}; {run}");
    }
    let kept = policy["bindings"].as_array().unwrap();
    assert!(bystanders().iter().all(|bystander| kept.contains(bystander)), "{policy}");
    let expected =
        1 + outcomes.iter().filter(|(number, _, _)| held.contains(&member(*number))).count();
    assert_eq!(held.len(), expected, "somebody is there who was never granted");
    told(&format!("{processes} processes under faults: {tally:?}"));
}

/// A wire between the program and the server on which, before each write of a policy is passed on, another
/// client changes that policy: so many times for each command as `times` says in turn.
struct Meddler {
    endpoint: String,
    meddled: Arc<AtomicUsize>,
}

impl Meddler {
    fn before(serve: &Serve, left: &Arc<AtomicUsize>) -> Self {
        let plain = Plain::of(&serve.endpoint);
        let target = serve.endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let meddled = Arc::new(AtomicUsize::new(0));
        let (left, count) = (Arc::clone(left), Arc::clone(&meddled));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&target) else { return };
                let (mut back, mut to_client) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut back, &mut to_client));
                let (left, count, plain) = (Arc::clone(&left), Arc::clone(&count), plain.clone());
                thread::spawn(move || pass_on(client, server, &plain, &left, &count));
            }
        });
        Self { endpoint, meddled }
    }
}

fn pass_on(
    mut client: TcpStream,
    mut server: TcpStream,
    plain: &Plain,
    left: &AtomicUsize,
    count: &AtomicUsize,
) {
    let mark = b":setIamPolicy";
    let mut buffer = [0; 8192];
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        let head = &buffer[..read];
        let writes = head.starts_with(b"POST ") && head.windows(mark.len()).any(|at| at == mark);
        let may = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if writes && may.is_ok() {
            let number = count.fetch_add(1, Ordering::SeqCst);
            plain.edit(HELLO, |bindings| meddle(bindings, number));
        } else if may.is_ok() {
            left.fetch_add(1, Ordering::SeqCst);
        }
        if server.write_all(head).is_err() {
            return;
        }
    }
}

/// Adds a member of its own, and takes the one before the last away.
fn meddle(bindings: &mut Vec<Value>, number: usize) {
    if !bindings.iter().any(|binding| binding["role"] == "roles/run.developer") {
        bindings.push(json!({"role": "roles/run.developer", "members": []}));
    }
    let mut own = bindings.iter_mut().filter(|binding| binding["role"] == "roles/run.developer");
    let members = own.next().unwrap()["members"].as_array_mut().unwrap();
    members.push(json!(format!("user:m{number}@x.com")));
    if members.len() > 2 {
        members.remove(0);
    }
}

#[test]
fn another_writer_between_reading_and_writing_is_never_overwritten() {
    let wanted = if is_soak() { 3_000 } else { 60 };
    let mut world = World::new();
    let serve = Serve::start(&world);
    let left = Arc::new(AtomicUsize::new(0));
    let meddler = Meddler::before(&serve, &left);
    world.reach(&serve);
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &format!("{}/", meddler.endpoint));
    let plain = Plain::of(&serve.endpoint);
    plain.set_bindings(HELLO, &Value::Array(bystanders()));
    let mut commands = 0;
    while meddler.meddled.load(Ordering::SeqCst) < wanted {
        // None, one, and up to so many in a row.
        left.store(commands % 6, Ordering::SeqCst);
        let before = meddler.meddled.load(Ordering::SeqCst);
        let verb = if commands % 2 == 0 { "grant" } else { "revoke" };
        let typed = format!("c{}@x.com", commands / 2);
        let (run, json) = ended(&world, spawned(&world, &[verb, &typed, HELLO]));
        assert_eq!((run.status, &json["changes"][0]["status"]), (0, &json!("changed")), "{run}");
        let met = meddler.meddled.load(Ordering::SeqCst) - before;
        assert_eq!(json["changes"][0]["attempts"], json!(met + 1), "{run}");
        let policy = plain.policy(HELLO);
        let is_there = members_of(&policy, INVOKER).contains(&format!("user:{typed}"));
        assert_eq!(is_there, verb == "grant", "{policy}");
        commands += 1;
    }
    let policy = plain.policy(HELLO);
    let kept = policy["bindings"].as_array().unwrap();
    assert!(bystanders().iter().all(|bystander| kept.contains(bystander)), "{policy}");
    let last = meddler.meddled.load(Ordering::SeqCst);
    let own: Vec<String> = (last - 2..last).map(|number| format!("user:m{number}@x.com")).collect();
    assert_eq!(members_of(&policy, "roles/run.developer"), own);
    told(&format!("{last} edits of another writer amid {commands} commands"));
}
