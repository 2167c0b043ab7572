import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median } from "../benchmark.ts";
import type { Cluster } from "./cluster.ts";
import { benchmark, P99, PUT_BYTES, RATE, type Run, run, said } from "./generator.ts";

/** One measurement of a store. */
export interface Measurement {
  readonly value: number;
  /** CPU time of the load generator in seconds, where there is one. */
  readonly generator_s?: number;
  /** Additional results, by name. */
  readonly also?: Readonly<Record<string, number>>;
}

/** A measurement, taken at a size and at ten times that. */
export interface StoreRow {
  readonly name: string;
  readonly what: string;
  readonly unit: "/s" | "ms" | "MiB";
  readonly goal: string;
  readonly members: 1 | 3;
  /** The size: requests, watchers or keys. Cost is compared between it and ten times it. */
  readonly size: number;
  /** The size is not the number of requests: the measurement itself is the cost. */
  readonly costIsValue?: true;
  /** Number of operations of a measurement at a size, where that is not the size. */
  readonly operations?: (size: number) => number;
  /** Rows with the same one are measured on the same store, one after the other. */
  readonly prepare?: (cluster: Cluster, size: number) => Promise<unknown>;
  measure(cluster: Cluster, size: number): Promise<Measurement>;
  /** Work that the store has to have done before, where Puts are not the row's kind of work. */
  warmUp?(cluster: Cluster): Promise<unknown>;
}

const rate = (done: Run): Measurement => ({ value: said(done, RATE), generator_s: done.cpu_s });

const put =
  (clients: number) =>
  async ({ endpoints }: Cluster, size: number) => {
    return rate(await benchmark(endpoints, clients, ["put", `--total=${size}`, ...PUT_BYTES]));
  };

async function range({ endpoints }: Cluster, size: number): Promise<Measurement> {
  await run("etcdctl", [`--endpoints=${endpoints}`, "put", "foo", "x".repeat(256)]);
  return rate(await benchmark(endpoints, 100, ["range", "foo", `--total=${size}`]));
}

const KIB = ["--val-size=1024", "--key-size=32", "--sequential-keys"];

/** Writes `keys` keys of 1 KiB. */
export function fill({ endpoints }: Pick<Cluster, "endpoints">, keys: number): Promise<Run> {
  const sizes = [...KIB, `--key-space-size=${keys}`, `--total=${keys}`];
  return benchmark(endpoints, 100, ["put", ...sizes]);
}

const DISTURBED_PUTS = 20_000;

async function maintenance(cluster: Cluster, keys: number): Promise<Measurement> {
  await fill(cluster, keys);
  return maintained(cluster, () => Promise.resolve());
}

/** Puts continue while the store is compacted, copied, read as a whole, and what is `more`. */
export async function maintained(
  { endpoints }: Pick<Cluster, "endpoints">,
  more: (ctl: (...args: string[]) => Promise<Run>) => Promise<unknown>,
): Promise<Measurement> {
  const dir = mkdtempSync(join(tmpdir(), "r2k-bench-"));
  let over = false;
  const disturb = async () => {
    const ctl = (...args: string[]) => run("etcdctl", [`--endpoints=${endpoints}`, ...args]);
    for (let i = 0; !over; i++) {
      const { output } = await ctl("get", "none", "-w", "json");
      const revision = Number(/"revision":(\d+)/.exec(output)?.[1]);
      await ctl("compact", String(revision));
      await ctl("snapshot", "save", join(dir, `${i}.db`));
      await benchmark(endpoints, 1, ["range", "\u0001", "\u{10ffff}", "--total=1"]);
      await more(ctl);
    }
  };
  const disturbing = disturb();
  const done = await benchmark(endpoints, 50, ["put", `--total=${DISTURBED_PUTS}`, ...PUT_BYTES]);
  over = true;
  await disturbing;
  rmSync(dir, { recursive: true });
  return { value: said(done, P99) * 1_000, generator_s: done.cpu_s };
}

const EVENTS = 1_000_000;
const WATCHES_A_STREAM = 100;

async function watch({ endpoints }: Cluster, watchers: number): Promise<Measurement> {
  const done = await benchmark(endpoints, 10, [
    "watch",
    `--streams=${watchers / WATCHES_A_STREAM}`,
    `--watch-per-stream=${WATCHES_A_STREAM}`,
    "--watched-key-total=1",
    `--put-total=${EVENTS / watchers}`,
  ]);
  // The last summary is that of the events.
  const rates = [...done.output.matchAll(new RegExp(RATE, "g"))];
  return { value: Number(rates.at(-1)?.[1]), generator_s: done.cpu_s };
}

async function kubernetes({ endpoints }: Cluster, updates: number): Promise<Measurement> {
  const args = [`--endpoints=${endpoints}`, "--objects=1000", `--total=${updates}`];
  const done = await run("k8s-load", args);
  return { value: said(done, /updates\/s: ([\d.]+)/), generator_s: done.cpu_s };
}

/** Time in which a member sees that its load is over, collects and gives back. */
const SETTLED_MS = 20_000;

async function memory(cluster: Cluster): Promise<Measurement> {
  await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
  const { resident, anonymous } = cluster.memory();
  return { value: resident, also: { anonymous_mib: anonymous } };
}

const RESTARTS = 3;

/**
 * Time of a start after a clean stop; beside it after a kill, when nothing is left ready for the
 * start.
 */
async function restart(cluster: Cluster): Promise<Measurement> {
  const stopped_ms = await middleRestart(cluster, "SIGTERM");
  return { value: stopped_ms, also: { killed_ms: await middleRestart(cluster, "SIGKILL") } };
}

/** The median of a few, as filling takes so much longer than they do. */
async function middleRestart(cluster: Cluster, signal: "SIGTERM" | "SIGKILL"): Promise<number> {
  const took_ms: number[] = [];
  for (let i = 0; i < RESTARTS; i++) took_ms.push(await cluster.restart_ms(signal));
  return median(took_ms);
}

/** Runs transactions as warm as the Puts are: 5,000 alone are those of a cold start. */
const warmKubernetes = (cluster: Cluster) => kubernetes(cluster, 5_000);

const one = { unit: "/s", members: 1 } as const;
const three = { unit: "/s", members: 3 } as const;

/** PERFORMANCE's rows of the store. */
export const ROWS: readonly StoreRow[] = [
  {
    ...{ ...one, name: "put", what: "Put, 1 member, 100 in flight, 256 B", goal: ">= 1.5x" },
    ...{ size: 50_000, measure: put(100) },
  },
  {
    ...{ ...one, name: "put-seq", what: "Put, 1 member, sequential, 256 B", goal: ">= 1.0x" },
    ...{ size: 1_000, measure: put(1) },
  },
  {
    ...{ ...three, name: "put3", what: "Put, 3 members, 100 in flight, 256 B", goal: ">= 1.5x" },
    ...{ size: 10_000, measure: put(100) },
  },
  {
    ...{ ...three, name: "put3-seq", what: "Put, 3 members, sequential", goal: ">= 1.0x" },
    ...{ size: 500, measure: put(1) },
  },
  {
    ...{ ...one, name: "range", what: "linearizable Range of one key, 1 member", goal: ">= 2x" },
    ...{ size: 50_000, measure: range },
  },
  {
    ...{ ...three, name: "range3", what: "linearizable Range, 3 members", goal: ">= 2x" },
    ...{ size: 20_000, measure: range },
  },
  {
    ...{ name: "p99", what: "p99 of Put while it is compacted, copied, read whole", unit: "ms" },
    ...{ goal: "<= 1.0x", members: 1, size: 10_000, costIsValue: true, measure: maintenance },
    operations: (keys) => keys + DISTURBED_PUTS,
  },
  {
    ...{ ...one, name: "watch", what: "events to 1,000 watchers of one writer", goal: ">= 2x" },
    ...{ size: 1_000, measure: watch, operations: () => EVENTS },
  },
  {
    ...{ ...one, name: "kubernetes", what: "updates by transaction, watched", goal: ">= 1.5x" },
    ...{ size: 5_000, measure: kubernetes, warmUp: warmKubernetes },
  },
  {
    ...{ name: "memory", what: "memory (RSS) with 100,000 keys of 1 KiB", unit: "MiB" },
    ...{ goal: "<= 1.0x", members: 1, size: 100_000, costIsValue: true },
    ...{ prepare: fill, measure: memory },
  },
  {
    ...{ name: "restart", what: "restart with 100,000 keys of 1 KiB", unit: "ms" },
    ...{ goal: "<= 1.0x", members: 1, size: 100_000, costIsValue: true },
    ...{ prepare: fill, measure: restart },
  },
];
