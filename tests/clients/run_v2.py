"""google-cloud-run (REST transport) against the sandbox named by ENDPOINT."""

import os

from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2
from google.cloud.run_v2.services.jobs.transports import JobsRestTransport
from google.cloud.run_v2.services.revisions.transports import RevisionsRestTransport
from google.cloud.run_v2.services.services.transports import ServicesRestTransport
from google.iam.v1 import iam_policy_pb2, options_pb2, policy_pb2
from google.protobuf import field_mask_pb2
from google.type import expr_pb2

HOST = os.environ["ENDPOINT"].removeprefix("http://")
HOME = "projects/sandbox-project/locations/us-central1"
HELLO = f"{HOME}/services/hello"


class Token(AnonymousCredentials):
    def before_request(self, request, method, url, headers):
        headers["authorization"] = "Bearer opaque"


def client(kind, transport):
    return kind(transport=transport(host=HOST, url_scheme="http", credentials=Token()))


services = client(run_v2.ServicesClient, ServicesRestTransport)
revisions = client(run_v2.RevisionsClient, RevisionsRestTransport)
jobs = client(run_v2.JobsClient, JobsRestTransport)


def refused(kind, message, call):
    try:
        call()
    except kind as error:
        assert message in error.message, error.message
    else:
        raise AssertionError(f"not refused: {message}")


def policy_of(resource):
    options = options_pb2.GetPolicyOptions(requested_policy_version=3)
    return services.get_iam_policy(
        iam_policy_pb2.GetIamPolicyRequest(resource=resource, options=options)
    )


def set_policy(resource, policy):
    return services.set_iam_policy(
        iam_policy_pb2.SetIamPolicyRequest(resource=resource, policy=policy)
    )


# Services: list by pages, get, and the text of an error.
names = [s.name for s in services.list_services(run_v2.ListServicesRequest(parent=HOME, page_size=4))]
assert len(names) == 11 and HELLO in names, names
hello = services.get_service(name=HELLO)
assert hello.uri == "https://hello-k4qx7v2nza-uc.a.run.app", hello.uri
assert hello.ingress == run_v2.IngressTraffic.INGRESS_TRAFFIC_ALL
refused(
    exceptions.NotFound,
    "Resource 'nosuch' of kind 'SERVICE' in region 'us-central1' in project 'sandbox-project' "
    "does not exist.",
    lambda: services.get_service(name=f"{HOME}/services/nosuch"),
)
refused(
    exceptions.Forbidden,
    "denied on resource 'projects/nosuch'",
    lambda: services.get_service(name="projects/nosuch/locations/us-central1/services/a"),
)
print("services: list, get, errors")

# Policies: etags, conditions, conflicts.
policy = policy_of(HELLO)
policy.bindings.append(policy_pb2.Binding(role="roles/run.invoker", members=["user:ana@example.com"]))
after = set_policy(HELLO, policy)
assert after.bindings[0].members == ["user:ana@example.com"], after
refused(exceptions.Conflict, "There were concurrent policy changes", lambda: set_policy(HELLO, policy))
fresh = policy_of(HELLO)
fresh.version = 3
condition = expr_pb2.Expr(title="t", expression='request.path == "/a"')
fresh.bindings.append(
    policy_pb2.Binding(role="roles/run.invoker", members=["user:ben@example.com"], condition=condition)
)
set_policy(HELLO, fresh)
kept = policy_of(HELLO)
assert kept.version == 3 and kept.bindings[1].condition.title == "t", kept
asked = iam_policy_pb2.TestIamPermissionsRequest(resource=HELLO, permissions=["run.routes.invoke"])
assert services.test_iam_permissions(asked).permissions == ["run.routes.invoke"]
print("policies: set, conflict, condition, permissions")

# Changes wait for their operation.
hello = services.get_service(name=HELLO)
hello.invoker_iam_disabled = True
mask = field_mask_pb2.FieldMask(paths=["invoker_iam_disabled"])
done = services.update_service(run_v2.UpdateServiceRequest(service=hello, update_mask=mask)).result(timeout=30)
assert done.invoker_iam_disabled and services.get_service(name=HELLO).invoker_iam_disabled
stale = run_v2.UpdateServiceRequest(service=hello, update_mask=mask)
refused(exceptions.Conflict, "Conflict for resource 'hello'", lambda: services.update_service(stale))
new = run_v2.Service(template=run_v2.RevisionTemplate(containers=[run_v2.Container(image="i")]))
made = services.create_service(parent=HOME, service=new, service_id="from-python").result(timeout=30)
assert made.name == f"{HOME}/services/from-python", made.name
assert [r.service for r in revisions.list_revisions(parent=made.name)] == ["from-python"]
services.delete_service(name=made.name).result(timeout=30)
refused(exceptions.NotFound, "does not exist", lambda: services.get_service(name=made.name))
print("changes: update, stale, create, revisions, delete")

# Jobs.
task = run_v2.TaskTemplate(containers=[run_v2.Container(image="i")])
job = run_v2.Job(template=run_v2.ExecutionTemplate(template=task))
made = jobs.create_job(parent=HOME, job=job, job_id="hourly").result(timeout=30)
assert [j.name for j in jobs.list_jobs(parent=HOME)][0] == made.name
jobs.delete_job(name=made.name).result(timeout=30)
print("jobs: create, list, delete")
