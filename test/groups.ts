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
  /**
   * `beside`: starts with the group before it, from which it needs nothing but a processor. `next`:
   * starts when that one has ended, beside what else has been started. By default a group starts
   * when all before it have ended.
   */
  readonly starts?: "beside" | "next";
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

const ALL: readonly Group[] = [
  { name: "types", run: () => runCommand("node_modules/.bin/tsc", ["--noEmit"]) },
  // One process parses each source once for all rules.
  { name: "tidy", starts: "beside", run: () => runVitest(["test/tidy"], { sequential: true }) },
  { name: "unit", run: () => runVitest(UNIT.filter((dir) => existsSync(join(ROOT, dir))), REAL) },
  // The node's suites take the machine's names for themselves, and wait more than they compute:
  // the others, which have nothing on the machine in common, run beside them.
  { name: "contract", run: () => runVitest(contractSuites(false), ALONE) },
  { name: "contract", starts: "beside", run: () => runVitest(contractSuites(true), REAL) },
  { name: "fuzz", starts: "next", run: () => runVitest(["test/fuzz"]) },
  { name: "sim", starts: "next", run: () => runVitest(["test/sim", "test/clock"]) },
  { name: "labs", run: () => runVitest(["labs"], REAL) },
  { name: "guest", starts: "beside", run: () => runVitest(["test/guest"], ALONE) },
  {
    name: "e2e",
    possible: async () => process.getuid?.() === 0,
    run: () => runVitest(["test/e2e"], ALONE),
  },
];

/** In the order in which a mistake is cheapest to find. */
export const GROUPS = ALL.filter((group) => group.name === "types" || hasTests(group.name));

/** The groups in rows that follow each other; the sequences of a row run at the same time. */
export function rowsOf(groups: readonly Group[]): Group[][][] {
  const rows: Group[][][] = [];
  for (const group of groups) {
    const row = rows.at(-1);
    if (group.starts === undefined || !row) rows.push([[group]]);
    else if (group.starts === "beside") row.push([group]);
    else row.at(-1)!.push(group);
  }
  return rows;
}

/** The contract suites of servers, or all others. */
function contractSuites(ofServers: boolean): string[] {
  const servers = ["etcd", "apiserver"];
  const suites = readdirSync(join(ROOT, "test/contract"));
  return suites
    .filter((suite) => servers.includes(suite) === ofServers)
    .map((suite) => `test/contract/${suite}`);
}

function hasTests(name: string): boolean {
  if (name === "unit" || name === "tidy") return true;
  return existsSync(join(ROOT, name === "labs" ? "labs" : `test/${name}`));
}
