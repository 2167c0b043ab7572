import { expect, it } from "vitest";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";
import { BODY_BYTES_MAX, LARGE_VALUES, VERDICT_VALUES_MAX } from "../../limits.ts";
import {
  jsonPatch,
  MAPS,
  messageOf,
  type Review,
  rule,
  WebhookKit,
} from "../../testing/webhooks.ts";

const server = fileApiserver();
const kit = new WebhookKit(server);

const failed = (why: string) =>
  `Internal error occurred: failed calling webhook "liar.example.com": ${why}`;
const invalid = (why: string) => failed(`received invalid webhook response: ${why}`);

it.each<[string, (review: Review) => object, string]>([
  ["garbage", () => ({ text: "}" }), "json parse error: invalid character '}' looking for"],
  ["nothing", () => ({ text: "" }), "json parse error: unexpected end of JSON input"],
  [
    "a list",
    () => ({ text: "[]" }),
    invalid("json: cannot unmarshal array into AdmissionReview of type object"),
  ],
  ["no response", () => ({ text: "{}" }), invalid("webhook response was absent")],
  ["another request's uid", () => ({ uid: "other" }), 'expected response.uid="'],
  [
    "a review of another version",
    ({ request: { uid } }) => ({
      text: JSON.stringify({
        apiVersion: "admission.k8s.io/v9",
        kind: "AdmissionReview",
        response: { uid },
      }),
    }),
    "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, " +
      "got admission.k8s.io/v9, Kind=AdmissionReview",
  ],
  [
    "thousands of values",
    () => ({
      auditAnnotations: Object.fromEntries(
        Array.from({ length: VERDICT_VALUES_MAX }, (_, i) => [i, ""]),
      ),
    }),
    failed("failed to call webhook: Post "),
  ],
  ["a text that allows", () => ({ allowed: "false" }), "cannot unmarshal string into"],
  [
    "a patch without its type",
    () => ({ patch: "W10=" }),
    invalid("webhook returned response.patch but not response.patchType"),
  ],
  [
    "a patch of another type",
    () => ({ patch: "W3t9XQ==", patchType: "Merge" }),
    invalid('unsupported patch type "Merge"'),
  ],
  [
    "a patch that is no JSON",
    () => ({ patch: "e30=", patchType: "JSONPatch" }),
    failed("received undecodable patch in webhook response: "),
  ],
  [
    "a patch outside the object",
    () => jsonPatch({ op: "replace", path: "/metadata/labels/x/y/z", value: 1 }),
    'the JSON patch of admission webhook "liar.example.com" does not apply to the object: ' +
      "replace /metadata/labels/x/y/z",
  ],
  [
    "another type of field",
    () => jsonPatch({ op: "add", path: "/data", value: [1] }),
    "Internal error occurred: ",
  ],
  [
    "no object",
    () => jsonPatch({ op: "replace", path: "", value: [] }),
    "Internal error occurred: ",
  ],
  [
    "an object of another kind",
    () => jsonPatch({ op: "replace", path: "/kind", value: "Secret" }),
    'the mutated object is "v1", Kind="Secret", not v1, Kind=ConfigMap',
  ],
  [
    "an object in another namespace",
    () => jsonPatch({ op: "replace", path: "/metadata/namespace", value: "kube-system" }),
    "the namespace of the provided object does not match the namespace sent on the request",
  ],
])("a mutating webhook that answers %s fails the request", async (_, answer, message) => {
  await kit.configure("mutating", "liar");
  await kit.active("liar");
  kit.answers.set("liar", answer);
  const refused = await kit.post("told", { liar: "yes" });
  expect(messageOf(refused)).toContain(message);
  expect(refused.status).toBeGreaterThanOrEqual(400);
  for (const namespace of ["default", "kube-system"]) {
    const there = await server.ask(`/api/v1/namespaces/${namespace}/configmaps/told`);
    expect(there.status).toBe(404);
  }
});

it("a validating webhook changes nothing", async () => {
  await kit.configure("validating", "meek");
  await kit.active("meek");
  kit.answers.set("meek", () => jsonPatch({ op: "add", path: "/data", value: { a: "b" } }));
  expect(messageOf(await kit.post("kept", { meek: "yes" }))).toContain(
    "validating webhook may not return response.patch",
  );
});

it("a webhook sets no metadata that is the server's, and moves no object", async () => {
  await kit.configure("mutating", "forger");
  await kit.active("forger");
  await kit.post("forged", { forger: "yes" });
  const before = JSON.parse((await server.ask(`${MAPS}/forged`)).body) as { metadata: object };
  kit.answers.set("forger", () =>
    jsonPatch(
      { op: "replace", path: "/metadata/uid", value: "u" },
      { op: "replace", path: "/metadata/creationTimestamp", value: "2001-01-01T00:00:00Z" },
      { op: "replace", path: "/metadata/resourceVersion", value: "1" },
      { op: "add", path: "/metadata/deletionTimestamp", value: "2001-01-01T00:00:00Z" },
      { op: "add", path: "/metadata/generation", value: 7 },
      { op: "add", path: "/data", value: { a: "b" } },
    ),
  );
  const headers = { "content-type": "application/merge-patch+json" };
  const patch = () =>
    server.ask(`${MAPS}/forged`, {
      method: "PATCH",
      headers,
      body: { metadata: { annotations: { a: "b" } } },
    });
  const answer = await patch();
  expect(answer.status, answer.body).toBe(200);
  const { metadata, data } = JSON.parse(answer.body) as { metadata: object; data: object };
  const { uid, creationTimestamp } = before.metadata as Record<string, string>;
  expect(metadata).toMatchObject({ uid, creationTimestamp });
  expect(metadata).not.toHaveProperty("deletionTimestamp");
  expect(metadata).not.toHaveProperty("generation");
  expect(data).toEqual({ a: "b" });
  kit.answers.set("forger", () =>
    jsonPatch({ op: "replace", path: "/metadata/name", value: "elsewhere" }),
  );
  const moved = await patch();
  expect([moved.status, messageOf(moved)]).toEqual([
    422,
    'ConfigMap "forged" is invalid: ' +
      'metadata.name: Invalid value: "elsewhere": field is immutable',
  ]);
});

it("managed fields that a webhook breaks are as they were", async () => {
  await kit.configure("mutating", "breaker");
  await kit.active("breaker");
  kit.answers.set("breaker", () =>
    jsonPatch({
      op: "add",
      path: "/metadata/managedFields",
      value: [{ manager: "x", operation: "Nothing" }],
    }),
  );
  const answer = await kit.post("owned", { breaker: "yes" }, "?fieldManager=me");
  const { metadata } = JSON.parse(answer.body) as { metadata: { managedFields: object[] } };
  expect(metadata.managedFields).toEqual([expect.objectContaining({ manager: "me" })]);
  expect(answer.headers["warning"]).toContain("managedFields was in an invalid state");
});

it("a refusal is an error, whatever status it claims", async () => {
  await kit.configure("validating", "vague");
  await kit.active("vague");
  for (const code of [0, 200, 302, 999, -1, 400.000001]) {
    kit.answers.set("vague", () => ({ allowed: false, status: { code, status: "Success" } }));
    const answer = await kit.post("no", { vague: "yes" });
    expect([answer.status, JSON.parse(answer.body)]).toEqual([
      400,
      expect.objectContaining({ status: "Failure", code: 400 }),
    ]);
  }
});

it("a refusal's details are those of a Status, or are left out", async () => {
  await kit.configure("validating", "detailed");
  await kit.active("detailed");
  const detailsOf = async (details: object) => {
    kit.answers.set("detailed", () => ({ allowed: false, status: { code: 429, details } }));
    const { status, headers, body } = await kit.post("no", { detailed: "yes" });
    const { details: given } = JSON.parse(body) as { details?: object };
    return [status, headers["retry-after"], given];
  };
  expect(await detailsOf({ name: "x", retryAfterSeconds: 2 })).toEqual([
    429,
    "2",
    { name: "x", retryAfterSeconds: 2 },
  ]);
  for (const retryAfterSeconds of ["1\r\nx: y", [1], 1.5]) {
    expect(await detailsOf({ retryAfterSeconds })).toEqual([429, undefined, undefined]);
  }
  expect(await detailsOf({ causes: "x" })).toEqual([429, undefined, undefined]);
});

it("a webhook that calls back into itself ends with the request's time", async () => {
  await kit.configure("validating", "selfish", { timeoutSeconds: 1 });
  await kit.active("selfish");
  let depth = 0;
  kit.answers.set("selfish", async () => {
    depth++;
    await kit.post(`again-${depth}`, { selfish: "yes" });
    return {};
  });
  const answer = await kit.post("first", { selfish: "yes" });
  expect([answer.status, messageOf(answer)]).toEqual([
    500,
    expect.stringContaining("context deadline exceeded"),
  ]);
  kit.answers.set("selfish", () => ({}));
  expect((await kit.post("later", { selfish: "yes" })).status).toBe(201);
});

it("a webhook that hangs delays no other request", async () => {
  await kit.configure("validating", "hung", { timeoutSeconds: 1 });
  await kit.active("hung");
  kit.answers.set("hung", () => new Promise(() => undefined));
  let isOver = false;
  const hanging = kit.post("stuck", { hung: "yes" }).finally(() => (isOver = true));
  await waitFor("the call", () => kit.calls.length > 0);
  expect((await kit.post("quick", {})).status).toBe(201);
  expect(isOver).toBe(false);
  expect((await hanging).status).toBe(500);
});

it.each([
  ["is gone", false],
  ["was made again", true],
])("no object comes to be in a namespace that %s after webhooks were asked", async (_, again) => {
  await kit.configure("validating", "late");
  await kit.active("late");
  const [all, namespace] = ["/api/v1/namespaces", "/api/v1/namespaces/passing"];
  const make = () => server.ask(all, { method: "POST", body: { metadata: { name: "passing" } } });
  const { metadata } = JSON.parse((await make()).body) as { metadata: { uid: string } };
  kit.answers.set("late", async () => {
    await server.ask(namespace, { method: "DELETE" });
    const going = JSON.parse((await server.ask(namespace)).body) as object;
    await server.ask(`${namespace}/finalize`, { method: "PUT", body: { ...going, spec: {} } });
    if (again) await make();
    const isCached = async () =>
      !(await server.ask(`${all}?resourceVersion=0`)).body.includes(metadata.uid);
    await waitFor("the cache", isCached);
    return {};
  });
  const maps = `${namespace}/configmaps`;
  const refused = await kit.post("planted", { late: "yes" }, "", maps);
  expect(refused.status, refused.body).toBe(404);
  kit.answers.clear();
  if (!again) await make();
  expect((await server.ask(`${maps}/planted`)).status).toBe(404);
  await server.ask(namespace, { method: "DELETE" });
  const left = JSON.parse((await server.ask(namespace)).body) as object;
  await server.ask(`${namespace}/finalize`, { method: "PUT", body: { ...left, spec: {} } });
});

it("a large request reaches the same webhooks from its thread", async () => {
  await kit.configure("mutating", "large");
  await kit.active("large");
  kit.answers.set("large", () => jsonPatch({ op: "add", path: "/data/seen", value: "yes" }));
  const value = "x".repeat(100);
  const count = Math.floor(BODY_BYTES_MAX / 4 / 120);
  const data = Object.fromEntries(Array.from({ length: count }, (__, i) => [`k-${i}`, value]));
  const body = { metadata: { name: "many", labels: { large: "yes" } }, data };
  const answer = await server.ask(MAPS, { method: "POST", body });
  expect(answer.status, answer.body.slice(0, 500)).toBe(201);
  expect((JSON.parse(answer.body) as { data: object }).data).toMatchObject({ seen: "yes" });
  const served = (await server.ask("/metrics")).body.includes("r2k_large_requests_total 1");
  expect(served).toBe(true);
});

it("what a webhook makes large is validated in the thread of large requests", async () => {
  await kit.configure("mutating", "grower");
  await kit.active("grower");
  const labels = Object.fromEntries(Array.from({ length: LARGE_VALUES }, (__, i) => [`l${i}`, ""]));
  kit.answers.set("grower", () =>
    jsonPatch({ op: "add", path: "/metadata/labels", value: labels }),
  );
  const count = async () =>
    Number(/^r2k_large_requests_total (\d+)/m.exec((await server.ask("/metrics")).body)?.[1]);
  const before = await count();
  const answer = await kit.post("grown", { grower: "yes" });
  expect(answer.status, answer.body.slice(0, 500)).toBe(201);
  expect(await count()).toBe(before + 1);
  const { body } = await server.ask("/metrics");
  expect(body).not.toMatch(/^apiserver_admission_webhook_rejection_count\{.*grower/m);
});

it("match conditions that take long to compile are, in the thread of large requests", async () => {
  const long = Array.from({ length: 4_000 }, (_, index) => `${index} >= 0`).join(" && ");
  const expression = `${long} && object.metadata.name != "spared"`;
  const count = async () =>
    Number(/^r2k_large_requests_total (\d+)/m.exec((await server.ask("/metrics")).body)?.[1]);
  const before = await count();
  for (const type of ["validating", "mutating"] as const) {
    const name = `long-${type}`;
    await kit.configure(type, name, {
      failurePolicy: "Ignore",
      matchConditions: [{ name: "c", expression }],
    });
    await kit.active(name);
    expect((await kit.post("spared", { [name]: "yes" }, "?dryRun=All")).status).toBe(201);
    expect(kit.called).toEqual([]);
    kit.answers.set(name, () => ({ allowed: false }));
    expect((await kit.post("asked", { [name]: "yes" })).status).toBe(400);
    expect(kit.called).toEqual([name]);
  }
  // Of each type the configuration, which is compiled as well, and three objects at least.
  expect((await count()) - before).toBeGreaterThanOrEqual(8);
});

it("an answer may repeat its request, which is large", async () => {
  await kit.configure("validating", "echo");
  await kit.active("echo");
  const response = ({ request: { uid } }: Review) => ({ uid, allowed: true });
  kit.answers.set("echo", (review) => ({
    text: JSON.stringify({ ...review, kind: "AdmissionReview", response: response(review) }),
  }));
  const data = Object.fromEntries(Array.from({ length: 6_000 }, (_, i) => [`k${i}`, ""]));
  const body = { metadata: { name: "echoed", labels: { echo: "yes" } }, data };
  const answer = await server.ask(MAPS, { method: "POST", body });
  expect(answer.status, answer.body.slice(0, 500)).toBe(201);
});

it("a patch of more than 4 MiB is too large, and nothing else", async () => {
  await kit.configure("mutating", "heavy");
  await kit.active("heavy");
  const value = { a: "x".repeat(4.5 * 1024 * 1024) };
  kit.answers.set("heavy", () => jsonPatch({ op: "add", path: "/data", value }));
  const answer = await kit.post("heavy", { heavy: "yes" });
  expect(messageOf(answer)).toContain("Too long: may not be more than 1048576 bytes");
});

it("more webhooks than there are answers for still answer", async () => {
  await kit.configure("validating", "crowd", { rules: [rule()] });
  await kit.active("crowd");
  const all = Array.from({ length: 100 }, (__, i) => kit.post(`c-${i}`, { crowd: "yes" }));
  expect((await Promise.all(all)).map(({ status }) => status)).toEqual(all.map(() => 201));
});
