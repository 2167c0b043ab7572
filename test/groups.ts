import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./run-command.ts";
import { type RunOptions, runPatterns, runVitest } from "./run-vitest.ts";

export interface GroupResult {
  passed: number;
  /** The failed tests, each with its file and the reason. */
  failures: readonly string[];
  /** Tests of the group that were left out on this machine, by the title that they stand under. */
  leftOut: readonly string[];
  /** Files that failed and ran again, each with why it failed first. */
  secondTries: readonly string[];
  /** How long each file took. */
  times?: readonly { readonly name: string; readonly took_s: number }[];
  /** Processor time of its processes, as `runMeasured` counts them. */
  cpu_s?: number;
}

/** Tests that run, and are timed and counted, together. */
export interface Group {
  readonly name: string;
  /** Which of several groups of this name it is. */
  readonly part?: string;
  /**
   * `beside`: starts with the group before it, from which it needs nothing but a processor. `next`:
   * starts when that one has ended, beside what else has been started. By default a group starts
   * when all before it have ended.
   */
  readonly starts?: "beside" | "next";
  /** Where its tests are. */
  readonly folders?: readonly string[];
  /** Whether this machine can run the group; by default it can. */
  possible?(): Promise<boolean>;
  run(): Promise<GroupResult>;
}

const ROOT = join(import.meta.dirname, "..");

/** Every folder but those of groups of their own. */
const PACKAGES = readdirSync(ROOT, { withFileTypes: true })
  .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  .filter((name) => !/^(\..*|test|labs|node_modules|dist)$/.test(name));

/** Imports of the kits that start whole members of a store, or apiservers. */
const STARTS_SERVERS = /from "[^"]*testing\/(members|test-apiserver|etcd-server)\.ts"/;

/** Test files beside what they test: those that start whole servers, or all others. */
function filesOfPackages({ startServers }: { startServers: boolean }): string[] {
  const patterns = PACKAGES.map((folder) => `${folder}/**/*.test.ts`);
  return globSync(patterns, { cwd: ROOT, exclude: ["**/node_modules/**"] }).filter((file) =>
    STARTS_SERVERS.test(readFileSync(join(ROOT, file), "utf8")) === startServers);
}

/** Contract suites by the parts that they hold; all others are the node's. */
const SUITES = {
  servers: ["etcd", "apiserver"],
  controllers: ["controllers", "http2", "tls"],
};

/** Real processes and sockets on a machine that others use too. */
const REAL = { secondTry: true };
/** Members wait for elections, controllers for their periods: two processors serve four workers. */
const WAITING = { ...REAL, workers: 4 };
const BUSY = { ...REAL, workers: 6 };
const ALONE = { secondTry: true, workers: 1 };

/** Checks again only what has changed since the last run on this checkout. */
const TYPE_CHECK = ["--noEmit", "--incremental", "--tsBuildInfoFile", ".cache/types.tsbuildinfo"];

const ALL: readonly Group[] = [
  { name: "types", run: () => runCommand("node_modules/.bin/tsc", TYPE_CHECK) },
  // One process parses each source once for all rules.
  testsIn("tidy", ["test/tidy"], { workers: 1 }, { starts: "beside" }),
  {
    name: "unit", starts: "beside", folders: PACKAGES,
    run: () => runPatterns(filesOfPackages({ startServers: false }), BUSY),
  },
  {
    name: "servers", starts: "next", folders: PACKAGES,
    run: () => runPatterns(filesOfPackages({ startServers: true }), BUSY),
  },
  // Three sequences that have nothing on the machine in common, and all wait more than they
  // compute: the node's suites, which enter a network of their own one after the other, and
  // guests; the servers' suites, the controllers' and what only computes; whole clusters.
  testsIn("contract", contractSuites("node"), ALONE, { part: "node" }),
  testsIn("guest", ["test/guest"], ALONE, { starts: "next" }),
  testsIn("contract", contractSuites("servers"), REAL, { part: "servers", starts: "beside" }),
  testsIn("contract", contractSuites("controllers"), WAITING, {
    part: "controllers", starts: "next",
  }),
  testsIn("fuzz", ["test/fuzz"], {}, { starts: "next" }),
  testsIn("sim", ["test/sim", "test/clock", "test/conformance"], {}, { starts: "next" }),
  testsIn("labs", ["labs"], REAL, { starts: "next" }),
  testsIn("e2e", ["test/e2e"], ALONE, {
    starts: "beside", possible: async () => process.getuid?.() === 0,
  }),
];

function testsIn(
  name: string,
  folders: readonly string[],
  options: RunOptions,
  more: Pick<Group, "part" | "starts" | "possible"> = {},
): Group {
  return { name, folders, ...more, run: () => runVitest(folders, options) };
}

/** In the order in which a mistake is cheapest to find. */
export const GROUPS = ALL.filter(
  ({ folders }) => folders?.some((folder) => existsSync(join(ROOT, folder))) ?? true,
);

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

/** The contract suites of the parts of a kind; the node's are those that no other kind has. */
function contractSuites(kind: keyof typeof SUITES | "node"): string[] {
  const named = Object.values(SUITES).flat();
  const all = readdirSync(join(ROOT, "test/contract"));
  const suites = kind === "node" ? all.filter((suite) => !named.includes(suite)) : SUITES[kind];
  return suites.map((suite) => `test/contract/${suite}`);
}
