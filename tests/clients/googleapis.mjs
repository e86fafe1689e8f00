// googleapis and google-auth-library (Node) against ENDPOINT.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.MODULES}/`);
const { google } = require("googleapis");
const { JWT, OAuth2Client, Impersonated, gaxios } = require("google-auth-library");
const { Gaxios } = gaxios;

const endpoint = process.env.ENDPOINT;
const home = "projects/sandbox-project/locations/us-central1";
const hello = `${home}/services/hello`;
const robot = "runner@sandbox-project.iam.gserviceaccount.com";

const you = new OAuth2Client();
you.setCredentials({ access_token: "opaque", expiry_date: Date.now() + 3_600_000 });
const options = { auth: you, rootUrl: `${endpoint}/` };

async function refused(code, message, call) {
  await assert.rejects(call, (error) => {
    assert.equal(error.status ?? Number(error.code), code, error.message);
    assert.ok(error.message.includes(message), error.message);
    return true;
  });
}

const run2 = google.run({ version: "v2", ...options });
const services = run2.projects.locations.services;
const list = await services.list({ parent: "projects/sandbox-project/locations/-" });
assert.ok(list.data.services.length > 10);
const policy = await services.getIamPolicy({
  resource: hello,
  "options.requestedPolicyVersion": 3,
});
const bindings = [{ role: "roles/run.invoker", members: ["user:ana@example.com"] }];
const set = await services.setIamPolicy({
  resource: hello,
  requestBody: { policy: { ...policy.data, bindings } },
});
assert.deepEqual(set.data.bindings, bindings);
await refused(404, "does not exist", () => services.get({ name: `${home}/services/nosuch` }));
const jobs = run2.projects.locations.jobs;
const ran = await jobs.run({ name: `${home}/jobs/nightly`, requestBody: {} });
const done = await run2.projects.locations.operations.wait({ name: ran.data.name, requestBody: {} });
assert.equal(done.data.done, true);
const executions = await jobs.executions.list({ parent: `${home}/jobs/nightly` });
assert.equal(executions.data.executions.length, 1);
const revisions = await services.revisions.list({ parent: `${home}/services/-` });
assert.ok(revisions.data.revisions.length > 5);
console.log("googleapis, run v2: list of all regions, policy, missing, jobs, executions, revisions");

const run1 = google.run({ version: "v1", ...options });
const page = await run1.projects.locations.services.list({
  parent: "projects/sandbox-project/locations/-",
  limit: 3,
});
assert.equal(page.data.items.length, 3);
const manager = google.cloudresourcemanager({ version: "v3", ...options });
assert.equal((await manager.projects.search({})).data.projects.length, 3);
const iam = google.iam({ version: "v1", ...options });
await iam.projects.serviceAccounts.disable({ name: `projects/-/serviceAccounts/${robot}` });
await iam.projects.serviceAccounts.enable({ name: `projects/-/serviceAccounts/${robot}` });
const usage = google.serviceusage({ version: "v1", ...options });
const on = await usage.services.list({ parent: "projects/sandbox-project", filter: "state:ENABLED" });
assert.ok(on.data.services.some((one) => one.config.name === "run.googleapis.com"));
const assets = google.cloudasset({ version: "v1", ...options });
const open = await assets.v1.searchAllIamPolicies({
  scope: "organizations/433637338589",
  query: "policy:allUsers",
});
assert.equal(open.data.results.length, 2);
console.log("googleapis: run v1, projects, accounts, APIs, assets");

// google-auth-library: a key, whose assertion does not name itself, and acting as an account.
const made = await iam.projects.serviceAccounts.keys.create({
  name: `projects/-/serviceAccounts/${robot}`,
  requestBody: {},
});
const key = JSON.parse(Buffer.from(made.data.privateKeyData, "base64").toString());
// Its token endpoint is fixed; what it sends goes here all the same.
const transporter = new Gaxios();
transporter.interceptors.request.add({
  resolved: async (config) => {
    config.url = new URL(new URL(config.url).pathname, endpoint);
    return config;
  },
});
const scopes = ["https://www.googleapis.com/auth/cloud-platform"];
const account = new JWT({ email: key.client_email, key: key.private_key, scopes, transporter });
const own = await account.authorize();
assert.ok(own.access_token);
const info = await fetch(`${endpoint}/tokeninfo?access_token=${own.access_token}`);
assert.equal((await info.json()).email, robot);
const url = "https://hello-k4qx7v2nza-uc.a.run.app";
const impersonated = new Impersonated({
  sourceClient: you,
  targetPrincipal: robot,
  targetScopes: ["https://www.googleapis.com/auth/cloud-platform"],
  delegates: [],
  endpoint,
});
const token = await impersonated.fetchIdToken(url, { includeEmail: true });
const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
assert.equal(claims.aud, url);
assert.equal(claims.email, robot);
const signed = await impersonated.sign("anything");
assert.ok(signed.signedBlob);
// A token is verified by the certificates that the sandbox shows.
const certs = await (await fetch(`${endpoint}/oauth2/v1/certs`)).json();
const verifier = new OAuth2Client();
const ticket = await verifier.verifySignedJwtWithCertsAsync(token, certs, url, [
  "https://accounts.google.com",
]);
assert.equal(ticket.getPayload().email, robot);
console.log("google-auth-library: a key that names itself not, impersonation, signatures, verification by certificates");
