//! What is wrong with a credential is named: the field, the encoding, the step that failed. No
//! character of a secret is.

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Answer, FakeServer, World};

const SECRET: &str = "SECRET-THAT-NOBODY-SEES";
const HELLO: &str = "https://hello-k4qx7v2nza-uc.a.run.app";

struct SetUp {
    world: World,
}

impl SetUp {
    fn new() -> Self {
        let mut world = World::new();
        world.set("CLOUDSDK_CORE_PROJECT", "acme-shop");
        Self { world }
    }

    /// Makes these bytes the credential's file.
    fn file(&mut self, bytes: impl AsRef<[u8]>) {
        let path = self.world.home().join("credential.json");
        fs::write(&path, bytes).unwrap();
        self.world.set("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap());
    }

    /// What is said of it, without the lines that are the same for all.
    fn said(&self, arguments: &[&str]) -> String {
        let run = self.world.run(arguments);
        let whole = format!("{run}");
        assert!(!whole.contains(SECRET) && !whole.contains("BEGIN PRIVATE"), "{whole}");
        let lines: Vec<&str> = run.stderr.lines().collect();
        let said = format!("{}: {}", run.status, lines.join(" / "));
        said.replace(self.world.home().to_str().unwrap(), "~")
    }
}

fn key(private_key: &str) -> Value {
    json!({"type": "service_account", "client_email": "ci@acme-shop.iam.gserviceaccount.com",
        "private_key_id": "k1", "private_key": private_key})
}

#[test]
fn a_file_that_cannot_be_used_is_told_for_what_it_is() {
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let pem =
        |body: &str| format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let external = |source: Value| {
        json!({"type": "external_account", "audience": "//iam.googleapis.com/x", "token_url":
            "https://sts.googleapis.com/v1/token", "subject_token_type": "jwt",
            "credential_source": source})
    };
    let text = |json: Value| json.to_string().into_bytes();
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("empty", b" \n".to_vec()),
        ("UTF-16", utf16),
        ("byte order mark", [b"\xef\xbb\xbf", &*text(key("x"))].concat()),
        ("Latin-1", b"{\"type\": \"\xe9\"}".to_vec()),
        ("not JSON", b"{\"type\": \"service_account\",\n oops}".to_vec()),
        ("PEM", pem(SECRET).into_bytes()),
        ("no type", text(json!({"key": SECRET}))),
        ("a newer type", text(json!({"type": "newer_kind", "key": SECRET}))),
        ("Distributed Cloud", text(json!({"type": "gdch_service_account"}))),
        ("a user without", text(json!({"type": "authorized_user", "client_secret": SECRET}))),
        ("a key without", text(json!({"type": "service_account", "private_key": SECRET}))),
        (
            "an empty field",
            text(json!({"type": "service_account", "private_key": SECRET,
            "client_email": "", "private_key_id": "k"})),
        ),
        (
            "a field of another type",
            text(json!({"type": "service_account", "private_key": SECRET,
            "client_email": "a@b", "private_key_id": 7})),
        ),
        ("`\\n` written out", text(key(&pem(SECRET).replace('\n', "\\n")))),
        ("no line ends", text(key(&pem(SECRET).replace('\n', " ")))),
        ("no PEM", text(key(SECRET))),
        ("encrypted", text(key(&pem(SECRET).replace("PRIVATE", "ENCRYPTED PRIVATE")))),
        ("damaged", text(key(&pem(SECRET)))),
        ("federation without", text(json!({"type": "external_account", "client_secret": SECRET}))),
        ("X.509", text(external(json!({"certificate": {"use_default_certificate_config": true}})))),
        (
            "executable",
            text(external(json!({"executable": {"command": format!("/bin/echo {SECRET}")}}))),
        ),
        ("no source", text(external(json!({})))),
        (
            "impersonation without",
            text(json!({"type": "impersonated_service_account",
            "service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/x:y"})),
        ),
        (
            "no address",
            text(json!({"type": "impersonated_service_account",
            "service_account_impersonation_url": "elsewhere",
            "source_credentials": {"type": "authorized_user", "client_id": "c",
            "client_secret": SECRET, "refresh_token": SECRET}})),
        ),
    ];
    let mut lines = Vec::new();
    for (name, bytes) in files {
        let mut set_up = SetUp::new();
        set_up.file(bytes);
        let said = set_up.said(&["token", HELLO]);
        assert!(said.starts_with("4: "), "{name}: {said}");
        let said =
            said.replace("4: error: the credential of `~/credential.json` cannot be used: ", "");
        lines.push(format!("{name}: {said}"));
    }
    assert_snapshot!(lines.join("\n"), @r"
    empty: it is empty
    UTF-16: it is in UTF-16: save it as UTF-8
    byte order mark: it begins with a byte order mark: save it as UTF-8 without one
    Latin-1: it is not in UTF-8
    not JSON: it is not JSON (line 2, column 2)
    PEM: it is a key in PEM, not the JSON file that holds it
    no type: it does not say its `type`
    a newer type: its type `newer_kind` is not supported: `authorized_user`, `external_account`, `external_account_authorized_user`, `impersonated_service_account`, `service_account` are
    Distributed Cloud: it is of Google Distributed Cloud (`gdch_service_account`), which has no Cloud Run
    a user without: its type is `authorized_user`, and it lacks `client_id`, `refresh_token` / hint: gcloud auth application-default login
    a key without: its type is `service_account`, and it lacks `client_email`, `private_key_id`
    an empty field: its type is `service_account`, and it lacks `client_email`
    a field of another type: its type is `service_account`, and it lacks `private_key_id`
    `\n` written out: its `private_key` has `\n` written out in place of line ends
    no line ends: its `private_key` has lost its line ends
    no PEM: its `private_key` is not in PEM, with a line of `BEGIN` and one of `END`
    encrypted: its `private_key` is encrypted, and nothing asks for a password
    damaged: its `private_key` is damaged: it is no RSA key in PEM
    federation without: its type is `external_account`, and it lacks `audience`, `subject_token_type`, `token_url`
    X.509: it takes its token by an X.509 certificate (`credential_source.certificate`), which this program does not support: it supports a file, a URL, an executable and AWS
    executable: it runs a program for its token, which takes `GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1` in the environment
    no source: its `credential_source` names no file, URL, executable or AWS
    impersonation without: it is a `impersonated_service_account` that lacks `source_credentials`
    no address: its `service_account_impersonation_url` is no address of IAM Credentials
    ");
}

/// A file of federation whose tokens are exchanged here.
fn federated(sts: &FakeServer, source: &Value) -> Value {
    json!({"type": "external_account", "audience": "//iam.googleapis.com/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}v1/token", sts.endpoint), "credential_source": source})
}

#[test]
fn a_federation_says_which_step_failed_and_how() {
    let sts = |answer: Answer| FakeServer::in_turn([answer]);
    let good = || sts(Answer::json(&json!({"access_token": "ya29.fed", "expires_in": 3600})));
    let refusing = || {
        let body =
            json!({"error": "invalid_grant", "error_description": "The audience does not match."});
        sts(Answer::Full(400, "application/json", body.to_string()))
    };
    let provider = |answer: Answer| FakeServer::in_turn([answer]);
    let mut lines = Vec::new();
    let mut of = |name: &str, sts: FakeServer, source: Value, subject: Option<&str>| {
        let mut set_up = SetUp::new();
        if let Some(text) = subject {
            fs::write(set_up.world.home().join("subject"), text).unwrap();
        }
        let mut text = federated(&sts, &source).to_string();
        text = text.replace("HOME", set_up.world.home().to_str().unwrap());
        set_up.file(text);
        let said = set_up.said(&["url", "us-central1/x"]);
        let said = said.replace(sts.endpoint.as_str(), "http://sts/");
        lines.push((name.to_owned(), said, sts.requests().len()));
    };
    let file = || json!({"file": "HOME/subject"});
    of("no file", good(), file(), None);
    of("an empty file", good(), file(), Some(""));
    let field = json!({"file": "HOME/subject", "format": {"type": "json", "subject_token_field_name": "id"}});
    of("not JSON", good(), field.clone(), Some(SECRET));
    of("no such field", good(), field, Some(&json!({"other": SECRET}).to_string()));
    of("refused", refusing(), file(), Some(SECRET));
    of(
        "refused by an error of the server",
        sts(Answer::error(500, "INTERNAL", "x")),
        file(),
        Some(SECRET),
    );
    let missing = provider(Answer::Full(404, "text/plain", "no".to_owned()));
    of(
        "404 of the provider",
        good(),
        json!({"url": format!("{}t?a={SECRET}", missing.endpoint)}),
        None,
    );
    let denied = provider(Answer::Full(403, "text/plain", SECRET.to_owned()));
    of(
        "403 of the provider",
        good(),
        json!({"url": format!("{}t", denied.endpoint),
        "headers": {"Authorization": format!("Bearer {SECRET}")}}),
        None,
    );
    of(
        "plain http with a secret",
        good(),
        json!({"url": "http://provider.example/t",
        "headers": {"Authorization": format!("Bearer {SECRET}")}}),
        None,
    );
    of("nobody there", good(), json!({"url": "http://127.0.0.1:1/t"}), None);
    // A 4xx is asked for once.
    assert_eq!((missing.requests().len(), denied.requests().len()), (1, 1));
    let lines: Vec<String> = lines
        .into_iter()
        .map(|(name, said, asked)| {
            let said =
                said.replace(&missing.endpoint, "http://p/").replace(&denied.endpoint, "http://p/");
            format!("{name} (asked {asked}): {said}")
        })
        .collect();
    assert_snapshot!(lines.join("\n"), @"
    no file (asked 0): 4: error: `~/credential.json` has no subject token to exchange / caused by: the file `~/subject` cannot be read: No such file or directory (os error 2)
    an empty file (asked 0): 4: error: `~/credential.json` has no subject token to exchange / caused by: the file `~/subject` is empty
    not JSON (asked 0): 4: error: `~/credential.json` has no subject token to exchange / caused by: the file `~/subject` is not JSON
    no such field (asked 0): 4: error: `~/credential.json` has no subject token to exchange / caused by: the file `~/subject` has no text in the field `id`
    refused (asked 1): 4: error: `~/credential.json` was refused a token / caused by: the Security Token Service answers HTTP 400: invalid_grant: The audience does not match.
    refused by an error of the server (asked 3): 1: error: `http://sts/v1/token` gives no token / caused by: HTTP 500 / hint: runaccess url us-central1/x --verbose
    404 of the provider (asked 0): 4: error: `~/credential.json` has no subject token to exchange / caused by: `http://p/t` answers HTTP 404
    403 of the provider (asked 0): 4: error: `~/credential.json` has no subject token to exchange / caused by: `http://p/t` answers HTTP 403
    plain http with a secret (asked 0): 4: error: `~/credential.json` has no subject token to exchange / caused by: `http://provider.example/t` is plain http, and its headers hold a secret
    nobody there (asked 0): 1: error: `http://127.0.0.1:1/t` gives no token / caused by: tcp connect error: Connection refused (os error 111) / hint: runaccess url us-central1/x --verbose
    ");
}

/// A sandbox behind nothing: a token server, the API and the metadata server in one.
fn world_with(server: &FakeServer) -> SetUp {
    let mut set_up = SetUp::new();
    set_up.world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &server.endpoint);
    set_up
}

/// What Google answers to an assertion, word by word (observed).
#[test]
fn a_refused_key_is_told_from_a_clock_that_is_off() {
    let refusal = |text: &str| {
        let body = json!({"error": "invalid_grant", "error_description": text}).to_string();
        FakeServer::in_turn([Answer::WithHeader(400, "Cache-Control: no-store", body)])
    };
    let mut lines = Vec::new();
    for text in [
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. \
         Check your iat and exp values in the JWT claim.",
        "Invalid JWT Signature.",
        "Invalid grant: account not found",
    ] {
        let server = refusal(text);
        let mut set_up = world_with(&server);
        let mut file = key(&pem());
        file["token_uri"] = json!(format!("{}token", server.endpoint));
        set_up.file(file.to_string());
        lines.push(set_up.said(&["token", HELLO]));
        assert_eq!(server.requests().len(), 1, "{text}");
    }
    // By the server's own clock, whatever it says.
    let body = json!({"error": "invalid_grant", "error_description": "Bad Request"}).to_string();
    let old = "Date: Tue, 01 Jan 2019 00:00:00 GMT";
    let server = FakeServer::in_turn([Answer::WithHeader(400, old, body)]);
    let mut set_up = world_with(&server);
    let mut file = key(&pem());
    file["token_uri"] = json!(format!("{}token", server.endpoint));
    set_up.file(file.to_string());
    lines.push(set_up.said(&["token", HELLO]));
    assert_snapshot!(lines.join("\n"), @"
    4: error: `~/credential.json` was refused a token / caused by: invalid_grant: Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim. / caused by: this machine's clock is off: assertions are good for an hour by the server's / hint: timedatectl set-ntp true
    4: error: `~/credential.json` was refused a token / caused by: invalid_grant: Invalid JWT Signature. / caused by: the key was deleted or replaced, or its account was / hint: gcloud iam service-accounts keys list --iam-account=ci@acme-shop.iam.gserviceaccount.com
    4: error: `~/credential.json` was refused a token / caused by: invalid_grant: Invalid grant: account not found / caused by: the key was deleted or replaced, or its account was / hint: gcloud iam service-accounts keys list --iam-account=ci@acme-shop.iam.gserviceaccount.com
    4: error: `~/credential.json` was refused a token / caused by: invalid_grant: Bad Request / caused by: this machine's clock is off: assertions are good for an hour by the server's / hint: timedatectl set-ntp true
    ");
}

/// A key that signs, made anew for each run.
fn pem() -> String {
    use aws_lc_rs::encoding::AsDer;
    let key = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = key.as_der().unwrap();
    let body = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, der.as_ref());
    let lines: Vec<&str> =
        (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

#[test]
fn the_metadata_servers_own_words_are_passed_on_and_it_is_asked_once() {
    let words = "Unable to generate identity token; IAM returned 403 Forbidden: Permission \
        'iam.serviceAccounts.getOpenIdToken' denied on resource (or it may not exist).";
    let server = FakeServer::in_turn([Answer::Full(404, "text/plain", format!("{words}\n"))]);
    let mut set_up = world_with(&server);
    let host = server.endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
    set_up.world.set("GCE_METADATA_HOST", &host);
    assert_snapshot!(set_up.said(&["token", HELLO]), @"4: error: the metadata server was refused a token / caused by: HTTP 404: Unable to generate identity token; IAM returned 403 Forbidden: Permission 'iam.serviceAccounts.getOpenIdToken' denied on resource (or it may not exist).");
    assert_eq!(server.requests().len(), 1);
}

/// A cached token is of the key that it was got by.
#[test]
fn a_replaced_or_damaged_key_does_not_live_on_the_cache() {
    let id = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4IiwiZXhwIjo0MTAyNDQ0ODAwfQ.c2ln";
    let server = FakeServer::in_turn([Answer::json(&json!({"id_token": id}))]);
    let mut set_up = world_with(&server);
    let with = |private_key: &str| {
        let mut file = key(private_key);
        file["token_uri"] = json!(format!("{}token", server.endpoint));
        file.to_string()
    };
    let first = pem();
    set_up.file(with(&first));
    assert!(set_up.said(&["token", HELLO]).starts_with("0: "));
    assert!(set_up.said(&["token", HELLO]).starts_with("0: "));
    assert_eq!(server.requests().len(), 1);
    set_up.file(with(&first.replace("\nM", "\n")));
    assert!(set_up.said(&["token", HELLO]).starts_with("4: "));
    set_up.file(with(&pem()));
    assert!(set_up.said(&["token", HELLO]).starts_with("0: "));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn doctor_does_not_call_a_key_good_that_no_server_has_seen() {
    let server = FakeServer::in_turn([Answer::error(
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials.",
    )]);
    let mut set_up = world_with(&server);
    set_up.file(key(&pem()).to_string());
    let run = set_up.world.run(&["doctor"]);
    let home = set_up.world.home().to_str().unwrap().to_owned();
    assert_snapshot!(format!("{run}").replace(&home, "~"), @"
    --- stdout
    refused: ci@acme-shop.iam.gserviceaccount.com is refused: its key is deleted or replaced

    - the key signs, and is not yet tried: ci@acme-shop.iam.gserviceaccount.com, by `GOOGLE_APPLICATION_CREDENTIALS` in `[WORLD]/home/credential.json`
    - the project is `acme-shop`, by `CLOUDSDK_CORE_PROJECT`
    - the API does not take its token: Request had invalid authentication credentials.

    What would help:
      gcloud iam service-accounts keys create key.json --iam-account=ci@acme-shop.iam.gserviceaccount.com
      gcloud auth list
    --- status 3
    ");
}

/// What is set for gcloud is done, or refused by its name.
#[test]
fn settings_of_the_network_are_honoured_or_refused_by_name() {
    let api = FakeServer::in_turn([Answer::error(404, "NOT_FOUND", "No.")]);
    let mut lines = Vec::new();
    for settings in [
        &[("CORE_UNIVERSE_DOMAIN", "example.test"), ("AUTH_ACCESS_TOKEN", "")][..],
        &[("CONTEXT_AWARE_USE_CLIENT_CERTIFICATE", "true")],
        &[("REGIONAL_ENDPOINT_MODE", "regional")],
        &[("REGIONAL_ENDPOINT_MODE", "regional-preferred")],
        &[("CORE_CUSTOM_CA_CERTS_FILE", "/nowhere/ca.pem")],
        &[("PROXY_TYPE", "http")],
        &[("PROXY_TYPE", "socks5"), ("PROXY_ADDRESS", "127.0.0.1"), ("PROXY_PORT", "1")],
    ] {
        let mut world = World::new();
        world.set("CLOUDSDK_CORE_PROJECT", "acme-shop");
        world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.bare");
        world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &api.endpoint);
        for (name, value) in settings.iter().filter(|(_, value)| !value.is_empty()) {
            world.set(&format!("CLOUDSDK_{name}"), value);
        }
        let run = world.run(&["policy", "us-central1/orders"]);
        let said: Vec<&str> = run.stderr.lines().collect();
        lines.push(format!("{settings:?}\n    {}: {}", run.status, said.join(" / ")));
    }
    assert_snapshot!(lines.join("\n"), @r#"
    [("CORE_UNIVERSE_DOMAIN", "example.test"), ("AUTH_ACCESS_TOKEN", "")]
        6: error: could not read the policy of `us-central1/orders` / caused by: No.
    [("CONTEXT_AWARE_USE_CLIENT_CERTIFICATE", "true")]
        2: error: `context_aware/use_client_certificate` is `true`, which is not supported / caused by: this program presents no client certificate / hint: unset CLOUDSDK_CONTEXT_AWARE_USE_CLIENT_CERTIFICATE
    [("REGIONAL_ENDPOINT_MODE", "regional")]
        2: error: `regional/endpoint_mode` is `regional`, which is not supported / caused by: this program searches every region with one request, which goes to the global endpoint / hint: unset CLOUDSDK_REGIONAL_ENDPOINT_MODE
    [("REGIONAL_ENDPOINT_MODE", "regional-preferred")]
        6: error: could not read the policy of `us-central1/orders` / caused by: No.
    [("CORE_CUSTOM_CA_CERTS_FILE", "/nowhere/ca.pem")]
        2: error: cannot read `/nowhere/ca.pem` / caused by: No such file or directory (os error 2) / caused by: it is set by `core/custom_ca_certs_file` (`CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE`)
    [("PROXY_TYPE", "http")]
        2: error: `proxy/type`, `proxy/address` and `proxy/port` are not all set / caused by: gcloud takes all of them or none / hint: gcloud config list proxy
    [("PROXY_TYPE", "socks5"), ("PROXY_ADDRESS", "127.0.0.1"), ("PROXY_PORT", "1")]
        2: error: `proxy/type` is `socks5`, which is not supported / caused by: this program takes a proxy of the type `http`, which is asked for a tunnel / hint: unset CLOUDSDK_PROXY_TYPE
    "#);
}

/// A token of one universe is never sent to a host of another.
#[test]
fn a_universe_keeps_its_tokens() {
    let mut user = json!({"type": "authorized_user", "client_id": "c", "client_secret": SECRET,
        "refresh_token": SECRET, "universe_domain": "example.test",
        "token_uri": "http://127.0.0.1:1/token"});
    let mut lines = Vec::new();
    let mut of = |name: &str, file: &Value, set: Option<&str>, arguments: &[&str]| {
        let mut set_up = SetUp::new();
        set_up.file(file.to_string());
        if let Some(universe) = set {
            set_up.world.set("CLOUDSDK_CORE_UNIVERSE_DOMAIN", universe);
        }
        lines.push(format!("{name}: {}", set_up.said(arguments)));
    };
    let policy = ["policy", "us-central1/orders", "--timeout", "5s"];
    of("another is set", &user, Some("other.test"), &policy);
    of("its own", &user, Some("example.test"), &policy);
    of("a service's address of Google's cloud", &user, None, &["curl", HELLO]);
    user["token_uri"] = json!("https://oauth2.googleapis.com/token");
    of("tokens at Google's", &user, None, &policy);
    user.as_object_mut().unwrap().remove("universe_domain");
    of("Google's, another is set", &user, Some("example.test"), &policy);
    // Where the API is, by its own error.
    let mut set_up = SetUp::new();
    set_up.world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.bare");
    set_up.world.set("CLOUDSDK_CORE_UNIVERSE_DOMAIN", "universe.invalid");
    let said = set_up.said(&policy);
    assert!(said.contains("https://run.universe.invalid"), "{said}");
    assert_snapshot!(lines.join("\n"), @"
    another is set: 4: error: `~/credential.json` is of the universe `example.test`, and `core/universe_domain` is `other.test` / caused by: a token is sent to no other universe than its own / hint: unset CLOUDSDK_CORE_UNIVERSE_DOMAIN
    its own: 1: error: `http://127.0.0.1:1/token` gives no token / caused by: tcp connect error: Connection refused (os error 111) / hint: runaccess policy us-central1/orders --timeout 5s --verbose
    a service's address of Google's cloud: 125: error: `http://127.0.0.1:1/token` gives no token / caused by: tcp connect error: Connection refused (os error 111) / hint: runaccess curl --verbose https://hello-k4qx7v2nza-uc.a.run.app
    tokens at Google's: 4: error: the credential of `~/credential.json` cannot be used: where it says to ask for tokens: `https://oauth2.googleapis.com/token` is not of its universe `example.test` / hint: gcloud auth application-default login
    Google's, another is set: 4: error: `~/credential.json` is of the universe `googleapis.com`, and `core/universe_domain` is `example.test` / caused by: a token is sent to no other universe than its own / hint: unset CLOUDSDK_CORE_UNIVERSE_DOMAIN
    ");
}

/// A proxy that is set for gcloud carries every request beyond this machine, its password unseen.
#[test]
fn a_proxy_that_is_set_is_asked_for_a_tunnel() {
    let proxy = FakeServer::in_turn([Answer::Full(403, "text/plain", "no".to_owned())]);
    let port = proxy.endpoint.trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
    let mut set_up = SetUp::new();
    for (name, value) in [
        ("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.bare"),
        ("CLOUDSDK_PROXY_TYPE", "http"),
        ("CLOUDSDK_PROXY_ADDRESS", "127.0.0.1"),
        ("CLOUDSDK_PROXY_PORT", &port),
        ("CLOUDSDK_PROXY_USERNAME", "dev"),
        ("CLOUDSDK_PROXY_PASSWORD", SECRET),
    ] {
        set_up.world.set(name, value);
    }
    let said = set_up.said(&["policy", "us-central1/orders", "--timeout", "2s", "-v"]);
    assert!(said.starts_with("1: "), "{said}");
    let asked = proxy.requests();
    assert!(asked[0].starts_with("CONNECT run.googleapis.com:443 HTTP/1.1"), "{asked:?}");
    assert!(asked[0].to_lowercase().contains("proxy-authorization: basic "), "{asked:?}");
    assert!(!asked[0].contains("ya29"), "{asked:?}");
}
