//! Which project requests count for: as google-auth has it for Application Default Credentials, and
//! as gcloud has it for its own accounts.

use std::fs;

use insta::assert_snapshot;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Answer, FakeServer, World};

/// A server for every API, and for tokens.
fn apis() -> FakeServer {
    FakeServer::start(|line| {
        if line.contains("/token") {
            let body = json!({"access_token": "ya29.fresh", "expires_in": 3600});
            return Answer::json(&body);
        }
        Answer::error(404, "NOT_FOUND", "No.")
    })
}

fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut named = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.trim().to_owned())
}

struct SetUp {
    world: World,
    apis: FakeServer,
}

impl SetUp {
    fn new() -> Self {
        Self::against(apis())
    }

    fn against(apis: FakeServer) -> Self {
        let mut world = World::new();
        world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &apis.endpoint);
        world.set("CLOUDSDK_CORE_PROJECT", "acme-shop");
        Self { world, apis }
    }

    fn user(&self, quota: Option<&str>) -> Value {
        let mut user = json!({"type": "authorized_user", "client_id": "c", "client_secret": "s",
            "refresh_token": "r", "token_uri": format!("{}token", self.apis.endpoint)});
        if let Some(project) = quota {
            user["quota_project_id"] = json!(project);
        }
        user
    }

    fn adc(&mut self, json: &Value) {
        let path = self.world.home().join("adc.json");
        fs::write(&path, json.to_string()).unwrap();
        self.world.set("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap());
    }

    fn log_in(&mut self, json: &Value) {
        self.world.gcloud_file("configurations/config_default", "[core]\naccount = dev@x.com\n");
        let db = Connection::open(self.world.home().join(".config/gcloud/credentials.db")).unwrap();
        let table = "CREATE TABLE credentials (account_id TEXT PRIMARY KEY, value BLOB)";
        db.execute_batch(table).unwrap();
        let row = ["dev@x.com".to_owned(), json.to_string()];
        db.execute("INSERT INTO credentials VALUES (?1, ?2)", row).unwrap();
    }

    /// What Cloud Run, Resource Manager and Organisation Policy are sent, and what `whoami` says.
    fn told(&self) -> String {
        self.world.run(&["explain", "dev@x.com", "us-central1/orders", "--timeout", "5s"]);
        self.world.run(&["make-public", "us-central1/orders", "--dry-run", "--timeout", "5s"]);
        self.world.run(&["revoke", "dev@x.com", "us-central1/orders", "--timeout", "5s"]);
        let of = |path: &str| {
            let requests = self.apis.requests();
            let found = requests.iter().find(|head| head.lines().next().unwrap().contains(path));
            match found {
                None => "(not asked)".to_owned(),
                Some(head) => header(head, "x-goog-user-project").unwrap_or("none".to_owned()),
            }
        };
        let whoami = self.world.json_of(&["whoami"]);
        format!(
            "run {}, resource manager {}; whoami {} by {}",
            of("services/orders"),
            of("v3/projects"),
            whoami["quotaProject"],
            whoami["quotaProjectSource"]
        )
    }
}

#[test]
fn the_project_is_that_of_the_credentials_own_family() {
    let mut lines = Vec::new();
    let mut of = |name: &str, change: &dyn Fn(&mut SetUp)| {
        let mut set_up = SetUp::new();
        change(&mut set_up);
        let home = set_up.world.home().display().to_string();
        lines.push(format!("{name}: {}", set_up.told().replace(&home, "~")));
    };
    of("ADC", &|it| it.adc(&it.user(None)));
    of("ADC, its file", &|it| it.adc(&it.user(Some("in-file"))));
    of("ADC, its file and the variable", &|it| {
        it.adc(&it.user(Some("in-file")));
        it.world.set("GOOGLE_CLOUD_QUOTA_PROJECT", "in-variable");
    });
    of("ADC, gcloud's property", &|it| {
        it.adc(&it.user(None));
        it.world.set("CLOUDSDK_BILLING_QUOTA_PROJECT", "in-property");
    });
    of("gcloud", &|it| it.log_in(&it.user(None)));
    of("gcloud, its file", &|it| it.log_in(&it.user(Some("in-file"))));
    of("gcloud, google-auth's variable", &|it| {
        it.log_in(&it.user(None));
        it.world.set("GOOGLE_CLOUD_QUOTA_PROJECT", "in-variable");
    });
    for value in ["in-property", "CURRENT_PROJECT", "CURRENT_PROJECT_WITH_FALLBACK", "LEGACY"] {
        of(&format!("gcloud, {value}"), &|it| {
            it.log_in(&it.user(None));
            it.world.set("CLOUDSDK_BILLING_QUOTA_PROJECT", value);
        });
    }
    of("a bare token", &|it| it.world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.bare"));
    of("a bare token, gcloud's property", &|it| {
        it.world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.bare");
        it.world.set("CLOUDSDK_BILLING_QUOTA_PROJECT", "in-property");
    });
    assert_snapshot!(lines.join("\n"), @r#"
    ADC: run none, resource manager none; whoami null by null
    ADC, its file: run in-file, resource manager in-file; whoami "in-file" by "`quota_project_id` of `~/adc.json`"
    ADC, its file and the variable: run in-variable, resource manager in-variable; whoami "in-variable" by "`GOOGLE_CLOUD_QUOTA_PROJECT`"
    ADC, gcloud's property: run none, resource manager none; whoami null by null
    gcloud: run acme-shop, resource manager none; whoami "acme-shop" by "the active project, with the APIs that gcloud names it to"
    gcloud, its file: run acme-shop, resource manager none; whoami "acme-shop" by "the active project, with the APIs that gcloud names it to"
    gcloud, google-auth's variable: run acme-shop, resource manager none; whoami "acme-shop" by "the active project, with the APIs that gcloud names it to"
    gcloud, in-property: run in-property, resource manager in-property; whoami "in-property" by "`billing/quota_project` (`CLOUDSDK_BILLING_QUOTA_PROJECT`)"
    gcloud, CURRENT_PROJECT: run acme-shop, resource manager acme-shop; whoami "acme-shop" by "the active project"
    gcloud, CURRENT_PROJECT_WITH_FALLBACK: run acme-shop, resource manager acme-shop; whoami "acme-shop" by "the active project"
    gcloud, LEGACY: run none, resource manager none; whoami null by null
    a bare token: run none, resource manager none; whoami null by null
    a bare token, gcloud's property: run in-property, resource manager in-property; whoami "in-property" by "`billing/quota_project` (`CLOUDSDK_BILLING_QUOTA_PROJECT`)"
    "#);
}

fn denied() -> Answer {
    let body = json!({"error": {"code": 403, "message": "Caller does not have required permission to use project",
        "status": "PERMISSION_DENIED", "details": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "USER_PROJECT_DENIED",
         "domain": "googleapis.com", "metadata": {"consumer": "projects/acme-shop",
         "service": "run.googleapis.com"}}]}});
    Answer::Full(403, "application/json", body.to_string())
}

/// A project that nobody set by hand is left out once it is refused, for the rest of the command.
#[test]
fn a_refused_project_is_left_out_unless_it_was_set_by_hand() {
    let policy = || Answer::json(&json!({"etag": "BwY=", "bindings": []}));
    let mut set_up = SetUp::against(FakeServer::in_turn([
        Answer::json(&json!({"access_token": "ya29.fresh", "expires_in": 3600})),
        denied(),
        policy(),
    ]));
    set_up.log_in(&set_up.user(None));
    let run = set_up.world.run(&["policy", "us-central1/orders"]);
    assert_eq!(run.status, 0, "{run}");
    let sent = |set_up: &SetUp| -> Vec<Option<String>> {
        let requests = set_up.apis.requests();
        let asked = requests.iter().filter(|head| !head.contains("POST /token"));
        asked.map(|head| header(head, "x-goog-user-project")).collect()
    };
    assert_eq!(sent(&set_up), [Some("acme-shop".to_owned()), None]);

    let mut set_up = SetUp::against(FakeServer::in_turn([
        Answer::json(&json!({"access_token": "ya29.fresh", "expires_in": 3600})),
        denied(),
    ]));
    set_up.log_in(&set_up.user(None));
    set_up.world.set("CLOUDSDK_BILLING_QUOTA_PROJECT", "acme-shop");
    let run = set_up.world.run(&["policy", "us-central1/orders"]);
    assert_snapshot!(run, @"
    --- stderr
    error: could not read the policy of `us-central1/orders`
    caused by: Caller does not have required permission to use project
    caused by: the account may not use project `acme-shop` as its quota project, or the project does not exist (`serviceusage.services.use`, in `roles/serviceusage.serviceUsageConsumer`)
    caused by: it is set by `billing/quota_project` (`CLOUDSDK_BILLING_QUOTA_PROJECT`)
    hint: unset CLOUDSDK_BILLING_QUOTA_PROJECT
    --- status 5
    ");
    assert_eq!(sent(&set_up), [Some("acme-shop".to_owned())]);
}

/// With a person's Application Default Credentials some APIs answer only if a project is named.
#[test]
fn a_missing_project_is_told_with_the_command_that_sets_it() {
    let body = json!({"error": {"code": 403, "message": "Your application is authenticating by using \
        local Application Default Credentials. The run.googleapis.com API requires a quota project, \
        which is not set by default.", "status": "PERMISSION_DENIED", "details": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED",
         "domain": "googleapis.com", "metadata": {"consumer": "projects/764086051850",
         "service": "run.googleapis.com"}}]}});
    let mut set_up = SetUp::against(FakeServer::in_turn([
        Answer::json(&json!({"access_token": "ya29.fresh", "expires_in": 3600})),
        Answer::Full(403, "application/json", body.to_string()),
    ]));
    set_up.adc(&set_up.user(None));
    assert_snapshot!(set_up.world.run(&["policy", "us-central1/orders"]), @"
    --- stderr
    error: could not read the policy of `us-central1/orders`
    caused by: Your application is authenticating by using local Application Default Credentials. The run.googleapis.com API requires a quota project, which is not set by default.
    caused by: this API takes the requests of a person only with a quota project, and none is set
    caused by: `gcloud auth application-default set-quota-project` sets one
    hint: gcloud auth application-default set-quota-project acme-shop
    --- status 5
    ");
}

/// Every request to an API, writes among them, says what sends it.
#[test]
fn every_request_names_the_program() {
    let set_up = SetUp::new();
    let mut world = set_up.world;
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.bare");
    let server = FakeServer::start(|line| {
        if line.contains("getIamPolicy") {
            Answer::json(&json!({"etag": "BwY=", "bindings": []}))
        } else {
            Answer::error(403, "PERMISSION_DENIED", "No.")
        }
    });
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &server.endpoint);
    world.run(&["grant", "dev@x.com", "us-central1/orders"]);
    let requests = server.requests();
    assert!(requests.iter().any(|head| head.contains("setIamPolicy")), "{requests:?}");
    for head in requests {
        let agent = header(&head, "user-agent").unwrap();
        assert!(agent.starts_with("runaccess/"), "{head}");
        let client = header(&head, "x-goog-api-client").unwrap();
        assert!(client.starts_with("gl-rust/") && client.contains(" runaccess/"), "{head}");
    }
}
