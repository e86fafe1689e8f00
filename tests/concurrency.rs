//! Many at once: nothing is lost.

use std::process::Stdio;

use serde_json::Value;

use crate::support::World;

#[test]
fn two_hundred_grants_by_two_hundred_processes_lose_nothing() {
    let world = World::new();
    let processes: Vec<_> = (0..200)
        .map(|i| {
            world
                .command(&["--sandbox", "grant", &format!("u{i}@x.com"), "hello", "-o", "json"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut attempts = Vec::new();
    for process in processes {
        let run = world.finished(process.wait_with_output().unwrap());
        assert_eq!(run.status, 0, "{run}");
        let json: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(json["changes"][0]["status"], "changed", "{run}");
        attempts.push(json["changes"][0]["attempts"].as_u64().unwrap());
    }
    let policy = world.json(&["policy", "hello"]);
    let mut members: Vec<&str> = policy["bindings"][0]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap())
        .collect();
    assert_eq!(members.len(), 200);
    members.sort_unstable();
    members.dedup();
    assert_eq!(members.len(), 200);
    assert!(attempts.iter().any(|attempts| *attempts > 1), "nobody ever met another");
}
