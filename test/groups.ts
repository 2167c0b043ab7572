import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { leftToOtherRuns } from "./file-turns.ts";
import { runCommand } from "./run-command.ts";
import { type RunOptions, runPatterns } from "./run-vitest.ts";
import { sharesCluster } from "./shares-cluster.ts";

export interface GroupResult {
  passed: number;
  /** The failed tests, each with its file and the reason. */
  failures: readonly string[];
  /** Tests of the group that were left out on this machine, by the title that they stand under. */
  leftOut: readonly string[];
  /** Files that failed and ran again, each with why it failed first. */
  secondTries: readonly string[];
  /** How long each file took, and the processor time of its process meanwhile. */
  times?: readonly { readonly name: string; readonly took_s: number; readonly cpu_s: number }[];
  /** Processor time of its processes, as `runMeasured` counts them. */
  cpu_s?: number;
}

/** Tests that run, and are timed and counted, together. */
export interface Group {
  readonly name: string;
  /** Which of several groups of this name it is. */
  readonly part?: string;
  /**
   * Runs beside the group before it, from which it needs nothing but a processor, if fewer than
   * `GROUPS_MAX` run. By default a group starts when all before it have ended.
   */
  readonly beside?: boolean;
  /** Needs no program but Node: runs while packages are installed. */
  readonly isFirst?: boolean;
  /** Where its tests are. */
  readonly folders?: readonly string[];
  /** Which of its test files other runs judge, in turn. */
  readonly leftToOthers?: readonly string[];
  /** Whether this machine can run the group; by default it can. */
  possible?(): Promise<boolean>;
  run(): Promise<GroupResult>;
}

const ROOT = join(import.meta.dirname, "..");

/** Groups that run at the same time: fewer leave a processor idle at the end of a row. */
export const GROUPS_MAX = 4;

/** Every folder but those of groups of their own. */
const PACKAGES = readdirSync(ROOT, { withFileTypes: true })
  .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  .filter((name) => !/^(\..*|test|labs|node_modules|dist)$/.test(name));

/** Imports of the kits that start whole members of a store, or apiservers. */
const STARTS_SERVERS =
  /from "[^"]*testing\/(stores|.*\/(members|(file|own|test)-apiserver|etcd-server))\.ts"/;

const filesOf = (patterns: readonly string[]) =>
  globSync(patterns, { cwd: ROOT, exclude: ["**/node_modules/**"] });

/** Test files beside what they test: those that start whole servers, or all others. */
function filesOfPackages({ startServers }: { startServers: boolean }): string[] {
  return filesOf(PACKAGES.map((folder) => `${folder}/**/*.test.ts`)).filter(
    (file) => STARTS_SERVERS.test(readFileSync(join(ROOT, file), "utf8")) === startServers,
  );
}

/** Test files with turns in other runs; those of an area may be in several groups. */
const LEFT_TO_OTHERS = leftToOtherRuns(filesOf(["**/*.test.ts"]));

/** The part of a group that runs those of some files whose turn it is. */
function inTurns(files: readonly string[], options: RunOptions) {
  const leftToOthers = files.filter((file) => LEFT_TO_OTHERS.includes(file));
  const judged = files.filter((file) => !leftToOthers.includes(file));
  return { leftToOthers, run: () => runPatterns(judged, options) };
}

/** Contract suites by the parts that they hold; all others are of the node's network and disks. */
const SUITES = {
  pods: ["cri", "kubelet", "device"],
  servers: ["etcd", "apiserver"],
  controllers: ["controllers", "http2", "tls"],
};

/** Real processes and sockets on a machine that others use too. */
const REAL = { secondTry: true };
/**
 * Members wait for elections, controllers for their periods: two processors serve three workers. A
 * further one would wait less for others, and load every module once more: unit tests take 364 s of
 * processor time in two workers, 421 s in four.
 */
const WAITING = { ...REAL, workers: 3 };
/**
 * Tests that make thousands of files, or that write what stores make durable. None asks for what
 * only a disk has: what a killed process has written is there in memory too, and what a power cut
 * takes is simulated. Other contracts and end-to-end tests use the disk.
 */
const IN_MEMORY = { ...WAITING, inMemory: true };
const ALONE = { secondTry: true, workers: 1 };

/**
 * Checks again only what has changed since the last run on this checkout, in one thread: two
 * checkers would each look at the types that all use, which takes 15 % more processor time.
 */
const TYPE_CHECK =
  "--noEmit --singleThreaded --incremental --tsBuildInfoFile .cache/types.tsbuildinfo".split(" ");

/** Whether an end-to-end test starts a cluster of its own, whose name no other test has. */
const hasItsOwn = (path: string) => !sharesCluster(path);

const ALL: readonly Group[] = [
  { name: "types", isFirst: true, run: () => runCommand("node_modules/.bin/tsc", TYPE_CHECK) },
  // One process parses each source once for all rules.
  testsIn("tidy", ["test/tidy"], { workers: 1 }, { beside: true, isFirst: true }),
  {
    name: "unit",
    beside: true,
    folders: PACKAGES,
    run: () => runPatterns(filesOfPackages({ startServers: false }), IN_MEMORY),
  },
  // From here on groups wait more than they compute, and have nothing on the machine in common.
  // Those that take long and wait start first: one that starts last would be waited for alone.
  // Those that compute follow: they keep both processors busy to the end.
  { ...e2e("clusters e-m", "test/e2e/[e-m]*.test.ts", hasItsOwn), beside: false },
  e2e("clusters a-d", "test/e2e/[a-d]*.test.ts", hasItsOwn),
  {
    name: "guest",
    beside: true,
    folders: ["test/guest"],
    ...inTurns(filesOf(["test/guest/*.test.ts"]), ALONE),
  },
  e2e("clusters n-z", "test/e2e/[n-z]*.test.ts", hasItsOwn),
  contract("network and disks", ALONE),
  e2e("one cluster", "test/e2e/*.test.ts", sharesCluster),
  e2e("no cluster", "test/e2e/*/**/*.test.ts"),
  contract("pods", ALONE),
  {
    name: "servers",
    beside: true,
    folders: PACKAGES,
    ...inTurns(filesOfPackages({ startServers: true }), IN_MEMORY),
  },
  contract("servers", { ...REAL, inMemory: true }),
  contract("controllers", WAITING),
  testsIn("labs", ["labs"], REAL, { beside: true }),
  testsIn(
    "sim",
    ["test/sim", "test/clock", "test/conformance", "test/critest", "test/etcd-tests"],
    {},
    { beside: true },
  ),
  testsIn("fuzz", ["test/fuzz"], {}, { beside: true }),
];

function testsIn(
  name: string,
  folders: readonly string[],
  options: RunOptions,
  more: Pick<Group, "part" | "beside" | "isFirst"> = {},
): Group {
  const files = filesOf(folders.map((folder) => `${folder}/**/*.test.ts`));
  return { name, folders, ...more, ...inTurns(files, options) };
}

/** Contract suites of the parts of a kind. */
function contract(part: keyof typeof SUITES | "network and disks", options: RunOptions): Group {
  const named = Object.values(SUITES).flat();
  const all = readdirSync(join(ROOT, "test/contract"));
  const others = all.filter((suite) => !named.includes(suite));
  const suites = part === "network and disks" ? others : SUITES[part];
  const folders = suites.map((suite) => `test/contract/${suite}`);
  return testsIn("contract", folders, options, { part, beside: true });
}

/** Tests of whole clusters, and of their parts without one: those of a pattern that `are`. */
function e2e(part: string, pattern: string, are: (path: string) => boolean = () => true): Group {
  return {
    name: "e2e",
    part,
    beside: true,
    folders: ["test/e2e"],
    possible: async () => process.getuid?.() === 0,
    ...inTurns(filesOf([pattern]).filter(are), ALONE),
  };
}

/** Groups with tests in this tree. */
export const GROUPS = ALL.filter(
  ({ folders }) => folders?.some((folder) => existsSync(join(ROOT, folder))) ?? true,
);

/** The groups in rows that follow each other; those of a row may run at the same time. */
export function rowsOf(groups: readonly Group[]): Group[][] {
  const rows: Group[][] = [];
  for (const group of groups) {
    const row = rows.at(-1);
    if (group.beside && row) row.push(group);
    else rows.push([group]);
  }
  return rows;
}

/** Runs a row: its groups start in their order, as soon as fewer than `GROUPS_MAX` run. */
export async function runRow<T>(
  row: readonly Group[],
  run: (group: Group) => Promise<T>,
): Promise<T[]> {
  const waiting = row.entries();
  const results: T[] = [];
  const work = async () => {
    for (const [at, group] of waiting) results[at] = await run(group);
  };
  await Promise.all(Array.from({ length: GROUPS_MAX }, work));
  return results;
}
