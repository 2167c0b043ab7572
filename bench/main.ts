// Measures ours and the peer in turn: `npm run bench -- NAME [options]`. Prints both and their
// ratio, and writes bench/results/NAME.json: with arguments, the rows that were measured.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import type { Benchmark, Row } from "./benchmark.ts";

const BENCHMARKS: Readonly<Record<string, () => Promise<Benchmark>>> = {
  start: async () => (await import("./start.ts")).start,
  cluster: async () => (await import("./cluster.ts")).cluster,
  store: async () => (await import("./store.ts")).store,
  "store-put": async () => (await import("./store.ts")).storePut,
  apiserver: async () => (await import("./apiserver.ts")).apiserver,
  "apiserver-loop": async () => (await import("./apiserver-loop.ts")).apiserverLoop,
  "custom-resources": async () => (await import("./custom-resources.ts")).customResources,
  turns: async () => (await import("./turns.ts")).turns,
  audit: async () => (await import("./audit.ts")).audit,
  workloads: async () => (await import("./workloads.ts")).workloads,
  storage: async () => (await import("./storage.ts")).storage,
  container: async () => (await import("./container.ts")).container,
  node: async () => (await import("./node.ts")).node,
  pod: async () => (await import("./pod.ts")).pod,
  overlay: async () => (await import("./overlay.ts")).overlay,
  network: async () => (await import("./network.ts")).network,
  proxy: async () => (await import("./proxy.ts")).proxy,
  soak: async () => (await import("./soak.ts")).soak,
  labs: async () => (await import("./labs.ts")).labs,
  fairness: async () => (await import("./fairness.ts")).fairness,
  compare: async () => (await import("./compare.ts")).compare,
  traces: async () => (await import("./traces.ts")).traces,
  dashboard: async () => (await import("./dashboard.ts")).dashboard,
};

async function main(name: string | undefined, args: readonly string[]): Promise<number> {
  const load = name === undefined ? undefined : BENCHMARKS[name];
  if (!load) {
    process.stderr.write(`usage: npm run bench -- ${Object.keys(BENCHMARKS).join(" | ")}\n`);
    return 2;
  }
  const rows = await (await load())(args);
  for (const row of rows) {
    const ratio = row.peer === undefined ? "" : `   ${(row.ours / row.peer.value).toFixed(2)} x`;
    const peer = row.peer === undefined ? "" : `   ${row.peer.name}: ${format(row.peer.value)}`;
    process.stdout.write(`${row.what}: ${format(row.ours)} ${row.unit}${peer}${ratio}\n`);
    if (row.ranges) process.stdout.write(`  ${asRanges(row.ranges)}\n`);
    if (row.cpu_us) process.stdout.write(`  ${asCpuTimes(row.cpu_us)}\n`);
    if (row.at) process.stdout.write(`  ${atTheOtherSize(row, row.at)}\n`);
  }
  const machine = { cores: cpus().length, cpu: cpus()[0]?.model, kernel: release() };
  const dir = join(import.meta.dirname, "results");
  mkdirSync(dir, { recursive: true });
  const path = join(dir, `${name}.json`);
  const all = args.length > 0 ? [...others(path, rows), ...rows] : rows;
  writeFileSync(path, recordOf({ name, machine, node: process.version }, all));
  return 0;
}

/** The record of a run: each of its rows is a line. */
function recordOf(run: object, rows: readonly Row[]): string {
  const lines = rows.map((row) => JSON.stringify(row)).join(",\n");
  return `${JSON.stringify(run).slice(0, -1)},"rows":[\n${lines}\n]}\n`;
}

/** Returns the recorded rows that a run of a part, by its arguments, did not measure. */
function others(path: string, rows: readonly Row[]): Row[] {
  if (!existsSync(path)) return [];
  const recorded = JSON.parse(readFileSync(path, "utf8")) as { rows: Row[] };
  return recorded.rows.filter(({ what }) => !rows.some((row) => row.what === what));
}

function asRanges({ ours, peer }: NonNullable<Row["ranges"]>): string {
  const overlap = ours[0] <= peer[1] && peer[0] <= ours[1];
  const [here, there] = [ours, peer].map((range) => range.map(format).join(" to "));
  return `${here}, peer: ${there}: ${overlap ? "overlap" : "apart"}`;
}

function asCpuTimes({ ours, peer }: NonNullable<Row["cpu_us"]>): string {
  const [here, there] = [ours, peer].map(({ server, range, generator }) => {
    const rounds = range ? ` (${range.map(format).join(" to ")})` : "";
    return `${format(server)} us${rounds}, load ${format(generator)}`;
  });
  const ratio = (ours.server / peer.server).toFixed(2);
  return `CPU time of each: ${here}, peer: ${there}   ${ratio} x`;
}

function atTheOtherSize({ unit, exponent }: Row, at: NonNullable<Row["at"]>): string {
  const measurements = `${format(at.ours)} ${unit}, peer: ${format(at.peer)}`;
  const ratio = `${(at.ours / at.peer).toFixed(2)} x`;
  const grows = exponent ? `   exponent ${exponent.ours}, peer ${exponent.peer}` : "";
  return `at size ${at.size.toLocaleString("en")}: ${measurements}   ${ratio}${grows}`;
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(2);
}

process.exitCode = await main(process.argv[2], process.argv.slice(3));
