import * as http from "node:http";
import type { AddressInfo } from "node:net";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Change } from "@raft2kube/linux/netfilter/nft-table/table-state.ts";
import type { LogFields, Logger } from "@raft2kube/observe/log.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
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
  /** The time that a transaction takes. */
  busy: Promise.resolve(),
  take(changes: Iterable<Change>): Promise<void> {
    if (kernel.refuses) return Promise.reject(new Error("refused"));
    for (const { owner, fragment } of changes) {
      if (fragment?.elements.length) kernel.owners.add(owner);
      else kernel.removed.add(owner);
    }
    return kernel.busy;
  },
};

beforeEach(async () => {
  Object.assign(kernel, { refuses: false, isIntact: true, rebuilds: 0 });
  kernel.owners = new Set();
  kernel.removed = new Set();
  watches.clear();
  kernel.busy = Promise.resolve();
  warnings.length = 0;
  forgotten.length = 0;
  server = http.createServer(({ url = "" }, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const [plural = ""] = url.split("?")[0]?.split("/").slice(-1) ?? [];
    if (url.includes("watch=")) {
      watches.set(plural, response);
      return response.flushHeaders();
    }
    response.end(JSON.stringify({ metadata: { resourceVersion: "1" }, items: ITEMS[plural] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
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
      return Promise.resolve();
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
    { clock: real, interval_ms: 5 },
  );

async function applied(): Promise<void> {
  await advance("the first table", 1, () => kernel.rebuilds > 0);
  await loop.ready;
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
  const admitted = loop.admit(NEW, "10.0.0.9").then(() => (isAdmitted = true));
  await advance("the transaction", 1, () => kernel.owners.has("pod ns/new/u"));
  expect(isAdmitted).toBe(false);
  resolve();
  await admitted;
  await loop.admit(NEW, "10.0.0.9"); // for the next container, immediately
});

test("a pod whose rules the kernel refuses is not admitted, and is after a rebuild", async () => {
  await applied();
  kernel.refuses = true;
  let failure: unknown;
  const refused = loop.admit(NEW, "10.0.0.9").catch((thrown: unknown) => (failure = thrown));
  await advance("the refusal", POLICY_ADMIT_MS / 10, () => failure !== undefined);
  await refused;
  expect(failure).toMatchObject({ code: "NO_POLICIES", remedy: expect.any(String) as string });
  kernel.refuses = false;
  let isAdmitted = false;
  const again = loop.admit(NEW, "10.0.0.9").then(() => (isAdmitted = true));
  await advance("the retry", POLICY_VERIFY_MS, () => isAdmitted);
  await again;
  expect(kernel.rebuilds).toBe(2);
});

test("connections of an address's former pod are forgotten once the rules are in force", async () => {
  await applied();
  const admitted = async (pod: Pod, address: string) => {
    let isAdmitted = false;
    const admitting = loop.admit(pod, address).then(() => (isAdmitted = true));
    await advance("the admission", 1, () => isAdmitted);
    await admitting;
  };
  await admitted(NEW, "10.0.0.9");
  await admitted(NEW, "10.0.0.9");
  expect(forgotten).toEqual(["10.0.0.9 true"]);
  // A pod that ran before this program has its own; its next address has another's.
  const [running] = ITEMS["pods"] as [Pod];
  await admitted(running, "10.0.0.1");
  expect(forgotten).toHaveLength(1);
  await admitted(running, "10.0.0.7");
  expect(forgotten).toEqual(["10.0.0.9 true", "10.0.0.7 true"]);
});

test("a deleted pod, which may run on, keeps its rules until another has its address", async () => {
  await applied();
  await advance("the watch", 1, () => watches.has("pods"));
  const [{ metadata, ...own }] = ITEMS["pods"] as [Pod];
  const object = { ...own, metadata: { ...metadata, resourceVersion: "2" } };
  watches.get("pods")!.write(`${JSON.stringify({ type: "DELETED", object })}\n`);
  // A later pod's event comes after the deletion.
  const later = { ...own, metadata: { ...NEW.metadata, uid: "l", resourceVersion: "3" } };
  const status = { phase: "Running", podIPs: [{ ip: "10.0.0.8" }] };
  watches
    .get("pods")!
    .write(`${JSON.stringify({ type: "ADDED", object: { ...later, status } })}\n`);
  await advance("the later pod", 1, () => kernel.owners.has("pod ns/new/l"));
  expect(kernel.removed).not.toContain("pod ns/own/0");
  const admitted = loop.admit(NEW, "10.0.0.1");
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
