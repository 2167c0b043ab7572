import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay, waitFor } from "@raft2kube/std/wait.ts";
import type { Row } from "./benchmark.ts";
import { r2k, removeCluster } from "./own-cluster.ts";
import { summarizeHeap } from "./soak/heap-summary.ts";
import { Load } from "./soak/load.ts";
import { least, type Sample, sample, unitOf } from "./soak/sample.ts";

const MINUTES_DEFAULT = 30;
/** The end is compared with the load's fifth minute, or with the middle of a shorter one. */
const BASE_MINUTES = 5;
const MINUTE_MS = 60_000;
/** Time after the load, until connections are closed and memory is given back, each minute. */
const SETTLE_MS = 75_000;
const SAMPLES = 5;
const SAMPLE_INTERVAL_MS = 2_000;
const CLASSES_SHOWN = 12;
const MIB = 1024 * 1024;
const RESIDENT_GOAL_MIB = { control: 250, node: 120 } as const;
const SNAPSHOT_TIMEOUT_MS = 120_000;
const clock = systemClock();

type ProcessName = keyof typeof RESIDENT_GOAL_MIB;
const PROCESSES: readonly ProcessName[] = ["control", "node"];
type Samples = Readonly<Record<ProcessName, Sample>>;

/**
 * A mixed load on a whole cluster (`--minutes`, 30 by default): memory of both processes at its end
 * and after five minutes, and the owners of their heaps' memory. `--snapshots DIR` keeps the
 * heap snapshots, for a browser's developer tools.
 */
export async function soak(args: readonly string[]): Promise<Row[]> {
  const options = { minutes: { type: "string" }, snapshots: { type: "string" } } as const;
  const { values } = parseArgs({ args: [...args], options });
  const minutes = Number(values.minutes ?? MINUTES_DEFAULT);
  if (!(minutes > 0)) throw new Error(`--minutes ${values.minutes}: must be a number above 0`);
  const snapshots = resolve(values.snapshots ?? mkdtempSync(join(tmpdir(), "r2k-soak-")));
  mkdirSync(snapshots, { recursive: true });
  removeCluster();
  try {
    const flags = `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${snapshots}`;
    const started = r2k(["start", "--no-demo", "-o", "json"], { NODE_OPTIONS: flags });
    const { kubeconfig } = JSON.parse(started) as { kubeconfig: string };
    const client = new KubeClient({ ...(await kubeConnection(kubeconfig)), qps: 500, burst: 500 });
    const rows = await measure(client, kubeconfig, minutes);
    client.close();
    return [...rows, ...(await heapRows(snapshots))];
  } finally {
    removeCluster();
    if (values.snapshots === undefined) rmSync(snapshots, { recursive: true, force: true });
  }
}

async function measure(client: KubeClient, kubeconfig: string, minutes: number): Promise<Row[]> {
  const base = Math.min(BASE_MINUTES, minutes / 2);
  const load = new Load({ client, kubeconfig });
  process.stderr.write(`${base} minutes of load, a sample, then ${minutes - base} more\n`);
  await load.run(clock.monotonic() + base * MINUTE_MS);
  const early = await settled(client);
  await load.run(clock.monotonic() + (minutes - base) * MINUTE_MS);
  const late = await settled(client);
  for (const failure of load.failures) process.stderr.write(`${failure}\n`);
  const { metadata } = await client.request<{ metadata: { resourceVersion: string } }>({
    method: "GET",
    path: "/api/v1/namespaces",
  });
  return [
    { what: "minutes of load", unit: "", ours: minutes },
    { what: "rounds, of all common kinds each", unit: "", ours: load.rounds },
    { what: "rounds that failed", unit: "", ours: load.failures.length, goal: "0" },
    { what: "revisions", unit: "", ours: Number(metadata.resourceVersion) },
    ...PROCESSES.flatMap((name) => sampleRows(name, early[name], late[name], base)),
  ];
}

function sampleRows(name: ProcessName, early: Sample, late: Sample, base: number): Row[] {
  return Object.entries(late).map(([what, value]) => ({
    what: `${name}: ${what}`,
    unit: unitOf(what),
    ours: value,
    peer: { name: `after ${base} minutes`, value: early[what] ?? 0 },
    ...(what === "resident"
      ? { goal: `<= ${RESIDENT_GOAL_MIB[name]} MiB and <= 1.1 x` }
      : what.startsWith("watch cache")
        ? {}
        : { goal: "<= 1.1 x" }),
  }));
}

/** Samples of both processes once the load is over. */
async function settled(client: KubeClient): Promise<Samples> {
  await delay(clock, SETTLE_MS);
  interface Nodes {
    readonly items: readonly { readonly metadata: { readonly name: string } }[];
  }
  const { items } = await client.request<Nodes>({ method: "GET", path: "/api/v1/nodes" });
  const node = `/api/v1/nodes/${items[0]!.metadata.name}/proxy/metrics`;
  const samples: { control: Sample; node: Sample }[] = [];
  for (let i = 0; i < SAMPLES; i++) {
    samples.push({ control: await sample(client, "/metrics"), node: await sample(client, node) });
    await delay(clock, SAMPLE_INTERVAL_MS);
  }
  return {
    control: least(samples.map(({ control }) => control)),
    node: least(samples.map((each) => each.node)),
  };
}

/** Asks both processes for a snapshot of their heap, and sums it up by retaining class. */
async function heapRows(dir: string): Promise<Row[]> {
  interface Status {
    readonly processes: readonly { name: ProcessName; pid: number }[];
  }
  const { processes } = JSON.parse(r2k(["status", "-o", "json"])) as Status;
  const rows: Row[] = [];
  for (const { name, pid } of processes) {
    process.kill(pid, "SIGUSR2");
    const path = await written(dir, pid);
    const classes = summarizeHeap(path);
    const total = classes.reduce((sum, { bytes }) => sum + bytes, 0);
    rows.push({ what: `${name} heap: all`, unit: "MiB", ours: total / MIB });
    for (const { name: kept, bytes } of classes.slice(0, CLASSES_SHOWN)) {
      rows.push({ what: `${name} heap: kept by ${kept}`, unit: "MiB", ours: bytes / MIB });
    }
  }
  return rows;
}

/** The snapshot's file, once all of it is there. */
async function written(dir: string, pid: number): Promise<string> {
  return await waitFor(
    `the heap snapshot of ${pid}`,
    () => {
      const file = readdirSync(dir).find((name) => name.includes(`.${pid}.`));
      if (file === undefined) return false;
      const path = join(dir, file);
      return readFileSync(path).subarray(-2).toString().includes("}") && path;
    },
    { clock, timeout_ms: SNAPSHOT_TIMEOUT_MS, interval_ms: 1_000 },
  );
}
