import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { tableOf } from "./table.ts";

type Range = readonly [least: number, greatest: number];

type CpuTime = { readonly server: number; readonly generator: number };

interface Row {
  readonly what: string;
  readonly unit: string;
  readonly ours: number;
  readonly peer?: { readonly name: string; readonly value: number };
  readonly goal?: string;
  readonly cpu_us?: { readonly ours: CpuTime; readonly peer: CpuTime };
  readonly ranges?: { readonly ours: Range; readonly peer: Range };
  readonly at?: { readonly size: number; readonly ours: number; readonly peer: number };
}

interface Result {
  readonly name: string;
  readonly machine: { readonly cpu: string; readonly cores: number };
  readonly rows: readonly Row[];
}

/** Rows with one goal from which on only the largest is shown: each request, each lab's mistake. */
const ALIKE_MIN = 30;

/** The tables of all benchmarks in `folder` whose rows have goals. */
export function benchmarkTables(folder: string): string {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .sort();
  return files
    .flatMap((file) => {
      const result = JSON.parse(readFileSync(join(folder, file), "utf8")) as Result;
      const rows = shown(result.rows);
      return rows.length > 0 ? [tableFor(result, rows)] : [];
    })
    .join("\n\n");
}

function shown(rows: readonly Row[]): Row[] {
  const withGoal = rows.filter(({ goal }) => goal !== undefined && goal !== "");
  const alike = Map.groupBy(withGoal, ({ goal, unit }) => `${goal} ${unit}`);
  return withGoal.flatMap((row) => {
    const group = alike.get(`${row.goal} ${row.unit}`)!;
    if (group.length < ALIKE_MIN) return row;
    if (row !== group[0]) return [];
    const largest = group.reduce((one, other) => (other.ours > one.ours ? other : one));
    return { ...largest, what: `the largest of ${group.length}: ${largest.what}` };
  });
}

function tableFor({ name, machine }: Result, rows: readonly Row[]): string {
  const peers = new Set(rows.flatMap(({ peer }) => (peer ? [peer.name] : [])));
  const against = peers.size > 0 ? `, against ${[...peers].join(", ")}` : "";
  const columns = COLUMNS.filter(({ cell }) => rows.some((row) => cell(row) !== ""));
  const table = tableOf(
    columns.map(({ head }) => head),
    rows.map((row) => columns.map(({ cell }) => cell(row))),
  );
  return `### ${name}\n\n${machine.cores} cores, ${machine.cpu}${against}.\n\n${table}`;
}

const COLUMNS: readonly { readonly head: string; readonly cell: (row: Row) => string }[] = [
  { head: "what", cell: ({ what }) => what },
  { head: "goal", cell: ({ goal = "" }) => goal },
  { head: "ours", cell: ({ ours, unit }) => `${amount(ours)} ${unit}`.trim() },
  { head: "peer", cell: ({ peer }) => (peer ? amount(peer.value) : "") },
  { head: "ratio", cell: ({ ours, peer }) => (peer ? times(ours / peer.value) : "") },
  {
    head: "at the other size",
    cell: ({ at }) =>
      at ? `${amount(at.ours)}, ${amount(at.peer)}: ${times(at.ours / at.peer)}` : "",
  },
  {
    head: "CPU time of each, and of its load",
    cell: ({ cpu_us }) =>
      cpu_us
        ? `${cpuTime(cpu_us.ours)}, ${cpuTime(cpu_us.peer)}: ${times(cpu_us.ours.server / cpu_us.peer.server)}`
        : "",
  },
  { head: "met", cell: (row) => verdictOf(row) + (verdictOf(row) === "no" ? overlap(row) : "") },
];

const cpuTime = ({ server, generator }: CpuTime) => `${amount(server)} us (+ ${amount(generator)})`;

function overlap({ ranges }: Row): string {
  if (!ranges) return "";
  const { ours, peer } = ranges;
  return ours[0] <= peer[1] && peer[0] <= ours[1] ? ", intervals overlap" : ", intervals apart";
}

const CLAUSE = /^(?<sign><=|>=|<|>)?\s*(?<bound>[\d,.]+)\s*(?<unit>.*)$/;

/** Whether a row meets its goal: all clauses of it, in the row's unit or as a ratio (`x`). */
export function verdictOf({ goal = "", ours, peer }: Row): "yes" | "no" | "" {
  const verdicts = goal.split(" and ").map((clause) => {
    const { sign = "<=", bound = "", unit = "" } = CLAUSE.exec(clause)?.groups ?? {};
    if (bound === "" || (unit === "x" && !peer)) return undefined;
    const value = unit === "x" && peer ? ours / peer.value : ours;
    const limit = Number(bound.replaceAll(",", ""));
    return sign.startsWith("<") ? value <= limit : value >= limit;
  });
  if (verdicts.includes(undefined)) return "";
  return verdicts.every(Boolean) ? "yes" : "no";
}

/** A ratio; nothing where the peer's is 0. */
const times = (ratio: number) => (Number.isFinite(ratio) ? `${ratio.toFixed(2)} x` : "");

/** Three significant digits, with a comma in thousands. */
export function amount(value: number): string {
  const rounded = value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
  return rounded.toLocaleString("en");
}
