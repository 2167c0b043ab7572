import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installLmdb } from "./backend/lmdb.ts";
import { type Measurements, WHAT } from "./backend/measurements.ts";
import { median, type Row } from "./benchmark.ts";

const RUNS = 3;
const WORKLOAD = join(import.meta.dirname, "backend/workload.ts");

/** The store's engine, the same without checksums, the other engine, and no disk. */
const OURS = "checked";
const OTHERS = ["level", "lmdb", "memory"] as const;
const NAMES: Readonly<Record<string, string>> = {
  level: "LevelDB without checksums",
  lmdb: "LMDB",
  memory: "memory",
};

/** Engines behind the store's `Backend`, in turn, each in a process of its own. */
export async function backend(): Promise<Row[]> {
  const missing = installLmdb();
  const notice = `  LEFT OUT: lmdb, which cannot be installed: ${missing}\n`;
  if (missing !== undefined) process.stderr.write(notice);
  const engines = [OURS, ...OTHERS].filter((name) => name !== "lmdb" || missing === undefined);
  const measurements = new Map<string, Measurements[]>(engines.map((name) => [name, []]));
  for (let run = 0; run < RUNS; run++) {
    for (const name of engines) {
      const measured = measure(name);
      process.stderr.write(`  ${name}: ${JSON.stringify(measured)}\n`);
      measurements.get(name)!.push(measured);
    }
  }
  const of = (name: string, measurement: keyof Measurements) =>
    median(measurements.get(name)!.map((each) => each[measurement]));
  return (Object.keys(WHAT) as (keyof Measurements)[]).flatMap((measurement) =>
    engines.slice(1).map((name): Row => {
      const [what, unit] = WHAT[measurement];
      const peer = { name: NAMES[name]!, value: of(name, measurement) };
      return { what, unit, ours: of(OURS, measurement), peer };
    }),
  );
}

function measure(engine: string): Measurements {
  const folder = mkdtempSync(join(tmpdir(), "r2k-bench-backend-"));
  try {
    const args = ["--disable-warning=ExperimentalWarning", WORKLOAD, engine, folder];
    const child = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (child.status !== 0) throw new Error(`${engine} failed: ${child.stderr}`);
    return JSON.parse(child.stdout) as Measurements;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
