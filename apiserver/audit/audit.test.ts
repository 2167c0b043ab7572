import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { type AskOptions, ask } from "../../testing/apiserver/ask.ts";
import { type FakeServer, sendJson, startFakeServer } from "../../testing/apiserver/fake-issuer.ts";
import { startApiserverOnEtcd } from "../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { suiteFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import type { AuditEvent } from "./event.ts";
import type { AuditOptions } from "./options.ts";
import { readAuditPolicy } from "./policy.ts";

const POLICY = `
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: None
  nonResourceURLs: ["/healthz*", "/metrics", "/readyz"]
- level: Metadata
  resources: [{ resources: [secrets] }]
  omitStages: [RequestReceived]
- level: RequestResponse
  resources: [{ resources: [configmaps, pods, namespaces] }]
  omitManagedFields: true
- level: Metadata
`;
const MAPS = "/api/v1/namespaces/default/configmaps";
const BATCH = {
  buffer_max: 10_000,
  batch_max: 50,
  batch_bytes_max: 1e6,
  wait_ms: 20,
  retry_ms: 10,
};
const LOG = { bytes_max: 1e8, backups_max: 0, age_max_days: 0, batch: BATCH };
const patience = { clock: systemClock(), timeout_ms: 20_000 };

const folder = suiteFolder("audit-");
let webhook: FakeServer;
const posted: AuditEvent[] = [];
let api: TestApiserver;
let admin: KeyPair;

beforeAll(async () => {
  webhook = await startFakeServer((_request, body, response) => {
    posted.push(...(JSON.parse(body) as { items: AuditEvent[] }).items);
    sendJson(response, {});
  });
  const audit: AuditOptions = {
    policy: await readAuditPolicy(POLICY),
    log: { ...LOG, path: join(folder, "audit.log"), mode: "blocking" },
    webhook: {
      access: { url: webhook.url, ca: webhook.ca },
      mode: "batch",
      batch: BATCH,
      event_bytes_max: 4_000,
    },
  };
  api = await startApiserverOnEtcd({ audit });
  admin = await api.credentials("admin", ["system:masters"]);
});
afterAll(async () => {
  await api.close();
  await webhook.close();
});

const send = (path: string, options: AskOptions = {}) => ask(api, path, { ...admin, ...options });

async function logged(): Promise<AuditEvent[]> {
  const text = await readFile(join(folder, "audit.log"), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as AuditEvent);
}

/** The events of one request, which names itself, once its last one is there. */
async function eventsOf(id: string, last = "ResponseComplete"): Promise<AuditEvent[]> {
  return await waitFor(
    "the events",
    async () => {
      const events = (await logged()).filter(({ auditID }) => auditID === id);
      return events.some(({ stage }) => stage === last) ? events : undefined;
    },
    patience,
  );
}

it("a request has an event of each stage, with its objects where the policy says so", async () => {
  const headers = { "audit-id": "create", "user-agent": "me/1" };
  const body = { metadata: { name: "a" }, data: { k: "v" } };
  expect((await send(MAPS, { method: "POST", headers, body })).status).toBe(201);
  const [received, complete] = await eventsOf("create");
  expect(received).toMatchObject({ stage: "RequestReceived", level: "RequestResponse" });
  expect(received!.requestObject).toBeUndefined();
  expect(complete).toMatchObject({
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    stage: "ResponseComplete",
    verb: "create",
    requestURI: MAPS,
    userAgent: "me/1",
    sourceIPs: ["127.0.0.1"],
    user: { username: "admin", groups: ["system:masters", "system:authenticated"] },
    objectRef: { resource: "configmaps", namespace: "default", name: "a", apiVersion: "v1" },
    responseStatus: { metadata: {}, code: 201 },
    requestObject: { metadata: { name: "a" }, data: { k: "v" } },
    responseObject: { kind: "ConfigMap", data: { k: "v" } },
    annotations: { "authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "" },
  });
  const { metadata } = complete!.responseObject as { metadata: Record<string, unknown> };
  expect(metadata).toHaveProperty("uid");
  expect(metadata).not.toHaveProperty("managedFields");
});

const ACCOUNT = "/api/v1/namespaces/default/serviceaccounts";
const BACKGROUND = { propagationPolicy: "Background" };
const CREDENTIAL = expect.stringMatching(/^JTI=[0-9a-f-]{36}$/) as string;

// The members that kube-apiserver 1.36 writes of the same requests.
it.each([
  [
    "the deletion says what it deleted, and how",
    { method: "DELETE", path: `${MAPS}/b`, body: BACKGROUND },
    {
      requestObject: { kind: "DeleteOptions", ...BACKGROUND },
      responseStatus: {
        metadata: {},
        status: "Success",
        details: { name: "b", kind: "configmaps", uid: expect.any(String) as string },
        code: 200,
      },
    },
  ],
  [
    "an update says which object it is meant for",
    {
      method: "PUT",
      path: `${MAPS}/none`,
      body: { metadata: { name: "none", uid: "u", resourceVersion: "5" } },
    },
    { objectRef: { name: "none", uid: "u", resourceVersion: "5" }, responseStatus: { code: 404 } },
  ],
  [
    "a token's request leads from the token back to it",
    { method: "POST", path: `${ACCOUNT}/b/token`, body: { spec: {} } },
    { annotations: { "authentication.kubernetes.io/issued-credential-id": CREDENTIAL } },
  ],
  [
    "the last source is the connection's, and the others are addresses",
    { headers: { "x-forwarded-for": "127.0.0.1, bogus, ::2", "x-real-ip": "::2" } },
    { sourceIPs: ["127.0.0.1", "::2", "127.0.0.1"] },
  ],
  [
    "a long user agent is cut",
    { headers: { "user-agent": "x".repeat(1_200) } },
    { userAgent: `${"x".repeat(1_024)}...TRUNCATED` },
  ],
] as const)("%s", async (id, { path = MAPS, headers = {}, ...options }: Audited, event) => {
  for (const kind of [MAPS, ACCOUNT]) {
    await send(kind, { method: "POST", body: { metadata: { name: "b" } } });
  }
  await send(path, { ...options, headers: { "audit-id": id, ...headers } });
  expect((await eventsOf(id)).at(-1)).toMatchObject(event);
});

type Audited = { path?: string; method?: string; body?: object; headers?: Record<string, string> };

it("a client that leaves at once is not left out", async () => {
  const cases = ["DELETE", "GET", "POST"].flatMap((method) =>
    Array.from({ length: 20 }, (_, n) => ({ method, id: `left-${method}-${n}`, after_ms: n })),
  );
  for (let n = 0; n < 20; n++) {
    const body = { metadata: { name: `left-${n}` } };
    expect((await send(MAPS, { method: "POST", body })).status).toBe(201);
  }
  await Promise.all(
    cases.map(async ({ method, id, after_ms }, n) => {
      const path = method === "POST" ? MAPS : `${MAPS}/left-${n % 20}`;
      const text =
        method === "POST" ? JSON.stringify({ metadata: { name: id.toLowerCase() } }) : "";
      const sent = request(`${api.server}${path}`, {
        ...admin,
        ca: api.ca.cert,
        method,
        agent: false,
        headers: {
          "audit-id": id,
          "content-length": Buffer.byteLength(text),
          "content-type": "application/json",
        },
      });
      sent.on("error", () => undefined);
      sent.end(text);
      await once(sent, "finish");
      await delay(patience.clock, after_ms);
      sent.destroy();
    }),
  );
  // Each write that was done is logged, and each request that was received has its end.
  await waitFor(
    "an event for all that was done",
    async () => {
      const { body } = await send(MAPS);
      const { items } = JSON.parse(body) as { items: { metadata: { name: string } }[] };
      const there = new Set(items.map(({ metadata }) => metadata.name));
      const events = (await logged()).filter(({ auditID }) => auditID.startsWith("left-"));
      const ended = new Set(
        events.filter(({ stage }) => stage === "ResponseComplete").map(({ auditID }) => auditID),
      );
      const done = cases.filter(
        ({ method, id }) =>
          (method === "DELETE" && !there.has(`left-${id.split("-").at(-1)}`)) ||
          (method === "POST" && there.has(id.toLowerCase())),
      );
      return (
        ended.size > 0 &&
        [...events.map(({ auditID }) => auditID), ...done.map(({ id }) => id)].every((id) =>
          ended.has(id),
        )
      );
    },
    patience,
  );
});

it("a Secret's values are in no event at the level Metadata", async () => {
  const stringData = { password: "hunter2" };
  const headers = { "audit-id": "secret" };
  const body = { metadata: { name: "s" }, stringData };
  const secrets = MAPS.replace("configmaps", "secrets");
  expect((await send(secrets, { method: "POST", headers, body })).status).toBe(201);
  const events = await eventsOf("secret");
  expect(events.map(({ stage }) => stage)).toEqual(["ResponseComplete"]);
  // The body says which Secret is made.
  expect(events[0]?.objectRef).toMatchObject({ resource: "secrets", name: "s" });
  expect(await readFile(join(folder, "audit.log"), "utf8")).not.toContain("hunter2");
});

it("refusals say who was refused, what for, and by whom another was impersonated", async () => {
  const user = await api.credentials("nobody");
  await ask(api, `${MAPS}/a`, { ...user, method: "DELETE", headers: { "audit-id": "refused" } });
  const refused = (await eventsOf("refused")).at(-1);
  expect(refused).toMatchObject({
    user: { username: "nobody" },
    verb: "delete",
    objectRef: { name: "a" },
    responseStatus: { status: "Failure", reason: "Forbidden", code: 403 },
    annotations: { "authorization.k8s.io/decision": "forbid" },
  });
  await send(MAPS, { headers: { "audit-id": "as", "impersonate-user": "other" } });
  expect((await eventsOf("as")).at(-1)).toMatchObject({
    user: { username: "admin" },
    impersonatedUser: { username: "other", groups: ["system:authenticated"] },
    authenticationMetadata: { impersonationConstraint: "impersonate:user-info" },
  });
  const token = { authorization: "Bearer none", "audit-id": "unknown" };
  await ask(api, MAPS, { headers: token });
  const [unknown] = await eventsOf("unknown", "ResponseStarted");
  expect(unknown).toMatchObject({
    responseStatus: { status: "Failure", reason: "Unauthorized", code: 401 },
  });
});

it("a watch has an event when it has started, and one at its end", async () => {
  const headers = { "audit-id": "watch" };
  await send(`${MAPS}?watch=1&timeoutSeconds=1`, { headers });
  expect((await eventsOf("watch")).map(({ stage }) => stage)).toEqual([
    "RequestReceived",
    "ResponseStarted",
    "ResponseComplete",
  ]);
});

it("what PodSecurity found of a pod is annotated", async () => {
  const labels = { "pod-security.kubernetes.io/audit": "restricted" };
  const namespace = { metadata: { name: "held", labels } };
  expect((await send("/api/v1/namespaces", { method: "POST", body: namespace })).status).toBe(201);
  const pod = {
    metadata: { name: "p" },
    spec: {
      serviceAccountName: "default",
      automountServiceAccountToken: false,
      containers: [{ name: "c", image: "i" }],
    },
  };
  await send("/api/v1/namespaces/held/serviceaccounts", {
    method: "POST",
    body: { metadata: { name: "default" } },
  });
  const headers = { "audit-id": "pod" };
  const pods = "/api/v1/namespaces/held/pods";
  const made = await send(pods, { method: "POST", headers, body: pod });
  expect(made.status, made.body).toBe(201);
  const { annotations } = (await eventsOf("pod")).at(-1)!;
  expect(annotations).toMatchObject({
    "pod-security.kubernetes.io/enforce-policy": "privileged:latest",
    "pod-security.kubernetes.io/audit-violations": expect.stringMatching(
      /^would violate PodSecurity "restricted:latest": /,
    ) as string,
  });
});

const ADMISSION = "/apis/admissionregistration.k8s.io/v1";
const CREATIONS = {
  ...{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"] },
};

/** Tries a creation until its last event has the annotation: followers see objects later. */
async function annotated(name: string, key: string): Promise<AuditEvent["annotations"]> {
  let tried = 0;
  return await waitFor(
    `the annotation ${key}`,
    async () => {
      const id = `${name}-${tried++}`;
      const headers = { "audit-id": id };
      await send(`${MAPS}?dryRun=All`, { method: "POST", headers, body: { metadata: { name } } });
      const { annotations } = (await eventsOf(id)).at(-1)!;
      return annotations?.[key] === undefined ? undefined : annotations;
    },
    patience,
  );
}

it("what a policy found, and what it publishes, is annotated", async () => {
  const metadata = { name: "noted.example.com" };
  const resourceRules = [CREATIONS];
  const policy = {
    metadata,
    spec: {
      matchConstraints: { resourceRules },
      failurePolicy: "Fail",
      validations: [{ expression: "object.metadata.name != 'watched'", message: "it is watched" }],
      auditAnnotations: [{ key: "made", valueExpression: "'made ' + object.metadata.name" }],
    },
  };
  const binding = { metadata, spec: { policyName: metadata.name, validationActions: ["Audit"] } };
  for (const [kind, body] of [
    ["validatingadmissionpolicies", policy],
    ["validatingadmissionpolicybindings", binding],
  ] as const) {
    expect((await send(`${ADMISSION}/${kind}`, { method: "POST", body })).status).toBe(201);
  }
  const failure = "validation.policy.admission.k8s.io/validation_failure";
  const annotations = await annotated("watched", failure);
  expect(annotations).toMatchObject({ "noted.example.com/made": "made watched" });
  expect(JSON.parse(annotations![failure]!)).toMatchObject([
    {
      message: "it is watched",
      policy: metadata.name,
      binding: metadata.name,
      validationActions: ["Audit"],
    },
  ]);
  await send(`${ADMISSION}/validatingadmissionpolicybindings/${metadata.name}`, {
    method: "DELETE",
  });
});

it("a mutating webhook's patch and its own annotations are annotated", async () => {
  const patch = [{ op: "add", path: "/data", value: { by: "hook" } }];
  const hook = await startFakeServer((_request, body, response) => {
    const review = JSON.parse(body) as { request: { uid: string; name: string } };
    sendJson(response, {
      ...review,
      response: {
        uid: review.request.uid,
        allowed: review.request.name !== "refused",
        patchType: "JSONPatch",
        patch: Buffer.from(JSON.stringify(patch)).toString("base64"),
        auditAnnotations: { seen: "yes" },
      },
    });
  });
  onTestFinished(() => hook.close());
  const name = "hook.example.com";
  const caBundle = Buffer.from(hook.ca).toString("base64");
  const configuration = {
    metadata: { name: "hooked" },
    webhooks: [
      {
        name,
        clientConfig: { url: hook.url, caBundle },
        rules: [CREATIONS],
        sideEffects: "None",
        admissionReviewVersions: ["v1"],
        failurePolicy: "Fail",
      },
    ],
  };
  const path = `${ADMISSION}/mutatingwebhookconfigurations`;
  expect((await send(path, { method: "POST", body: configuration })).status).toBe(201);
  onTestFinished(async () => void (await send(`${path}/hooked`, { method: "DELETE" })));
  const annotations = (await annotated("hooked", `${name}/seen`))!;
  const place = "webhook.admission.k8s.io/round_0_index_0";
  expect(JSON.parse(annotations[`mutation.${place}`]!)).toEqual({
    configuration: "hooked",
    webhook: name,
    mutated: true,
  });
  const refused = await annotated("refused", `mutation.${place}`);
  expect(JSON.parse(refused![`mutation.${place}`]!)).toMatchObject({ mutated: false });
  expect(JSON.parse(annotations[`patch.${place}`]!)).toEqual({
    configuration: "hooked",
    webhook: name,
    patch,
    patchType: "JSONPatch",
  });
});

it("a webhook gets the same events, long ones without their bodies", async () => {
  const data = { k: "x".repeat(5_000) };
  const body = { metadata: { name: "long" }, data };
  await send(MAPS, { method: "POST", headers: { "audit-id": "long" }, body });
  const event = await waitFor(
    "the event",
    () =>
      Promise.resolve(
        posted.find((each) => each.auditID === "long" && each.stage === "ResponseComplete"),
      ),
    patience,
  );
  expect(event.annotations).toMatchObject({ "audit.k8s.io/truncated": "true" });
  expect(event).not.toHaveProperty("requestObject");
  expect((await eventsOf("long")).at(-1)).toHaveProperty("requestObject");
});

it("requests that the policy leaves out are not written", async () => {
  await send("/healthz", { headers: { "audit-id": "health" } });
  await send("/version", { headers: { "audit-id": "version" } });
  await eventsOf("version");
  expect((await logged()).filter(({ auditID }) => auditID === "health")).toEqual([]);
});

it.each(["blocking", "blocking-strict"] as const)("with a full disk, %s", async (mode) => {
  const policy = await readAuditPolicy(POLICY);
  const full = await startApiserverOnEtcd({
    audit: { policy, log: { ...LOG, path: "/dev/full", mode } },
  });
  onTestFinished(() => full.close());
  const user = await full.credentials("admin", ["system:masters"]);
  const answer = await ask(full, MAPS, user);
  const { body } = await ask(full, "/metrics", user);
  expect(
    Number(/apiserver_audit_error_total\{plugin="log"\} (\d+)/.exec(body)![1]),
  ).toBeGreaterThan(0);
  expect(answer.status).toBe(mode === "blocking" ? 200 : 500);
  const rejected = Number(/^apiserver_audit_requests_rejected_total (\d+)/m.exec(body)![1]);
  expect(rejected > 0).toBe(mode === "blocking-strict");
});

it.each([null, 5])("an object whose metadata is %s is deleted as without", async (metadata) => {
  const map = { metadata: { name: "gone" } };
  expect((await send(MAPS, { method: "POST", body: map })).status).toBe(201);
  const body = { kind: "DeleteOptions", apiVersion: "v1", metadata };
  expect((await send(`${MAPS}/gone`, { method: "DELETE", body })).status).toBe(200);
});
