"""google-cloud-asset (REST transport) against ENDPOINT."""

import os

from google.auth.credentials import AnonymousCredentials
from google.cloud import asset_v1
from google.cloud.asset_v1.services.asset_service.transports import AssetServiceRestTransport
from google.api_core import exceptions

HOST = os.environ["ENDPOINT"].removeprefix("http://")
SCOPE = "organizations/433637338589"


class Token(AnonymousCredentials):
    def before_request(self, request, method, url, headers):
        headers["authorization"] = "Bearer opaque"


assets = asset_v1.AssetServiceClient(
    transport=AssetServiceRestTransport(host=HOST, url_scheme="http", credentials=Token())
)

found = list(
    assets.search_all_resources(
        request={
            "scope": SCOPE,
            "asset_types": ["run.googleapis.com/Service"],
            "read_mask": "name,location,versionedResources,effectiveTags",
            "page_size": 4,
        }
    )
)
hello = [one for one in found if one.name.endswith("/services/hello")][0]
assert hello.location == "us-central1", hello
assert hello.versioned_resources[0].resource["kind"] == "Service", hello
assert hello.effective_tags[0].effective_tags[0].tag_key == "433637338589/environment"

found = list(
    assets.search_all_iam_policies(
        request={"scope": SCOPE, "query": "policy.role.permissions:run.routes.invoke"}
    )
)
assert any(one.explanation.matched_permissions for one in found), found

listed = list(
    assets.list_assets(
        request={
            "parent": "projects/sandbox-project",
            "content_type": asset_v1.ContentType.IAM_POLICY,
            "page_size": 5,
        }
    )
)
assert any(one.asset_type == "iap.googleapis.com/WebService" for one in listed), listed

answer = assets.batch_get_effective_iam_policies(
    request={"scope": SCOPE, "names": [hello.name]}
)
attached = [one.attached_resource for one in answer.policy_results[0].policies]
assert attached[-1].endswith("organizations/433637338589"), attached

try:
    assets.search_all_resources(request={"scope": SCOPE, "query": "name:("})
except exceptions.BadRequest as error:
    assert "Invalid query" in error.message
else:
    raise AssertionError("not refused")
print("cloud asset: both searches, lists by content, effective policies, a bad query")
