import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Row, median } from "./benchmark.ts";
import { type Cluster, type Side, sides } from "./store/cluster.ts";
import { PUT_BYTES, benchmark } from "./store/generator.ts";
import { type Figure, ROWS, type StoreRow } from "./store/rows.ts";

const RESULTS = join(import.meta.dirname, "results/store.json");
const TEN = 10;
const WARM_UP_PUTS = 20_000;
const PUT_ROUNDS = 3;

type Beside = Record<string, { readonly ours: number; readonly peer: number }[]>;

/** A row with how it came about. */
interface MeasuredRow extends Row {
  readonly name: string;
  readonly size: number;
  /** Runs of each side, of which the median is taken; the other size has one run. */
  readonly rounds: number;
  /** What was found out beside the figure, at the size and at ten times it. */
  readonly also?: Beside;
  /** The load generator's share of the processors' time beside the store's. */
  readonly generator?: { readonly ours: number; readonly peer: number };
  /** The store's own time on a processor, in microseconds for each of the row's size. */
  readonly cpu_us?: { readonly ours: number; readonly peer: number };
  /** The machine's load average before: other work makes figures smaller, ratios less sure. */
  readonly load: number;
}

/**
 * `bench -- store [--rounds N] [--no-10x] [ROW...]`: ours and etcd in turn, a few short rounds of
 * each, medians. Rows that are not named keep their former results.
 */
export async function store(args: readonly string[]): Promise<Row[]> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { rounds: { type: "string", default: "3" }, "no-10x": { type: "boolean" } },
  });
  const unknown = positionals.filter((name) => !ROWS.some((row) => row.name === name));
  if (unknown.length > 0) {
    throw new Error(`no row ${unknown}; there are ${ROWS.map(({ name }) => name).join(", ")}`);
  }
  const before = earlier();
  const rows: Row[] = [];
  for (const row of ROWS) {
    const known = before.find(({ name }) => name === row.name);
    if (positionals.length > 0 && !positionals.includes(row.name)) {
      if (known) rows.push(known);
      continue;
    }
    process.stderr.write(`${row.what}\n`);
    rows.push(await measure(row, Number(values.rounds), values["no-10x"] !== true));
  }
  return rows;
}

/** `bench -- store-put`: the two Puts of one member alone, for a first look in half a minute. */
export async function storePut(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const row of ROWS.filter(({ name }) => name === "put" || name === "put-seq")) {
    rows.push(await measure(row, PUT_ROUNDS, false));
  }
  return rows;
}

function earlier(): readonly MeasuredRow[] {
  try {
    return (JSON.parse(readFileSync(RESULTS, "utf8")) as { rows: MeasuredRow[] }).rows;
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return [];
    throw thrown;
  }
}

async function measure(row: StoreRow, rounds: number, tenfold: boolean): Promise<MeasuredRow> {
  const both = sides();
  const load = loadavg()[0]!;
  const [ours, theirs] = await inTurn(row, both, row.size, rounds);
  const { name, what, unit, goal, size } = row;
  const common = { name, what, unit, goal, size, rounds, load: Math.round(load * TEN) / TEN };
  const generator = { ours: ours!.generator, peer: theirs!.generator };
  const cpu_us = { ours: ours!.cpu_us, peer: theirs!.cpu_us };
  const shares = ours!.generator === undefined ? {} : { generator: generator as never, cpu_us };
  const peer = { name: both[1].name, value: theirs!.value };
  const measured = { ...common, ours: ours!.value, peer, ...shares };
  if (!tenfold) return { ...measured, ...beside([ours!, theirs!]) };
  const [ours10, theirs10] = await inTurn(row, both, size * TEN, 1);
  const at = { size: size * TEN, ours: ours10!.value, peer: theirs10!.value };
  const exponent = {
    ours: growth(row, ours!.value, ours10!.value),
    peer: growth(row, theirs!.value, theirs10!.value),
  };
  return { ...measured, ...beside([ours!, theirs!], [ours10!, theirs10!]), at, exponent };
}

/** What both sides told beside their figures at each size. */
function beside(...sizes: [ours: Median, theirs: Median][]): { also?: Beside } {
  const names = Object.keys(sizes[0]![0].also);
  if (names.length === 0) return {};
  const at = (name: string) =>
    sizes.map(([ours, theirs]) => ({ ours: ours.also[name]!, peer: theirs.also[name]! }));
  return { also: Object.fromEntries(names.map((name) => [name, at(name)])) };
}

/** Log to base 10 of how much more ten times the size cost. */
function growth({ costIsFigure }: StoreRow, small: number, big: number): number {
  const factor = costIsFigure ? big / small : (small / big) * TEN;
  return Math.round(Math.log10(factor) * 100) / 100;
}

interface Median {
  readonly value: number;
  readonly generator: number | undefined;
  readonly cpu_us: number;
  readonly also: Readonly<Record<string, number>>;
}

/** Short runs of each side after the other, so that a change of the machine's load hits both. */
async function inTurn(row: StoreRow, both: readonly Side[], size: number, rounds: number) {
  const figures: Measured[][] = both.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, side] of both.entries()) {
      const figure = await once(row, side, size);
      const said = `${figure.value.toFixed(1)} ${row.unit}`;
      process.stderr.write(`  ${side.name}, size ${size}: ${said}\n`);
      figures[i]!.push(figure);
    }
  }
  return figures.map((runs): Median => {
    const shares = runs.flatMap(({ share }) => (share === undefined ? [] : [share]));
    const generator = shares.length > 0 ? Math.round(median(shares) * 100) / 100 : undefined;
    const cpu_us = Math.round(median(runs.map((run) => run.cpu_us)) * TEN) / TEN;
    const also = Object.fromEntries(
      Object.keys(runs[0]?.also ?? {}).map((name) => [
        name,
        median(runs.map((run) => run.also?.[name] ?? Number.NaN)),
      ]),
    );
    return { value: median(runs.map(({ value }) => value)), generator, cpu_us, also };
  });
}

/** Rates are those of a store that has been at work for a second, not of its first moments. */
async function warmUp({ endpoints }: Cluster): Promise<void> {
  await benchmark(endpoints, 100, ["put", `--total=${WARM_UP_PUTS}`, ...PUT_BYTES]);
}

interface Measured extends Figure {
  readonly share: number | undefined;
  readonly cpu_us: number;
}

async function once(row: StoreRow, side: Side, size: number): Promise<Measured> {
  const cluster = await side.start(row.members);
  try {
    if (row.unit === "/s") await warmUp(cluster);
    await row.warmUp?.(cluster);
    const before_s = cluster.cpu_s();
    const figure = await row.measure(cluster, size);
    const store_s = cluster.cpu_s() - before_s;
    const generator_s = figure.generator_s;
    const share = generator_s === undefined ? undefined : generator_s / (generator_s + store_s);
    return { ...figure, share, cpu_us: (store_s * 1e6) / size };
  } finally {
    await cluster.close();
  }
}
