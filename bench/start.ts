import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { median, type Row } from "./benchmark.ts";
import { r2k, removeCluster, timedR2k } from "./own-cluster.ts";

const ROOT = join(import.meta.dirname, "..");
const RUNS = 5;
const SETTLE_MS = 60_000;
const WARM_GOAL_S = 1.8;
const COLD_GOAL_S = 2.5;
/** Clock ticks in a second of CPU time (proc(5)). */
const TICKS_PER_S = 100;
const PSS_GOAL_MIB = 200;
const NODES = 3;
/** A node beside the first, of the memory of one that is alone. */
const FURTHER_NODE_GOAL = 0.7;
const FIRST_NODE = "node";

/**
 * `npm start` to the first answer through the Service, cold and warm; memory of an idle cluster,
 * and of each node beside the first.
 */
export async function start(): Promise<Row[]> {
  removeCluster();
  rmSync(join(ROOT, ".cache/bundle"), { recursive: true, force: true });
  const cold = await timedStart();
  const warm: Start[] = [];
  for (let run = 0; run < RUNS; run++) warm.push(await timedStart());
  const alone = await idleMemory();
  const nodes = await idleMemory("--nodes", String(NODES));
  return [
    {
      what: "start to first answer, cold (no bundle, no data)",
      unit: "s",
      ours: cold.took_s,
      goal: `<= ${COLD_GOAL_S} s`,
    },
    {
      what: "start to first answer, warm",
      unit: "s",
      ours: median(warm.map(({ took_s }) => took_s)),
      goal: `<= ${WARM_GOAL_S} s`,
    },
    ...partRows("cold", [cold]),
    ...partRows("warm", warm),
    {
      what: "memory of the idle cluster, sum of PSS 60 s after ready",
      unit: "MiB",
      ours: sum(alone),
      goal: `<= ${PSS_GOAL_MIB} MiB`,
    },
    ...furtherNodes(alone, nodes),
  ];
}

/** PSS of a cluster's processes by name, in MiB. */
type Memory = ReadonlyMap<string, number>;

export function sum(memory: Memory): number {
  return [...memory.values()].reduce((total, value) => total + value, 0);
}

/**
 * Compares what a further node takes with the first one. PSS divides pages of files by the
 * processes that map them, so the first has less beside others than alone: a further node is
 * compared with both, and so is what it adds to the whole cluster.
 */
function furtherNodes(alone: Memory, nodes: Memory): Row[] {
  const [alone_mib, first_mib] = [alone.get(FIRST_NODE)!, nodes.get(FIRST_NODE)!];
  const row = (what: string, ours: number): Row[] => [
    { what, unit: "MiB", ours, goal: `<= ${(alone_mib * FURTHER_NODE_GOAL).toFixed(1)} MiB` },
    { what: `${what}, of the first node's alone`, unit: "%", ours: (100 * ours) / alone_mib },
    {
      what: `${what}, of the first node's in the same cluster`,
      unit: "%",
      ours: (100 * ours) / first_mib,
    },
  ];
  const added_mib = (sum(nodes) - sum(alone)) / (NODES - 1);
  return [
    { what: "memory of the first idle node, alone", unit: "MiB", ours: alone_mib },
    { what: `memory of the first of ${NODES} idle nodes`, unit: "MiB", ours: first_mib },
    ...[...nodes]
      .filter(([name]) => name.startsWith(`${FIRST_NODE} `))
      .flatMap(([name, mib]) => row(`memory of ${name} of ${NODES} idle nodes`, mib)),
    ...row("memory that a further idle node adds to the cluster", added_mib),
  ];
}

/** One start: its duration, and that of each step and the CPU time of each process by name. */
type Start = { readonly took_s: number; readonly parts: ReadonlyMap<string, number> };

/** Starts a cluster, and takes it down. */
async function timedStart(): Promise<Start> {
  const waited_s = cpuOf("self", CHILDREN);
  const { lines, took_s } = await timedR2k(["start"]);
  const parts = new Map<string, number>();
  let last_s = 0;
  for (const { line, at_s } of lines) {
    const [, title, step_s] = /✓ (.+) \((\d+\.\d) s\)$/.exec(line) ?? [];
    if (title === undefined) continue;
    if (last_s === 0) parts.set("before the first step", at_s - Number(step_s));
    parts.set(title, at_s - (last_s || at_s - Number(step_s)));
    last_s = at_s;
  }
  parts.set("after the last step", took_s - last_s);
  parts.set("CPU time of the command", cpuOf("self", CHILDREN) - waited_s);
  for (const { name, pid } of processes()) parts.set(`CPU time of ${name}`, cpuOf(pid, OWN));
  removeCluster();
  return { took_s, parts };
}

function partRows(which: string, starts: readonly Start[]): Row[] {
  return [...starts[0]!.parts.keys()].map((what) => ({
    what: `${which}: ${what}`,
    unit: "s",
    ours: median(starts.map(({ parts }) => parts.get(what) ?? Number.NaN)),
  }));
}

/** The fields of /proc/PID/stat after the name: user and system time, and that of children. */
const OWN = [11, 12];
const CHILDREN = [13, 14];

function cpuOf(pid: number | "self", fields: readonly number[]): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const values = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.reduce((ticks, field) => ticks + Number(values[field]), 0) / TICKS_PER_S;
}

interface StatusOutput {
  readonly processes: readonly { readonly name: string; readonly pid: number }[];
}

function processes(): StatusOutput["processes"] {
  return (JSON.parse(r2k(["status", "-o", "json"])) as StatusOutput).processes;
}

/** Starts a cluster, lets it settle, and takes it down; PSS of each of its processes, in MiB. */
export async function idleMemory(...flags: string[]): Promise<Map<string, number>> {
  r2k(["start", "--no-demo", ...flags]);
  process.stderr.write(`waiting ${SETTLE_MS / 1000} s for the idle cluster to settle\n`);
  await delay(systemClock(), SETTLE_MS);
  const memory = new Map(
    processes().map(({ name, pid }) => {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
      return [name, Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024];
    }),
  );
  removeCluster();
  return memory;
}
