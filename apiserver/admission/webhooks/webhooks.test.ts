import { expect, it } from "vitest";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";
import { grant } from "../../testing/grant.ts";
import { jsonPatch, MAPS, messageOf, rule, WebhookKit } from "../../testing/webhooks.ts";

const server = fileApiserver();
const kit = new WebhookKit(server);

it("a validating webhook is shown the request, and its refusal reaches the client", async () => {
  await kit.configure("validating", "shown");
  await kit.active("shown");
  kit.answers.set("shown", () => ({
    allowed: false,
    warnings: ["beware"],
    status: { code: 418, reason: "Teapot", message: "short and stout" },
  }));
  const query = "?fieldManager=me&fieldValidation=Strict";
  const answer = await kit.post("seen", { shown: "yes" }, query);
  expect(answer.status).toBe(418);
  expect(JSON.parse(answer.body)).toMatchObject({
    reason: "Teapot",
    code: 418,
    status: "Failure",
    message: 'admission webhook "shown.example.com" denied the request: short and stout',
  });
  expect(answer.headers["warning"]).toBe('299 - "beware"');
  const configMaps = { group: "", version: "v1", resource: "configmaps" };
  const kind = { group: "", version: "v1", kind: "ConfigMap" };
  expect(kit.asked).toEqual({
    uid: expect.any(String),
    kind,
    resource: configMaps,
    requestKind: kind,
    requestResource: configMaps,
    name: "seen",
    namespace: "default",
    operation: "CREATE",
    userInfo: {
      username: "admin",
      groups: ["system:masters", "system:authenticated"],
      extra: { "authentication.kubernetes.io/credential-id": [expect.any(String)] },
    },
    object: {
      kind: "ConfigMap",
      apiVersion: "v1",
      metadata: expect.objectContaining({
        name: "seen",
        namespace: "default",
        labels: { shown: "yes" },
        uid: expect.any(String),
        managedFields: [expect.objectContaining({ manager: "me" })],
      }),
    },
    oldObject: null,
    dryRun: false,
    options: {
      kind: "CreateOptions",
      apiVersion: "meta.k8s.io/v1",
      fieldManager: "me",
      fieldValidation: "Strict",
    },
  });
});

it("updates, patches, deletions and deletions of collections are shown with both objects", async () => {
  await kit.configure("validating", "both");
  await kit.active("both");
  await kit.post("each", { both: "yes" });
  const body = { metadata: { name: "each", labels: { both: "yes" } }, data: { a: "1" } };
  await server.ask(`${MAPS}/each`, { method: "PUT", body });
  expect(kit.asked).toMatchObject({
    operation: "UPDATE",
    object: { data: { a: "1" } },
    oldObject: { metadata: { name: "each" } },
    options: { kind: "UpdateOptions" },
  });
  const headers = { "content-type": "application/merge-patch+json" };
  await server.ask(`${MAPS}/each?fieldManager=p`, {
    method: "PATCH",
    headers,
    body: { data: { a: "2" } },
  });
  expect(kit.asked).toMatchObject({
    operation: "UPDATE",
    object: { data: { a: "2" } },
    oldObject: { data: { a: "1" } },
    options: { kind: "UpdateOptions", fieldManager: "p" },
  });
  const selected = `${MAPS}?labelSelector=both%3Dyes&propagationPolicy=Background`;
  await server.ask(selected, { method: "DELETE" });
  expect(kit.asked).toMatchObject({
    operation: "DELETE",
    object: null,
    name: "each",
    oldObject: { data: { a: "2" } },
    options: { kind: "DeleteOptions", propagationPolicy: "Background" },
  });
  expect((await server.ask(`${MAPS}/each`)).status).toBe(404);
});

it("both versions of AdmissionReview are spoken", async () => {
  await kit.configure("validating", "old", { admissionReviewVersions: ["v1beta1", "v1"] });
  await kit.active("old");
  kit.answers.set("old", () => ({ uid: "", allowed: false }));
  expect(messageOf(await kit.post("a", { old: "yes" }))).toBe(
    'admission webhook "old.example.com" denied the request without explanation',
  );
  expect(JSON.parse(kit.calls.at(-1)!.body)).toMatchObject({
    apiVersion: "admission.k8s.io/v1beta1",
  });
});

it("mutating webhooks are called in order, and each sees the object as those before left it", async () => {
  await kit.configure("mutating", "m-2");
  await kit.configure("mutating", "m-1");
  await kit.active("m-2");
  await kit.active("m-1");
  kit.answers.set("m-1", () =>
    jsonPatch(
      { op: "add", path: "/data", value: { first: "1" } },
      { op: "add", path: "/metadata/labels/m-2", value: "yes" },
    ),
  );
  kit.answers.set("m-2", ({ request }) =>
    jsonPatch(
      { op: "copy", from: "/data/first", path: "/data/second" },
      { op: "test", path: "/metadata/name", value: request.name },
    ),
  );
  const answer = await kit.post("ordered", { "m-1": "yes" });
  expect(JSON.parse(answer.body)).toMatchObject({ data: { first: "1", second: "1" } });
  expect(kit.called).toEqual(["m-1", "m-2"]);
});

it("a change is decoded and gets its defaults", async () => {
  const services = "/api/v1/namespaces/default/services";
  await kit.configure("mutating", "ports", { rules: [rule({ resources: ["services"] })] });
  await kit.active("ports", () => kit.post("probe", { ports: "yes" }, "?dryRun=All", services));
  kit.answers.set("ports", () =>
    jsonPatch({ op: "add", path: "/spec", value: { ports: [{ port: 80 }], nothing: "of it" } }),
  );
  const answer = await kit.post("filled", { ports: "yes" }, "", services);
  expect(answer.status, answer.body).toBe(201);
  const { spec } = JSON.parse(answer.body) as { spec: object };
  expect(spec).toMatchObject({ ports: [{ port: 80, protocol: "TCP", targetPort: 80 }] });
  expect(spec).not.toHaveProperty("nothing");
});

it("a request is converted to a version that rules name, unless they are exact", async () => {
  const scalers = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
  const rules = [
    rule({
      apiGroups: ["autoscaling"],
      apiVersions: ["v1"],
      resources: ["horizontalpodautoscalers"],
    }),
  ];
  await kit.configure("validating", "exact", { rules, matchPolicy: "Exact" });
  await kit.configure("mutating", "older", { rules });
  const body = {
    metadata: { name: "scaled", labels: { older: "yes", exact: "yes" } },
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" },
      maxReplicas: 3,
      metrics: [
        {
          type: "Resource",
          resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 70 } },
        },
      ],
    },
  };
  const dryRun = () => server.ask(`${scalers}?dryRun=All`, { method: "POST", body });
  await kit.active("older", dryRun);
  kit.answers.set("older", () =>
    jsonPatch({ op: "replace", path: "/spec/targetCPUUtilizationPercentage", value: 55 }),
  );
  const answer = await server.ask(scalers, { method: "POST", body });
  expect(kit.called).toEqual(["older"]);
  const kind = "HorizontalPodAutoscaler";
  expect(kit.asked).toMatchObject({
    kind: { group: "autoscaling", version: "v1", kind },
    resource: { version: "v1" },
    requestKind: { version: "v2" },
    requestResource: { version: "v2" },
    object: { apiVersion: "autoscaling/v1", spec: { targetCPUUtilizationPercentage: 70 } },
  });
  expect(JSON.parse(answer.body)).toMatchObject({
    apiVersion: "autoscaling/v2",
    spec: { metrics: [{ resource: { target: { averageUtilization: 55 } } }] },
  });
});

it("custom resources are shown to webhooks, and changed by them", async () => {
  const names = { kind: "Tab", plural: "tabs", singular: "tab", listKind: "TabList" };
  const spec = { type: "object", properties: { size: { type: "integer", default: 3 } } };
  const openAPIV3Schema = { type: "object", properties: { spec } };
  const served = { served: true, schema: { openAPIV3Schema } };
  const definition = {
    metadata: { name: "tabs.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names,
      versions: [
        { name: "v1", storage: true, ...served },
        { name: "v2", storage: false, ...served },
      ],
    },
  };
  await server.ask("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
    method: "POST",
    body: definition,
  });
  const rules = [rule({ apiGroups: ["example.com"], apiVersions: ["v1"], resources: ["tabs"] })];
  await kit.configure("mutating", "tabbed", { rules });
  const post = (name: string, query = "") =>
    server.ask(`/apis/example.com/v2/namespaces/default/tabs${query}`, {
      method: "POST",
      body: {
        apiVersion: "example.com/v2",
        kind: "Tab",
        metadata: { name, labels: { tabbed: "yes" } },
      },
    });
  await kit.active("tabbed", () => post("probe", "?dryRun=All"));
  kit.answers.set("tabbed", () =>
    jsonPatch({ op: "add", path: "/spec", value: {} }, { op: "add", path: "/unknown", value: 1 }),
  );
  const answer = await post("first");
  expect(kit.asked).toMatchObject({
    kind: { group: "example.com", version: "v1", kind: "Tab" },
    requestKind: { version: "v2" },
    object: { apiVersion: "example.com/v1" },
  });
  const object = JSON.parse(answer.body) as object;
  expect(object).toMatchObject({ apiVersion: "example.com/v2", spec: { size: 3 } });
  expect(object).not.toHaveProperty("unknown");

  const patched = async (name: string, ...operations: object[]) => {
    kit.answers.set("tabbed", () => jsonPatch(...operations));
    const { status, body } = await post(name);
    return [status, JSON.parse(body)] as const;
  };
  const change = { op: "add", path: "/spec", value: { size: 4 } };
  const labels = { op: "add", path: "/metadata/labels", value: { a: 1 } };
  const [unlabelled, made] = await patched("labels", labels, change);
  expect([unlabelled, made]).toMatchObject([201, { metadata: { name: "labels" } }]);
  expect(made).not.toHaveProperty("metadata.labels");
  const version = { op: "replace", path: "/apiVersion", value: "example.com/v2" };
  expect(await patched("version", version, change)).toMatchObject([
    201,
    { apiVersion: "example.com/v2", kind: "Tab", spec: { size: 4 } },
  ]);
  const whole = { apiVersion: "example.com/v1", kind: "Tab", metadata: { name: "whole" } };
  expect(await patched("whole", { op: "replace", path: "", value: whole })).toMatchObject([
    201,
    { metadata: { namespace: "default", name: "whole" } },
  ]);
  const without = { ...whole, metadata: undefined };
  expect(await patched("none", { op: "replace", path: "", value: without })).toMatchObject([
    422,
    {},
  ]);
  expect(await patched("no", { op: "replace", path: "/kind", value: "Bar" })).toMatchObject([
    422,
    { message: `Bar.example.com "no" is invalid: kind: Invalid value: "Bar": must be Tab` },
  ]);
  const unserved = { op: "replace", path: "/apiVersion", value: "example.com/v9" };
  expect(await patched("no", unserved)).toMatchObject([
    422,
    {
      message: `Tab.example.com "no" is invalid: apiVersion: Invalid value: "example.com/v9": must be example.com/v1`,
    },
  ]);
});

it("namespaces are selected by their labels, a new one by its own", async () => {
  const rules = [rule({ resources: ["configmaps", "namespaces", "nodes"] })];
  const namespaceSelector = { matchLabels: { team: "a" } };
  await kit.configure("validating", "teams", { rules, namespaceSelector, objectSelector: {} });
  const namespaces = "/api/v1/namespaces";
  await kit.active("teams", () => kit.post("probe", { team: "a" }, "?dryRun=All", namespaces));
  await kit.post("team-b", { team: "b" }, "", namespaces);
  await kit.post("in-b", {}, "", `${namespaces}/team-b/configmaps`);
  expect(kit.calls).toEqual([]);
  await kit.post("team-a", { team: "a" }, "", namespaces);
  expect(kit.asked).toMatchObject({ name: "team-a", namespace: "team-a" });
  await kit.post("in-a", {}, "", `${namespaces}/team-a/configmaps`);
  expect(kit.asked).toMatchObject({ name: "in-a", namespace: "team-a" });
  await kit.post("node-1", {}, "", "/api/v1/nodes");
  expect(kit.asked).toMatchObject({ name: "node-1" });
  expect(kit.asked).not.toHaveProperty("namespace");
});

it("a dry run is shown as one, only to webhooks without side effects", async () => {
  await kit.configure("validating", "pure", { sideEffects: "NoneOnDryRun" });
  await kit.active("pure");
  await kit.post("rehearsed", { pure: "yes" }, "?dryRun=All");
  expect(kit.asked).toMatchObject({ dryRun: true, options: { dryRun: ["All"] } });
});

it("a webhook that wants to see later changes is called again, after the plugins", async () => {
  const pods = "/api/v1/namespaces/default/pods";
  const rules = [rule({ resources: ["pods"] })];
  const account = { metadata: { name: "default" } };
  await server.ask("/api/v1/namespaces/default/serviceaccounts", { method: "POST", body: account });
  await kit.configure("mutating", "r-1", { rules, reinvocationPolicy: "IfNeeded" });
  await kit.configure("mutating", "r-2", { rules });
  await kit.configure("mutating", "r-3", { rules, reinvocationPolicy: "IfNeeded" });
  const pod = (name: string) => ({
    metadata: { name, labels: { "r-1": "yes", "r-2": "yes", "r-3": "yes" } },
    spec: { containers: [{ name: "a", image: "a" }] },
  });
  const dryRun = () => server.ask(`${pods}?dryRun=All`, { method: "POST", body: pod("probe") });
  for (const name of ["r-1", "r-2", "r-3"]) await kit.active(name, dryRun);
  await dryRun();
  expect(kit.called).toEqual(["r-1", "r-2", "r-3"]);
  kit.calls.length = 0;
  kit.answers.set("r-2", () =>
    jsonPatch({ op: "add", path: "/spec/containers/-", value: { name: "side", image: "b" } }),
  );
  const answer = await server.ask(pods, { method: "POST", body: pod("twice") });
  expect(answer.status, answer.body).toBe(201);
  // The third too: the plugins have changed the object after it.
  expect(kit.called).toEqual(["r-1", "r-2", "r-3", "r-1", "r-3"]);
  interface Container {
    name: string;
    volumeMounts?: { mountPath: string }[];
  }
  const { spec } = JSON.parse(answer.body) as { spec: { containers: Container[] } };
  const token = "/var/run/secrets/kubernetes.io/serviceaccount";
  expect(
    spec.containers.map(({ name, volumeMounts }) => [name, volumeMounts?.[0]?.mountPath]),
  ).toEqual([
    ["a", token],
    ["side", token],
  ]);
});

it("without a change after it, or without having been called, none is called again", async () => {
  await kit.configure("mutating", "s-1", { reinvocationPolicy: "IfNeeded" });
  await kit.configure("mutating", "s-2", { reinvocationPolicy: "IfNeeded" });
  await kit.configure("mutating", "s-3", { reinvocationPolicy: "IfNeeded" });
  for (const name of ["s-1", "s-2", "s-3"]) await kit.active(name);
  const patch = jsonPatch({ op: "add", path: "/metadata/labels/s-1", value: "yes" });
  kit.answers.set("s-2", () => patch);
  kit.answers.set("s-3", () => ({ ...patch, patch: btoa("null") }));
  const { status } = await kit.post("unseen", { "s-2": "yes", "s-3": "yes" });
  expect(status).toBe(201);
  expect(kit.called).toEqual(["s-2", "s-3"]);
});

it("match conditions exclude requests before the webhook is called", async () => {
  const conditions = (expression: string) => ({ matchConditions: [{ name: "c", expression }] });
  await kit.configure(
    "validating",
    "picky",
    conditions(
      `object.metadata.name != "spared" && request.userInfo.username == "admin" &&
     authorizer.group("").resource("configmaps").namespace("default").check("get").allowed()`,
    ),
  );
  await kit.active("picky");
  await kit.post("spared", { picky: "yes" });
  expect(kit.called).toEqual([]);
  await kit.post("taken", { picky: "yes" });
  expect(kit.called).toEqual(["picky"]);
  await kit.configure("mutating", "broken", conditions("object.data.none == 1"));
  await waitFor(
    "the error",
    async () => (await kit.post("probe", { broken: "yes" }, "?dryRun=All")).status === 403,
  );
  expect(messageOf(await kit.post("f", { broken: "yes" }))).toBe(
    'configmaps "f" is forbidden: ' +
      "expression 'object.data.none == 1' resulted in error: no such key: data",
  );
});

it("the failure policy decides about a webhook that cannot be called", async () => {
  const clientConfig = { url: "https://127.0.0.1:1/gone" };
  await kit.configure("validating", "strict", { clientConfig });
  await waitFor(
    "the refusal",
    async () => (await kit.post("probe", { strict: "yes" }, "?dryRun=All")).status === 500,
  );
  expect(messageOf(await kit.post("a", { strict: "yes" }))).toBe(
    'Internal error occurred: failed calling webhook "strict.example.com": failed to call ' +
      'webhook: Post "https://127.0.0.1:1/gone?timeout=10s": dial tcp 127.0.0.1:1: connect: ' +
      "connection refused",
  );
  await kit.configure("mutating", "lenient", { clientConfig, failurePolicy: "Ignore" });
  expect((await kit.post("b", { lenient: "yes" })).status).toBe(201);
  const metrics = await server.ask("/metrics");
  expect(metrics.body).toMatch(
    /apiserver_admission_webhook_rejection_count\{.*name="strict.example.com".*\} [1-9]/,
  );
  await waitFor(
    "the count",
    async () =>
      (await kit.post("c", { lenient: "yes" })) &&
      (await server.ask("/metrics")).body.includes(
        'apiserver_admission_webhook_fail_open_count{name="lenient.example.com",type="admit"}',
      ),
  );
});

it("the time of a call is the webhook's, or what is left of the request's", async () => {
  await kit.configure("validating", "slow", { timeoutSeconds: 1, failurePolicy: "Ignore" });
  await kit.active("slow");
  kit.answers.set("slow", () => new Promise(() => undefined));
  expect((await kit.post("late", { slow: "yes" })).status).toBe(201);
  expect(kit.calls.at(-1)!.path).toBe("/slow?timeout=1s");
  await kit.configure("validating", "slower", { timeoutSeconds: 30 });
  await kit.active("slower");
  kit.answers.set("slower", () => new Promise(() => undefined));
  const answer = await kit.post("hasty", { slower: "yes" }, "?timeout=1500ms");
  // The call and the request end at the same time.
  expect([500, 504]).toContain(answer.status);
  expect(kit.calls.at(-1)!.path).toBe("/slower?timeout=2s");
  expect((await server.ask(`${MAPS}/hasty`)).status).toBe(404);
});

it("webhooks are not asked about the configurations themselves", async () => {
  const everything = [rule({ apiGroups: ["*"], apiVersions: ["*"], resources: ["*/*"] })];
  const path = await kit.configure("validating", "lock", {
    rules: everything,
    objectSelector: {},
    clientConfig: { url: "https://127.0.0.1:1/locked" },
  });
  await waitFor(
    "the lock",
    async () => (await kit.post("probe", {}, "?dryRun=All")).status === 500,
  );
  // The server itself still starts, with its own writes.
  await server.api.restart();
  expect((await kit.post("locked", {})).status).toBe(500);
  const body = { spec: { nonResourceAttributes: { path: "/", verb: "get" } } };
  const review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
  expect((await server.ask(review, { method: "POST", body })).status).toBe(201);
  expect((await server.ask(path, { method: "DELETE" })).status).toBe(200);
  await waitFor("the way in", async () => (await kit.post("free", {})).status === 201);
});

it("tenants change no configurations, and no credentials go to webhooks", async () => {
  const user = await grant(server, "tenant", "default", [
    { apiGroups: ["", "admissionregistration.k8s.io"], resources: ["*"], verbs: ["*"] },
  ]);
  const body = { metadata: { name: "tenants" }, webhooks: [] };
  const path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
  expect((await server.ask(path, { ...user, method: "POST", body })).status).toBe(403);
  await kit.configure("validating", "curious");
  await kit.active("curious");
  const headers = { "impersonate-user": "someone", "x-secret": "s3cret" };
  const object = { metadata: { name: "c", labels: { curious: "yes" } } };
  await server.ask(`${MAPS}?dryRun=All`, { method: "POST", headers, body: object });
  const sent = await kit.post("d", { curious: "yes" }, "?dryRun=All");
  expect(sent.status).toBe(201);
  expect(JSON.stringify(kit.calls.map((each) => each.headers))).not.toMatch(
    /authorization|impersonate|s3cret/,
  );
});
