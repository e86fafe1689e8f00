//! Nothing that the program is given in confidence is in anything that it writes: streams, files,
//! and the arguments and environment of what it runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::support::{Answer, Api, FakeServer, GCLOUD, World};

const HELLO: &str = "https://hello-k4qx7v2nza-uc.a.run.app";
const RUNNER: &str = "runner@sandbox-project.iam.gserviceaccount.com";

/// Every command that can be run to its end, and what some of them fail at.
const COMMANDS: &[&[&str]] = &[
    &["whoami"],
    &["whoami", "--check"],
    &["list"],
    &["list", "--no-access", "-o", "json"],
    &["describe", "us-central1/hello"],
    &["url", "hello"],
    &["url", "nosuch"],
    &["who", "hello"],
    &["policy", "hello"],
    &["roles"],
    &["roles", "--custom"],
    &["explain", "me", "us-central1/hello"],
    &["doctor"],
    &["doctor", "us-central1/hello"],
    &["who", "us-central1/hello", "--indirect"],
    &["grant", "allUsers", "us-central1/hello", "--wait=1s", "--yes"],
    &["grant", "ana@x.com", "us-central1/hello"],
    &["grant", "me", "hello", "-n"],
    &["revoke", "ana@x.com", "us-central1/hello"],
    &["make-public", "hello", "--yes"],
    &["make-private", "hello", "--yes"],
    &["make-public", "hello", "--print", "gcloud"],
    &["token", HELLO, "--decode"],
    &["token", "--audience", "https://x.example", "--decode"],
    &["curl", HELLO, "-s", "-o", "/dev/null"],
    &["curl", "--print", HELLO],
    &["curl", "https://elsewhere.example"],
    &["curl", HELLO, "--tag", "x"],
    // `curl` notes what a list of processes shows of the proxy that started it.
    &["proxy", HELLO, "--log", "json", "--", "sh", "-c", "curl -s $HELLO_K4QX7V2NZA_UC_URL/a"],
    &["proxy", HELLO, "--for", "100ms", "--port", "0", "--log", "text"],
    &["proxy", "nosuch"],
    &["alias", "bash"],
    &["sandbox", "status"],
    &["sandbox", "settings"],
    &["completions", "bash"],
    &["help", "exit-codes"],
    &["nosuch"],
];

struct Watch {
    secrets: Vec<(&'static str, String)>,
}

impl Watch {
    #[track_caller]
    fn check(&self, place: &str, text: &[u8]) {
        for (name, secret) in &self.secrets {
            let found = text.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{place} holds the {name}");
        }
    }
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

/// Puts a `curl` first in the path that notes what a list of processes would show, and what it is
/// given in its environment, and then runs the real one.
fn watched_curl(world: &mut World) -> std::path::PathBuf {
    let folder = world.home().join("bin");
    fs::create_dir_all(&folder).unwrap();
    fs::create_dir_all(world.home().join("seen-of-curl")).unwrap();
    let (notes, program) = (world.home().join("seen-of-curl"), folder.join("curl"));
    let script = format!(
        "#!/bin/sh\ncat /proc/$$/cmdline /proc/$PPID/cmdline >> {0}/arguments\n\
         cat /proc/$$/environ >> {0}/environment\nexec /usr/bin/curl \"$@\"\n",
        notes.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    world.set("PATH", &format!("{}:/usr/bin:/bin", folder.display()));
    notes
}

async fn watched(kind: &str) {
    let api = Api::new();
    let mut world = World::new();
    for name in ["RUN", "IAMCREDENTIALS"] {
        world.set(
            &format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}"),
            &format!("{}/", api.serve.endpoint),
        );
    }
    world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
    let notes = watched_curl(&mut world);
    let token_uri = format!("{}/token", api.serve.endpoint);
    let mut secrets = Vec::new();
    let user = json!({"type": "authorized_user", "client_id": GCLOUD, "client_secret": "CLIENT-SECRET-7f3a",
        "refresh_token": "1//sandbox:you@example.com", "token_uri": token_uri});
    let mut credential = user.clone();
    let mut _source = None;
    match kind {
        "key" => {
            let path = format!("v1/projects/-/serviceAccounts/{RUNNER}/keys");
            let (_, key) = api.post(&path, json!({})).await;
            let text = BASE64_STANDARD.decode(key["privateKeyData"].as_str().unwrap()).unwrap();
            credential = serde_json::from_slice(&text).unwrap();
            let pem = credential["private_key"].as_str().unwrap();
            secrets.push(("private key", pem.lines().nth(5).unwrap().to_owned()));
        }
        "federated" => {
            // What gives the subject token answers with another field than the file says.
            let subject = json!({"other": "SUBJECT-TOKEN-9c1e"}).to_string();
            let source = FakeServer::in_turn([Answer::Full(200, "application/json", subject)]);
            credential = json!({"type": "external_account", "client_id": "c",
                "client_secret": "CLIENT-SECRET-7f3a",
                "audience": "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/providers/gh",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": format!("{}/v1/token", api.serve.endpoint),
                "credential_source": {"url": format!("{}subject", source.endpoint),
                    "format": {"type": "json", "subject_token_field_name": "id_token"}}});
            secrets.push(("subject token", "SUBJECT-TOKEN-9c1e".to_owned()));
            secrets.push(("client secret", "CLIENT-SECRET-7f3a".to_owned()));
            _source = Some(source);
        }
        "token" => {
            let token = api.access_token("you@example.com").await;
            world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", &token);
            secrets.push(("access token of the environment", token));
        }
        _ => {
            secrets.push(("client secret", "CLIENT-SECRET-7f3a".to_owned()));
            secrets.push(("refresh token", "1//sandbox:you@example.com".to_owned()));
        }
    }
    if kind == "impersonated" {
        world.set("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT", RUNNER);
    }
    let path = world.home().join("credential.json");
    fs::write(&path, credential.to_string()).unwrap();
    // An ID token of one's own, in a file.
    let own = format!("e30.e30.{}", "OWN-ID-TOKEN-4b2d");
    let own_file = world.home().join("id-token");
    fs::write(&own_file, &own).unwrap();
    secrets.push(("ID token of a file", own));
    let with_own =
        ["curl", "--id-token-file", own_file.to_str().unwrap(), HELLO, "-s", "-o", "/dev/null"];
    world.set("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap());
    let mut watch = Watch { secrets };
    let tokens = world.state().join("tokens");
    for round in 0..2 {
        for arguments in COMMANDS.iter().copied().chain([&with_own[..]]) {
            let words = [&["-v"], arguments].concat();
            let mut command = tokio::process::Command::from(world.command(&words));
            let output = command.stdin(std::process::Stdio::null()).output().await.unwrap();
            let what = format!("{kind}, round {round}, {arguments:?}");
            watch.check(&format!("stdout of {what}"), &output.stdout);
            watch.check(&format!("stderr of {what}"), &output.stderr);
        }
        // The environment that a user set is passed on to curl, and is not of the program's doing.
        for (file, is_checked) in [("arguments", true), ("environment", kind != "token")] {
            if is_checked {
                watch.check(&format!("curl's {file}"), &fs::read(notes.join(file)).unwrap());
            }
        }
        let (kept, others): (Vec<_>, Vec<_>) =
            files_below(&world.state()).into_iter().partition(|file| file.starts_with(&tokens));
        for file in others {
            watch.check(&format!("{}", file.display()), &fs::read(&file).unwrap());
        }
        // What is kept of tokens stays in its place, closed to others, and from now on is a secret.
        for file in kept {
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", file.display());
            let kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap_or_default();
            if let Some(token) = kept["token"].as_str() {
                watch.secrets.push(("kept token", token.to_owned()));
            }
        }
        let keeps = !matches!(kind, "token" | "federated");
        assert!(!keeps || watch.secrets.iter().any(|(name, _)| *name == "kept token"), "{kind}");
    }
}

#[tokio::test]
async fn a_users_secrets_are_in_nothing_that_is_written() {
    watched("user").await;
}

#[tokio::test]
async fn a_federations_secrets_are_in_nothing_that_is_written() {
    watched("federated").await;
}

#[tokio::test]
async fn a_keys_secrets_are_in_nothing_that_is_written() {
    watched("key").await;
}

#[tokio::test]
async fn a_bare_token_is_in_nothing_that_is_written() {
    watched("token").await;
}

#[tokio::test]
async fn an_impersonators_secrets_are_in_nothing_that_is_written() {
    watched("impersonated").await;
}

/// What is given where the name of a file belongs, by mistake.
#[tokio::test]
async fn a_secret_in_place_of_a_files_name_is_refused_and_never_shown() {
    let key = json!({"type": "service_account", "client_email": "q@nowhere.iam.gserviceaccount.com", "private_key_id": "k",
        "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQSECRET7f3a\n-----END PRIVATE KEY-----\n"});
    let texts = [
        key.to_string(),
        serde_json::to_string_pretty(&key).unwrap(),
        BASE64_STANDARD.encode(key.to_string()),
        "ya29.a0SECRET7f3a-x".to_owned(),
        format!("eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.{}", "SECRET7f3a"),
        "SECRET7f3a".repeat(8),
    ];
    let commands: [&[&str]; 7] = [
        &["whoami"],
        &["whoami", "--check", "-o", "json"],
        &["grant", "ana@x.com"],
        &["grant", "ana@x.com", "hello", "-v"],
        &["url", "nosuch", "-v"],
        &["doctor"],
        &["token", "--decode"],
    ];
    let own: [&[&str]; 5] = [
        &["curl", "--id-token-file", "TEXT", HELLO],
        &["curl", HELLO, "--id-token-file=TEXT"],
        &["curl", "--print", "--id-token-file", "TEXT", HELLO],
        &["doctor", HELLO, "--id-token-file", "TEXT"],
        &["proxy", HELLO, "--id-token-file=TEXT"],
    ];
    // Every text is tried in every place; in which form of the command goes round.
    for (turn, text) in texts.iter().enumerate() {
        let in_turn = |index: usize, among: usize| (turn + index) % among;
        // What no error may hold: any long piece of it.
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(12).filter(|c| c.len() == 12).collect();
        let check = |what: &str, world: &World, arguments: &[&str]| {
            let output = world.command(arguments).stdin(std::process::Stdio::null()).output();
            let output = output.unwrap();
            let said = [output.stdout, output.stderr].concat();
            let shown = String::from_utf8_lossy(&said).into_owned();
            for piece in &pieces {
                assert!(!said.windows(12).any(|w| w == *piece), "{what} {arguments:?}: {shown}");
            }
            for file in files_below(&world.state()) {
                let held = fs::read(&file).unwrap();
                assert!(!pieces.iter().any(|p| held.windows(12).any(|w| w == *p)), "{what}");
            }
            (output.status.code(), shown)
        };
        let variables = [
            "GOOGLE_APPLICATION_CREDENTIALS",
            "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
        ];
        for (index, variable) in variables.into_iter().enumerate() {
            let mut world = World::new();
            world.set(variable, text);
            world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
            world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", "http://127.0.0.1:9/");
            for (place, arguments) in commands.into_iter().enumerate() {
                if turn > 0 && place % 3 != in_turn(index, 3) {
                    continue;
                }
                let (code, shown) = check(variable, &world, arguments);
                // What lacks an argument does not come to the credential.
                if arguments != ["grant", "ana@x.com"] {
                    assert!(shown.contains("holds the credential itself"), "{shown}");
                    let is_told = ["whoami", "doctor"].contains(&arguments[0]);
                    assert!(is_told || code == Some(4), "{variable} {arguments:?}: {shown}");
                }
            }
        }
        // What names an address, a folder, a project or another thing.
        let variables = [
            "CLOUDSDK_CONFIG",
            "CLOUDSDK_ACTIVE_CONFIG_NAME",
            "CLOUDSDK_CORE_ACCOUNT",
            "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
            "CLOUDSDK_CORE_PROJECT",
            "CLOUDSDK_CORE_UNIVERSE_DOMAIN",
            "CLOUDSDK_RUN_REGION",
            "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT",
            "CLOUDSDK_AUTH_TOKEN_HOST",
            "CLOUDSDK_BILLING_QUOTA_PROJECT",
            "CLOUDSDK_PROXY_ADDRESS",
            "CLOUDSDK_PROXY_PORT",
            "CLOUDSDK_PROXY_TYPE",
            "CLOUDSDK_REGIONAL_ENDPOINT_MODE",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS",
            "GCE_METADATA_HOST",
            "GOOGLE_CLOUD_QUOTA_PROJECT",
            "RUNACCESS_HOME",
            "XDG_STATE_HOME",
        ];
        for (index, variable) in variables.into_iter().enumerate() {
            let mut world = World::new();
            world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
            world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "opaque");
            world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", "http://127.0.0.1:9/");
            world.set(variable, text);
            let commands = [&["whoami"][..], &["url", "hello", "-v"], &["doctor"]];
            let arguments = commands[in_turn(index, commands.len())];
            check(variable, &world, &[arguments, &["--timeout", "1s"]].concat());
        }
        let mut world = World::new();
        world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
        let options = [
            &["curl", "TEXT"][..],
            &["restore", "TEXT"],
            &["url", "TEXT"],
            &["grant", "TEXT", "hello"],
            &["grant", "dev@x.com", "TEXT"],
            &["explain", "me", "TEXT"],
            &["doctor", "TEXT"],
            &["token", "TEXT"],
            &["proxy", "TEXT"],
            &["connect", "TEXT"],
            &["domains", "map", "TEXT"],
            &["audience", "add", "hello", "TEXT"],
            &["history", "TEXT"],
            &["undo", "TEXT"],
            &["curl", "--url", "TEXT"],
            &["curl", HELLO, "--audience", "TEXT"],
            &["curl", "--allow-host", "TEXT", HELLO],
            &["token", "--audience", "TEXT"],
            &["proxy", "--url", "TEXT"],
            &["explain", "me", "hello", "--path", "TEXT"],
            &["explain", "me", "hello", "--host", "TEXT"],
            &["url", "hello", "--project", "TEXT"],
            &["url", "hello", "--region", "TEXT"],
            &["url", "hello", "--account", "TEXT"],
            &["url", "hello", "--configuration", "TEXT"],
            &["url", "hello", "--tag", "TEXT"],
            &["url", "hello", "--impersonate-service-account", "TEXT"],
        ];
        for (index, arguments) in options.into_iter().enumerate() {
            let filled: Vec<String> =
                arguments.iter().map(|word| word.replace("TEXT", text)).collect();
            let filled: Vec<&str> = filled.iter().map(String::as_str).collect();
            // An argument without any form of its own could be a name.
            let has_form =
                !text.starts_with("SECRET") || arguments.iter().any(|w| w.starts_with("--"));
            if has_form {
                let places = [&[][..], &["--sandbox"][..], &["-o", "json"]];
                let place = places[in_turn(index, places.len())];
                check("option", &world, &[place, &filled].concat());
            }
        }
        for arguments in own {
            let filled: Vec<String> =
                arguments.iter().map(|word| word.replace("TEXT", text)).collect();
            let filled: Vec<&str> = filled.iter().map(String::as_str).collect();
            for place in [&[][..], &["--sandbox"][..]] {
                let (code, shown) = check("option", &world, &[place, &filled].concat());
                assert_eq!(code, Some(4), "{shown}");
                assert!(shown.contains("`--id-token-file` holds the credential itself"), "{shown}");
            }
        }
        for arguments in commands {
            let words = [arguments, &["--access-token-file", text]].concat();
            let (code, shown) = check("--access-token-file", &world, &words);
            assert_eq!(code, Some(4), "{shown}");
            assert!(shown.contains("`--access-token-file` holds the credential itself"), "{shown}");
        }
    }
}
