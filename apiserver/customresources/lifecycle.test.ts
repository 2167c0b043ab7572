import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";
import { CRONTABS, define, definitionOf } from "./testing/definitions.ts";

const server = fileApiserver();
const { ask } = server;

const TABS = "/apis/stable.example.com/v1/namespaces/default/crontabs";

const tab = (name: string, spec: object = { cronSpec: "* * * * *", replicas: 1 }) => ({
  apiVersion: "stable.example.com/v1",
  kind: "CronTab",
  metadata: { name },
  spec,
});

interface Body {
  metadata: { name: string; resourceVersion: string; generation?: number };
  spec: Record<string, unknown>;
  items: Body[];
  status: { [name: string]: unknown };
  message: string;
}

async function json(path: string, method = "GET", body?: object, headers = {}) {
  const answer = await ask(path, { method, headers, ...(body && { body }) });
  return { status: answer.status, headers: answer.headers, body: JSON.parse(answer.body) as Body };
}

const MERGE = { "content-type": "application/merge-patch+json" };

describe("custom resources", () => {
  it("are created, listed, changed and deleted once their definition is established", async () => {
    await define(ask, CRONTABS);
    expect((await json(TABS, "POST", tab("a"))).status).toBe(201);
    const list = await json(TABS);
    expect(list.body.items.map((each) => each.metadata.name)).toEqual(["a"]);
    const patched = await json(`${TABS}/a`, "PATCH", { spec: { replicas: 3 } }, MERGE);
    expect([patched.status, patched.body.spec, patched.body.metadata.generation]).toEqual([
      200,
      { cronSpec: "* * * * *", replicas: 3 },
      2,
    ]);
    expect((await json(`${TABS}/a`, "DELETE")).status).toBe(200);
    expect((await json(`${TABS}/a`)).status).toBe(404);
  });

  it("are in both forms of discovery, in upstream's order of groups", async () => {
    const groups = JSON.parse((await ask("/apis")).body) as { groups: { name: string }[] };
    expect(groups.groups.map(({ name }) => name).slice(-2)).toEqual([
      "stable.example.com",
      "metrics.k8s.io",
    ]);
    const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    const before = await ask("/apis", { headers: { accept } });
    await define(ask, definitionOf("gizmos", "Gizmo"));
    const after = await ask("/apis", { headers: { accept } });
    expect(after.headers["etag"]).not.toBe(before.headers["etag"]);
    expect(after.body).toContain('"resource":"gizmos"');
  });

  it("keep their APIService as it was made", async () => {
    const service = "/apis/apiregistration.k8s.io/v1/apiservices/v1.stable.example.com";
    const { spec } = (await json(service)).body;
    const other = { ...spec, service: { namespace: "default", name: "mine", port: 443 } };
    const hijack = { spec: { ...other, insecureSkipTLSVerify: true, versionPriority: 7 } };
    expect((await json(service, "PATCH", hijack, MERGE)).status).toBe(200);
    const isBack = async () => isDeepStrictEqual((await json(service)).body.spec, spec);
    await waitFor("the APIService as it was", isBack);
  });

  it("have the priorities of all custom resources in a group of upstream's too", async () => {
    const { spec } = definitionOf("rules", "Rule", { name: "v7" });
    const metadata = {
      name: "rules.scheduling.k8s.io",
      annotations: { "api-approved.kubernetes.io": "unapproved, for a test" },
    };
    await define(ask, { metadata, spec: { ...spec, group: "scheduling.k8s.io" } });
    const service = "/apis/apiregistration.k8s.io/v1/apiservices/v7.scheduling.k8s.io";
    const isMade = async () => (await json(service)).status === 200;
    await waitFor("the APIService", isMade);
    expect((await json(service)).body.spec).toMatchObject({
      groupPriorityMinimum: 1_000,
      versionPriority: 100,
    });
  });

  it("go with their definition, which waits for them", async () => {
    await json(TABS, "POST", { ...tab("held"), metadata: { name: "held", finalizers: ["a.b/c"] } });
    await json(TABS, "POST", tab("free"));
    const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    const crd = `${definitions}/crontabs.stable.example.com`;
    expect((await json(crd, "DELETE")).status).toBe(200);
    const left = async () => (await json(TABS)).body.items.length === 1;
    await waitFor("the deletion of an instance", left);
    const refused = await json(TABS, "POST", tab("late"));
    expect([refused.status, refused.body.message]).toEqual([
      403,
      'crontabs.stable.example.com "late" is forbidden: ' +
        "create not allowed while custom resource definition is terminating",
    ]);
    await json(`${TABS}/held`, "PATCH", { metadata: { finalizers: null } }, MERGE);
    const gone = async () => (await json(crd)).status === 404;
    await waitFor("the end of the definition", gone);
    expect((await ask(TABS)).status).toBe(404);
    const service = "/apis/apiregistration.k8s.io/v1/apiservices/v1.stable.example.com";
    expect((await json(service)).status).toBe(200);
  });

  it("have rules that are much work checked in the thread of large requests", async () => {
    const rule = "self.all(a, self.all(b, a + 0 * b <= 500))";
    const list = {
      type: "array",
      maxItems: 200,
      items: { type: "integer" },
      "x-kubernetes-validations": [{ rule, message: "no number is above 500" }],
    };
    const schema = { type: "object", properties: { list } };
    await define(ask, definitionOf("pairs", "Pair", { schema: { openAPIV3Schema: schema } }));
    const pairs = TABS.replace("crontabs", "pairs");
    const pair = (name: string, length: number, last: number) => ({
      apiVersion: "stable.example.com/v1",
      kind: "Pair",
      metadata: { name },
      list: [...Array.from({ length }, (_item, index) => index), last],
    });
    const offloaded = async () =>
      Number(/^r2k_large_requests_total (\d+)/m.exec((await ask("/metrics")).body)?.[1]);
    expect((await json(pairs, "POST", pair("few", 10, 1))).status).toBe(201);
    expect(await offloaded()).toBe(0);
    expect((await json(pairs, "POST", pair("many", 199, 1))).status).toBe(201);
    const refused = await json(pairs, "POST", pair("wrong", 199, 501));
    expect([refused.status, refused.body.message]).toEqual([
      422,
      'Pair.stable.example.com "wrong" is invalid: list: Invalid value: no number is above 500',
    ]);
    expect(await offloaded()).toBe(2);
    // Each could take the loop as long as it may, only to be refused as the thread has enough.
    let round = 0;
    await waitFor("a small write in the thread beside its user's laborious one", async () => {
      const before = await offloaded();
      const many = json(pairs, "POST", pair(`many${++round}`, 199, 1));
      await waitFor("the laborious one there", async () => (await offloaded()) > before);
      expect((await json(pairs, "POST", pair(`few${round}`, 10, 1))).status).toBe(201);
      expect((await many).status).toBe(201);
      return (await offloaded()) === before + 2;
    });
  });

  it("have rules that take long to compile compiled in the thread of large requests", async () => {
    const terms = Array.from({ length: 4_000 }, (_, index) => `self.a < ${index + 1}`);
    const rule = terms.join(" && ");
    const ruled = {
      type: "object",
      properties: { a: { type: "integer" } },
      "x-kubernetes-validations": [{ rule, message: "is no zero" }],
    };
    const schema = { type: "object", properties: { ruled } };
    await define(ask, definitionOf("sums", "Sum", { schema: { openAPIV3Schema: schema } }));
    const sums = TABS.replace("crontabs", "sums");
    const offloaded = async () =>
      Number(/^r2k_large_requests_total (\d+)/m.exec((await ask("/metrics")).body)?.[1]);
    const before = await offloaded();
    const write = async (name: string, a: number) =>
      await json(sums, "POST", {
        apiVersion: "stable.example.com/v1",
        kind: "Sum",
        metadata: { name },
        ruled: { a },
      });
    expect((await write("zero", 0)).status).toBe(201);
    const refused = await write("one", 1);
    expect([refused.status, refused.body.message]).toEqual([
      422,
      'Sum.stable.example.com "one" is invalid: ruled: Invalid value: is no zero',
    ]);
    expect(await offloaded()).toBe(before + 2);
  });
});
