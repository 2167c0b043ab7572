import * as http from "node:http";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Change } from "@raft2kube/linux/netfilter/nft-table/table-state.ts";
import type { LogFields, Logger } from "@raft2kube/observe/log.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listening } from "../testing/listening.ts";
import { waitFor } from "../testing/wait.ts";
import { POLICY_ADMIT_MS, POLICY_VERIFY_MS } from "./limits.ts";
import { PolicyLoop } from "./loop.ts";

const real = systemClock();
const ITEMS: Readonly<Record<string, object[]>> = {
  networkpolicies: [
    {
      metadata: { namespace: "ns", name: "deny", uid: "p", resourceVersion: "1" },
      spec: { podSelector: {}, policyTypes: ["Ingress"] },
    },
  ],
  endpointslices: [],
  pods: [false, true].map((hostNetwork, index) => ({
    metadata: { namespace: "ns", name: hostNetwork ? "host" : "own", uid: `${index}` },
    spec: { hostNetwork, nodeName: "node", containers: [{ name: "c", image: "i" }] },
    status: { phase: "Running", podIPs: [{ ip: `10.0.0.${index + 1}` }] },
  })),
};
const NEW: Pod = {
  metadata: { namespace: "ns", name: "new", uid: "u", labels: {} },
  spec: { containers: [{ name: "c", image: "i" }] },
};

let server: http.Server;
let client: KubeClient;
let loop: PolicyLoop;
let clock: ManualClock;
/** The answers of the watches under way, by resource. */
const watches = new Map<string, http.ServerResponse>();
/** Addresses whose connections were forgotten, and whether the new pod had its rules. */
const forgotten: string[] = [];
/** The time that this takes. */
let forgetting = Promise.resolve();
const warnings: [string, LogFields?][] = [];
const ignore = () => {};
const log: Logger = {
  debug: ignore,
  info: ignore,
  error: ignore,
  warn: (...line) => void warnings.push(line),
};

/** The kernel: notes the owners of what it is given, and may refuse it. */
const kernel = {
  refuses: false,
  isIntact: true,
  rebuilds: 0,
  owners: new Set<string>(),
  removed: new Set<string>(),
  /** The time that planning takes, and when each transaction came. */
  planning_ms: 0,
  begun_ms: [] as number[],
  /** The time that a transaction takes. */
  busy: Promise.resolve(),
  take(changes: Iterable<Change>): Promise<void> {
    kernel.begun_ms.push(clock.monotonic());
    clock.advance(kernel.planning_ms);
    if (kernel.refuses) return Promise.reject(new Error("refused"));
    for (const { owner, fragment } of changes) {
      if (fragment?.elements.length) kernel.owners.add(owner);
      else kernel.removed.add(owner);
    }
    return kernel.busy;
  },
};

beforeEach(async () => {
  Object.assign(kernel, { refuses: false, isIntact: true, rebuilds: 0, planning_ms: 0 });
  kernel.begun_ms = [];
  kernel.owners = new Set();
  kernel.removed = new Set();
  watches.clear();
  kernel.busy = Promise.resolve();
  warnings.length = 0;
  forgotten.length = 0;
  forgetting = Promise.resolve();
  server = http.createServer(({ url = "" }, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const [plural = ""] = url.split("?")[0]?.split("/").slice(-1) ?? [];
    if (url.includes("watch=")) {
      watches.set(plural, response);
      return response.flushHeaders();
    }
    response.end(JSON.stringify({ metadata: { resourceVersion: "1" }, items: ITEMS[plural] }));
  });
  const port = await listening(server);
  client = new KubeClient({ server: `http://127.0.0.1:${port}`, clock: real });
  clock = new ManualClock();
  loop = new PolicyLoop({
    client,
    nodeName: "node",
    table: {
      async rebuild(_base, changes) {
        await kernel.take(changes);
        kernel.rebuilds++;
      },
      change: (changes) => kernel.take(changes),
      intact: () => Promise.resolve(kernel.isIntact),
      close: ignore,
    },
    forget: (address) => {
      forgotten.push(`${address} ${kernel.owners.has("pod ns/new/u")}`);
      return forgetting;
    },
    clock,
    log,
  });
});
afterEach(async () => {
  await loop.close();
  client.close();
  server.closeAllConnections();
  await new Promise((resolve) => void server.close(resolve));
});

/** Lets timers pass until `isDone`. */
const advance = (what: string, ms: number, isDone: () => boolean) =>
  waitFor(
    what,
    () => {
      clock.advance(ms);
      return isDone() || undefined;
    },
    { interval_ms: 5 },
  );

async function applied(): Promise<void> {
  await advance("the first table", 1, () => kernel.rebuilds > 0);
  await loop.ready;
}

/** Admits a pod's container. */
async function admitted(pod: Pod, address: string, hasRun = false): Promise<void> {
  let isAdmitted = false;
  const admitting = loop.admit(pod, address, hasRun).then(() => (isAdmitted = true));
  await advance("the admission", 1, () => isAdmitted);
  await admitting;
}

test("a pod of the host's network is judged by no policy that selects it", async () => {
  await applied();
  expect([...kernel.owners].sort()).toEqual(["pod ns/own/0"]);
});

test("a new pod is admitted once the kernel has its rules", async () => {
  await applied();
  const { promise, resolve } = Promise.withResolvers<void>();
  kernel.busy = promise;
  let isAdmitted = false;
  const admitted = loop.admit(NEW, "10.0.0.9", false).then(() => (isAdmitted = true));
  await advance("the transaction", 1, () => kernel.owners.has("pod ns/new/u"));
  expect(isAdmitted).toBe(false);
  resolve();
  await admitted;
  await loop.admit(NEW, "10.0.0.9", false); // for the next container, immediately
});

test("after planning that takes long the loop rests, and serves what came meanwhile", async () => {
  await applied();
  kernel.planning_ms = 100;
  await admitted(NEW, "10.0.0.9");
  await admitted({ ...NEW, metadata: { ...NEW.metadata, uid: "v" } }, "10.0.0.8");
  const [, first = 0, second = 0] = kernel.begun_ms;
  expect(second - first).toBeGreaterThanOrEqual(500);
});

test("a pod whose rules the kernel refuses is not admitted, and is after a rebuild", async () => {
  await applied();
  kernel.refuses = true;
  let failure: unknown;
  const refused = loop.admit(NEW, "10.0.0.9", false).catch((thrown: unknown) => (failure = thrown));
  await advance("the refusal", POLICY_ADMIT_MS / 10, () => failure !== undefined);
  await refused;
  expect(failure).toMatchObject({ code: "NO_POLICIES", remedy: expect.any(String) as string });
  kernel.refuses = false;
  let isAdmitted = false;
  const again = loop.admit(NEW, "10.0.0.9", false).then(() => (isAdmitted = true));
  await advance("the retry", POLICY_VERIFY_MS, () => isAdmitted);
  await again;
  expect(kernel.rebuilds).toBe(2);
});

test("connections of an address's former pod are forgotten once the rules are in force", async () => {
  await applied();
  await admitted(NEW, "10.0.0.9");
  await admitted(NEW, "10.0.0.9");
  expect(forgotten).toEqual(["10.0.0.9 true"]);
  await admitted(NEW, "10.0.0.7");
  expect(forgotten).toEqual(["10.0.0.9 true", "10.0.0.7 true"]);
});

test("a pod whose containers ran before this program keeps their connections", async () => {
  await applied();
  // Its init container runs: it is Pending, and no list has its address.
  await admitted({ ...NEW, status: { phase: "Pending" } }, "10.0.0.9", true);
  await admitted(NEW, "10.0.0.9", true);
  expect(forgotten).toEqual([]);
  expect([...kernel.owners]).toContain("pod ns/new/u");
});

test("of containers that start at once none loses its connections by another's start", async () => {
  await applied();
  const { promise, resolve } = Promise.withResolvers<void>();
  forgetting = promise;
  let count = 0;
  const admitting = [0, 1].map(() => loop.admit(NEW, "10.0.0.9", false).then(() => count++));
  await advance("the deletion", 1, () => forgotten.length > 0);
  admitting.push(loop.admit(NEW, "10.0.0.9", false).then(() => count++));
  expect(count).toBe(0);
  resolve();
  await Promise.all(admitting);
  expect(forgotten).toEqual(["10.0.0.9 true"]);
});

/** Sends an event of a pod whose resource version is `version`. */
function send(type: "ADDED" | "MODIFIED" | "DELETED", pod: Pod, version: number): void {
  const metadata = { ...pod.metadata, resourceVersion: `${version}` };
  watches.get("pods")!.write(`${JSON.stringify({ type, object: { ...pod, metadata } })}\n`);
}

test("of two pods that show one address, the later has it", async () => {
  await applied();
  await advance("the watch", 1, () => watches.has("pods"));
  const [own] = ITEMS["pods"] as [Pod];
  send("ADDED", { ...own, metadata: { ...NEW.metadata } }, 2);
  await advance("the later pod", 1, () => kernel.owners.has("pod ns/new/u"));
  expect(kernel.removed).toContain("pod ns/own/0");
});

test("the rules of a pod of which nothing runs are dropped, whatever its status says", async () => {
  await applied();
  await advance("the watch", 1, () => watches.has("pods"));
  const [own] = ITEMS["pods"] as [Pod];
  loop.release(own);
  await advance("the removal", 1, () => kernel.removed.has("pod ns/own/0"));
  kernel.owners.clear();
  const labels = { late: "status" };
  send("MODIFIED", { ...own, metadata: { ...own.metadata, labels } }, 2);
  send("ADDED", { ...own, metadata: NEW.metadata, status: { podIPs: [{ ip: "10.0.0.8" }] } }, 3);
  await advance("the later pod", 1, () => kernel.owners.has("pod ns/new/u"));
  expect([...kernel.owners]).not.toContain("pod ns/own/0");
});

test("a deleted pod, which may run on, keeps its rules until another has its address", async () => {
  await applied();
  await advance("the watch", 1, () => watches.has("pods"));
  const [own] = ITEMS["pods"] as [Pod];
  send("DELETED", own, 2);
  // A later pod's event comes after the deletion.
  const status = { podIPs: [{ ip: "10.0.0.8" }] };
  send("ADDED", { ...own, metadata: { ...NEW.metadata, uid: "l" }, status }, 3);
  await advance("the later pod", 1, () => kernel.owners.has("pod ns/new/l"));
  expect(kernel.removed).not.toContain("pod ns/own/0");
  const admitted = loop.admit(NEW, "10.0.0.1", false);
  await advance("the pod that has its address", 1, () => kernel.removed.has("pod ns/own/0"));
  await admitted;
});

test("rules that another program removed are made again", async () => {
  await applied();
  kernel.isIntact = false;
  await advance("the rebuild", POLICY_VERIFY_MS, () => kernel.rebuilds > 1);
  expect(warnings.map(([text]) => text)).toContain(
    "rules of network policies are missing: another program changed them",
  );
});
