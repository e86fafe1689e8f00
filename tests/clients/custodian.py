"""Cloud Custodian (c7n-gcp) against the sandbox at PORT, which serves TLS by the authority in CA.

Custodian has no option for another endpoint: names of Google's are resolved to this machine here, and
nothing of it is changed.
"""

import json
import os
import socket
import sys
import tempfile
from pathlib import Path

PORT, CA = int(os.environ["PORT"]), os.environ["CA"]
resolve, Plain = socket.getaddrinfo, socket.socket


def place(host, port):
    is_googles = isinstance(host, str) and host.endswith("googleapis.com")
    return ("127.0.0.1", PORT) if is_googles else (host, port)


def resolved(host, port, *rest, **named):
    return resolve(*place(host, port), *rest, **named)


class Here(Plain):
    # One of its libraries looks a name up and then connects by the name all the same.
    def connect(self, address):
        return super().connect(place(*address))


socket.getaddrinfo, socket.socket = resolved, Here

home = Path(tempfile.mkdtemp())
(home / "adc.json").write_text(
    json.dumps(
        {
            "type": "authorized_user",
            "client_id": "32555940559.apps.googleusercontent.com",
            "client_secret": "x",
            "refresh_token": "1//sandbox:you@example.com",
        }
    )
)
os.environ.update(
    GOOGLE_APPLICATION_CREDENTIALS=str(home / "adc.json"),
    GOOGLE_CLOUD_PROJECT="sandbox-project",
    HTTPLIB2_CA_CERTS=CA,
    REQUESTS_CA_BUNDLE=CA,
)

PUBLIC = {
    "type": "iam-policy",
    "doc": {
        "key": "bindings[*].members[]",
        "op": "intersect",
        "value": ["allUsers", "allAuthenticatedUsers"],
    },
}
POLICIES = [
    ("public", "gcp.cloud-run-service", [PUBLIC], [], {"storefront", "catalog", "reports"}),
    (
        "label",
        "gcp.cloud-run-service",
        [{"type": "value", "key": "metadata.name", "value": "hello"}],
        [{"type": "set-labels", "labels": {"owner": "web"}}],
        {"hello"},
    ),
    (
        "labelled",
        "gcp.cloud-run-service",
        [{"type": "value", "key": "labels.owner", "value": "web"}],
        [],
        {"hello"},
    ),
    ("jobs", "gcp.cloud-run-job", [], [], {"nightly", "import"}),
    ("revisions", "gcp.cloud-run-revision", [], [], None),
    ("accounts", "gcp.service-account", [], [], None),
    ("projects", "gcp.project", [], [], None),
    ("roles", "gcp.project-role", [], [], None),
    ("apis", "gcp.service", [], [], None),
]

from c7n.cli import main  # noqa: E402  (what it imports resolves names)

for name, kind, filters, actions, wanted in POLICIES:
    file = home / f"{name}.json"
    policy = {"name": name, "resource": kind, "filters": filters, "actions": actions}
    file.write_text(json.dumps({"policies": [policy]}))
    sys.argv = ["custodian", "run", "--cache-period=0", "-s", str(home / "out"), str(file)]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, f"{name}: exit {ended.code}"
    found = json.loads((home / "out" / name / "resources.json").read_text())
    if wanted is None:
        assert found, name
    else:
        names = {one["metadata"]["name"] for one in found}
        assert names == wanted, (name, names)
print("custodian: services by policy, labels set and found, jobs, revisions, accounts, projects, roles, APIs")
