import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./run-command.ts";
import { runVitest } from "./run-vitest.ts";

export interface GroupResult {
  passed: number;
  /** What failed, each with its file and why. */
  failures: readonly string[];
  /** What the group's tests did not do on this machine, by the title they stand under. */
  leftOut: readonly string[];
  /** Files that failed and ran again, each with why it failed first. */
  secondTries: readonly string[];
  /** How long each file took. */
  times?: readonly { readonly name: string; readonly took_s: number }[];
}

/** Tests that run, and are timed and counted, together. */
export interface Group {
  readonly name: string;
  /** Runs at the same time as the group before it, from which it needs nothing but a processor. */
  readonly beside?: boolean;
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
  "testing",
];

/** Real processes and sockets on a machine that others use too. */
const REAL = { secondTry: true };
const ALONE = { secondTry: true, sequential: true };

/** In the order in which a mistake is cheapest to find. */
export const GROUPS: readonly Group[] = [
  { name: "types", run: () => runCommand("node_modules/.bin/tsc", ["--noEmit"]) },
  // One process parses each source once for all rules.
  { name: "tidy", beside: true, run: () => runVitest(["test/tidy"], { sequential: true }) },
  { name: "unit", run: () => runVitest(UNIT.filter((dir) => existsSync(join(ROOT, dir))), REAL) },
  { name: "contract", run: () => inTwoHalves("test/contract", ["etcd", "apiserver"]) },
  // One file, and so one processor, while the contract suites wait.
  { name: "fuzz", beside: true, run: () => runVitest(["test/fuzz"]) },
  { name: "sim", run: () => runVitest(["test/sim", "test/clock"]) },
  { name: "labs", run: () => runVitest(["labs"], REAL) },
  { name: "guest", beside: true, run: () => runVitest(["test/guest"], ALONE) },
  {
    name: "e2e",
    possible: async () => process.getuid?.() === 0,
    run: () => runVitest(["test/e2e"], ALONE),
  },
].filter((group) => group.name === "types" || hasTests(group.name));

/**
 * A folder's tests in two runs side by side: subfolders whose files have nothing on the machine in
 * common, and all others, a file at a time. They wait more than they compute.
 */
async function inTwoHalves(folder: string, apart: readonly string[]): Promise<GroupResult> {
  const others = readdirSync(join(ROOT, folder)).filter((name) => !apart.includes(name));
  const within = (names: readonly string[]) => names.map((name) => `${folder}/${name}`);
  const results = await Promise.all([
    runVitest(within(apart), REAL),
    runVitest(within(others), ALONE),
  ]);
  return {
    passed: results.reduce((sum, { passed }) => sum + passed, 0),
    failures: results.flatMap(({ failures }) => failures),
    leftOut: results.flatMap(({ leftOut }) => leftOut),
    secondTries: results.flatMap(({ secondTries }) => secondTries),
    times: results.flatMap(({ times }) => times ?? []),
  };
}

function hasTests(name: string): boolean {
  if (name === "unit" || name === "tidy") return true;
  return existsSync(join(ROOT, name === "labs" ? "labs" : `test/${name}`));
}
