import { afterEach, expect, it } from "vitest";
import type { Answer } from "../../../testing/apiserver/ask.ts";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";
import { MAPS, messageOf, rule } from "../../testing/webhooks.ts";

const server = fileApiserver({ policyStatuses: true });
const GROUP = "/apis/admissionregistration.k8s.io/v1";
let created: string[] = [];

afterEach(async () => {
  for (const path of created) await server.ask(path, { method: "DELETE" });
  created = [];
});

async function create(path: string, name: string, body: object): Promise<void> {
  const whole = { metadata: { name }, ...body };
  const answer = await server.ask(path, { method: "POST", body: whole });
  expect(answer.status, answer.body).toBe(201);
  created.push(`${path}/${name}`);
}

const marked = (name: string) => ({
  resourceRules: [rule()],
  objectSelector: { matchLabels: { [name]: "yes" } },
});

/** Creates a policy for objects that are labelled with its name, and a binding of it. */
async function policy(
  type: "mutating" | "validating",
  name: string,
  spec: object,
  binding: object = {},
): Promise<void> {
  const path = `${GROUP}/${type}admissionpolicies`;
  await create(path, name, { spec: { matchConstraints: marked(name), ...spec } });
  const actions = type === "validating" ? { validationActions: ["Deny"] } : {};
  await create(`${GROUP}/${type}admissionpolicybindings`, name, {
    spec: { policyName: name, ...actions, ...binding },
  });
}

const post = async (name: string, label: string, more: object = {}, query = "") =>
  await server.ask(`${MAPS}${query}`, {
    method: "POST",
    body: { metadata: { name, labels: { [label]: "yes" } }, ...more },
  });

/** Repeats a dry run until a policy acts on it; returns the answer. */
async function until(
  label: string,
  isActive: (answer: Answer) => boolean,
  more: object = {},
): Promise<Answer> {
  let answer: Answer | undefined;
  await waitFor(`policy ${label}`, async () => {
    answer = await post("probe", label, more, "?dryRun=All");
    return isActive(answer);
  });
  return answer!;
}

const refused = ({ status }: Answer): boolean => status >= 400;
const data = ({ body }: Answer): Record<string, string> =>
  (JSON.parse(body) as { data?: Record<string, string> }).data ?? {};

it("a validation refuses with its message and reason, or its expression", async () => {
  await policy("validating", "sized", {
    variables: [
      { name: "all", expression: "has(object.data) ? object.data : {}" },
      { name: "count", expression: "size(variables.all)" },
    ],
    validations: [
      {
        expression: "variables.count < 3",
        reason: "Forbidden",
        messageExpression: "'too many: ' + string(variables.count) + ' in ' + request.namespace",
      },
      { expression: "object.metadata.name.startsWith('a')" },
    ],
  });
  await until("sized", refused);
  // That no creation names a version is judged after the policies, as upstream.
  const metadata = { name: "aa", labels: { sized: "yes" }, resourceVersion: "7" };
  const many = await post("aa", "sized", { metadata, data: { a: "1", b: "2", c: "3" } });
  const message =
    "configmaps \"aa\" is forbidden: ValidatingAdmissionPolicy 'sized' with " +
    "binding 'sized' denied request: too many: 3 in default";
  expect([many.status, JSON.parse(many.body)]).toEqual([
    403,
    expect.objectContaining({ reason: "Forbidden", message }),
  ]);
  const named = await post("bb", "sized");
  expect([named.status, messageOf(named)]).toEqual([
    422,
    expect.stringContaining("failed expression: object.metadata.name.startsWith('a')"),
  ]);
  expect((await post("ab", "sized")).status).toBe(201);
});

it("a policy without a binding is not in effect, and a binding narrows it", async () => {
  const validations = [{ expression: "false", message: "never" }];
  const spec = { matchConstraints: marked("loose"), validations };
  await create(`${GROUP}/validatingadmissionpolicies`, "loose", { spec });
  expect((await post("unbound", "loose")).status).toBe(201);
  await policy(
    "validating",
    "narrow",
    { validations },
    { matchResources: { excludeResourceRules: [{ ...rule(), resourceNames: ["spared"] }] } },
  );
  await until("narrow", refused);
  expect((await post("spared", "narrow")).status).toBe(201);
});

it("warnings and audits let requests through", async () => {
  await policy(
    "validating",
    "mild",
    { validations: [{ expression: "false", message: "hm" }] },
    { validationActions: ["Warn", "Audit"] },
  );
  const answer = await until("mild", ({ headers }) => headers["warning"] !== undefined);
  expect([answer.status, answer.headers["warning"]]).toEqual([
    201,
    "299 - \"Validation failed for ValidatingAdmissionPolicy 'mild' with binding 'mild': hm\"",
  ]);
});

it("the failure policy decides about errors", async () => {
  const validations = [{ expression: "object.data.none == '1'" }];
  await policy("validating", "failing", { validations });
  const answer = await until("failing", refused);
  expect(messageOf(answer)).toContain(
    "denied request: expression 'object.data.none == '1'' " +
      "resulted in error: no such key: data",
  );
  await policy("validating", "lenient", { validations, failurePolicy: "Ignore" });
  await policy("validating", "after", { validations: [{ expression: "false" }] });
  await until("after", refused);
  expect((await post("let", "lenient")).status).toBe(201);
});

it("parameters come by name or selector, of custom kinds too, or are missed", async () => {
  const definition = {
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { kind: "Limit", plural: "limits", singular: "limit", listKind: "LimitList" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: { type: "object", properties: { most: { type: "integer" } } },
          },
        },
      ],
    },
  };
  await create(
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "limits.example.com",
    definition,
  );
  const limits = "/apis/example.com/v1/namespaces/default/limits";
  const limit = (name: string, most: number) =>
    server.ask(limits, {
      method: "POST",
      body: {
        apiVersion: "example.com/v1",
        kind: "Limit",
        metadata: { name, labels: { use: "yes" } },
        most,
      },
    });
  await waitFor("the kind", async () => (await limit("two", 2)).status === 201);
  const spec = {
    paramKind: { apiVersion: "example.com/v1", kind: "Limit" },
    validations: [
      {
        expression: "size(object.data) <= params.most",
        messageExpression: "'at most ' + string(params.most)",
      },
    ],
  };
  const named = (name: string) => ({
    paramRef: { name, namespace: "default", parameterNotFoundAction: "Deny" },
  });
  await policy("validating", "limited", spec, named("two"));
  const three = { data: { a: "1", b: "2", c: "3" } };
  expect(messageOf(await until("limited", refused, three))).toContain("at most 2");
  expect((await post("fits", "limited", { data: { a: "1" } })).status).toBe(201);
  await policy("validating", "missing", spec, named("none"));
  expect(messageOf(await until("missing", refused, { data: {} }))).toContain(
    "denied request: " +
      "failed to configure binding: no params found for policy binding with `Deny` " +
      "parameterNotFoundAction",
  );
  await limit("one", 1);
  await policy("validating", "chosen", spec, {
    paramRef: { selector: { matchLabels: { use: "yes" } }, parameterNotFoundAction: "Allow" },
  });
  expect(messageOf(await until("chosen", refused, { data: { a: "1", b: "2" } }))).toContain(
    "at most 1",
  );
});

it("expressions ask about the namespace, and authorizers about users", async () => {
  await policy("validating", "asking", {
    validations: [
      { expression: "namespaceObject.metadata.name == 'default'" },
      { expression: "authorizer.requestResource.check('create').allowed()" },
      {
        expression:
          "authorizer.serviceAccount('default', 'nobody').group('').resource('pods')" +
          ".namespace('default').check('get').allowed()",
        message: "nobody may not",
      },
    ],
  });
  expect(messageOf(await until("asking", refused))).toContain("denied request: nobody may not");
});

it("an apply configuration is merged as server-side apply does", async () => {
  await policy("mutating", "merged", {
    reinvocationPolicy: "Never",
    mutations: [
      {
        patchType: "ApplyConfiguration",
        applyConfiguration: {
          expression:
            "Object{metadata: Object.metadata{labels: {'added': 'yes'}}, data: {'x': 'y'}}",
        },
      },
    ],
  });
  const answer = await until("merged", (each) => data(each)["x"] === "y", { data: { a: "b" } });
  const { metadata } = JSON.parse(answer.body) as { metadata: { labels: object } };
  expect(metadata.labels).toEqual({ merged: "yes", added: "yes" });
  expect(data(answer)).toEqual({ a: "b", x: "y" });
});

it("JSON patches apply unless a test of them fails", async () => {
  const patch = (text: string) => [{ patchType: "JSONPatch", jsonPatch: { expression: text } }];
  await policy("mutating", "patched", {
    reinvocationPolicy: "Never",
    mutations: patch(`[
      JSONPatch{op: "test", path: "/data/on", value: "yes"},
      JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("a.b/c"), value: "d"}]`),
  });
  const on = { data: { on: "yes" } };
  const labelsOf = ({ body }: Answer) =>
    (JSON.parse(body) as { metadata: { labels: object } }).metadata.labels;
  const patched = { patched: "yes", "a.b/c": "d" };
  const answer = await until("patched", (each) => "a.b/c" in labelsOf(each), on);
  expect(labelsOf(answer)).toEqual(patched);
  const off = await post("off", "patched", { data: { on: "no" } });
  expect([off.status, labelsOf(off)]).toEqual([201, { patched: "yes" }]);
});

it("what a mutating policy cannot change is refused", async () => {
  await policy("mutating", "atomic", {
    reinvocationPolicy: "Never",
    mutations: [
      {
        patchType: "ApplyConfiguration",
        applyConfiguration: { expression: "Object{metadata: Object.spec{labels: {}}}" },
      },
    ],
  });
  const answer = await until("atomic", refused);
  expect([answer.status, messageOf(answer)]).toEqual([
    403,
    expect.stringContaining("policy 'atomic' with binding 'atomic' denied request: type mismatch"),
  ]);
});

it("expressions that are much work are evaluated in the thread of large requests", async () => {
  const offloaded = async () =>
    Number(/^r2k_large_requests_total (\d+)/m.exec((await server.ask("/metrics")).body)?.[1]);
  const padding = (length: number) =>
    Object.fromEntries(Array.from({ length }, (_item, index) => [`a${index}`, ""]));
  const pairs = "!has(object.data) || object.data.all(a, object.data.all(b, b == '' || a != 'z'))";
  await policy("validating", "padded", {
    failurePolicy: "Ignore",
    validations: [{ expression: pairs, message: "has a z" }],
  });
  await until("padded", refused, { data: { z: "" } });
  const before = await offloaded();
  expect((await post("much", "padded", { data: padding(200) })).status).toBe(201);
  const evaded = await post("evaded", "padded", { data: { ...padding(200), z: "" } });
  expect(messageOf(evaded)).toContain("denied request: has a z");
  expect((await offloaded()) - before).toBe(2);

  // None of them is much, all together are; also of a request that deletes several objects.
  const one = "oldObject == null || oldObject.data.all(a, variables.no != a)";
  await policy("validating", "summed", {
    matchConstraints: { ...marked("summed"), resourceRules: [rule()] },
    failurePolicy: "Ignore",
    variables: [{ name: "no", expression: "['no'].filter(a, a != '')[0]" }],
    validations: [
      ...Array.from({ length: 50 }, () => ({ expression: one })),
      { expression: "oldObject == null || !('kept' in oldObject.data)", message: "kept" },
      { expression: "object == null || !('z' in object.data)" },
    ],
  });
  await until("summed", refused, { data: { z: "" } });
  expect((await post("kept", "summed", { data: { ...padding(200), kept: "" } })).status).toBe(201);
  const all = await server.ask(`${MAPS}?labelSelector=summed`, { method: "DELETE" });
  expect(messageOf(all)).toContain("denied request: kept");
  expect((await offloaded()) - before).toBe(3);
});

it("a policy that takes long to compile is compiled in the thread of large requests", async () => {
  const offloaded = async () =>
    Number(/^r2k_large_requests_total (\d+)/m.exec((await server.ask("/metrics")).body)?.[1]);
  const long = Array.from({ length: 4_000 }, (_, index) => `${index} >= 0`).join(" && ");
  const before = await offloaded();
  await policy("validating", "long", {
    matchConditions: [{ name: "long", expression: long }],
    validations: [{ expression: `${long} && !('z' in object.data)`, message: "has a z" }],
  });
  await until("long", refused, { data: { z: "" } });
  const answer = await post("compiled", "long", { data: { a: "" } });
  expect(answer.status, answer.body).toBe(201);
  // The policy itself, an object that it refuses, and one that it admits.
  expect((await offloaded()) - before).toBeGreaterThanOrEqual(3);
});

it("a policy's status has errors of its expressions for the kinds that it matches", async () => {
  const matchConstraints = {
    resourceRules: [
      rule({
        apiGroups: ["apps"],
        resources: ["deployments", "statefulsets"],
        operations: ["CREATE"],
      }),
    ],
  };
  await policy("validating", "typed", {
    matchConstraints,
    variables: [{ name: "spec", expression: "object.spec" }],
    validations: [
      { expression: "object.replicas > 1" },
      { expression: "variables.spec.replicas > 1 && object.metadata.name != ''" },
      { expression: "variables.spec.strategy.type != 'Recreate'" },
    ],
  });
  const path = `${GROUP}/validatingadmissionpolicies/typed`;
  interface Status {
    typeChecking?: { expressionWarnings: { fieldRef: string; warning: string }[] };
  }
  const status = await waitFor("the status", async () => {
    const { body } = await server.ask(path);
    return (JSON.parse(body) as { status?: Status }).status?.typeChecking;
  });
  expect(status.expressionWarnings).toEqual([
    {
      fieldRef: "spec.validations[0].expression",
      warning: expect.stringMatching(
        /^apps\/v1, Kind=Deployment: .*<input>:1:7: undefined field 'replicas'[^]*StatefulSet/,
      ),
    },
    {
      fieldRef: "spec.validations[2].expression",
      warning: expect.stringMatching(/^apps\/v1, Kind=StatefulSet: .*undefined field 'strategy'/),
    },
  ]);
});

it("policies are not evaluated on themselves", async () => {
  await policy("validating", "locked", {
    matchConstraints: {
      resourceRules: [rule({ apiGroups: ["*"], apiVersions: ["*"], resources: ["*"] })],
    },
    validations: [{ expression: "false" }],
  });
  await until("locked", refused);
  await server.api.restart();
  expect(refused(await post("still", "locked"))).toBe(true);
  const path = `${GROUP}/validatingadmissionpolicybindings/locked`;
  expect((await server.ask(path, { method: "DELETE" })).status).toBe(200);
  await until("locked", (answer) => !refused(answer));
});
