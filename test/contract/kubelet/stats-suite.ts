import { existsSync } from "node:fs";
import { CONFIG_MAPS, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { Implementation } from "../cri/implementation.ts";
import { type ApiNode, startApiNode } from "./api-node.ts";
import { ask, MASTER } from "./ask.ts";
import { isReady } from "./fixture.ts";
import { SLEEP, sh, spec } from "./specs.ts";

const STEP_TIMEOUT_MS = 300_000;
const WRITTEN_BYTES = 1 << 20;
const MEMORY_BYTES = 4 << 20;

const SCRIPT =
  `head -c ${WRITTEN_BYTES} /dev/urandom | tee /disk/file /memory/file > /layer; ` +
  `echo said; touch /disk/done; ${SLEEP}`;

const POD = spec(
  [
    sh("main", SCRIPT, {
      resources: { limits: { memory: "64Mi" } },
      readinessProbe: { exec: { command: ["test", "-f", "/disk/done"] }, periodSeconds: 1 },
      volumeMounts: [
        { name: "disk", mountPath: "/disk" },
        { name: "memory", mountPath: "/memory" },
        { name: "words", mountPath: "/words" },
        { name: "host", mountPath: "/host" },
      ],
    }),
  ],
  {
    initContainers: [sh("sidecar", SLEEP, { restartPolicy: "Always" })],
    volumes: [
      { name: "disk", emptyDir: {} },
      { name: "memory", emptyDir: { medium: "Memory", sizeLimit: String(MEMORY_BYTES) } },
      { name: "words", configMap: { name: "words" } },
      { name: "host", hostPath: { path: "/tmp" } },
    ],
  },
);

const number = expect.any(Number);
const FS = {
  time: expect.any(String),
  availableBytes: number,
  capacityBytes: number,
  usedBytes: number,
  inodes: number,
  inodesFree: number,
  inodesUsed: number,
};
const MEMORY = {
  time: expect.any(String),
  usageBytes: number,
  workingSetBytes: number,
  rssBytes: number,
  pageFaults: number,
  majorPageFaults: number,
};
const STALLS = { total: number, avg10: number, avg60: number, avg300: number };
const PSI = { psi: { some: STALLS, full: STALLS } };
/** Stalls of the node, where its kernel counts them, and of cgroups of v2, beside v1 too. */
const OF_NODE = existsSync("/proc/pressure/memory") ? PSI : {};
const OF_GROUPS = ["", "unified/"].some((at) => existsSync(`/sys/fs/cgroup/${at}cpu.pressure`))
  ? PSI
  : {};
const INTERFACE = { rxBytes: number, rxErrors: number, txBytes: number, txErrors: number };
/** A time of this century: what is not known is no time in 1970. */
const TIME = expect.stringMatching(/^20\d\d-/);

type Cpu = { usageNanoCores?: number };

interface Filesystem {
  name: string;
  availableBytes: number;
  capacityBytes: number;
  usedBytes: number;
}

type Memory = { availableBytes?: number; usageBytes: number; workingSetBytes: number };

interface Network {
  name: string;
  rxBytes: number;
  txBytes: number;
  interfaces: { name: string }[];
}

/** The part of a summary that the rules look into; the rest is compared as a whole. */
interface Summary {
  node: {
    startTime: string;
    cpu: Cpu;
    memory: Memory;
    io?: object;
    network: Network;
    fs: Filesystem;
    runtime: { imageFs: Filesystem; containerFs: Filesystem };
    rlimit: object;
    swap: object;
  };
  pods: PodStats[];
}

interface PodStats {
  podRef: { name: string };
  startTime: string;
  containers: ContainerStats[];
  cpu: Cpu;
  memory: Memory;
  network: Network;
  volume: Filesystem[];
  "ephemeral-storage": Filesystem;
  process_stats: { process_count: number };
}

interface ContainerStats {
  name: string;
  startTime: string;
  cpu?: Cpu;
  memory: Memory;
  rootfs: Filesystem;
  logs: Filesystem;
}

type AskSummary = () => Promise<{ node: Summary["node"]; pod: PodStats }>;

/** Rules for /stats/summary and /metrics/resource of a pod on any CRI runtime. */
export function statsContract(name: string, implementation: Implementation): void {
  describe(`the kubelet's statistics on ${name}`, () => {
    let api: ApiNode;
    beforeAll(async () => {
      api = await startApiNode({}, implementation);
      const { admin } = api.plane;
      const metadata = { namespace: "default", name: "words" };
      await admin.resource(CONFIG_MAPS).create({ metadata, data: { word: "said" } });
      const where = { namespace: "default", name: "counted" };
      const pods = admin.resource(PODS);
      await pods.create({ metadata: where, spec: POD });
      const ready = async () => isReady(await pods.get(where));
      await waitFor("the pod to be ready", ready, { timeout_ms: STEP_TIMEOUT_MS });
    });
    afterAll(async () => {
      if (!api) return;
      const where = { namespace: "default", name: "counted" };
      await api.plane.admin.resource(PODS).delete(where);
      await waitFor("the pod to go", () => api.node.kubelet.pods().length === 0);
      await api.close();
    });

    const summary: AskSummary = async () => {
      const { status, body } = await ask(api, "/stats/summary", MASTER);
      expect(status).toBe(200);
      const { node, pods } = JSON.parse(body) as Summary;
      return { node, pod: pods.find(({ podRef }) => podRef.name === "counted")! };
    };

    nodeRules(summary, implementation.knows);
    podRules(summary);
    containerRules(() => api, summary, implementation.knows);
  });
}

function nodeRules(summary: AskSummary, { stalls }: Implementation["knows"]): void {
  it("has a CPU rate of the node and of its pods, at the first request too", async () => {
    const { node, pod } = await summary();
    const rated = { time: TIME, usageCoreNanoSeconds: number, usageNanoCores: number };
    expect(node.cpu).toEqual({ ...rated, ...OF_NODE });
    const ofGroups = { ...rated, ...OF_GROUPS };
    expect(pod.cpu).toEqual(ofGroups);
    const ofContainers = stalls ? ofGroups : rated;
    for (const { cpu } of pod.containers) if (cpu) expect(cpu).toEqual(ofContainers);
  });

  it("has the node's memory, network, file systems and processes", async () => {
    const { node } = await summary();
    expect(node.startTime).toEqual(TIME);
    expect(node.memory).toEqual({ ...MEMORY, ...OF_NODE, availableBytes: number });
    expect(node.io).toEqual("psi" in OF_NODE ? { ...PSI, time: TIME } : undefined);
    expect(node.memory.usageBytes).not.toBe(node.memory.workingSetBytes);
    const bridge = node.network.interfaces.find((one) => one.name === "r2kcri0");
    expect(bridge).toEqual({ ...INTERFACE, name: "r2kcri0" });
    expect(node.fs).toEqual(FS);
    expect(node.runtime.imageFs).toEqual(FS);
    expect(node.runtime.containerFs).toEqual(FS);
    expect(node.rlimit).toEqual({ time: TIME, maxpid: number, curproc: number });
    expect(node.swap).toEqual({ time: TIME, swapAvailableBytes: number, swapUsageBytes: number });
  });

  it("has what the runtime's images take", async () => {
    // containerd measures its snapshots every 10 s.
    const used = async () => (await summary()).node.runtime.imageFs.usedBytes > 0;
    await waitFor("images to be counted", used, { interval_ms: 500 });
  });
}

function podRules(summary: AskSummary): void {
  it("has a pod's network by its default interface and by all", async () => {
    const { pod } = await summary();
    const eth0 = { ...INTERFACE, name: "eth0" };
    const { interfaces, ...network } = pod.network;
    expect(network).toEqual({ ...eth0, time: TIME });
    expect(interfaces).toContainEqual(eth0);
    expect(network.rxBytes + network.txBytes).toBeGreaterThan(0);
  });

  it("has what a pod's volumes hold and have room for", async () => {
    const { pod } = await summary();
    const volumes = new Map(pod.volume.map((one) => [one.name, one]));
    // A host path is not the pod's to count; the token's volume has a random name.
    const names = [...volumes.keys()].filter((one) => !one.startsWith("kube-api-access-"));
    expect(names).toEqual(["disk", "memory", "words"]);
    expect(volumes.size).toBe(4);
    for (const volume of volumes.values()) expect(volume).toEqual({ ...FS, name: volume.name });
    expect(volumes.get("disk")!.usedBytes).toBeGreaterThanOrEqual(WRITTEN_BYTES);
    const memory = volumes.get("memory")!;
    expect(memory.capacityBytes).toBe(MEMORY_BYTES);
    expect(memory.usedBytes).toBeGreaterThanOrEqual(WRITTEN_BYTES);
    expect(memory.availableBytes).toBeLessThanOrEqual(MEMORY_BYTES - WRITTEN_BYTES);
  });

  it("has a pod's ephemeral storage: volumes on disk, layers and logs", async () => {
    const counted = async () => {
      const { pod } = await summary();
      // Runtimes measure layers now and then.
      return pod["ephemeral-storage"].usedBytes >= 2 * WRITTEN_BYTES && pod;
    };
    const pod = await waitFor("the layer to be counted", counted, {
      timeout_ms: STEP_TIMEOUT_MS / 2,
      interval_ms: 500,
    });
    expect(pod["ephemeral-storage"]).toEqual(FS);
    expect(pod["ephemeral-storage"].usedBytes).toBeLessThan(3 * WRITTEN_BYTES);
    expect(pod.process_stats.process_count).toBeGreaterThan(1);
    expect(pod.memory).toEqual({ ...MEMORY, ...OF_GROUPS });
  });
}

function containerRules(
  api: () => ApiNode,
  summary: AskSummary,
  { cgroups }: Implementation["knows"],
): void {
  it("has each container's memory, layer and logs, a sidecar's too", async () => {
    const { pod } = await summary();
    expect(pod.startTime).toEqual(TIME);
    const names = pod.containers.map((one) => one.name).sort();
    expect(names).toEqual(["main", "sidecar"]);
    const main = pod.containers.find((one) => one.name === "main")!;
    for (const container of pod.containers) {
      expect(container.startTime).toEqual(TIME);
      // containerd's shim measures none whose groups it did not find when the container was made.
      const isMeasured = cgroups || container.memory !== undefined;
      if (isMeasured) expect(container.memory).toMatchObject(MEMORY);
      expect(container.rootfs).toEqual(FS);
      expect(container.logs).toEqual(FS);
    }
    if (cgroups) expect(main.memory.availableBytes).toBeGreaterThan(0);
    expect(main.logs.usedBytes).toBeGreaterThan(0);
  });

  it("gives Prometheus no zeros for what is not known", async () => {
    const { body } = await ask(api(), "/metrics/resource", MASTER);
    const starts = body.split("\n").filter((line) => /^container_start_time/.test(line));
    expect(starts).toHaveLength(2);
    for (const line of starts) expect(Number(line.split(" ").at(-1))).toBeGreaterThan(1e9);
    expect(body).toMatch(/^node_swap_usage_bytes \d/m);
    const bytes = body.match(/^container_memory_working_set_bytes.* [1-9]\d* \d+$/gm) ?? [];
    const { pod } = await summary();
    const measured = pod.containers.filter(({ memory }) => memory !== undefined);
    if (cgroups) expect(measured).toHaveLength(2);
    expect(bytes).toHaveLength(measured.length);
    expect(body.match(/^container_memory_working_set_bytes/gm) ?? []).toHaveLength(bytes.length);
  });
}
