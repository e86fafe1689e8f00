use std::collections::BTreeMap;
use std::fs;

use rusqlite::Connection;
use time::macros::datetime;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-22 14:00 UTC);

struct SetUp {
    home: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

impl SetUp {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join(".config/gcloud/configurations")).unwrap();
        let off = ("NO_GCE_CHECK".to_owned(), "true".to_owned());
        Self { home, variables: BTreeMap::from([off]) }
    }

    fn write(self, name: &str, text: &str) -> Self {
        fs::write(self.home.path().join(".config/gcloud").join(name), text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn logged_in(self, account: &str) -> Self {
        let db = Connection::open(self.home.path().join(".config/gcloud/credentials.db")).unwrap();
        db.execute_batch(
            "CREATE TABLE IF NOT EXISTS credentials (account_id TEXT PRIMARY KEY, value BLOB)",
        )
        .unwrap();
        let user =
            r#"{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r"}"#;
        db.execute("INSERT INTO credentials VALUES (?1, ?2)", (account, user)).unwrap();
        self
    }

    fn identify(&self, request: &IdentityRequest) -> Result<Identity, AuthError> {
        let properties = Properties::load(self.variables.clone(), self.home.path(), None).unwrap();
        identify(
            request,
            &properties,
            &TokenOptions { cache: None, clock: || NOW, network: Network::default() },
        )
    }

    fn source(&self) -> String {
        match self.identify(&IdentityRequest::default()) {
            Ok(identity) => identity.source.replace(self.home.path().to_str().unwrap(), "~"),
            Err(error) => error.to_string(),
        }
    }
}

#[tokio::test]
async fn the_first_of_the_documented_order_wins() {
    let adc =
        r#"{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r"}"#;
    let set_up = SetUp::new();
    assert_eq!(set_up.source(), "no credentials were found");
    let set_up = set_up.write("application_default_credentials.json", adc);
    assert_eq!(
        set_up.source(),
        "Application Default Credentials in `~/.config/gcloud/application_default_credentials.json`"
    );
    let set_up = set_up
        .write("configurations/config_default", "[core]\naccount = dev@x.com\n")
        .logged_in("dev@x.com");
    assert_eq!(
        set_up.source(),
        "gcloud's account `dev@x.com`, named by gcloud configuration `default`"
    );
    let path = set_up.home.path().join("token");
    fs::write(&path, "ya29.file\n").unwrap();
    let set_up = set_up.variable("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", path.to_str().unwrap());
    assert_eq!(set_up.source(), "`~/token` (auth/access_token_file)");
    let set_up = set_up.variable("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.env");
    assert_eq!(set_up.source(), "`CLOUDSDK_AUTH_ACCESS_TOKEN`");
    let named = IdentityRequest { account: Some("dev@x.com".into()), ..IdentityRequest::default() };
    assert_eq!(set_up.identify(&named).unwrap().account.as_deref(), Some("dev@x.com"));
}

#[tokio::test]
async fn an_account_that_is_not_there_is_never_replaced_by_another() {
    let set_up = SetUp::new()
        .write("application_default_credentials.json", "{}")
        .write("configurations/config_default", "[core]\naccount = gone@x.com\n")
        .logged_in("dev@x.com");
    match set_up.identify(&IdentityRequest::default()) {
        Err(AuthError::NoSuchAccount { account, known }) => {
            assert_eq!(
                (account.as_str(), known.as_slice()),
                ("gone@x.com", &["dev@x.com".to_owned()][..])
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn no_token_is_ever_quoted() {
    let set_up = SetUp::new().variable("CLOUDSDK_AUTH_ACCESS_TOKEN", "se cret");
    let error = set_up.identify(&IdentityRequest::default()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("cret"));
    let token = BearerToken::new("secret").unwrap();
    assert!(!format!("{token:?}").contains("secret"));
}
