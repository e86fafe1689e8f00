// firebase-tools' own modules for Cloud Run and what stands around it, against ENDPOINT.
const assert = require("node:assert/strict");
const { createRequire } = require("node:module");

for (const name of [
  "CLOUD_RUN_URL",
  "CLOUD_RUN_API_URL",
  "FIREBASE_FUNCTIONS_V2_URL",
  "FIREBASE_RESOURCEMANAGER_URL",
  "FIREBASE_IAM_URL",
  "FIREBASE_SERVICE_USAGE_URL",
]) {
  process.env[name] = process.env.ENDPOINT;
}
const modules = createRequire(`${process.env.MODULES}/`);
const tools = (name) => modules(`firebase-tools/lib/${name}`);
tools("apiv2").setAccessToken("opaque");
const [run2, run1, functions] = ["runv2", "run", "cloudfunctionsv2"].map((it) => tools(`gcp/${it}`));
const [manager, iam, usage] = ["resourceManager", "iam", "serviceusage"].map((it) => tools(`gcp/${it}`));

const [project, region] = ["sandbox-project", "us-central1"];
const hello = `projects/${project}/locations/${region}/services/hello`;
const poll = { pollTimeoutMs: 10_000 };

async function main() {
  const all = await run2.listServices(project, false);
  assert.ok(all.some((one) => one.name.includes("/europe-west1/")), "every region is listed");
  // Those of functions are told by a label.
  const ofFunctions = await run2.listServices("sandbox-shared");
  assert.deepEqual(
    ofFunctions.map((one) => one.name.split("/").pop()),
    ["resize-image"],
  );

  // What was read is sent back whole, with a mask that names what the server alone sets.
  const service = await run2.getService(project, region, "hello");
  service.labels = { ...service.labels, team: "web" };
  const updated = await run2.updateService(service, poll);
  assert.equal(updated.labels.team, "web");
  assert.equal(updated.uid, service.uid);
  const body = { template: { containers: [{ image: "i" }] }, labels: {}, annotations: {} };
  const made = await run2.createService(project, region, "fresh", { name: "fresh", ...body }, poll);
  assert.ok(made.uri.startsWith("https://fresh-"), made.uri);
  await run2.deleteService(project, region, "fresh");
  await assert.rejects(run2.getService(project, region, "fresh"), { status: 404 });

  // Through v1, by which it lets everybody in, and nobody again.
  assert.equal((await run1.getService(hello)).metadata.name, "hello");
  await run1.setInvokerCreate(project, hello, ["public"]);
  assert.deepEqual((await run1.getIamPolicy(hello)).bindings[0].members, ["allUsers"]);
  await run1.setInvokerUpdate(project, hello, ["private"]);
  assert.equal((await run1.getIamPolicy(hello)).bindings, undefined);

  const found = await functions.listAllFunctions("sandbox-shared");
  assert.deepEqual(
    found.functions.map((one) => one.environment),
    ["GEN_2"],
  );
  assert.ok((await manager.getIamPolicy(project)).bindings.length > 0);
  assert.ok((await iam.getServiceAccount(project, "runner")).email.startsWith("runner@"));
  assert.ok((await iam.getRole("run.invoker")).includedPermissions.includes("run.routes.invoke"));
  const asked = await iam.testIamPermissions(project, ["run.services.get", "run.services.nosuch"]);
  assert.deepEqual(asked.missing, ["run.services.nosuch"]);
  await usage.generateServiceIdentity("123456789012", "pubsub.googleapis.com", "test");
  console.log("firebase-tools: services in both versions, invokers, functions, roles, identities");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
