import { atTenth, PHASES, PODS, TENTH } from "./apiserver/phases.ts";
import { type Running, sides } from "./apiserver/sides.ts";
import { type Found, folder, note, runPhases, withSubjects } from "./apiserver/subjects.ts";
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
  return withSubjects(async (place) => {
    const found = both.map((): Found => new Map());
    for (let round = 0; round < STARTS; round++) {
      for (const [i, side] of both.entries()) {
        const running = await side.start(folder(place.dir, `${i}-${round}`), place.credentials);
        note(found[i]!, { ready: running.ready_ms });
        await running.close();
      }
    }
    const { subjects } = await runPhases(place, both, PHASES, found);
    await sayHeld(subjects[0]!.running);
    return ROWS.map((each) => rowOf(each, both[1].name, found));
  });
}

function rowOf(
  { key, what, unit, goal, says }: RowPlan,
  peer: string,
  found: readonly Found[],
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
