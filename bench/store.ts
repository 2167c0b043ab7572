import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type CpuTime, median, type Range, type Row, rangeOf } from "./benchmark.ts";
import { type Cluster, pin, type Side, sides } from "./store/cluster.ts";
import { benchmark, PUT_BYTES } from "./store/generator.ts";
import { type Measurement, ROWS, type StoreRow } from "./store/rows.ts";

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
  /** Additional results, at the size and at ten times it. */
  readonly also?: Beside;
  /** Whether store and load generator had processors of their own. */
  readonly pinned: boolean;
  /** The machine's load average before: other work makes measurements smaller, ratios less sure. */
  readonly load: number;
}

/** How rows are measured. */
interface Way {
  readonly sides: readonly [Side, Side];
  readonly rounds: number;
  readonly tenfold: boolean;
  readonly pinned: boolean;
}

/**
 * `bench -- store [--row NAME] [--rounds N] [--no-10x] [--pinned]`: ours and etcd alternately, a
 * few short rounds of each, medians. Rows that are not named keep their former results.
 */
export async function store(args: readonly string[]): Promise<Row[]> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      row: { type: "string", multiple: true, default: ROWS.map(({ name }) => name) },
      rounds: { type: "string", default: "5" },
      "no-10x": { type: "boolean", default: false },
      pinned: { type: "boolean", default: false },
    },
  });
  const { row: names, rounds, pinned } = values;
  const unknown = names.filter((name) => !ROWS.some((row) => row.name === name));
  if (unknown.length > 0) {
    throw new Error(`no row ${unknown}; there are ${ROWS.map(({ name }) => name).join(", ")}`);
  }
  const tenfold = !values["no-10x"];
  const way = { sides: sides(pinned ? pin() : []), rounds: Number(rounds), tenfold, pinned };
  const before = earlier();
  const wanted = ROWS.filter(({ name }) => names.includes(name));
  const measured: MeasuredRow[] = [];
  for (const rows of together(wanted)) measured.push(...(await measure(rows, way)));
  return ROWS.flatMap(({ name }) => {
    const row = [...measured, ...before].find((each) => each.name === name);
    return row ? [row] : [];
  });
}

/** Groups rows with the same preparation. */
function together(rows: readonly StoreRow[]): StoreRow[][] {
  const groups: StoreRow[][] = [];
  for (const row of rows) {
    const group = groups.find(([first]) => row.prepare && first!.prepare === row.prepare);
    if (group) group.push(row);
    else groups.push([row]);
  }
  return groups;
}

/** `bench -- store-put`: the two Puts of one member alone, for a first look in half a minute. */
export async function storePut(): Promise<Row[]> {
  const rows: Row[] = [];
  const way = { sides: sides([]), rounds: PUT_ROUNDS, tenfold: false, pinned: false };
  for (const row of ROWS.filter(({ name }) => name === "put" || name === "put-seq")) {
    rows.push(...(await measure([row], way)));
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

/** Measures rows of the same size, whose measurements come from the same runs. */
async function measure(rows: readonly StoreRow[], way: Way): Promise<MeasuredRow[]> {
  const { rounds, pinned } = way;
  const load = Math.round(loadavg()[0]! * TEN) / TEN;
  const { size } = rows[0]!;
  const here = await inTurn(rows, way.sides, size, rounds);
  const there = way.tenfold ? await inTurn(rows, way.sides, size * TEN, 1) : undefined;
  return rows.map((row, i) => {
    const [ours, theirs] = here[i]!;
    const { name, what, unit, goal } = row;
    const peer = { name: way.sides[1].name, value: theirs.value };
    const ranges = { ours: ours.range, peer: theirs.range };
    const all = { name, what, unit, goal, size, rounds, pinned, load, ours: ours.value, peer };
    const cpu_us = ours.cpu_us && theirs.cpu_us && { ours: ours.cpu_us, peer: theirs.cpu_us };
    const common = { ...all, ranges, ...(cpu_us && { cpu_us }) };
    if (!there) return { ...common, ...beside([here[i]!]) };
    const [ours10, theirs10] = there[i]!;
    const at = { size: size * TEN, ours: ours10.value, peer: theirs10.value };
    const exponent = {
      ours: growth(row, ours.value, ours10.value),
      peer: growth(row, theirs.value, theirs10.value),
    };
    return { ...common, ...beside([here[i]!, there[i]!]), at, exponent };
  });
}

/** The notes of both sides about their measurements at each size. */
function beside(sizes: readonly Pair[]): { also?: Beside } {
  const names = Object.keys(sizes[0]![0].also);
  if (names.length === 0) return {};
  const at = (name: string) =>
    sizes.map(([ours, theirs]) => ({ ours: ours.also[name]!, peer: theirs.also[name]! }));
  return { also: Object.fromEntries(names.map((name) => [name, at(name)])) };
}

/** Log to base 10 of how much more ten times the size cost. */
function growth({ costIsValue }: StoreRow, small: number, big: number): number {
  const factor = costIsValue ? big / small : (small / big) * TEN;
  return Math.round(Math.log10(factor) * 100) / 100;
}

interface Median {
  readonly value: number;
  readonly range: Range;
  readonly cpu_us: CpuTime | undefined;
  readonly also: Readonly<Record<string, number>>;
}

type Pair = readonly [ours: Median, theirs: Median];

/** Short runs of the sides in turn, first one and then the other: load and order hit both. */
async function inTurn(
  rows: readonly StoreRow[],
  both: readonly [Side, Side],
  size: number,
  rounds: number,
): Promise<Pair[]> {
  const runs: { side: Side; measurements: Measured[] }[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? both : both.toReversed()) {
      runs.push({ side, measurements: await once(rows, side, size) });
    }
  }
  return rows.map((_, i) => {
    const of = (wanted: Side) =>
      middle(runs.flatMap(({ side, measurements }) => (side === wanted ? [measurements[i]!] : [])));
    return [of(both[0]), of(both[1])];
  });
}

function middle(runs: readonly Measured[]): Median {
  const values = runs.map(({ value }) => value);
  const names = Object.keys(runs[0]?.also ?? {});
  const of = (name: string) => median(runs.map((run) => run.also?.[name] ?? Number.NaN));
  const also = Object.fromEntries(names.map((name) => [name, of(name)]));
  return { value: median(values), range: rangeOf(values), cpu_us: cpuTime(runs), also };
}

/** Returns the CPU time of an operation; undefined for rows without a load generator. */
function cpuTime(runs: readonly Measured[]): CpuTime | undefined {
  const generators = runs.flatMap(({ load_us }) => (load_us === undefined ? [] : [load_us]));
  if (generators.length === 0) return undefined;
  const servers = runs.map(({ cpu_us }) => cpu_us);
  return { server: median(servers), range: rangeOf(servers), generator: median(generators) };
}

/** Rates are those of a store that has been at work for a second, not of its first moments. */
async function warmUp({ endpoints }: Cluster): Promise<void> {
  await benchmark(endpoints, 100, ["put", `--total=${WARM_UP_PUTS}`, ...PUT_BYTES]);
}

interface Measured extends Measurement {
  /** CPU time of each operation, of the store and of the load generator, in microseconds. */
  readonly cpu_us: number;
  readonly load_us: number | undefined;
}

/** Measures the rows one after the other, on one store. */
export async function once(
  rows: readonly StoreRow[],
  side: Side,
  size: number,
): Promise<Measured[]> {
  const [{ members, unit, prepare }] = rows as [StoreRow];
  const cluster = await side.start(members);
  try {
    if (unit === "/s") await warmUp(cluster);
    await prepare?.(cluster, size);
    const measured: Measured[] = [];
    for (const row of rows) {
      await row.warmUp?.(cluster);
      const before_s = cluster.cpu_s();
      const measurement = await row.measure(cluster, size);
      const store_s = cluster.cpu_s() - before_s;
      const us_each = 1e6 / (row.operations?.(size) ?? size);
      const { generator_s } = measurement;
      const load_us = generator_s === undefined ? undefined : rounded(generator_s * us_each);
      measured.push({ ...measurement, cpu_us: rounded(store_s * us_each), load_us });
      const said = `${row.name}: ${measurement.value.toFixed(1)} ${row.unit}`;
      process.stderr.write(`  ${side.name}, size ${size}, ${said}\n`);
    }
    return measured;
  } finally {
    await cluster.close();
  }
}

const rounded = (value: number) => Number(value.toPrecision(3));
