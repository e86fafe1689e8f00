//! Killed at any moment: what was begun is in the journal before anything is sent, and what is there settles
//! it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Plain, Serve, World, is_soak, members_of, told};

const HELLO: &str = "projects/sandbox-project/locations/us-central1/services/hello";

/// What a killed process may have left, made sure of by what is there.
struct Left {
    state: &'static str,
    is_done: bool,
}

/// A hundred moments, spread over the time that a change takes.
fn moments(whole: Duration, count: u32) -> impl Iterator<Item = Duration> {
    (0..count).map(move |at| {
        let jitter = f64::from(at.wrapping_mul(2_654_435_761) % 1_000) / 1_000.0;
        whole.mul_f64((f64::from(at) + jitter) / f64::from(count))
    })
}

#[test]
fn a_change_killed_at_any_moment_is_told_by_what_is_there() {
    let count = if is_soak() { 100 } else { 30 };
    for (first, words) in [
        (None, &["grant", "dev@x.com", HELLO][..]),
        (None, &["make-public", HELLO, "--via", "no-invoker-check", "--yes"]),
        (Some(&["grant", "dev@x.com", HELLO][..]), &["undo", "--yes"]),
    ] {
        let mut world = World::new();
        let serve = Serve::with_faults(&world, &["latency=8ms"]);
        world.reach(&serve);
        let plain = Plain::of(&serve.endpoint);
        let prepare = || {
            plain.set_bindings(HELLO, &json!([]));
            let (code, _) = plain.send(
                "PATCH",
                &format!("v2/{HELLO}?updateMask=invokerIamDisabled"),
                Some(&json!({"invokerIamDisabled": false})),
            );
            assert_eq!(code, 200);
            if let Some(first) = first {
                assert_eq!(world.run(first).status, 0);
            }
        };
        prepare();
        let start = Instant::now();
        assert_eq!(world.run(words).status, 0);
        let whole = start.elapsed().mul_f64(1.1);
        forget(&world);
        let mut tally = std::collections::BTreeMap::<String, usize>::new();
        for moment in moments(whole, count) {
            prepare();
            let mut child =
                world.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(moment);
            child.kill().unwrap();
            let was_killed = !child.wait().unwrap().success();
            let left = left(&world, &plain, words[0]);
            let at = format!("{words:?} after {moment:?}, killed: {was_killed}");
            let truth = match left.state {
                // Killed before it began, or only looked.
                "none" | "effect-absent" => !left.is_done,
                "applied" | "effect-present" => left.is_done,
                _ => false,
            };
            assert!(truth, "{at}: {}, done: {}", left.state, left.is_done);
            *tally.entry(left.state.to_owned()).or_default() += 1;
            forget(&world);
        }
        told(&format!("{} killed at {count} moments of {whole:?}: {tally:?}", words[0]));
    }
}

fn left(world: &World, plain: &Plain, action: &str) -> Left {
    let history = world.run(&["history", "--limit", "1", "-o", "json"]);
    assert_eq!(history.status, 0, "{history}");
    let history: Value = serde_json::from_str(&history.stdout).unwrap();
    let entry = &history["entries"][0];
    let states = ["applied", "effect-present", "effect-absent", "intended", "failed", "overtaken"];
    let ours = entry["action"] == action;
    let state = states.into_iter().find(|state| ours && entry["state"] == *state);
    let has =
        members_of(&plain.policy(HELLO), "roles/run.invoker").contains(&"user:dev@x.com".into());
    let is_done = match action {
        "make-public" => plain.service(HELLO)["invokerIamDisabled"] == json!(true),
        "undo" => !has,
        _ => has,
    };
    Left { state: state.unwrap_or("none"), is_done }
}

/// Each moment starts from an empty journal.
fn forget(world: &World) {
    let run = world.run(&["history", "--prune", "1ns", "--yes"]);
    assert_eq!(run.status, 0, "{run}");
}

/// The order of system calls: the journal is synchronised with the disk, then the change is sent.
#[cfg(target_os = "linux")]
#[test]
fn the_journal_is_on_the_disk_before_the_change_is_sent() {
    let mut world = World::new();
    let serve = Serve::start(&world);
    world.reach(&serve);
    let trace = world.home().join("trace");
    let program = world.command(&["grant", "dev@x.com", HELLO]);
    let mut traced = std::process::Command::new("strace");
    traced.args([
        "-f",
        "-y",
        "-s",
        "300",
        "-e",
        "trace=fsync,fdatasync,pwrite64,write,writev,sendto",
    ]);
    traced.arg("-o").arg(&trace).arg(program.get_program()).args(program.get_args());
    traced.env_clear();
    for (name, value) in program.get_envs() {
        traced.env(name, value.unwrap_or_default());
    }
    let traced = traced.stdin(Stdio::null()).output();
    let lines = std::fs::read_to_string(&trace).unwrap_or_default();
    let is_traced = traced.is_ok_and(|output| output.status.success());
    if !is_traced && !lines.contains("setIamPolicy") {
        told("skipped: `strace` is not to be had here, or may not trace");
        return;
    }
    let lines: Vec<&str> = lines.lines().collect();
    let at = |what: &dyn Fn(&str) -> bool| lines.iter().position(|line| what(line));
    let journal = |line: &str| line.contains("/journal/changes.db-wal>");
    let sent = at(&|line| line.contains("POST /") && line.contains(":setIamPolicy")).unwrap();
    let before = &lines[..sent];
    let written = before.iter().rposition(|line| line.contains("pwrite64(") && journal(line));
    let synced = before.iter().rposition(|line| {
        (line.contains("fsync(") || line.contains("fdatasync(")) && journal(line)
    });
    assert!(written.is_some() && synced > written, "{}", before.join("\n"));
    // And how it ended only after that.
    assert!(lines[sent..].iter().any(|line| line.contains("pwrite64(") && journal(line)));
}
