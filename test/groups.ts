import { existsSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./run-command.ts";
import { runVitest } from "./run-vitest.ts";

export interface GroupResult {
  passed: number;
  failed: number;
  /** What the group's tests did not do on this machine, by the title they stand under. */
  leftOut: readonly string[];
  /** Tests that failed once and then passed, each with why it failed first. */
  secondTries: readonly string[];
}

/** Tests that run, and are timed and counted, together. */
export interface Group {
  readonly name: string;
  /** Whether this machine can run the group; by default it can. */
  possible?(): Promise<boolean>;
  run(): Promise<GroupResult>;
}

const ROOT = join(import.meta.dirname, "..");

const UNIT = [
  "base",
  "api",
  "client",
  "store",
  "apiserver",
  "scheduler",
  "controllers",
  "kubelet",
  "runtime",
  "cni",
  "csi",
  "device",
  "proxy",
  "dns",
  "cli",
  "scripts",
];

/** Real processes and sockets on a machine that others use too. */
const REAL = { secondTry: true };
const ALONE = { secondTry: true, sequential: true };

/** In the order in which a mistake is cheapest to find. */
export const GROUPS: readonly Group[] = [
  { name: "types", run: () => runCommand("node_modules/.bin/tsc", ["--noEmit"]) },
  { name: "tidy", run: () => runVitest(["test/tidy"]) },
  { name: "unit", run: () => runVitest(UNIT.filter((dir) => existsSync(join(ROOT, dir))), REAL) },
  { name: "contract", run: () => runVitest(["test/contract"], ALONE) },
  { name: "fuzz", run: () => runVitest(["test/fuzz"]) },
  { name: "sim", run: () => runVitest(["test/sim"]) },
  { name: "guest", run: () => runVitest(["test/guest"], ALONE) },
  { name: "labs", run: () => runVitest(["labs"], REAL) },
  {
    name: "e2e",
    possible: async () => process.getuid?.() === 0,
    run: () => runVitest(["test/e2e"], ALONE),
  },
].filter((group) => group.name === "types" || hasTests(group.name));

function hasTests(name: string): boolean {
  if (name === "unit" || name === "tidy") return true;
  return existsSync(join(ROOT, name === "labs" ? "labs" : `test/${name}`));
}
