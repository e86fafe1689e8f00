//! Programs for callers: each gets an ID token for the service and sends it with a request.

use crate::domain::caller::Via;
use crate::domain::error::quoted;

/// The language of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Curl,
    Go,
    Node,
    Python,
}

impl Language {
    pub const ALL: [Self; 4] = [Self::Python, Self::Node, Self::Go, Self::Curl];

    /// The name of the language.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Go => "go",
            Self::Node => "node",
            Self::Python => "python",
        }
    }

    /// The title of the program, with a suggested file name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Curl => "curl, on Cloud Run or any machine of Google's (call.sh)",
            Self::Go => "Go (call.go)",
            Self::Node => "Node (call.mjs)",
            Self::Python => "Python (call.py)",
        }
    }

    /// The program that calls `url` with a token for `audience`, using the Google libraries that
    /// Google's documentation names. Outside Google's machines these libraries use the application
    /// default credentials.
    ///
    /// With a `delegate`, the token is for that account, and the caller's own credential requests it.
    pub fn program(self, url: &str, audience: &str, delegate: Option<&str>) -> String {
        let template = match (self, delegate) {
            (Self::Python, None) => PYTHON,
            (Self::Python, Some(_)) => PYTHON_AS,
            (Self::Node, None) => NODE,
            (Self::Node, Some(_)) => NODE_AS,
            (Self::Go, None) => GO,
            (Self::Go, Some(_)) => GO_AS,
            (Self::Curl, None) => CURL,
            (Self::Curl, Some(_)) => CURL_AS,
        };
        let text = |text: &str| match self {
            Self::Curl => quoted(text),
            _ => serde_json::Value::from(text).to_string(),
        };
        let filled = template.replace("{URL}", &text(url)).replace("{AUDIENCE}", &text(audience));
        filled.replace("{ACCOUNT}", &text(delegate.unwrap_or_default()))
    }
}

const PYTHON: &str = r#"# pip install google-auth requests
import google.auth.transport.requests
import google.oauth2.id_token
import requests

URL = {URL}
AUDIENCE = {AUDIENCE}


def call(path="/"):
    """Calls the service with a fresh or kept ID token of the account that this runs as."""
    request = google.auth.transport.requests.Request()
    token = google.oauth2.id_token.fetch_id_token(request, AUDIENCE)
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(URL + path, headers=headers, timeout=30)


if __name__ == "__main__":
    answer = call()
    print(answer.status_code, answer.text)
"#;

const NODE: &str = r#"// npm install google-auth-library
import { GoogleAuth } from "google-auth-library";

const url = {URL};
const audience = {AUDIENCE};

// Keeps its ID token, and renews it in time.
const client = await new GoogleAuth().getIdTokenClient(audience);
const answer = await client.request({ url: `${url}/` });
console.log(answer.status, answer.data);
"#;

const GO: &str = r#"// go get google.golang.org/api/idtoken
package main

import (
	"context"
	"fmt"
	"io"
	"log"

	"google.golang.org/api/idtoken"
)

const (
	url      = {URL}
	audience = {AUDIENCE}
)

func main() {
	// Keeps its ID token, and renews it in time.
	client, err := idtoken.NewClient(context.Background(), audience)
	if err != nil {
		log.Fatal(err)
	}
	answer, err := client.Get(url + "/")
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.StatusCode, string(body))
}
"#;

const CURL: &str = r#"#!/bin/sh
set -eu
URL={URL}
AUDIENCE={AUDIENCE}
METADATA="http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1"

TOKEN=$(curl --silent --show-error --fail --get --header 'Metadata-Flavor: Google' \
    --data-urlencode "audience=$AUDIENCE" \
    "$METADATA/instance/service-accounts/default/identity")
# By standard input, so that the token is in no list of processes.
printf 'Authorization: Bearer %s\n' "$TOKEN" |
    curl --silent --show-error --header @- --write-out '\n%{http_code}\n' "$URL/"
"#;

const PYTHON_AS: &str = r#"# pip install google-auth requests
import google.auth
import google.auth.impersonated_credentials
import google.auth.transport.requests
import requests

URL = {URL}
AUDIENCE = {AUDIENCE}
ACCOUNT = {ACCOUNT}

# The caller's own credential, which may have ID tokens of ACCOUNT.
own, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
account = google.auth.impersonated_credentials.Credentials(own, ACCOUNT, target_scopes=[])
credentials = google.auth.impersonated_credentials.IDTokenCredentials(
    account, target_audience=AUDIENCE, include_email=True
)


def call(path="/"):
    """Calls the service with a fresh or kept ID token of ACCOUNT."""
    if not credentials.valid:
        credentials.refresh(google.auth.transport.requests.Request())
    headers = {"Authorization": f"Bearer {credentials.token}"}
    return requests.get(URL + path, headers=headers, timeout=30)


if __name__ == "__main__":
    answer = call()
    print(answer.status_code, answer.text)
"#;

const NODE_AS: &str = r#"// npm install google-auth-library
import { GoogleAuth, Impersonated } from "google-auth-library";

const url = {URL};
const audience = {AUDIENCE};
const account = {ACCOUNT};

// The caller's own credential, which may have ID tokens of the account.
const scopes = "https://www.googleapis.com/auth/cloud-platform";
const sourceClient = await new GoogleAuth({ scopes }).getClient();
const client = new Impersonated({ sourceClient, targetPrincipal: account, targetScopes: [] });
const token = await client.fetchIdToken(audience, { includeEmail: true });
const answer = await fetch(`${url}/`, { headers: { Authorization: `Bearer ${token}` } });
console.log(answer.status, await answer.text());
"#;

const GO_AS: &str = r#"// go get google.golang.org/api/impersonate golang.org/x/oauth2
package main

import (
	"context"
	"fmt"
	"io"
	"log"

	"golang.org/x/oauth2"
	"google.golang.org/api/impersonate"
)

const (
	url      = {URL}
	audience = {AUDIENCE}
	account  = {ACCOUNT}
)

func main() {
	ctx := context.Background()
	// Asks with the caller's own credential, and renews the ID token in time.
	tokens, err := impersonate.IDTokenSource(ctx, impersonate.IDTokenConfig{
		Audience:        audience,
		TargetPrincipal: account,
		IncludeEmail:    true,
	})
	if err != nil {
		log.Fatal(err)
	}
	answer, err := oauth2.NewClient(ctx, tokens).Get(url + "/")
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.StatusCode, string(body))
}
"#;

const CURL_AS: &str = r#"#!/bin/sh
set -eu
URL={URL}
AUDIENCE={AUDIENCE}
ACCOUNT={ACCOUNT}
METADATA="http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1"
IAM="https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/$ACCOUNT"

field() { tr -d '\n' | sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"; }

OWN=$(curl --silent --show-error --fail --header 'Metadata-Flavor: Google' \
    "$METADATA/instance/service-accounts/default/token" | field access_token)
# By standard input, so that no token is in a list of processes.
TOKEN=$(printf 'Authorization: Bearer %s\n' "$OWN" |
    curl --silent --show-error --fail --header @- --header 'Content-Type: application/json' \
        --data "{\"audience\": \"$AUDIENCE\", \"includeEmail\": true}" "$IAM:generateIdToken" |
    field token)
printf 'Authorization: Bearer %s\n' "$TOKEN" |
    curl --silent --show-error --header @- --write-out '\n%{http_code}\n' "$URL/"
"#;

/// The configuration of a Google service as the caller, with placeholders in capitals to fill in.
/// `account` is the account whose token is sent.
pub fn set_up(
    via: Via,
    (url, audience): (&str, &str),
    account: &str,
    (project, region, service): (&str, &str, &str),
) -> String {
    let lines = |first: &str, flags: &[String]| {
        let flags: Vec<String> = flags.iter().map(|flag| format!("    {}", quoted(flag))).collect();
        format!("{first} \\\n{}\n", flags.join(" \\\n"))
    };
    let (to, project) = (format!("{url}/"), format!("--project={project}"));
    match via {
        Via::PubSub => lines(
            "gcloud pubsub subscriptions create SUBSCRIPTION --topic=TOPIC",
            &[
                format!("--push-endpoint={to}"),
                format!("--push-auth-service-account={account}"),
                format!("--push-auth-token-audience={audience}"),
                project,
            ],
        ),
        Via::Scheduler => lines(
            &format!(
                "gcloud scheduler jobs create http JOB --schedule='0 * * * *' --location={region}"
            ),
            &[
                format!("--uri={to}"),
                format!("--oidc-service-account-email={account}"),
                format!("--oidc-token-audience={audience}"),
                project,
            ],
        ),
        Via::Tasks => lines(
            &format!("gcloud tasks create-http-task --queue=QUEUE --location={region}"),
            &[
                format!("--url={to}"),
                format!("--oidc-service-account-email={account}"),
                format!("--oidc-token-audience={audience}"),
                project,
            ],
        ),
        Via::Eventarc => lines(
            &format!(
                "gcloud eventarc triggers create TRIGGER --location={region} \
                 --event-filters=type=google.cloud.pubsub.topic.v1.messagePublished"
            ),
            &[
                format!("--destination-run-service={service}"),
                format!("--destination-run-region={region}"),
                format!("--service-account={account}"),
                project,
            ],
        ),
        Via::Workflows => format!(
            "# gcloud workflows deploy WORKFLOW --source=FILE --location={region} {project} \\\n\
             #     --service-account={account}\n\
             - call_{}:\n    call: http.get\n    args:\n      url: {to}\n      auth:\n        type: \
             OIDC\n        audience: {audience}\n    result: answer\n",
            service.replace('-', "_")
        ),
    }
}
