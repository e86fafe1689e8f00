"""google-api-python-client, with the discovery documents it brings along, against ENDPOINT."""

import os

import google.auth.credentials
from googleapiclient import discovery, errors

ENDPOINT = os.environ["ENDPOINT"]
HOME = "projects/sandbox-project/locations/us-central1"


class Token(google.auth.credentials.AnonymousCredentials):
    def before_request(self, request, method, url, headers):
        headers["authorization"] = "Bearer opaque"


def api(name, version):
    return discovery.build(
        name,
        version,
        credentials=Token(),
        static_discovery=True,
        client_options={"api_endpoint": ENDPOINT},
    )


def refused(status, message, call):
    try:
        call.execute()
    except errors.HttpError as error:
        assert error.status_code == status and message in error.reason, error
    else:
        raise AssertionError(f"not refused: {message}")


run1 = api("run", "v1")
services = run1.projects().locations().services()
page = services.list(parent="projects/sandbox-project/locations/-", limit=5).execute()
assert len(page["items"]) == 5 and page["metadata"]["continue"], page["metadata"]
orders = services.list(
    parent="projects/sandbox-project/locations/-",
    labelSelector="cloud.googleapis.com/location = europe-west1",
).execute()
assert [item["metadata"]["name"] for item in orders["items"]] == ["orders"]
name = f"{HOME}/services/hello"
hello = services.get(name=name).execute()
hello["metadata"]["annotations"]["run.googleapis.com/ingress"] = "internal"
replaced = services.replaceService(name=name, body=hello).execute()
assert replaced["metadata"]["annotations"]["run.googleapis.com/ingress-status"] == "internal"
refused(409, "Conflict for resource 'hello'", services.replaceService(name=name, body=hello))
policy = services.getIamPolicy(resource=name, options_requestedPolicyVersion=3).execute()
policy["bindings"] = [{"role": "roles/run.invoker", "members": ["user:ana@example.com"]}]
body = {"policy": policy}
assert services.setIamPolicy(resource=name, body=body).execute()["bindings"] == policy["bindings"]
refused(409, "There were concurrent policy changes", services.setIamPolicy(resource=name, body=body))
refused(404, "does not exist", services.get(name=f"{HOME}/services/nosuch"))
locations = run1.projects().locations().list(name="projects/sandbox-project", pageSize=100).execute()
assert len(locations["locations"]) == 48
mappings = run1.projects().locations().domainmappings().list(parent=HOME).execute()
assert len(mappings["items"]) == 2
revisions = run1.projects().locations().revisions().list(parent=HOME, limit=3).execute()
assert len(revisions["items"]) == 3
print("run v1: list, labels, replace, conflict, policy, locations, domain mappings, revisions")

services = api("run", "v2").projects().locations().services()
hello = services.get(name=name).execute()
assert hello["ingress"] == "INGRESS_TRAFFIC_INTERNAL_ONLY", hello["ingress"]
patch = services.patch(name=name, updateMask="labels", body={"labels": {"a": "b"}}).execute()
operations = api("run", "v2").projects().locations().operations()
assert operations.wait(name=patch["name"], body={}).execute()["done"]
refused(
    400,
    'Unknown name "lables" at \'service\': Cannot find field.',
    services.patch(name=name, body={"lables": {}}),
)
print("run v2: get, patch, wait, unknown field")

manager = api("cloudresourcemanager", "v3")
project = manager.projects().get(name="projects/sandbox-project").execute()
folder = manager.folders().get(name=project["parent"]).execute()
organization = manager.organizations().get(name=folder["parent"]).execute()
assert organization["displayName"] == "example.com"
for resources, resource in [
    (manager.projects(), "projects/sandbox-project"),
    (manager.folders(), folder["name"]),
    (manager.organizations(), organization["name"]),
]:
    policy = resources.getIamPolicy(
        resource=resource, body={"options": {"requestedPolicyVersion": 3}}
    ).execute()
    policy["bindings"].append({"role": "roles/run.invoker", "members": ["user:ana@example.com"]})
    resources.setIamPolicy(resource=resource, body={"policy": policy}).execute()
    asked = {"permissions": [f"resourcemanager.{resource.split('/')[0]}.getIamPolicy"]}
    assert resources.testIamPermissions(resource=resource, body=asked).execute() == asked
print("resource manager v3: projects, folders, organizations")

iam = api("iam", "v1")
accounts = iam.projects().serviceAccounts()
made = accounts.create(name="projects/sandbox-project", body={"accountId": "from-python"}).execute()
assert accounts.get(name=made["name"]).execute() == made
assert made["email"] in [
    account["email"]
    for account in accounts.list(name="projects/sandbox-project").execute()["accounts"]
]
role = iam.roles().get(name="roles/run.servicesInvoker").execute()
assert role["includedPermissions"] == ["run.routes.invoke"]
print("iam v1: service accounts, roles")
