import * as http from "node:http";
import type { AddressInfo } from "node:net";
import type { Node, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ENDPOINT_SLICES, NODES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { NetlinkError } from "@raft2kube/linux/netlink/messages.ts";
import { SAMPLING_RATE_MAX } from "@raft2kube/observe/limits.ts";
import type { LogFields, Logger } from "@raft2kube/observe/log.ts";
import { recentSpans } from "@raft2kube/observe/trace/recent-spans.ts";
import { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { type Clock, ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { systemRandom } from "@raft2kube/std/random.ts";
import { expect, onTestFinished, test } from "vitest";
import { waitFor } from "../testing/wait.ts";
import type { PortChanges, Rules } from "./apply/rules.ts";
import { HealthChecks, serveMetrics } from "./health-checks.ts";
import {
  CHANGE_WORK,
  PASS_MS,
  RULES_OF_NAMESPACE,
  SOURCE_RANGES_MAX,
  SYNC_DELAY_MS,
  UNHEALTHY_MS,
  VERIFY_MS,
} from "./limits.ts";
import { type LoopOptions, ProxyLoop, type SyncState } from "./loop.ts";
import type { ServicePort } from "./plan/model.ts";

const clock = systemClock();

const metadata = { namespace: "shop", name: "web", resourceVersion: "1" };
const NEWER = { resourceVersion: "2" };
const OBJECTS: Readonly<Record<string, object | object[]>> = {
  services: { metadata, spec: { clusterIP: "10.96.0.7", ports: [{ name: "http", port: 80 }] } },
  endpointslices: {
    metadata: { ...metadata, labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080 }],
    endpoints: ["127.0.0.1", "169.254.169.254", "224.0.0.1", "10.1.0.1"].map((address) => ({
      addresses: [address],
    })),
  },
  nodes: { metadata: { name: "here", resourceVersion: "1" } },
};

/** An API server with those objects; `touch` reports one of them, or another, as modified. */
async function serve(
  objects = OBJECTS,
): Promise<{
  client: KubeClient;
  touch(plural: string, object?: object): Promise<void>;
  close(): Promise<void>;
}> {
  const watchers = new Map<string, http.ServerResponse>();
  const server = http.createServer(({ url = "" }, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const [plural = ""] = url.split("?")[0]?.split("/").slice(-1) ?? [];
    if (url.includes("watch=")) {
      watchers.set(plural, response);
      return response.flushHeaders();
    }
    const list = { metadata: { resourceVersion: "1" }, items: [objects[plural]].flat() };
    response.end(JSON.stringify(list));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = new KubeClient({ server: `http://127.0.0.1:${port}`, clock });
  return {
    client,
    async touch(plural, object = { ...objects[plural], metadata: { ...metadata, ...NEWER } }) {
      const watcher = await waitFor("the watch", () => watchers.get(plural));
      watcher.write(`${JSON.stringify({ type: "MODIFIED", object })}\n`);
    },
    close() {
      client.close();
      server.closeAllConnections();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
}

const ignore = () => {};
const SILENT: Logger = { debug: ignore, info: ignore, error: ignore, warn: ignore };
const NO_RULES: Rules = {
  rebuild: () => Promise.resolve(),
  change: () => Promise.resolve(),
  intact: () => Promise.resolve(true),
  conflicts: () => [],
  close: () => Promise.resolve(),
};

/** Starts a loop whose informers have the machine's clock. */
function startLoop(
  client: KubeClient,
  options: Pick<LoopOptions, "rules" | "log" | "clock" | "forgetFlows"> & Partial<LoopOptions>,
) {
  const loop = new ProxyLoop({
    services: new Informer<Service>({ resource: client.resource(SERVICES), clock }),
    slices: new Informer<EndpointSlice>({ resource: client.resource(ENDPOINT_SLICES), clock }),
    nodes: new Informer<Node>({ resource: client.resource(NODES), clock }),
    nodeName: "here",
    healthChecks: new HealthChecks(() => true, options),
    removeOthers: () => Promise.resolve(),
    apiServers: () => Promise.resolve([]),
    events: { record: ignore },
    ...options,
  });
  void loop.start();
  return loop;
}

test("the state has the last error until the rules are applied", async () => {
  const { client, close } = await serve();
  let attempts = 0;
  const states: SyncState[] = [];
  const rebuild = () => {
    states.push(loop.state);
    return ++attempts < 3 ? Promise.reject(new Error(`refused ${attempts}`)) : Promise.resolve();
  };
  const loop = startLoop(client, { rules: { ...NO_RULES, rebuild }, log: SILENT, clock });
  await loop.ready;
  expect([...states, loop.state]).toEqual([
    { isApplied: false, failures: 0 },
    { isApplied: false, failures: 1, error: "refused 1" },
    { isApplied: false, failures: 2, error: "refused 2" },
    { isApplied: true, failures: 0 },
  ]);
  const server = serveMetrics(loop.metrics.registry, "nftables", { log: SILENT, clock }, 0);
  onTestFinished(() => void server.close());
  await waitFor("the address", () => server.listening);
  const { address, port } = server.address() as AddressInfo;
  expect(address).toBe("127.0.0.1");
  const base = `http://127.0.0.1:${port}`;
  const page = async (path: string) => (await fetch(base + path)).text();
  expect(await page("/proxyMode")).toBe("nftables");
  const isCounted = async () => /last_timestamp_\S+ \d{10}(\.|$)/m.test(await page("/metrics"));
  await waitFor("the sync", isCounted);
  const counts = /^kubeproxy_sync_(\w+)(?:_count|_total){ip_family="IPv4"} (\d+)/gm;
  const found = [...(await page("/metrics")).matchAll(counts)];
  expect(found.map(([, name, value]) => `${name} ${value}`)).toEqual([
    "proxy_rules_duration_seconds 1",
    "full_proxy_rules_duration_seconds 1",
    "partial_proxy_rules_duration_seconds 0",
    "proxy_rules_nftables_sync_failures 2",
  ]);
  await loop.close();
  await close();
});

test("a proxy is healthy until its syncs have failed for two periods, and after the next", async () => {
  const { client, touch, close } = await serve();
  const manual = new ManualClock();
  let isRefused = false;
  const answer = () => (isRefused ? Promise.reject(new Error("refused")) : Promise.resolve());
  const rules = { ...NO_RULES, rebuild: answer, change: answer };
  const loop = startLoop(client, { rules, log: SILENT, clock: manual });
  expect(loop.isHealthy).toBe(false);
  await loop.ready;
  isRefused = true;
  await touch("services");
  const until = (what: string, ms: number, isDone: () => boolean) => {
    const isDoneLater = () => {
      manual.advance(ms);
      return isDone();
    };
    return waitFor(what, isDoneLater);
  };
  await until("the failure", SYNC_DELAY_MS, () => loop.state.failures > 0);
  expect(loop.isHealthy).toBe(true);
  manual.advance(UNHEALTHY_MS + 1);
  expect(loop.isHealthy).toBe(false);
  isRefused = false;
  await until("the retry", SYNC_DELAY_MS, () => loop.isHealthy);
  expect(loop.state).toEqual({ isApplied: true, failures: 0 });
  await loop.close();
  await close();
});

const DNS = { clusterIP: "10.96.0.10", ports: [{ name: "dns", port: 53, protocol: "UDP" }] };

test("without ctnetlink the rules are applied, and the log says once what is left", async () => {
  const { client, touch, close } = await serve({ ...OBJECTS, services: { metadata, spec: DNS } });
  const warnings: [string, LogFields?][] = [];
  const log: Logger = { ...SILENT, warn: (...line) => void warnings.push(line) };
  let asked = 0;
  const forgetFlows = () => {
    asked++;
    return Promise.reject(new NetlinkError("EINVAL", "list tracked connections: EINVAL"));
  };
  const loop = startLoop(client, { rules: NO_RULES, log, clock, forgetFlows });
  await loop.ready;
  await touch("services");
  await waitFor("the change", () => asked > 1);
  expect(loop.state).toEqual({ isApplied: true, failures: 0 });
  expect(warnings).toEqual([
    [
      expect.stringContaining("conntrack entries are not deleted"),
      {
        error: "list tracked connections: EINVAL",
        remedy: expect.stringContaining("modprobe nf_conntrack_netlink") as string,
      },
    ],
  ]);
  await loop.close();
  await close();
});

test("entries that could not be deleted for another reason are looked for again", async () => {
  const { client, close } = await serve({ ...OBJECTS, services: { metadata, spec: DNS } });
  let asked = 0;
  const states: SyncState[] = [];
  const forgetFlows = () => {
    states.push(loop.state);
    if (++asked === 1) return Promise.reject(new NetlinkError("ENOBUFS", "no buffer"));
    return Promise.resolve(0);
  };
  const loop = startLoop(client, { rules: NO_RULES, log: SILENT, clock, forgetFlows });
  await loop.ready;
  expect(states).toEqual([
    { isApplied: false, failures: 0 },
    { isApplied: false, failures: 1, error: "no buffer" },
  ]);
  await loop.close();
  await close();
});

test("endpoints keep their places when one of them goes", async () => {
  const slice = (resourceVersion: string, ...lasts: number[]) => ({
    ...OBJECTS["endpointslices"],
    metadata: { ...metadata, resourceVersion, labels: { "kubernetes.io/service-name": "web" } },
    endpoints: lasts.map((last) => ({ addresses: [`10.1.0.${last}`], nodeName: "here" })),
  });
  const { client, touch, close } = await serve({
    ...OBJECTS,
    endpointslices: slice("1", 1, 2, 3, 4),
  });
  const lists: string[][] = [];
  const change = async (ports: PortChanges) => {
    for (const port of ports.values()) {
      for (const list of [port!.allEndpoints, port!.localEndpoints]) {
        lists.push(list.map(({ address }) => address));
      }
    }
  };
  const loop = startLoop(client, { rules: { ...NO_RULES, change }, log: SILENT, clock });
  await loop.ready;
  await touch("endpointslices", slice("2", 2, 3, 4));
  await waitFor("the change", () => lists.length === 2);
  const kept = ["10.1.0.4", "10.1.0.2", "10.1.0.3"];
  expect(lists).toEqual([kept, kept]);
  await loop.close();
  await close();
});

test("endpoints that must not be served are left out, logged, and an event of their Service", async () => {
  const { client, close } = await serve();
  const events: unknown[][] = [];
  const record = (...event: unknown[]) => void events.push(event);
  const warnings: [string, LogFields?][] = [];
  const log: Logger = { ...SILENT, warn: (...line) => void warnings.push(line) };
  let served: readonly ServicePort[] = [];
  const rules: Rules = { ...NO_RULES, rebuild: (ports) => Promise.resolve(void (served = ports)) };
  const loop = startLoop(client, { rules, log, clock, events: { record } });
  await loop.ready;
  expect(served.map(({ allEndpoints }) => allEndpoints)).toEqual([
    [{ address: "10.1.0.1", port: 8080 }],
  ]);
  const [[text, fields] = [], ...more] = warnings;
  expect(text).toBe("a Service is not served completely");
  expect(fields).toMatchObject({ service: "shop/web" });
  expect(fields?.["problems"]).toMatch(
    /^endpoint 127\.0\.0\.1 .*; endpoint 169\.254\.169\.254 .*; endpoint 224\.0\.0\.1 [^;]*$/,
  );
  expect(more).toEqual([]);
  expect(events).toEqual([
    [
      expect.objectContaining({ kind: "Service", metadata }),
      "Warning",
      "NotServed",
      fields?.["problems"],
    ],
  ]);
  await loop.close();
  await close();
});

test("the write of rules for new endpoints is a trace that names them", async () => {
  const { client, touch, close } = await serve();
  const sink = recentSpans();
  const tracer = new Tracer({
    service: { name: "proxy" },
    sink,
    clock,
    random: systemRandom,
    samplingRatePerMillion: SAMPLING_RATE_MAX,
  });
  let changes = 0;
  const change = () => Promise.resolve(void changes++);
  const loop = startLoop(client, { rules: { ...NO_RULES, change }, log: SILENT, clock, tracer });
  await loop.ready;
  await touch("services");
  await waitFor("a change without new endpoints", () => changes > 0);
  expect(sink.recent().map(({ name, attributes }) => ({ name, attributes }))).toEqual([
    { name: "syncProxyRules", attributes: { addresses: ["10.1.0.1"] } },
  ]);
  await loop.close();
  await close();
});

test("other events are processed while a Service of many ports is planned", async () => {
  const names = Array.from({ length: 100 }, (_, i) => ({ name: `p${i}`, port: 1_000 + i }));
  const { client, close } = await serve({
    ...OBJECTS,
    services: { metadata, spec: { clusterIP: "10.96.0.7", ports: names } },
  });
  let now_ms = 0;
  let turns = 0;
  let isPlanning = false;
  const count = () => {
    turns++;
    if (isPlanning) setImmediate(count);
  };
  const rebuild = (ports: readonly ServicePort[]) => {
    isPlanning = false;
    return Promise.resolve(void expect(ports).toHaveLength(100));
  };
  const loop = startLoop(client, {
    rules: { ...NO_RULES, rebuild },
    apiServers() {
      isPlanning = true;
      setImmediate(count);
      return Promise.resolve([]);
    },
    log: SILENT,
    clock: { ...clock, monotonic: () => ++now_ms, after: (_, run) => clock.after(0, run) },
  });
  await loop.ready;
  expect(turns).toBeGreaterThan(5);
  await loop.close();
  await close();
});

test("a change that takes long is left to further passes, which plan what others changed", async () => {
  const ports = Array.from({ length: CHANGE_WORK / 4 }, (_, at) => ({
    name: `p${at}`,
    port: 1 + at,
  }));
  const spec = { clusterIP: "10.96.0.7", ports };
  const { client, touch, close } = await serve({ ...OBJECTS, services: { metadata, spec } });
  const manual = new ManualClock();
  const calls: string[] = [];
  const rules: Rules = {
    ...NO_RULES,
    async change() {
      calls.push("change");
      await new Promise((resolve) => setImmediate(resolve));
      manual.advance(PASS_MS);
    },
    conflicts() {
      if (calls.at(-1) === "change") calls.push("end of the pass");
      return [];
    },
  };
  const loop = startLoop(client, { rules, log: SILENT, clock: manual });
  await loop.ready;
  await touch("services");
  const isDone = () => {
    manual.advance(SYNC_DELAY_MS);
    return calls.length >= 6;
  };
  await waitFor("the passes", isDone);
  // From the second on, a pass has a turn of what is left too.
  expect(calls.join()).toMatch(/^change,end of the pass,change,change,end of the pass,change/);
  await loop.close();
  await close();
});

test("a change while the rules are compared is applied after that", async () => {
  const { client, touch, close } = await serve();
  const manual = new ManualClock();
  const calls: string[] = [];
  const { promise: compared, resolve: finish } = Promise.withResolvers<boolean>();
  const rules: Rules = {
    ...NO_RULES,
    change: () => Promise.resolve(void calls.push("change")),
    intact() {
      calls.push("compare");
      return compared.finally(() => calls.push("compared"));
    },
  };
  const loop = startLoop(client, { rules, log: SILENT, clock: manual });
  await loop.ready;
  const isComparing = () => {
    manual.advance(VERIFY_MS);
    return calls.length > 0;
  };
  await waitFor("the comparison", isComparing);
  await touch("services");
  manual.advance(SYNC_DELAY_MS);
  expect(calls).toEqual(["compare"]);
  finish(true);
  const isChanged = () => {
    manual.advance(SYNC_DELAY_MS);
    return calls.includes("change");
  };
  await waitFor("the change", isChanged);
  expect(calls).toEqual(["compare", "compared", "change"]);
  await loop.close();
  await close();
});

test("ports beyond their namespace's part of the rules are served once others have left", async () => {
  const octets = Array.from({ length: SOURCE_RANGES_MAX }, (_, at) => [at >> 8, at & 255]);
  const guarded = (namespace: string, name: string, count: number) => ({
    metadata: { ...metadata, namespace, name },
    spec: {
      type: "LoadBalancer",
      clusterIP: "10.96.0.9",
      loadBalancerSourceRanges: octets.map((two) => `10.${two.join(".")}.0/24`),
      ports: Array.from({ length: count }, (_, at) => ({ name: `p${at}`, port: 1 + at })),
    },
    status: { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } },
  });
  const count = Math.ceil(RULES_OF_NAMESPACE / SOURCE_RANGES_MAX);
  const services = [
    guarded("ten", "many", count),
    guarded("ten", "later", 1),
    guarded("shop", "web", 1),
  ];
  const { client, touch, close } = await serve({ ...OBJECTS, services });
  const served = new Set<string>();
  const problems: unknown[] = [];
  const log = {
    ...SILENT,
    warn: (_: string, fields?: LogFields) => problems.push(fields?.["problems"]),
  };
  const rules: Rules = {
    ...NO_RULES,
    rebuild: (ports) => Promise.resolve(ports.forEach(({ key }) => served.add(key))),
    change(changes) {
      for (const [key, port] of changes) port ? served.add(key) : served.delete(key);
      return Promise.resolve();
    },
  };
  const loop = startLoop(client, { rules, log, clock });
  await loop.ready;
  expect(served).toContain("shop/web:p0/TCP");
  expect([...served].filter((key) => key.startsWith("ten/many:"))).toHaveLength(count - 2);
  expect(served).not.toContain("ten/later:p0/TCP");
  expect(problems).toEqual([
    expect.stringMatching(`^port p${count - 2} and those after it are not served`),
    expect.stringMatching("^port p0 and those after it are not served"),
  ]);
  await touch("services", {
    ...guarded("ten", "many", 1),
    metadata: { ...services[0]!.metadata, ...NEWER },
  });
  await waitFor("the later Service", () => served.has("ten/later:p0/TCP"));
  await loop.close();
  await close();
});

test("a pass plans Services for a time, in rotation of their namespaces", async () => {
  const keys = ["ten/a", "ten/b", "shop/web"];
  const named = (key: string, resourceVersion = "1") => {
    const [namespace, name] = key.split("/");
    const externalIPs = [`fd00::${resourceVersion}`];
    const spec = { clusterIP: "10.96.0.7", externalIPs, ports: [{ port: 80 }] };
    return { metadata: { namespace, name, resourceVersion }, spec };
  };
  const all = keys.map((key) => named(key));
  const { client, touch, close } = await serve({ ...OBJECTS, services: all });
  const manual = new ManualClock();
  const services = new Informer<Service>({ resource: client.resource(SERVICES), clock });
  // Each Service has a problem, which is another one once it is touched: its plan takes a pass.
  let taken_ms = 0;
  const log = { ...SILENT, warn: () => void (taken_ms += PASS_MS) };
  const slow: Clock = {
    now: () => manual.now(),
    monotonic: () => manual.monotonic() + taken_ms,
    after: (delay_ms, run) => manual.after(delay_ms, run),
  };
  const passes: string[][] = [];
  const change = (changes: PortChanges) => Promise.resolve(void passes.push([...changes.keys()]));
  const loop = startLoop(client, { rules: { ...NO_RULES, change }, log, clock: slow, services });
  await loop.ready;
  for (const key of keys) await touch("services", named(key, "2"));
  const isThere = (key: string) => services.store.get(key)?.metadata.resourceVersion === "2";
  await waitFor("the changes", () => keys.every(isThere));
  const isDone = () => {
    manual.advance(SYNC_DELAY_MS);
    return passes.flat().length >= keys.length;
  };
  await waitFor("the passes", isDone);
  expect(passes).toEqual([["ten/a:/TCP"], ["shop/web:/TCP"], ["ten/b:/TCP"]]);
  await loop.close();
  await close();
});
