//! An existing gcloud set-up, against a server that remembers what it was sent.

use insta::assert_snapshot;
use rusqlite::Connection;
use serde_json::json;

use crate::support::{Answer, FakeServer, Run, World};

struct SetUp {
    world: World,
    server: FakeServer,
}

impl SetUp {
    /// A world whose Admin API is a server that knows one service.
    fn new() -> Self {
        let server = FakeServer::start(|request| {
            if request.contains("/token") {
                return Answer::json(
                    &json!({"access_token": "ya29.fresh", "expires_in": 3600, "token_type": "Bearer"}),
                );
            }
            Answer::json(&json!({"items": [{
                "metadata": {"name": "hello", "labels": {"cloud.googleapis.com/location": "us-central1"}},
                "status": {"url": "https://hello.example.run.app"},
            }]}))
        });
        let mut world = World::new();
        world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &server.endpoint);
        Self { world, server }
    }

    fn logged_in(self, account: &str, token: Option<&str>) -> Self {
        self.world.gcloud_file("access_tokens.db", "");
        let folder = self.world.home().join(".config/gcloud");
        let db = Connection::open(folder.join("credentials.db")).unwrap();
        db.execute_batch(
            "CREATE TABLE IF NOT EXISTS credentials (account_id TEXT PRIMARY KEY, value BLOB)",
        )
        .unwrap();
        let user = json!({"type": "authorized_user", "client_id": "c", "client_secret": "s",
            "refresh_token": "r", "token_uri": format!("{}token", self.server.endpoint)});
        db.execute("INSERT INTO credentials VALUES (?1, ?2)", [account, &user.to_string()])
            .unwrap();
        if let Some(token) = token {
            let db = Connection::open(folder.join("access_tokens.db")).unwrap();
            db.execute_batch("CREATE TABLE access_tokens (account_id TEXT PRIMARY KEY, access_token TEXT, token_expiry TIMESTAMP, rapt_token TEXT)").unwrap();
            db.execute(
                "INSERT INTO access_tokens VALUES (?1, ?2, '2999-01-01 00:00:00.000001', NULL)",
                [account, token],
            )
            .unwrap();
        }
        self
    }

    fn url(&self, options: &[&str]) -> Run {
        self.world.run(&[&["url", "hello"], options].concat())
    }

    /// The path and the bearer token of the last request to the API.
    fn last_request(&self) -> (String, String) {
        let head = self.server.requests().pop().unwrap();
        let path = head.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
        let bearer = head
            .lines()
            .find_map(|line| {
                line.to_lowercase().starts_with("authorization:").then(|| line[14..].trim())
            })
            .unwrap_or_default();
        (path, bearer.to_owned())
    }
}

#[test]
fn a_person_who_has_only_logged_in_is_served() {
    let set_up = SetUp::new().logged_in("dev@x.com", Some("ya29.kept"));
    set_up.world.gcloud_file("active_config", "work\n");
    set_up
        .world
        .gcloud_file("configurations/config_work", "[core]\naccount = dev@x.com\nproject = mine\n");
    let run = set_up.url(&[]);
    assert_eq!(run.stdout, "https://hello.example.run.app\n", "{run}");
    assert_eq!(
        set_up.last_request(),
        ("/v1/projects/mine/locations/-/services".to_owned(), "Bearer ya29.kept".to_owned())
    );
}

#[test]
fn a_token_that_is_over_is_refreshed() {
    let set_up = SetUp::new().logged_in("dev@x.com", None);
    set_up.world.gcloud_file(
        "configurations/config_default",
        "[core]\naccount = dev@x.com\nproject = mine\n",
    );
    let run = set_up.url(&[]);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(set_up.last_request().1, "Bearer ya29.fresh");
}

#[test]
fn flags_come_before_variables_and_those_before_files() {
    let mut set_up = SetUp::new().logged_in("dev@x.com", Some("ya29.dev"));
    set_up.world.gcloud_file(
        "configurations/config_default",
        "[core]\nproject = from-file\n[run]\nregion = us-central1\n",
    );
    set_up.world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.variable");
    set_up.url(&["--region", "-"]);
    assert_eq!(
        set_up.last_request(),
        (
            "/v1/projects/from-file/locations/-/services".to_owned(),
            "Bearer ya29.variable".to_owned()
        )
    );
    set_up.world.set("CLOUDSDK_CORE_PROJECT", "from-variable");
    set_up.url(&["--region", "-", "--account", "dev@x.com"]);
    assert_eq!(
        set_up.last_request(),
        (
            "/v1/projects/from-variable/locations/-/services".to_owned(),
            "Bearer ya29.dev".to_owned()
        )
    );
    std::fs::write(set_up.world.home().join("token"), "ya29.file\n").unwrap();
    let file = set_up.world.home().join("token");
    set_up.url(&[
        "--region",
        "-",
        "--project",
        "from-flag",
        "--access-token-file",
        file.to_str().unwrap(),
    ]);
    assert_eq!(
        set_up.last_request(),
        ("/v1/projects/from-flag/locations/-/services".to_owned(), "Bearer ya29.file".to_owned())
    );
    set_up.url(&[]);
    assert_eq!(
        set_up.last_request().0,
        "/v2/projects/from-variable/locations/us-central1/services/hello"
    );
}

#[test]
fn the_metadata_server_is_the_last_to_say_the_project() {
    let mut set_up = SetUp::new();
    set_up.world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "t");
    let metadata = FakeServer::in_turn([Answer::WithHeader(
        200,
        "Metadata-Flavor: Google",
        "from-metadata".to_owned(),
    )]);
    let host = metadata.endpoint.trim_start_matches("http://").trim_end_matches('/');
    set_up.world.set("GCE_METADATA_HOST", host);
    assert_eq!(set_up.url(&[]).status, 0);
    assert_eq!(set_up.last_request().0, "/v1/projects/from-metadata/locations/-/services");
    set_up.url(&["--project", "from-flag"]);
    assert_eq!(set_up.last_request().0, "/v1/projects/from-flag/locations/-/services");
    assert_eq!(metadata.requests().len(), 1, "asked only where nothing else says it");
    let stranger = FakeServer::in_turn([Answer::Full(200, "text/plain", "evil".to_owned())]);
    let host = stranger.endpoint.trim_start_matches("http://").trim_end_matches('/');
    set_up.world.set("GCE_METADATA_HOST", host);
    assert_eq!(set_up.url(&[]).status, 2);
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let mut set_up = SetUp::new();
    assert_snapshot!(set_up.url(&[]), @"
    --- stderr
    error: no project is set
    caused by: `--project ID` names one, and `gcloud config set project ID` sets one
    hint: gcloud projects list
    hint: runaccess --sandbox list
    --- status 2
    ");
    set_up.world.set("CLOUDSDK_CORE_PROJECT", "mine");
    assert_snapshot!(set_up.url(&[]), @"
    --- stderr
    error: no credentials were found
    hint: gcloud auth login
    hint: runaccess --sandbox list
    --- status 4
    ");
    assert_snapshot!(set_up.url(&["--account", "dev@x.com"]), @"
    --- stderr
    error: gcloud has no credentials for the account `dev@x.com`
    hint: gcloud auth login dev@x.com
    --- status 4
    ");
    assert_snapshot!(set_up.url(&["--configuration", "nosuch"]), @"
    --- stderr
    error: there is no gcloud configuration `nosuch`
    caused by: `[WORLD]/home/.config/gcloud/configurations/config_nosuch` does not exist
    hint: gcloud config configurations list
    --- status 2
    ");
    set_up.world.set("CLOUDSDK_CORE_PROJECT", "");
    assert_snapshot!(set_up.url(&[]), @"
    --- stderr
    error: `CLOUDSDK_CORE_PROJECT` is set to the empty string
    hint: unset CLOUDSDK_CORE_PROJECT
    --- status 2
    ");
    set_up.world.set("CLOUDSDK_CORE_PROJECT", "mine");
    set_up.world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "t");
    set_up.world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", "http://run.example.com/");
    assert_snapshot!(set_up.url(&[]), @"
    --- stderr
    error: `http://run.example.com/` is plain http, which is taken to loopback only
    caused by: it is the endpoint override of the Cloud Run Admin API
    caused by: it is set by `CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN`
    hint: unset CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN
    --- status 2
    ");
    set_up.world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", "https://127.0.0.1:1/");
    set_up.world.gcloud_file("credentials.db", "this is not a database, and it is long enough");
    assert_snapshot!(set_up.url(&["--account", "dev@x.com"]), @"
    --- stderr
    error: gcloud's `[WORLD]/home/.config/gcloud/credentials.db` is damaged
    caused by: file is not a database
    hint: gcloud auth login
    --- status 1
    ");
}

#[test]
fn a_locked_store_and_an_empty_token_are_named() {
    let mut set_up = SetUp::new().logged_in("dev@x.com", None);
    set_up.world.set("CLOUDSDK_CORE_PROJECT", "mine");
    let path = set_up.world.home().join(".config/gcloud/credentials.db");
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let run = set_up.url(&["--account", "dev@x.com"]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("credentials.db` is locked by another process"), "{run}");
    set_up.world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "");
    assert_snapshot!(set_up.url(&[]), @"
    --- stderr
    error: `CLOUDSDK_AUTH_ACCESS_TOKEN` is set to the empty string
    hint: unset CLOUDSDK_AUTH_ACCESS_TOKEN
    --- status 2
    ");
}

#[test]
fn a_file_in_the_working_directory_is_nobodys_configuration() {
    let set_up = SetUp::new();
    let folder = set_up.world.home().join("..");
    std::fs::write(folder.join("properties"), "[core]\nproject = planted\n").unwrap();
    assert_eq!(set_up.url(&[]).status, 2);
}

#[test]
fn nothing_of_gclouds_is_written() {
    let set_up = SetUp::new().logged_in("dev@x.com", None);
    set_up.world.gcloud_file(
        "configurations/config_default",
        "[core]\naccount = dev@x.com\nproject = mine\n",
    );
    let snapshot = || {
        let mut files = Vec::new();
        let mut folders = vec![set_up.world.home().join(".config/gcloud")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push((path.clone(), std::fs::read(path).unwrap()));
                }
            }
        }
        files.sort();
        files
    };
    let before = snapshot();
    assert_eq!(set_up.url(&[]).status, 0);
    assert_eq!(snapshot(), before);
}

#[test]
fn the_sandbox_reads_nothing_of_it() {
    let mut world = World::new();
    world.set("CLOUDSDK_CORE_PROJECT", "");
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", "http://run.example.com/");
    world.set("GOOGLE_APPLICATION_CREDENTIALS", "/nosuch");
    world.gcloud_file("configurations/config_default", "[core\n");
    let run = world.sandbox(&["url", "hello"]);
    assert_eq!((run.stdout.as_str(), run.status), ("https://hello-k4qx7v2nza-uc.a.run.app\n", 0));
}
