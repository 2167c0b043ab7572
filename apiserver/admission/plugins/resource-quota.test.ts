import { expect, it } from "vitest";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";

const server = fileApiserver();

function send(method: "POST" | "PATCH", path: string, body: object) {
  const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  return server.ask(path, { method, body, headers: { "content-type": type } });
}

/** A namespace with one quota whose first count is done. */
async function limited(name: string, spec: { hard: Record<string, string> }): Promise<string> {
  await send("POST", "/api/v1/namespaces", { metadata: { name } });
  const place = `/api/v1/namespaces/${name}`;
  await send("POST", `${place}/serviceaccounts`, { metadata: { name: "default" } });
  const made = await send("POST", `${place}/resourcequotas`, { metadata: { name: "q" }, spec });
  expect(made.status, made.body).toBe(201);
  const used = Object.fromEntries(Object.keys(spec.hard).map((each) => [each, "0"]));
  const status = { hard: spec.hard, used };
  const counted = await send("PATCH", `${place}/resourcequotas/q/status`, { status });
  expect(counted.status, counted.body).toBe(200);
  return place;
}

async function usedIn(place: string): Promise<unknown> {
  const { body } = await server.ask(`${place}/resourcequotas/q`);
  return (JSON.parse(body) as { status: { used: unknown } }).status.used;
}

it("a pod that an update brings into a quota's scope is charged for in full", async () => {
  const place = await limited("scoped", { hard: { pods: "1" }, ...{ scopes: ["Terminating"] } });
  for (const name of ["a", "b"]) {
    const spec = { containers: [{ name: "c", image: "i" }] };
    const made = await send("POST", `${place}/pods`, { metadata: { name }, spec });
    expect(made.status, made.body).toBe(201);
  }
  const end = (name: string, activeDeadlineSeconds: number) =>
    send("PATCH", `${place}/pods/${name}`, { spec: { activeDeadlineSeconds } });
  expect(await usedIn(place)).toEqual({ pods: "0" });
  expect((await end("a", 60)).status).toBe(200);
  expect(await usedIn(place)).toEqual({ pods: "1" });
  expect((await end("a", 50)).status).toBe(200);
  const refused = await end("b", 60);
  expect([refused.status, refused.body]).toEqual([
    403,
    expect.stringContaining("exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"),
  ]);
});

it("claims are charged for by their attributes class, and by what an expansion allocated", async () => {
  const scopeName = "VolumeAttributesClass";
  const matchExpressions = [{ scopeName, operator: "In", values: ["gold"] }];
  const hard = { persistentvolumeclaims: "1", "requests.storage": "3Gi" };
  const place = await limited("golden", { hard, ...{ scopeSelector: { matchExpressions } } });
  const claim = (name: string, volumeAttributesClassName: string) =>
    send("POST", `${place}/persistentvolumeclaims`, {
      metadata: { name },
      spec: {
        accessModes: ["ReadWriteOnce"],
        resources: { requests: { storage: "1Gi" } },
        volumeAttributesClassName,
      },
    });
  expect((await claim("tin", "tin")).status).toBe(201);
  expect((await claim("first", "gold")).status).toBe(201);
  expect((await claim("second", "gold")).status).toBe(403);
  expect(await usedIn(place)).toEqual({ persistentvolumeclaims: "1", "requests.storage": "1Gi" });
  // The driver's writes are counted beyond the limit as well.
  const status = { allocatedResources: { storage: "8Gi" } };
  const driver = await send("PATCH", `${place}/persistentvolumeclaims/first/status`, { status });
  expect(driver.status, driver.body).toBe(200);
  expect(await usedIn(place)).toEqual({ persistentvolumeclaims: "1", "requests.storage": "8Gi" });
});

it.each([
  [30, 30],
  [20, 20],
])("of 30 pods at a time under a quota of %i, %i are created", async (limit, created) => {
  const place = await limited(`rush-${limit}`, { hard: { pods: String(limit) } });
  const spec = { containers: [{ name: "c", image: "i" }] };
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, index) =>
      send("POST", `${place}/pods`, { metadata: { name: `p${index}` }, spec }),
    ),
  );
  const of = (status: number) => answers.filter((each) => each.status === status).length;
  expect([of(201), of(403)]).toEqual([created, 30 - created]);
  expect(await usedIn(place)).toEqual({ pods: String(created) });
});

it("a dry run is judged, and takes nothing of a quota, also beside others", async () => {
  const place = await limited("dry", { hard: { pods: "2" } });
  const spec = { containers: [{ name: "c", image: "i" }] };
  const create = (name: string, query = "") =>
    send("POST", `${place}/pods${query}`, { metadata: { name }, spec });
  const dry = ["x", "y", "z"].map((name) => create(name, "?dryRun=All"));
  const answers = await Promise.all([...dry, create("a"), create("b")]);
  expect(answers.slice(-2).map(({ status }) => status)).toEqual([201, 201]);
  expect(await usedIn(place)).toEqual({ pods: "2" });
  expect((await create("x", "?dryRun=All")).status).toBe(403);
});

it("events count by both names of their resource, whichever group writes them", async () => {
  const hard = { "count/events": "2", "count/events.events.k8s.io": "2" };
  const place = await limited("eventful", { hard });
  const inCore = (name: string) =>
    send("POST", `${place}/events`, {
      metadata: { name },
      involvedObject: { namespace: "eventful" },
      reason: "Test",
    });
  const inGroup = (name: string) =>
    send("POST", "/apis/events.k8s.io/v1/namespaces/eventful/events", {
      metadata: { name },
      eventTime: "2026-01-01T00:00:00.000000Z",
      reportingController: "example.com/test",
      reportingInstance: "a",
      regarding: { namespace: "eventful" },
      ...{ action: "Test", reason: "Test", type: "Normal" },
    });
  expect((await inCore("a")).status).toBe(201);
  expect((await inGroup("b")).status).toBe(201);
  expect(await usedIn(place)).toEqual({ "count/events": "2", "count/events.events.k8s.io": "2" });
  for (const refused of [await inCore("c"), await inGroup("c")]) {
    expect([refused.status, refused.body]).toEqual([
      403,
      expect.stringContaining("exceeded quota: q, requested: count/events=1"),
    ]);
  }
});
