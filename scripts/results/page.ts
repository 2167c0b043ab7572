import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { PHASES } from "../../test/e2e/storage-faults/points.ts";
import { ELSEWHERE, MUTANTS } from "../../test/sim/mutants/all.ts";
import seeds from "../../test/sim/mutants/seeds.json" with { type: "json" };
import { benchmarkTables } from "./benchmarks.ts";
import { tableOf } from "./table.ts";

const ROOT = join(import.meta.dirname, "../..");
export const RESULTS_PAGE = join(ROOT, "docs/RESULTS.md");

type Claim = { readonly what: string; readonly command: string; readonly output: string };

type Area = { readonly area: string; readonly claims: readonly Claim[] };

interface Range {
  readonly ranges: readonly (readonly [from: number, to: number])[];
  readonly failures: readonly unknown[];
  readonly cpu_s: number;
  readonly counts: Readonly<Record<string, number>>;
}

/** The page of all recorded results. Pure but for the files that it reads. */
export function resultsPage(): string {
  return `${[
    "# Results",
    "Made by `node scripts/results.ts` from the records of commands; tests hold everything else " +
      "on every run. A ratio is ours to the peer's in the same run on the same machine; metrics " +
      "of different runs are not compared. [PERFORMANCE.md](PERFORMANCE.md) explains the rows " +
      "that miss their goal.",
    "## Benchmarks",
    "`npm run bench -- NAME` measures one and writes it to `bench/results`.",
    benchmarkTables(join(ROOT, "bench/results")),
    "## The simulator",
    simulator(),
    "## Faults of storage",
    storageFaults(),
    "## Claims and outputs",
    "Recorded in `docs/records.yaml`.",
    ...(parse(text("docs/records.yaml")) as Area[]).map(claimsOf),
  ].join("\n\n")}\n`;
}

const text = (path: string) => readFileSync(join(ROOT, path), "utf8");

function claimsOf({ area, claims }: Area): string {
  const rows = claims.map(({ what, command, output }) => [what, `\`${command}\``, output]);
  return `### ${area}\n\n${tableOf(["claim", "command", "output"], rows)}`;
}

function simulator(): string {
  const totals = JSON.parse(text("test/sim/totals.json")) as Range & { readonly swarm: Range };
  const kinds = [
    ["plain", totals],
    ["swarm", totals.swarm],
  ] as const;
  const counted = ["faults", "operations", "requests checked", "watch events checked"];
  const head = ["kind", "seeds", "failed", "CPU time", ...counted];
  const rows = kinds.map(([kind, { ranges, failures, cpu_s, counts }]) => [
    kind,
    ranges.map(([from, to]) => `${from} to ${to}`).join(", "),
    String(failures.length),
    `${Math.round(cpu_s).toLocaleString("en")} s`,
    ...counted.map((name) => (counts[name] ?? 0).toLocaleString("en")),
  ]);
  return [
    "`npm run sim -- --from 2000 --seeds 10000 --totals test/sim/totals.json` (with `--plain`), " +
      "each seed at the newest commit of its day; the file counts the events of all of them.",
    tableOf(head, rows),
    "`npm run sim -- --mutants --seeds 200 --record` puts each known bug back in; the first seed " +
      "that shows it, and the checker that noticed it:",
    tableOf(
      ["bug", "breaks", "seen in", "seed", "noticed by"],
      [...MUTANTS.map(caught), ...ELSEWHERE.map(elsewhere)],
    ),
  ].join("\n\n");
}

const SEEDS: Readonly<Record<string, { seed: number; by: string } | undefined>> = seeds;

function caught({ name, breaks, seen = "" }: (typeof MUTANTS)[number]): string[] {
  const found = SEEDS[name];
  return [name, breaks, seen, found ? String(found.seed) : "escaped", found?.by ?? ""];
}

function elsewhere({ seen, breaks, why }: (typeof ELSEWHERE)[number]): string[] {
  return [why, breaks, seen, "not here", ""];
}

/** A line of the record: faults, what was left, the point. */
const CASE = /^(?<faults>\d+) {2}(?<left>.+?) {2}(?<name>.+)$/;

function storageFaults(): string {
  const lines = text("test/e2e/storage-faults/results.txt").split("\n");
  const cases = lines.map((line) => CASE.exec(line)?.groups ?? {});
  const rows = [...PHASES, "answers"].map((phase) => {
    const own = cases.filter(({ name }) => name !== undefined && phaseOf(name) === phase);
    const faults = own.reduce((sum, { faults: count }) => sum + Number(count), 0);
    const bad = own.filter(({ left }) => left !== "nothing");
    return [phase, String(own.length), String(faults), String(bad.length)];
  });
  return [
    "`npm run storage-faults -- --record`: one volume for each case, with a component killed at " +
      "one point, or a call of its driver answered wrongly (listed in " +
      "`test/e2e/storage-faults/results.txt`). Afterwards no mount, device, directory, record or " +
      "object may be left, and the data is as it was.",
    tableOf(["phase", "cases", "faults", "left or lost"], rows),
  ].join("\n\n");
}

const phaseOf = (name: string) => PHASES.find((each) => name.startsWith(`${each}: `)) ?? "answers";
