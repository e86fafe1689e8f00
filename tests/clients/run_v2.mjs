// @google-cloud/run over REST against the sandbox named by ENDPOINT.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.MODULES}/`);
const { ServicesClient, JobsClient, RevisionsClient } = require("@google-cloud/run");
const { GoogleAuth, OAuth2Client } = require("google-auth-library");

const endpoint = new URL(process.env.ENDPOINT);
const home = "projects/sandbox-project/locations/us-central1";
const hello = `${home}/services/hello`;

const account = new OAuth2Client();
account.setCredentials({ access_token: "opaque", expiry_date: Date.now() + 3_600_000 });
const options = {
  auth: new GoogleAuth({ authClient: account }),
  fallback: true,
  protocol: "http",
  apiEndpoint: endpoint.hostname,
  port: Number(endpoint.port),
};
const services = new ServicesClient(options);
const jobs = new JobsClient(options);
const revisions = new RevisionsClient(options);

// A code is that of google.rpc.Code where the client maps it, and of HTTP where it does not.
async function refused(codes, message, call) {
  await assert.rejects(call, (error) => {
    assert.ok(error.message.includes(message), error.message);
    assert.ok(codes.includes(error.code), `${error.code}`);
    return true;
  });
}

const names = [];
for await (const service of services.listServicesAsync({ parent: home, pageSize: 4 })) {
  names.push(service.name);
}
assert.equal(names.length, 11);
const [read] = await services.getService({ name: hello });
assert.equal(read.uri, "https://hello-k4qx7v2nza-uc.a.run.app");
assert.equal(read.ingress, "INGRESS_TRAFFIC_ALL");
await refused([5, 404], "Resource 'nosuch' of kind 'SERVICE'", () =>
  services.getService({ name: `${home}/services/nosuch` }),
);
console.log("services: list, get, errors");

const versioned = { resource: hello, options: { requestedPolicyVersion: 3 } };
const [policy] = await services.getIamPolicy(versioned);
policy.bindings = [{ role: "roles/run.invoker", members: ["user:ana@example.com"] }];
const [set] = await services.setIamPolicy({ resource: hello, policy });
assert.deepEqual(set.bindings[0].members, ["user:ana@example.com"]);
await refused([10, 409], "There were concurrent policy changes", () =>
  services.setIamPolicy({ resource: hello, policy }),
);
const [held] = await services.testIamPermissions({
  resource: hello,
  permissions: ["run.routes.invoke"],
});
assert.deepEqual(held.permissions, ["run.routes.invoke"]);
console.log("policies: set, conflict, permissions");

const [update] = await services.updateService({
  service: { name: hello, invokerIamDisabled: true },
  updateMask: { paths: ["invoker_iam_disabled"] },
});
const [updated] = await update.promise();
assert.equal(updated.invokerIamDisabled, true);
const [create] = await services.createService({
  parent: home,
  serviceId: "from-node",
  service: { template: { containers: [{ image: "i" }] } },
});
const [made] = await create.promise();
const [found] = await revisions.listRevisions({ parent: made.name });
assert.equal(found.length, 1);
const [gone] = await services.deleteService({ name: made.name });
await gone.promise();
await refused([5, 404], "does not exist", () => services.getService({ name: made.name }));
console.log("changes: update, create, revisions, delete");

const [start] = await jobs.createJob({
  parent: home,
  jobId: "hourly",
  job: { template: { template: { containers: [{ image: "i" }] } } },
});
const [job] = await start.promise();
const [all] = await jobs.listJobs({ parent: home });
assert.equal(all[0].name, job.name);
console.log("jobs: create, list");
