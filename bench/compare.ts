import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Measurements, SHORT, SHORT_PODS, type Subject } from "./apiserver/phases.ts";
import { type Side as ApiserverSide, oursOf as apiserverOf, ROOT } from "./apiserver/sides.ts";
import { withSubjects } from "./apiserver/subjects.ts";
import { median, type Row, rangeOf } from "./benchmark.ts";
import { type Side as StoreSide, oursOf as storeOf } from "./store/cluster.ts";
import { ROWS } from "./store/rows.ts";
import { once } from "./store.ts";

const STORE_ROWS = ["put", "put-seq", "range", "watch"];
const PODS = `${SHORT_PODS.toLocaleString("en")} pods`;

const API_ROWS: readonly (readonly [key: string, what: string, unit: string])[] = [
  ["ready", "apiserver: start until ready", "ms"],
  ["create", "create pods, 50 in flight", "/s"],
  ["create_cpu", "the same: CPU time of apiserver and store for each", "ms"],
  ["list", `list ${PODS}, whole, newest`, "ms"],
  ["list_gzip", "the same, compressed", "ms"],
  ["list_cached", `list ${PODS}, whole, from cache`, "ms"],
  ["list_pages", `list ${PODS}, by 500`, "ms"],
  ["patch", "merge patches of pods, 50 in flight", "/s"],
  ["patch_cpu", "the same: CPU time of apiserver and store for each", "ms"],
  ["events", "100 watchers under 200 writes/s: events delivered", "/s"],
  ["events_cpu", "the same: CPU time of apiserver and store for each", "us"],
  ["delay_p50", "the same: delay from write to event, p50", "ms"],
];

/** Runs each short work on both bundles, in this order of their indexes. */
type Round = (order: readonly number[]) => Promise<Measurements[]>;

const ROUNDS: Readonly<Record<string, (roots: readonly string[]) => Round>> = {
  store: storeRounds,
  apiserver: apiserverRounds,
};

/**
 * `bench -- compare --base DIR [--rounds N] [store] [apiserver]`: this checkout and another, which
 * has its modules installed, by turns; medians of the rounds with the least and the greatest.
 */
export async function compare(args: readonly string[]): Promise<Row[]> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { base: { type: "string" }, rounds: { type: "string", default: "5" } },
  });
  if (values.base === undefined) throw new Error("--base DIR: the checkout to compare with");
  const wanted = positionals.length === 0 ? Object.keys(ROUNDS) : positionals;
  const roots = [ROOT, resolve(values.base)];
  const found = roots.map(() => [] as Measurements[]);
  const run = wanted.map((name) => ROUNDS[name]!(roots));
  for (let round = 0; round < Number(values.rounds); round++) {
    const order = round % 2 === 0 ? [0, 1] : [1, 0];
    const parts: Measurements[][] = [];
    for (const each of run) parts.push(await each(order));
    for (const [i, each] of found.entries()) {
      each.push(Object.assign({}, ...parts.map((part) => part[i])) as Measurements);
      process.stderr.write(`  round ${round}, ${roots[i]}: ${JSON.stringify(each.at(-1))}\n`);
    }
  }
  return rowsOf().flatMap(([key, what, unit]) => {
    const [ours, base] = found.map((rounds) => rounds.map((round) => round[key]!));
    if (ours![0] === undefined) return [];
    const peer = { name: "before", value: median(base!) };
    const ranges = { ours: rangeOf(ours!), peer: rangeOf(base!) };
    return [{ what, unit, ours: median(ours!), peer, ranges }];
  });
}

function rowsOf(): readonly (readonly [key: string, what: string, unit: string])[] {
  const store = storeRows().flatMap(({ name, what, unit }) => [
    [name, what, unit] as const,
    [`${name} cpu`, "the same: the store's CPU time for each", "us"] as const,
  ]);
  return [...store, ...API_ROWS];
}

function storeRows() {
  return ROWS.filter(({ name }) => STORE_ROWS.includes(name));
}

function storeRounds(roots: readonly string[]): Round {
  const sides = roots.map((root) => storeOf(root));
  return (order) => storeRound(sides, order);
}

async function storeRound(
  sides: readonly StoreSide[],
  order: readonly number[],
): Promise<Measurements[]> {
  const found = sides.map(() => ({}) as Record<string, number>);
  for (const row of storeRows()) {
    for (const i of order) {
      const [measured] = await once([row], sides[i]!, row.size);
      Object.assign(found[i]!, {
        [row.name]: measured!.value,
        [`${row.name} cpu`]: measured!.cpu_us,
      });
    }
  }
  return found;
}

function apiserverRounds(roots: readonly string[]): Round {
  const sides = roots.map((root, i) => apiserverOf(root, i === 0 ? "ours" : "peer"));
  return (order) => apiserverRound(sides, order);
}

const apiserverRound = (
  sides: readonly ApiserverSide[],
  order: readonly number[],
): Promise<Measurements[]> =>
  withSubjects(async ({ start }) => {
    const subjects: Subject[] = [];
    for (const [i, side] of sides.entries()) subjects.push(await start(side, `${i}`));
    const found = subjects.map(({ running }) => ({ ready: running.ready_ms }));
    for (const { run } of SHORT) {
      for (const i of order) Object.assign(found[i]!, await run(subjects[i]!, 0));
    }
    return found;
  });
