//! The sandbox's store: nothing acknowledged is lost, whoever dies and however many write.

use serde_json::{Value, json};

use crate::support::{Api, Serve, World};

const HELLO: &str = "v2/projects/sandbox-project/locations/us-central1/services/hello";

/// Adds a member to a policy, again and again until nobody was faster; `None` where the server
/// is gone.
async fn add(client: &reqwest::Client, endpoint: &str, member: &str) -> Option<()> {
    let url = format!("{endpoint}/{HELLO}");
    loop {
        let read = client.get(format!("{url}:getIamPolicy")).bearer_auth("t").send().await.ok()?;
        let mut policy: Value = read.json().await.ok()?;
        if policy["bindings"].is_null() {
            policy["bindings"] = json!([{"role": "roles/run.invoker", "members": []}]);
        }
        policy["bindings"][0]["members"].as_array_mut().unwrap().push(json!(member));
        let write = client.post(format!("{url}:setIamPolicy")).bearer_auth("t");
        let write = write.json(&json!({"policy": policy})).send().await.ok()?;
        match write.status().as_u16() {
            200 => return Some(()),
            409 => {}
            other => panic!("{other}: {}", write.text().await.unwrap()),
        }
    }
}

fn members(world: &World) -> Vec<String> {
    let policy = world.json(&["policy", "us-central1/hello"]);
    let members = policy["bindings"][0]["members"].as_array().cloned().unwrap_or_default();
    members.iter().map(|member| member.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn sixty_four_clients_with_etags_lose_nothing() {
    let api = Api::new();
    let clients = (0..64).map(|i| {
        let (client, endpoint) = (api.client.clone(), api.serve.endpoint.clone());
        tokio::spawn(
            async move { add(&client, &endpoint, &format!("user:u{i}@example.com")).await },
        )
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap().unwrap();
    }
    let mut members = members(&api.world);
    members.sort();
    members.dedup();
    assert_eq!(members.len(), 64);
}

#[tokio::test]
async fn a_server_killed_at_any_moment_loses_no_acknowledged_write() {
    let world = World::new();
    let mut acknowledged = Vec::new();
    for round in 0..8 {
        let mut serve = Serve::start(&world);
        let client = reqwest::Client::new();
        let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
        let endpoint = serve.endpoint.clone();
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (client, endpoint, send) = (client.clone(), endpoint.clone(), send.clone());
                tokio::spawn(async move {
                    for i in 0.. {
                        let member = format!("user:r{round}-w{writer}-{i}@example.com");
                        if add(&client, &endpoint, &member).await.is_none() {
                            return;
                        }
                        send.send(member).unwrap();
                    }
                })
            })
            .collect();
        // Killed in the middle of whatever is under way, after a few acknowledged writes more in
        // each round.
        for _ in 0..=round * 3 {
            acknowledged.push(receive.recv().await.unwrap());
        }
        serve.child.kill().unwrap();
        drop(send);
        while let Some(member) = receive.recv().await {
            acknowledged.push(member);
        }
        for writer in writers {
            writer.await.unwrap();
        }
        serve.child.wait().unwrap();
    }
    let kept = members(&world);
    let lost: Vec<&String> = acknowledged.iter().filter(|member| !kept.contains(member)).collect();
    assert!(lost.is_empty(), "{lost:?} of {}", acknowledged.len());
    let status = world.run(&["sandbox", "status"]);
    assert_eq!(status.status, 0, "{status}");
    assert!(!status.stderr.contains("damaged"), "{status}");
}

#[tokio::test]
async fn processes_and_a_server_share_one_world() {
    let api = Api::new();
    let processes: Vec<_> = (0..16)
        .map(|i| {
            let member = format!("p{i}@example.com");
            api.world.command(&["--sandbox", "-q", "grant", &member, "us-central1/hello"]).spawn()
        })
        .collect();
    let clients: Vec<_> = (0..16)
        .map(|i| {
            let (client, endpoint) = (api.client.clone(), api.serve.endpoint.clone());
            let member = format!("user:c{i}@example.com");
            tokio::spawn(async move { add(&client, &endpoint, &member).await })
        })
        .collect();
    for client in clients {
        client.await.unwrap().unwrap();
    }
    for process in processes {
        assert!(process.unwrap().wait().unwrap().success());
    }
    assert_eq!(members(&api.world).len(), 32);
}

/// Killed while the world is made, or while many services are added, it is whole all the same:
/// all of them are there or none.
#[test]
fn a_process_killed_while_it_fills_the_world_leaves_it_whole() {
    let world = World::new();
    for round in 0..12_u64 {
        let mut seed = world
            .command(&["sandbox", "seed", "--services", "100"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(round * 4));
        seed.kill().unwrap();
        seed.wait().unwrap();
        let status = world.run(&["sandbox", "status", "-o", "json"]);
        assert!(status.status == 0 && !status.stderr.contains("damaged"), "{status}");
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        let services = status["status"][0]["services"].as_u64().unwrap();
        assert_eq!(services % 100, 12, "{services}");
    }
}
