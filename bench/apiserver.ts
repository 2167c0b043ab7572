import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Credentials, makeCredentials } from "./apiserver/credentials.ts";
import {
  atTenth,
  type Measurements,
  PHASES,
  PODS,
  type Subject,
  TENTH,
} from "./apiserver/phases.ts";
import { type Running, type Side, sides } from "./apiserver/sides.ts";
import { median, type Row } from "./benchmark.ts";

const STARTS = 3;

/**
 * The quantity that a row measures: the cost of its whole size, the cost of one item, or items per
 * second.
 */
type Says = "cost" | "cost of each" | "rate";

interface RowPlan {
  readonly key: string;
  readonly what: string;
  readonly unit: string;
  readonly goal: string;
  /** The quantity of a row that is also measured at a tenth of its size. */
  readonly says?: Says;
}

const ROWS: readonly RowPlan[] = [
  row("ready", "start until ready", "ms", "<= 0.5x"),
  row("create", "create pods, 50 in flight", "/s", ">= 2x", "rate"),
  row("create_cpu", "the same: CPU time of server and store for each", "ms", "", "cost of each"),
  row("list", "list 10,000 pods, whole, newest", "ms", "<= 1x", "cost"),
  row("list_gzip", "the same, compressed", "ms", "<= 1x", "cost"),
  row("list_cached", "list 10,000 pods, whole, from cache", "ms", "<= 1x", "cost"),
  row("list_pages", "list 10,000 pods, by 500", "ms", "<= 1x", "cost"),
  row("patch", "merge patches of pods, 50 in flight", "/s", ">= 1.5x"),
  row("patch_cpu", "the same: CPU time of server and store for each", "ms", ""),
  row("events", "1,000 watchers under 200 writes/s: events delivered", "/s", ">= 2x"),
  row("events_cpu", "the same: CPU time of server and store for each", "us", ""),
  row("delay_p50", "the same: delay from write to event, p50", "ms", ""),
  row("delay_p99", "the same: delay from write to event, p99", "ms", "<= 1x"),
  row("calm_p50", "1,000 watchers under 10 writes/s: delay, p50", "ms", ""),
  row("calm_p99", "1,000 watchers under 10 writes/s: delay, p99", "ms", "<= 1x"),
  row(
    "memory",
    "memory, 10,000 pods and 1,000 watchers (PSS, with the store)",
    "MiB",
    "<= 0.5x",
    "cost",
  ),
  row("write_p99", "a write while 10,000 pods are listed each second, p99", "ms", "< 1,000 ms"),
];

function row(key: string, what: string, unit: string, goal: string, says?: Says): RowPlan {
  return { key, what, unit, goal, ...(says ? { says } : {}) };
}

/**
 * Pods created, listed, patched and watched over HTTPS: ours on our store and kube-apiserver on
 * etcd, in turn at each step, the same load generator on both; medians of the rounds. Rows about
 * the number of pods are measured with a tenth of them, too.
 */
export async function apiserver(): Promise<Row[]> {
  const both = sides();
  const dir = mkdtempSync(join(tmpdir(), "r2k-bench-"));
  const subjects: Subject[] = [];
  try {
    const credentials = await makeCredentials(join(dir, "pki"));
    const found = both.map(() => new Map<string, number[]>());
    for (let round = 0; round < STARTS; round++) {
      for (const [i, side] of both.entries()) {
        const running = await side.start(folder(dir, `${i}-${round}`), credentials);
        note(found[i]!, { ready: running.ready_ms });
        await running.close();
      }
    }
    for (const [i, side] of both.entries()) {
      subjects.push(await begin(side, folder(dir, `${i}`), credentials));
    }
    for (const { rounds, run } of PHASES) {
      for (let round = 0; round < rounds; round++) {
        for (const [i, subject] of subjects.entries()) note(found[i]!, await run(subject, round));
      }
    }
    await sayHeld(subjects[0]!.running);
    return ROWS.map((each) => rowOf(each, both[1].name, found));
  } finally {
    for (const { running } of subjects) await running.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

function rowOf(
  { key, what, unit, goal, says }: RowPlan,
  peer: string,
  found: readonly ReadonlyMap<string, number[]>[],
): Row {
  const at = (name: string) => found.map((each) => median(each.get(name) ?? []));
  const [ours, theirs] = at(key);
  const peerValue = { name: peer, value: theirs! };
  const base = { what, unit, ours: ours!, peer: peerValue, ...(goal === "" ? {} : { goal }) };
  if (says === undefined) return base;
  const [small, theirSmall] = at(atTenth(key));
  return {
    ...base,
    at: { size: PODS * TENTH, ours: small!, peer: theirSmall! },
    exponent: { ours: growth(says, small!, ours!), peer: growth(says, theirSmall!, theirs!) },
  };
}

/** The power of the size with which the cost of the whole grows. */
function growth(says: Says, small: number, big: number): number {
  const whole = says === "rate" ? small / big : big / small;
  const factor = says === "cost" ? whole : whole / TENTH;
  return Math.round(Math.log10(factor) * 100) / 100;
}

/** Adds a round's measurements to those of the rounds before. */
export function note(into: Map<string, number[]>, measurements: Measurements): void {
  for (const [key, value] of Object.entries(measurements)) {
    into.set(key, [...(into.get(key) ?? []), value]);
  }
}

/** Starts a server that has the account which pods need. */
export async function begin(side: Side, dir: string, credentials: Credentials): Promise<Subject> {
  const running = await side.start(dir, credentials);
  // A controller would make it.
  await running.ask("/api/v1/namespaces/default/serviceaccounts", {
    metadata: { name: "default" },
  });
  return { name: side.name, running, credentials };
}

/** Makes a folder, and returns its path. */
export function folder(dir: string, name: string): string {
  const path = join(dir, name);
  mkdirSync(path);
  return path;
}

/** Prints the five functions that held our loop longest, by name, in CPU time. */
async function sayHeld(running: Running): Promise<void> {
  const metrics = await running.ask("/metrics");
  const held = [...metrics.matchAll(/^r2k_loop_held_max_ms\{by="([^"]*)"\} (\S+)/gm)]
    .map(([, by = "", ms]) => ({ by, ms: Number(ms) }))
    .sort((a, b) => b.ms - a.ms)
    .slice(0, 5);
  const delay = /^r2k_loop_delay_p999_ms (\S+)/m.exec(metrics)?.[1];
  const names = held.map(({ by, ms }) => `${by} ${ms.toFixed(0)} ms`).join(", ");
  process.stderr.write(`  loop delay p99.9 ${Number(delay).toFixed(0)} ms; held by ${names}\n`);
}
