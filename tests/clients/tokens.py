"""google-auth for Python against the sandbox's issuer: every way to a token that it has."""

import base64
import json
import os
import urllib.request

from google.auth import compute_engine, impersonated_credentials, jwt
from google.auth.transport.requests import Request
from google.oauth2 import credentials, service_account

ENDPOINT = os.environ["ENDPOINT"]
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
CI = "ci@sandbox-project.iam.gserviceaccount.com"
RUNNER = "runner@sandbox-project.iam.gserviceaccount.com"
COMPUTE = "123456789012-compute@developer.gserviceaccount.com"
request = Request()


def post(path, body):
    headers = {"Authorization": "Bearer opaque", "Content-Type": "application/json"}
    asked = urllib.request.Request(ENDPOINT + path, json.dumps(body).encode(), headers)
    return json.load(urllib.request.urlopen(asked))


def claims(token):
    return jwt.decode(token, verify=False)


key = post(f"/v1/projects/-/serviceAccounts/{CI}/keys", {})
info = json.loads(base64.b64decode(key["privateKeyData"]))
of_key = service_account.IDTokenCredentials.from_service_account_info(
    info, target_audience="https://x"
)
of_key.refresh(request)
assert claims(of_key.token)["email"] == CI and claims(of_key.token)["aud"] == "https://x"
of_key = service_account.Credentials.from_service_account_info(info, scopes=SCOPES)
of_key.refresh(request)
assert of_key.token
print("a service account's key")

machine = compute_engine.Credentials()
for _ in range(2):  # The second time it asks by the address.
    machine.refresh(request)
assert machine.service_account_email == COMPUTE
machine = compute_engine.IDTokenCredentials(
    request, "https://x", use_metadata_identity_endpoint=True
)
machine.refresh(request)
assert claims(machine.token)["email"] == COMPUTE
print("the metadata server")

user = credentials.Credentials(
    None,
    refresh_token="1//sandbox:you@example.com",
    token_uri=ENDPOINT + "/token",
    client_id="32555940559.apps.googleusercontent.com",
    client_secret="s",
)
user.refresh(request)
assert claims(user.id_token)["email"] == "you@example.com"
acting = impersonated_credentials.Credentials(
    user,
    RUNNER,
    SCOPES,
    iam_endpoint_override=f"{ENDPOINT}/v1/projects/-/serviceAccounts/{RUNNER}:generateAccessToken",
)
acting.refresh(request)
assert acting.token and acting.valid
print("a user, and a user acting as a service account")
