import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { type Row, median } from "./benchmark.ts";

const ROOT = join(import.meta.dirname, "..");
const NAME = "bench";
const RUNS = 3;
const SETTLE_MS = 60_000;
const WARM_GOAL_S = 5;
const PSS_GOAL_MIB = 200;

/**
 * `npm start` to the first answer through the Service, cold and warm; memory of an idle cluster.
 */
export async function start(): Promise<Row[]> {
  r2k("down", "--purge");
  rmSync(join(ROOT, ".cache/bundle"), { recursive: true, force: true });
  const cold_s = timed("start");
  r2k("down", "--purge");
  const warm: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    warm.push(timed("start"));
    r2k("down", "--purge");
  }
  r2k("start", "--no-demo");
  process.stderr.write(`waiting ${SETTLE_MS / 1000} s for the idle cluster to settle\n`);
  await delay(systemClock(), SETTLE_MS);
  const pss_mib = clusterPss();
  r2k("down", "--purge");
  return [
    { what: "start to first answer, cold (no bundle, no data)", unit: "s", ours: cold_s },
    {
      what: "start to first answer, warm",
      unit: "s",
      ours: median(warm),
      goal: `<= ${WARM_GOAL_S} s`,
    },
    {
      what: "memory of the idle cluster, sum of PSS 60 s after ready",
      unit: "MiB",
      ours: pss_mib,
      goal: `<= ${PSS_GOAL_MIB} MiB`,
    },
  ];
}

function r2k(...args: string[]): string {
  const result = spawnSync(join(ROOT, "r2k"), [...args, "--name", NAME], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (result.status !== 0) throw new Error(`r2k ${args.join(" ")} ended with ${result.status}`);
  return result.stdout;
}

function timed(...args: string[]): number {
  const start_ms = performance.now();
  r2k(...args);
  return (performance.now() - start_ms) / 1000;
}

interface StatusOutput {
  readonly processes: readonly { readonly pid: number }[];
}

/** The share of memory of the cluster's processes, in MiB. */
function clusterPss(): number {
  const status = JSON.parse(r2k("status", "-o", "json")) as StatusOutput;
  const kib = status.processes.map(({ pid }) => {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0);
  });
  return kib.reduce((sum, value) => sum + value, 0) / 1024;
}
