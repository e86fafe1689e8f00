//! Every credential that a user of Cloud Run has: whose it is, what its tokens cost, and what is
//! said where it gives none.

use std::fmt::Write as _;
use std::fs;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use insta::assert_snapshot;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Answer, Api, Counter, FakeServer, GCLOUD, Run, World, claims};

const HELLO: &str = "https://hello-k4qx7v2nza-uc.a.run.app";
const RUNNER: &str = "runner@sandbox-project.iam.gserviceaccount.com";
const POOL: &str = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/providers/gh";

/// A serving sandbox, and a set-up whose every request to it is counted.
struct SetUp {
    api: Api,
    world: World,
    wire: Counter,
}

impl SetUp {
    fn new() -> Self {
        let api = Api::new();
        let wire = Counter::before(&api.serve.endpoint);
        let mut world = World::new();
        world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &wire.endpoint);
        world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", &wire.endpoint);
        world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
        Self { api, world, wire }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.wire.endpoint)
    }

    fn user(&self, who: &str) -> Value {
        json!({"type": "authorized_user", "client_id": GCLOUD, "client_secret": "s",
            "refresh_token": format!("1//sandbox:{who}"), "token_uri": self.at("token")})
    }

    fn external(&self, impersonates: Option<&str>) -> Value {
        let subject = self.world.home().join("subject");
        fs::write(&subject, "job-7").unwrap();
        let mut file = json!({"type": "external_account", "audience": POOL,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": self.at("v1/token"), "credential_source": {"file": subject}});
        if let Some(account) = impersonates {
            file["service_account_impersonation_url"] = json!(
                self.at(&format!("v1/projects/-/serviceAccounts/{account}:generateAccessToken"))
            );
        }
        file
    }

    /// Makes a file the credential of this set-up.
    fn adc(&mut self, json: &Value) {
        let path = self.world.home().join("credential.json");
        fs::write(&path, json.to_string()).unwrap();
        self.world.set("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap());
    }

    fn log_in(&self, account: &str, json: &Value) {
        let folder = self.world.home().join(".config/gcloud");
        fs::create_dir_all(&folder).unwrap();
        let db = Connection::open(folder.join("credentials.db")).unwrap();
        db.execute_batch(
            "CREATE TABLE IF NOT EXISTS credentials (account_id TEXT PRIMARY KEY, value BLOB)",
        )
        .unwrap();
        db.execute("INSERT INTO credentials VALUES (?1, ?2)", [account, &json.to_string()])
            .unwrap();
    }

    async fn run(&self, arguments: &[&str]) -> Run {
        let mut command = tokio::process::Command::from(self.world.command(arguments));
        let output = command.stdin(std::process::Stdio::null()).output().await.unwrap();
        self.world.finished(output)
    }

    /// Lets principals do things with a service account.
    async fn may_act(&self, account: &str, member: &str, role: &str) {
        let path = format!("v1/projects/-/serviceAccounts/{account}:setIamPolicy");
        let body = json!({"policy": {"bindings": [{"role": role, "members": [member]}]}});
        assert_eq!(self.api.post(&path, body).await.0, 200);
    }

    /// A key of a service account, as its file.
    async fn key(&self, account: &str) -> Value {
        let path = format!("v1/projects/-/serviceAccounts/{account}/keys");
        let (code, key) = self.api.post(&path, json!({})).await;
        assert_eq!(code, 200, "{key}");
        let text = BASE64_STANDARD.decode(key["privateKeyData"].as_str().unwrap()).unwrap();
        let mut file: Value = serde_json::from_slice(&text).unwrap();
        file["token_uri"] = json!(self.at("token"));
        file
    }
}

/// Who acts, what the first and the second command cost, for an API and for a service.
async fn costs(set_up: &SetUp) -> String {
    let whoami: Value =
        serde_json::from_str(&set_up.run(&["whoami", "-o", "json"]).await.stdout).unwrap();
    assert_eq!(set_up.wire.take(), 0, "nothing is asked for `whoami`");
    let mut line = format!("{} {}", whoami["kind"].as_str().unwrap(), whoami["account"]);
    for arguments in [["url", "us-central1/hello"], ["token", HELLO]] {
        for _ in 0..2 {
            let run = set_up.run(&arguments).await;
            let ended = if run.status == 0 {
                "ok".to_owned()
            } else {
                format!("{}: {}", run.status, format!("{run}").lines().nth(1).unwrap())
            };
            write!(line, " | {} {} {ended}", arguments[0], set_up.wire.take()).unwrap();
            if arguments[0] == "token" && run.status == 0 {
                let claims = claims(run.stdout.trim());
                write!(
                    line,
                    " {} for {}",
                    claims["email"].as_str().unwrap(),
                    claims["aud"].as_str().unwrap()
                )
                .unwrap();
            }
        }
    }
    line
}

#[tokio::test]
async fn the_second_command_costs_no_token_request() {
    let mut shown = Vec::new();
    for kind in [
        "user",
        "store",
        "key",
        "metadata",
        "federated",
        "federated-as",
        "workforce",
        "impersonated",
        "file-as",
        "chain",
    ] {
        let mut set_up = SetUp::new();
        let federated = "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/subject/job-7";
        let workforce =
            "principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/ana";
        set_up.api.let_in("hello", federated, "roles/run.viewer").await;
        set_up.api.let_in("hello", workforce, "roles/run.viewer").await;
        set_up.api.let_in("hello", &format!("serviceAccount:{RUNNER}"), "roles/run.viewer").await;
        let creator = "roles/iam.serviceAccountTokenCreator";
        match kind {
            "user" => set_up.adc(&set_up.user("you@example.com")),
            "store" => {
                set_up.log_in("you@example.com", &set_up.user("you@example.com"));
                set_up.world.gcloud_file("configurations/config_default", "[core]\naccount = you@example.com\n");
            }
            "key" => set_up.adc(&set_up.key(RUNNER).await),
            "metadata" => {
                let host = set_up.wire.endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
                set_up.world.set("GCE_METADATA_HOST", &host);
            }
            "federated" => set_up.adc(&set_up.external(None)),
            "federated-as" => {
                set_up.may_act(RUNNER, federated, "roles/iam.workloadIdentityUser").await;
                set_up.adc(&set_up.external(Some(RUNNER)));
            }
            "workforce" => set_up.adc(&json!({"type": "external_account_authorized_user",
                "audience": "//iam.googleapis.com/locations/global/workforcePools/staff/providers/p",
                "client_id": "c", "client_secret": "s", "token_url": set_up.at("v1/oauthtoken"),
                "refresh_token": format!("1//sandbox:{workforce}")})),
            "impersonated" => {
                set_up.adc(&set_up.user("you@example.com"));
                set_up.may_act(RUNNER, "user:you@example.com", creator).await;
                set_up.world.set("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT", RUNNER);
            }
            "file-as" => {
                set_up.may_act(RUNNER, "user:you@example.com", creator).await;
                let url = set_up.at(&format!("v1/projects/-/serviceAccounts/{RUNNER}:generateAccessToken"));
                set_up.adc(&json!({"type": "impersonated_service_account",
                    "service_account_impersonation_url": url,
                    "source_credentials": set_up.user("you@example.com")}));
            }
            _ => {
                let ci = "ci@sandbox-project.iam.gserviceaccount.com";
                set_up.may_act(ci, "user:you@example.com", creator).await;
                set_up.may_act(RUNNER, &format!("serviceAccount:{ci}"), creator).await;
                set_up.adc(&set_up.user("you@example.com"));
                set_up.world.set("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT", &format!("{ci},{RUNNER}"));
            }
        }
        shown.push(format!("{kind}: {}", costs(&set_up).await));
    }
    assert_snapshot!(shown.join("\n"), @r#"
    user: user null | url 2 ok | url 1 ok | token 0 ok you@example.com for 32555940559.apps.googleusercontent.com | token 0 ok you@example.com for 32555940559.apps.googleusercontent.com
    store: user "you@example.com" | url 2 ok | url 1 ok | token 0 ok you@example.com for 32555940559.apps.googleusercontent.com | token 0 ok you@example.com for 32555940559.apps.googleusercontent.com
    key: serviceAccount "runner@sandbox-project.iam.gserviceaccount.com" | url 1 ok | url 1 ok | token 1 ok runner@sandbox-project.iam.gserviceaccount.com for https://hello-k4qx7v2nza-uc.a.run.app | token 0 ok runner@sandbox-project.iam.gserviceaccount.com for https://hello-k4qx7v2nza-uc.a.run.app
    metadata: serviceAccount null | url 2 ok | url 1 ok | token 1 ok 123456789012-compute@developer.gserviceaccount.com for https://hello-k4qx7v2nza-uc.a.run.app | token 0 ok 123456789012-compute@developer.gserviceaccount.com for https://hello-k4qx7v2nza-uc.a.run.app
    federated: externalAccount null | url 2 ok | url 1 ok | token 0 4: error: `[WORLD]/home/credential.json` gives no ID token | token 0 4: error: `[WORLD]/home/credential.json` gives no ID token
    federated-as: impersonated "runner@sandbox-project.iam.gserviceaccount.com" | url 3 ok | url 1 ok | token 2 ok runner@sandbox-project.iam.gserviceaccount.com for https://hello-k4qx7v2nza-uc.a.run.app | token 0 ok runner@sandbox-project.iam.gserviceaccount.com for https://hello-k4qx7v2nza-uc.a.run.app
    workforce: externalAccount null | url 2 ok | url 1 ok | token 0 4: error: `[WORLD]/home/credential.json` gives no ID token | token 0 4: error: `[WORLD]/home/credential.json` gives no ID token
    impersonated: impersonated "runner@sandbox-project.iam.gserviceaccount.com" | url 3 ok | url 1 ok | token 2 ok runner@sandbox-project.iam.gserviceaccount.com for https://hello-k4qx7v2nza-uc.a.run.app | token 0 ok runner@sandbox-project.iam.gserviceaccount.com for https://hello-k4qx7v2nza-uc.a.run.app
    file-as: impersonated "runner@sandbox-project.iam.gserviceaccount.com" | url 3 ok | url 1 ok | token 2 ok runner@sandbox-project.iam.gserviceaccount.com for https://hello-k4qx7v2nza-uc.a.run.app | token 0 ok runner@sandbox-project.iam.gserviceaccount.com for https://hello-k4qx7v2nza-uc.a.run.app
    chain: impersonated "runner@sandbox-project.iam.gserviceaccount.com" | url 3 ok | url 1 ok | token 2 ok runner@sandbox-project.iam.gserviceaccount.com for https://hello-k4qx7v2nza-uc.a.run.app | token 0 ok runner@sandbox-project.iam.gserviceaccount.com for https://hello-k4qx7v2nza-uc.a.run.app
    "#);
}

#[tokio::test]
async fn a_bare_access_token_yields_no_id_token_and_nobody_elses_is_taken() {
    let mut set_up = SetUp::new();
    set_up.adc(&set_up.user("you@example.com"));
    set_up.world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.secret");
    assert_snapshot!(set_up.run(&["token", HELLO]).await, @"
    --- stderr
    error: the access token of `CLOUDSDK_AUTH_ACCESS_TOKEN` gives no ID token
    caused by: an access token says nothing that a service takes
    caused by: `--impersonate-service-account` asks for an ID token of an account; `curl` and `proxy` take one that you have, by `--id-token-file`
    --- status 4
    ");
    assert_snapshot!(set_up.run(&["curl", HELLO, "-s"]).await, @"
    --- stderr
    error: the access token of `CLOUDSDK_AUTH_ACCESS_TOKEN` gives no ID token
    caused by: an access token says nothing that a service takes
    caused by: `--impersonate-service-account` asks for an ID token of an account; `curl` and `proxy` take one that you have, by `--id-token-file`
    --- status 125
    ");
    assert_snapshot!(set_up.run(&["token"]).await, @"
    --- stderr
    error: the access token of `CLOUDSDK_AUTH_ACCESS_TOKEN` gives no ID token
    caused by: an access token says nothing that a service takes
    caused by: `--impersonate-service-account` asks for an ID token of an account; `curl` and `proxy` take one that you have, by `--id-token-file`
    --- status 4
    ");
}

#[tokio::test]
async fn a_users_audience_cannot_be_chosen() {
    let mut set_up = SetUp::new();
    set_up.adc(&set_up.user("you@example.com"));
    assert_snapshot!(set_up.run(&["token", "--audience", "https://api.example.com"]).await, @"
    --- stderr
    error: a user's ID token cannot have the audience `https://api.example.com`
    caused by: it always has that of the client that the user logged in with
    caused by: a service account may choose: `--impersonate-service-account` names one
    hint: runaccess token
    --- status 2
    ");
    set_up.world.set(
        "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT",
        "nobody@sandbox-project.iam.gserviceaccount.com",
    );
    assert_snapshot!(set_up.run(&["token", "--audience", "https://api.example.com"]).await, @"
    --- stderr
    error: `nobody@sandbox-project.iam.gserviceaccount.com` cannot be impersonated
    caused by: Permission 'iam.serviceAccounts.getOpenIdToken' denied on resource (or it may not exist).
    caused by: it takes a role such as `roles/iam.serviceAccountTokenCreator` on that account
    --- status 4
    ");
    assert_snapshot!(set_up.run(&["token"]).await, @"
    --- stderr
    error: SERVICE is missing, and there is no terminal to ask at
    hint: runaccess token --help
    hint: runaccess token --audience URL
    --- status 2
    ");
}

#[tokio::test]
async fn a_login_that_has_ended_names_the_account_and_the_command() {
    let ended = |error: &'static str, subtype: Option<&'static str>| {
        let mut body = json!({"error": error, "error_description": "Bad Request"});
        if let Some(subtype) = subtype {
            body["error_subtype"] = json!(subtype);
        }
        FakeServer::in_turn([Answer::Full(400, "application/json", body.to_string())])
    };
    let set_up = SetUp::new();
    let mut user = set_up.user("you@example.com");
    for (error, subtype) in
        [("invalid_grant", None), ("invalid_grant", Some("invalid_rapt")), ("invalid_rapt", None)]
    {
        let server = ended(error, subtype);
        user["token_uri"] = json!(format!("{}token", server.endpoint));
        let mut set_up = SetUp::new();
        set_up.log_in("you@example.com", &user);
        set_up
            .world
            .gcloud_file("configurations/config_default", "[core]\naccount = you@example.com\n");
        let run = set_up.run(&["url", "us-central1/hello"]).await;
        assert_eq!(run.status, 4, "{run}");
        assert_eq!(
            run.stderr,
            format!(
                "error: gcloud's account `you@example.com` must log in again\ncaused by: {error}: Bad Request\nhint: gcloud auth login you@example.com\n"
            )
        );
        set_up.world.set("CLOUDSDK_CORE_ACCOUNT", "");
        let mut adc = SetUp::new();
        adc.adc(&user);
        let run = adc.run(&["token", HELLO]).await;
        assert_eq!(run.status, 4, "{run}");
        assert!(run.stderr.ends_with("hint: gcloud auth application-default login\n"), "{run}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_credential_is_said_without_its_secrets() {
    let mut set_up = SetUp::new();
    let secret = "SECRET-THAT-NOBODY-SEES";
    for json in [
        json!({"type": "authorized_user", "client_id": "c", "client_secret": secret}),
        json!({"type": "service_account", "client_email": "a@b", "private_key": secret}),
        json!({"type": "service_account", "client_email": "a@b", "private_key": secret, "private_key_id": "k", "token_uri": set_up.at("token")}),
        json!({"type": "external_account", "client_secret": secret}),
        json!({"type": "impersonated_service_account", "source_credentials": {"type": "authorized_user", "client_secret": secret}}),
        json!({"type": "authorized_user", "client_id": "c", "client_secret": secret, "refresh_token": secret, "token_uri": "http://elsewhere.example/token"}),
        json!({"type": "newer_kind", "secret": secret}),
        json!({"secret": secret}),
    ] {
        set_up.adc(&json);
        let run = set_up.run(&["token", HELLO, "-v"]).await;
        assert_eq!(run.status, 4, "{run}");
        assert!(!format!("{run}").contains(secret), "{run}");
    }
    let run = set_up.run(&["token", HELLO]).await;
    assert_snapshot!(run, @"
    --- stderr
    error: the credential of `[WORLD]/home/credential.json` cannot be used: it does not say its `type`
    --- status 4
    ");
}

#[tokio::test]
async fn the_plan_says_which_of_two_accounts_acts() {
    let mut set_up = SetUp::new();
    let key = set_up.key(RUNNER).await;
    set_up.adc(&key);
    set_up.log_in("you@example.com", &set_up.user("you@example.com"));
    set_up
        .world
        .gcloud_file("configurations/config_default", "[core]\naccount = you@example.com\n");
    assert_snapshot!(set_up.run(&["grant", "ana@x.com", "us-central1/hello"]).await, @"
    --- stdout
    SERVICE            STATUS   CHANGE
    us-central1/hello  changed  +user:ana@x.com (roles/run.invoker)
    --- stderr
    plan: project sandbox-project (`CLOUDSDK_CORE_PROJECT`), as you@example.com
    note: `GOOGLE_APPLICATION_CREDENTIALS` is of `runner@sandbox-project.iam.gserviceaccount.com`, which does not act here; this is gcloud's account `you@example.com`, named by gcloud configuration `default`
      us-central1/hello
        + user:ana@x.com  roles/run.invoker
    note: `user:ana@x.com` can invoke `us-central1/hello` by its own policy
    note: a change of access takes a while to spread: two minutes as a rule, seven and more at times
    undo: runaccess undo 1
    --- status 0
    ");
    assert_snapshot!(set_up.run(&["whoami"]).await, @"
    --- stdout
    account        you@example.com
    kind           user
    source         gcloud's account `you@example.com`, named by gcloud configuration `default`
    project        sandbox-project (`CLOUDSDK_CORE_PROJECT`)
    region         (every region)
    quota project  sandbox-project (the active project, with the APIs that gcloud names it to)
    --- stderr
    note: `GOOGLE_APPLICATION_CREDENTIALS` is of `runner@sandbox-project.iam.gserviceaccount.com`, which does not act here
    --- status 0
    ");
    // The same account by both ways is no news.
    set_up.adc(&set_up.user("you@example.com"));
    let run = set_up.run(&["grant", "ana@x.com", "us-central1/hello", "-n"]).await;
    assert!(!run.stderr.contains("GOOGLE_APPLICATION_CREDENTIALS"), "{run}");
}

#[tokio::test]
async fn whoami_answers_at_once_and_checks_on_request() {
    let mut set_up = SetUp::new();
    assert_snapshot!(set_up.run(&["whoami"]).await, @"
    --- stdout
    account  (nobody)
    kind     none
    project  sandbox-project (`CLOUDSDK_CORE_PROJECT`)
    region   (every region)
    --- stderr
    error: no credentials were found
    hint: gcloud auth login
    hint: runaccess --sandbox list
    --- status 4
    ");
    assert_snapshot!(set_up.run(&["whoami", "-o", "json"]).await, @r#"
    --- stdout
    {
      "sandbox": false,
      "account": null,
      "kind": "none",
      "source": null,
      "project": "sandbox-project",
      "projectSource": "`CLOUDSDK_CORE_PROJECT`",
      "region": null,
      "regionSource": null,
      "quotaProject": null,
      "quotaProjectSource": null
    }
    --- stderr
    error: no credentials were found
    hint: gcloud auth login
    hint: runaccess --sandbox list
    --- status 4
    "#);
    set_up.adc(&set_up.user("you@example.com"));
    assert_snapshot!(set_up.run(&["whoami", "--check", "--region", "us-east1"]).await, @"
    --- stdout
    account  (the credential does not say)
    kind     user
    source   `GOOGLE_APPLICATION_CREDENTIALS` in `[WORLD]/home/credential.json`
    project  sandbox-project (`CLOUDSDK_CORE_PROJECT`)
    region   us-east1 (`--region`)
    --- stderr
    note: the credential is good: it gives a token, which Cloud Run's API takes
    --- status 0
    ");
    set_up.world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "e30.e30.c");
    assert_snapshot!(set_up.run(&["whoami", "--check"]).await, @"
    --- stdout
    account  (the credential does not say)
    kind     token
    source   `CLOUDSDK_AUTH_ACCESS_TOKEN`
    project  sandbox-project (`CLOUDSDK_CORE_PROJECT`)
    region   (every region)
    --- stderr
    note: `GOOGLE_APPLICATION_CREDENTIALS` is of `[WORLD]/home/credential.json`, which does not act here
    error: could not list the regions of project `sandbox-project`
    caused by: Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.
    caused by: the credential is that of `CLOUDSDK_AUTH_ACCESS_TOKEN`
    --- status 4
    ");
}

#[tokio::test]
async fn a_kept_token_that_was_revoked_is_asked_for_again() {
    let mut set_up = SetUp::new();
    set_up.adc(&set_up.user("you@example.com"));
    assert_eq!(set_up.run(&["url", "us-central1/hello"]).await.status, 0);
    assert_eq!(set_up.wire.take(), 2);
    let folder = set_up.world.state().join("tokens");
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        let Ok(mut kept) = serde_json::from_slice::<Value>(&fs::read(&path).unwrap()) else {
            continue;
        };
        kept["token"] = json!("e30.e30.c");
        fs::write(&path, kept.to_string()).unwrap();
    }
    // `e30.e30.c` has the form of a token and is nobody's.
    assert_eq!(set_up.run(&["url", "us-central1/hello"]).await.status, 0);
    assert_eq!(set_up.wire.take(), 3);
    assert_eq!(set_up.run(&["url", "us-central1/hello", "--no-token-cache"]).await.status, 0);
    assert_eq!(set_up.wire.take(), 2);
}

#[tokio::test]
async fn a_token_server_cannot_break_the_program_or_have_it_tell() {
    let refresh = "1//REFRESH-TOKEN-THAT-NOBODY-SEES";
    let answers = [
        (200, json!({"access_token": "a", "expires_in": i64::MAX})),
        (200, json!({"access_token": "a", "expires_in": i64::MIN})),
        (200, json!({"access_token": 7})),
        (200, json!([])),
        (
            400,
            json!({"error": "invalid_request", "error_description": format!("refresh_token={refresh}&client_secret=CLIENT-SECRET")}),
        ),
        (403, json!({"error": {"message": format!("no {refresh}")}})),
    ];
    for (code, answer) in answers {
        let server =
            FakeServer::in_turn([Answer::Full(code, "application/json", answer.to_string())]);
        let mut set_up = SetUp::new();
        set_up.adc(
            &json!({"type": "authorized_user", "client_id": "c", "client_secret": "CLIENT-SECRET",
            "refresh_token": refresh, "token_uri": format!("{}token", server.endpoint)}),
        );
        let run = set_up.run(&["whoami", "--check", "-v"]).await;
        assert!(matches!(run.status, 0 | 4), "{answer}: {run}");
        assert!(
            !format!("{run}").contains("SECRET") && !format!("{run}").contains(refresh),
            "{run}"
        );
    }
}

#[tokio::test]
async fn kept_tokens_are_of_whose_they_were() {
    // The same file for another subject is another identity.
    let mut set_up = SetUp::new();
    let federated = "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/subject/job-7";
    set_up.may_act(RUNNER, federated, "roles/iam.workloadIdentityUser").await;
    set_up.adc(&set_up.external(Some(RUNNER)));
    assert_eq!(set_up.run(&["token", HELLO]).await.status, 0);
    fs::write(set_up.world.home().join("subject"), "mallory").unwrap();
    let run = set_up.run(&["token", HELLO]).await;
    assert_eq!((run.status, run.stdout.as_str()), (4, ""), "{run}");
    // What is damaged in its text is none.
    let mut set_up = SetUp::new();
    set_up.adc(&set_up.user("you@example.com"));
    assert_eq!(set_up.run(&["token", HELLO]).await.status, 0);
    for file in fs::read_dir(set_up.world.state().join("tokens")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|end| end == "json") {
            fs::write(path, "{\"token\":\"not a\\ntoken\",\"goodUntil\":99999999999}").unwrap();
        }
    }
    let run = set_up.run(&["token", HELLO]).await;
    assert_eq!((run.status, run.stdout.trim().split('.').count()), (0, 3), "{run}");
}

#[tokio::test]
async fn a_stored_token_that_was_revoked_does_not_stop_an_impersonation() {
    let mut set_up = SetUp::new();
    set_up.log_in("you@example.com", &set_up.user("you@example.com"));
    set_up
        .world
        .gcloud_file("configurations/config_default", "[core]\naccount = you@example.com\n");
    let db = Connection::open(set_up.world.home().join(".config/gcloud/access_tokens.db")).unwrap();
    db.execute_batch("CREATE TABLE access_tokens (account_id TEXT PRIMARY KEY, access_token TEXT, token_expiry TIMESTAMP)").unwrap();
    db.execute("INSERT INTO access_tokens VALUES ('you@example.com', 'e30.e30.revoked', '2999-01-01 00:00:00')", []).unwrap();
    set_up.may_act(RUNNER, "user:you@example.com", "roles/iam.serviceAccountTokenCreator").await;
    set_up.world.set("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT", RUNNER);
    let run = set_up.run(&["token", HELLO]).await;
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(claims(run.stdout.trim())["email"], RUNNER);
    set_up.world.set("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT", "you@example.com");
    assert_eq!(set_up.run(&["token", HELLO]).await.status, 2);
}

#[tokio::test]
async fn one_refresh_serves_processes_that_start_together() {
    let mut set_up = SetUp::new();
    set_up.adc(&set_up.user("you@example.com"));
    let runs = (0..8).map(|_| set_up.run(&["token", HELLO]));
    let runs = futures::future::join_all(runs).await;
    assert!(runs.iter().all(|run| run.status == 0 && run.stdout == runs[0].stdout));
    assert_eq!(set_up.wire.take(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let folder = set_up.world.state().join("tokens");
        let mode =
            |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        for file in fs::read_dir(&folder).unwrap() {
            assert_eq!(mode(&file.unwrap().path()), 0o600);
        }
    }
}

#[tokio::test]
async fn gclouds_own_tokens_are_used_while_they_are_good() {
    let set_up = SetUp::new();
    set_up.log_in("you@example.com", &set_up.user("you@example.com"));
    set_up
        .world
        .gcloud_file("configurations/config_default", "[core]\naccount = you@example.com\n");
    let id = set_up.api.id_token("you@example.com", "").await;
    let db = Connection::open(set_up.world.home().join(".config/gcloud/access_tokens.db")).unwrap();
    db.execute_batch("CREATE TABLE access_tokens (account_id TEXT PRIMARY KEY, access_token TEXT, token_expiry TIMESTAMP, rapt_token TEXT, id_token TEXT)").unwrap();
    db.execute("INSERT INTO access_tokens VALUES ('you@example.com', 'opaque', '2999-01-01 00:00:00', NULL, ?1)", [&id]).unwrap();
    let run = set_up.run(&["token", HELLO]).await;
    assert_eq!((run.stdout.trim(), set_up.wire.take()), (id.as_str(), 0), "{run}");
    assert_eq!(set_up.run(&["url", "us-central1/hello"]).await.status, 0);
    assert_eq!(set_up.wire.take(), 1);
}
