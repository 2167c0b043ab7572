import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { isCollected } from "../../testing/is-collected.ts";
import { parseRequestInfo } from "../request/request-info.ts";
import { RequestMetrics } from "./requests.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";

const server = fileApiserver();
const send = server.ask;

/** The value of a metric's row with these labels among its own. */
async function valueOf(name: string, labels: Record<string, string>): Promise<number | undefined> {
  const { body } = await send("/metrics");
  const row = body
    .split("\n")
    .find(
      (line) =>
        line.startsWith(`${name}{`) &&
        Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`)),
    );
  return row === undefined ? undefined : Number(row.slice(row.lastIndexOf(" ")));
}

it("counts requests under upstream's names and labels", async () => {
  const kept = { group: "", resource: "configmaps" };
  await send(`${MAPS}?watch=1&resourceVersion=0&timeoutSeconds=1`);
  const made = await valueOf("apiserver_resource_objects", kept);
  const body = { metadata: { name: "a" } };
  await send(`${MAPS}?dryRun=All`, { method: "POST", body });
  await send(MAPS, { method: "POST", body });
  await send(MAPS);
  await send(`${MAPS}?watch=1&resourceVersion=0&timeoutSeconds=1`);
  const maps = { group: "", version: "v1", resource: "configmaps", component: "apiserver" };
  const created = { ...maps, verb: "POST", scope: "resource", code: "201" };
  expect(await valueOf("apiserver_request_total", { ...created, dry_run: "All" })).toBe(1);
  expect(await valueOf("apiserver_request_total", { ...created, dry_run: "" })).toBe(1);
  const listed = { ...maps, verb: "LIST" };
  expect(await valueOf("apiserver_request_duration_seconds_count", listed)).toBe(1);
  expect(await valueOf("apiserver_response_sizes_count", listed)).toBe(1);
  const watched = { ...maps, verb: "WATCH" };
  expect(await valueOf("apiserver_longrunning_requests", watched)).toBe(0);
  expect(await valueOf("apiserver_request_duration_seconds_count", watched)).toBeUndefined();
  // Objects of kube-system that are created at the start are not in this namespace.
  expect(await valueOf("apiserver_watch_events_total", kept)).toBe(1);
  expect(await valueOf("apiserver_resource_objects", kept)).toBe(made! + 1);
  expect((await send("/metrics")).body).toMatch(/^process_resident_memory_bytes [1-9]/m);
  expect((await send("/metrics")).body).toMatch(/^nodejs_array_buffers_bytes [1-9]/m);
});

it("makes no rows of what is not served, however often it is asked for", async () => {
  const rows = async () =>
    (await send("/metrics")).body
      .split("\n")
      .filter((line) => line.startsWith("apiserver_request"));
  const before = await rows();
  for (const path of ["/apis/x.y/v1/things", "/apis/x.y/v2/others", `${MAPS}/a/nothing`]) {
    expect((await send(path)).status).toBe(404);
  }
  const after = await rows();
  expect(after.join()).not.toMatch(/things|others|nothing/);
  // One row of each metric for all that is not there, with its buckets.
  await send("/apis/x.y/v3/more");
  expect(await rows()).toHaveLength(after.length);
  expect(after.length).toBeGreaterThan(before.length);
});

it("nothing is kept of a resource whose definition has changed", async () => {
  const metrics = new RequestMetrics(metricsRegistry(), new ManualClock());
  const query = new URLSearchParams();
  const asked = () => {
    const resource = { kind: { deprecated: undefined } };
    const info = parseRequestInfo("GET", "/apis/x.y/v1/things", query);
    metrics.begin({ info, resource, query, longRunning: false, apply: false }).end(200);
    return resource;
  };
  expect(await isCollected(asked)).toBe(true);
});
