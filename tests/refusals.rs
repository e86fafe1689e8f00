//! What is said of a refusal: by the reason that Google's APIs give (`google.rpc.ErrorInfo`).

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Answer, FakeServer, Run, World};

/// A refusal in the form that Google documents, as every API sends it.
fn refusal(code: u16, reason: &str, domain: &str, metadata: &Value) -> Answer {
    let status = if code == 401 { "UNAUTHENTICATED" } else { "PERMISSION_DENIED" };
    let body = json!({"error": {"code": code, "message": "Refused.", "status": status, "details": [
        {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": domain,
         "metadata": metadata},
    ]}});
    Answer::Full(code, "application/json", body.to_string())
}

fn against(server: &FakeServer, arguments: &[&str]) -> Run {
    let mut world = World::new();
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &server.endpoint);
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.secret");
    world.set("CLOUDSDK_CORE_PROJECT", "acme-shop");
    world.run(arguments)
}

const REASONS: [(u16, &str); 21] = [
    (401, "ACCESS_TOKEN_EXPIRED"),
    (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
    (401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
    (401, "ACCOUNT_STATE_INVALID"),
    (403, "BILLING_DISABLED"),
    (403, "CONSUMER_INVALID"),
    (403, "CONSUMER_SUSPENDED"),
    (401, "CREDENTIALS_MISSING"),
    (403, "GCP_SUSPENDED"),
    (403, "IAM_PERMISSION_DENIED"),
    (403, "LOCATION_POLICY_VIOLATED"),
    (403, "LOCATION_TAX_POLICY_VIOLATED"),
    (403, "ORG_RESTRICTION_VIOLATION"),
    (429, "RESOURCE_QUOTA_EXCEEDED"),
    (403, "RESOURCE_USAGE_RESTRICTION_VIOLATED"),
    (403, "SECURITY_POLICY_VIOLATED"),
    (403, "SERVICE_DISABLED"),
    (403, "SERVICE_NOT_VISIBLE"),
    (403, "USER_BLOCKED_BY_ADMIN"),
    (403, "USER_PROJECT_DENIED"),
    (403, "A_REASON_OF_NEXT_YEAR"),
];

#[test]
fn each_reason_is_told_for_what_it_is_with_its_own_way_out() {
    let metadata = json!({"service": "run.googleapis.com", "consumer": "projects/211805552417",
        "uid": "vpc-7", "permission": "run.services.list", "quota_limit": "ReadsPerMinute"});
    let mut lines = Vec::new();
    for (code, reason) in REASONS {
        let server = FakeServer::in_turn([refusal(code, reason, "googleapis.com", &metadata)]);
        let run = against(&server, &["url", "orders"]);
        assert_eq!(run.stdout, "", "{reason}");
        lines.push(format!("{reason}: exit {}", run.status));
        lines.extend(run.stderr.lines().skip(1).map(|line| format!("    {line}")));
        // A refusal is an answer: nothing is asked again.
        assert_eq!(server.requests().len(), 1, "{reason}");
    }
    assert_snapshot!(lines.join("\n"), @"
    ACCESS_TOKEN_EXPIRED: exit 4
        caused by: Refused.
        caused by: the access token is expired
        caused by: the credential is that of `CLOUDSDK_AUTH_ACCESS_TOKEN`
    ACCESS_TOKEN_SCOPE_INSUFFICIENT: exit 4
        caused by: Refused.
        caused by: the access token lacks the scope that run.googleapis.com needs, such as `cloud-platform`
        caused by: the credential is that of `CLOUDSDK_AUTH_ACCESS_TOKEN`
    ACCESS_TOKEN_TYPE_UNSUPPORTED: exit 4
        caused by: Refused.
        caused by: run.googleapis.com does not take a token of this type: it takes access tokens
    ACCOUNT_STATE_INVALID: exit 4
        caused by: Refused.
        caused by: the account is disabled or deleted
        hint: gcloud auth list
    BILLING_DISABLED: exit 5
        caused by: Refused.
        caused by: billing is off in project `211805552417`
        hint: gcloud billing projects describe 211805552417
    CONSUMER_INVALID: exit 5
        caused by: Refused.
        caused by: project `211805552417` does not exist, is deleted, or takes no requests
        hint: gcloud projects list
    CONSUMER_SUSPENDED: exit 5
        caused by: Refused.
        caused by: project `211805552417` is suspended: Google's support says why
    CREDENTIALS_MISSING: exit 4
        caused by: Refused.
        caused by: the request carried no credential
        caused by: the credential is that of `CLOUDSDK_AUTH_ACCESS_TOKEN`
    GCP_SUSPENDED: exit 5
        caused by: Refused.
        caused by: project `211805552417` is suspended: Google's support says why
    IAM_PERMISSION_DENIED: exit 5
        caused by: Refused.
        caused by: `run.services.list` is in `roles/run.viewer` and `roles/run.admin`
        hint: runaccess url REGION/orders
        hint: runaccess roles
    LOCATION_POLICY_VIOLATED: exit 5
        caused by: Refused.
        caused by: an organisation policy forbids this location (`constraints/gcp.resourceLocations`)
        hint: gcloud org-policies describe gcp.resourceLocations --effective --project=211805552417
    LOCATION_TAX_POLICY_VIOLATED: exit 5
        caused by: Refused.
        caused by: Google does not serve this billing account in this location
    ORG_RESTRICTION_VIOLATION: exit 5
        caused by: Refused.
        caused by: the organisation restrictions of this network forbid the resource's organisation
    RESOURCE_QUOTA_EXCEEDED: exit 5
        caused by: Refused.
        caused by: quota `ReadsPerMinute` of project `211805552417` is used up
        hint: gcloud beta services quota list --service=run.googleapis.com --consumer=projects/211805552417
    RESOURCE_USAGE_RESTRICTION_VIOLATED: exit 5
        caused by: Refused.
        caused by: an organisation policy forbids run.googleapis.com in project `211805552417` (`constraints/gcp.restrictServiceUsage`)
        hint: gcloud org-policies describe gcp.restrictServiceUsage --effective --project=211805552417
    SECURITY_POLICY_VIOLATED: exit 5
        caused by: Refused.
        caused by: a perimeter of VPC Service Controls refuses it; its administrators find the violation by the ID `vpc-7`
    SERVICE_DISABLED: exit 5
        caused by: Refused.
        caused by: run.googleapis.com is not enabled in project `211805552417`
        hint: gcloud services enable run.googleapis.com --project=211805552417
    SERVICE_NOT_VISIBLE: exit 5
        caused by: Refused.
        caused by: run.googleapis.com is not open to project `211805552417`: it may be a private preview
    USER_BLOCKED_BY_ADMIN: exit 5
        caused by: Refused.
        caused by: an administrator of the organisation blocks the account
        hint: gcloud auth list
    USER_PROJECT_DENIED: exit 5
        caused by: Refused.
        caused by: the account may not use project `211805552417` as its quota project, or the project does not exist (`serviceusage.services.use`, in `roles/serviceusage.serviceUsageConsumer`)
        caused by: `gcloud auth application-default set-quota-project` sets one
        hint: gcloud auth application-default set-quota-project acme-shop
    A_REASON_OF_NEXT_YEAR: exit 5
        caused by: Refused.
        hint: runaccess url REGION/orders
        hint: gcloud auth list
    ");
}

#[test]
fn doctor_knows_the_reason_too() {
    let metadata = json!({"service": "run.googleapis.com", "consumer": "projects/211805552417"});
    let mut lines = Vec::new();
    for (code, reason) in REASONS {
        let refused = refusal(code, reason, "googleapis.com", &metadata);
        let server = FakeServer::start(move |line| {
            if line.contains("/locations") {
                refused.clone()
            } else {
                Answer::error(404, "NOT_FOUND", "No.")
            }
        });
        let run = against(&server, &["doctor", "-o", "json"]);
        let told: Value = serde_json::from_str(&run.stdout).unwrap();
        let (verdict, signature) = (&told["verdict"], &told["signature"]);
        lines.push(format!("{reason}: {} {verdict} {signature} {}", run.status, told["fix"]));
    }
    assert_snapshot!(lines.join("\n"), @r#"
    ACCESS_TOKEN_EXPIRED: 3 "refused" "expired" []
    ACCESS_TOKEN_SCOPE_INSUFFICIENT: 3 "refused" "token-scope" []
    ACCESS_TOKEN_TYPE_UNSUPPORTED: 3 "refused" "token-not-taken" []
    ACCOUNT_STATE_INVALID: 3 "refused" "token-not-taken" ["gcloud auth list"]
    BILLING_DISABLED: 3 "refused" "billing-disabled" ["gcloud billing projects describe 211805552417"]
    CONSUMER_INVALID: 3 "refused" "no-project" ["gcloud projects list"]
    CONSUMER_SUSPENDED: 3 "refused" "project-suspended" []
    CREDENTIALS_MISSING: 3 "refused" "no-credential" []
    GCP_SUSPENDED: 3 "refused" "project-suspended" []
    IAM_PERMISSION_DENIED: 9 "unknown" "no-project" []
    LOCATION_POLICY_VIOLATED: 3 "refused" "organisation-policy" ["gcloud org-policies describe gcp.resourceLocations --effective --project=211805552417"]
    LOCATION_TAX_POLICY_VIOLATED: 3 "refused" "organisation-policy" []
    ORG_RESTRICTION_VIOLATION: 3 "refused" "organisation-policy" []
    RESOURCE_QUOTA_EXCEEDED: 9 "unknown" "unreachable" ["gcloud beta services quota list --service=run.googleapis.com --consumer=projects/211805552417"]
    RESOURCE_USAGE_RESTRICTION_VIOLATED: 3 "refused" "organisation-policy" ["gcloud org-policies describe gcp.restrictServiceUsage --effective --project=211805552417"]
    SECURITY_POLICY_VIOLATED: 3 "refused" "service-perimeter" []
    SERVICE_DISABLED: 3 "refused" "api-disabled" ["gcloud services enable run.googleapis.com --project=211805552417"]
    SERVICE_NOT_VISIBLE: 3 "refused" "no-project" []
    USER_BLOCKED_BY_ADMIN: 3 "refused" "token-not-taken" ["gcloud auth list"]
    USER_PROJECT_DENIED: 3 "refused" "quota-project" ["gcloud auth application-default set-quota-project acme-shop"]
    A_REASON_OF_NEXT_YEAR: 9 "unknown" "no-project" []
    "#);
}

/// What is no answer of the API says nothing of what was asked for.
#[test]
fn what_does_not_tell_stays_unknown() {
    let html = |code| Answer::Full(code, "text/html", "<h1>Sign in to the Wi-Fi</h1>".to_owned());
    let mut lines = Vec::new();
    for (name, answer) in [
        ("a portal", html(200)),
        ("HTML 403", html(403)),
        ("HTML 404", html(404)),
        ("429", Answer::error(429, "RESOURCE_EXHAUSTED", "Slow down.")),
        ("500", Answer::error(500, "INTERNAL", "Oops.")),
        ("503", html(503)),
        ("302", Answer::WithHeader(302, "Location: https://portal.example/", String::new())),
    ] {
        let server = FakeServer::start(move |line| {
            if line.contains("/locations") {
                answer.clone()
            } else {
                Answer::error(404, "NOT_FOUND", "No.")
            }
        });
        let run = against(&server, &["doctor", "-o", "json", "--timeout", "1s"]);
        let told: Value = serde_json::from_str(&run.stdout).unwrap();
        lines.push(format!("{name}: {} {} {}", run.status, told["verdict"], told["signature"]));
    }
    assert_snapshot!(lines.join("\n"), @r#"
    a portal: 9 "unknown" "unreachable"
    HTML 403: 9 "unknown" "unreachable"
    HTML 404: 9 "unknown" "unreachable"
    429: 9 "unknown" "unreachable"
    500: 9 "unknown" "unreachable"
    503: 9 "unknown" "unreachable"
    302: 9 "unknown" "unreachable"
    "#);
}
