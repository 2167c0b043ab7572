// `npm run conformance [-- NAME...]`: upstream's conformance tests of Kubernetes 1.36, each in a
// process of its own, on a cluster of its own with two nodes. A NAME is a part of a test's name,
// or a pattern. Without one, the tests run that have no result of this commit: a run can be
// interrupted.
//   --beyond       upstream's other end-to-end tests, recorded in beyond.txt
//   --failed       only the tests that did not pass the last time
//   --list         prints the names and the last results, and runs nothing
//   --report       writes docs/CONFORMANCE.md from the record again, and runs nothing
//   --workers N    how many tests run at the same time, 4 by default
//   --cluster C    this cluster, made if it is not there and left running if it is; its results are
//                  printed and not recorded, as it can have other parts than the product's
// Needs root, Go, Debian's apt and mmdebstrap. Writes the record and docs/CONFORMANCE.md.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "@raft2kube/std/clock.ts";
import { nodeNetns } from "../../cli/apply/network.ts";
import { clusterFiles } from "../../cli/pki/identities.ts";
import { clusterRoots, readCluster } from "../../cli/spec/config.ts";
import { readJoiningNodes } from "../../cli/spec/nodes.ts";
import { runProgram } from "../../cli/terminal.ts";
import { namesOf } from "./choice.ts";
import {
  ALONE,
  CLUSTER,
  FAILING_LIMIT_S,
  NODES,
  SLOW,
  SLOW_LIMIT_S,
  TEST_LIMIT_S,
} from "./limits.ts";
import { runTest, type Surroundings } from "./one-test.ts";
import { buildImages, buildPrograms, conformanceNames, namesBeyond, PLACES } from "./programs.ts";
import { BEYOND, RECORD, type Result, type Results, readRecord, writeRecord } from "./record.ts";
import { REGISTRY_FLAGS, serveImages } from "./registry.ts";
import { count, formatReport } from "./report.ts";
import { commitHere, list, NEVER, r2k, report, say } from "./suite.ts";

const DOCUMENT = join(import.meta.dirname, "../../docs/CONFORMANCE.md");

/** Starts the cluster unless it runs; resolves with its kubeconfig and what stops it. */
async function startCluster(name: string) {
  const roots = clusterRoots(process.env);
  const found = (await readCluster(name, roots)) !== undefined;
  const nodes = String(NODES);
  const wait = ["--ready-timeout", "300"];
  const chosen = found ? [] : REGISTRY_FLAGS;
  r2k("start", "--name", name, "--no-demo", "--nodes", nodes, ...wait, ...chosen);
  const config = (await readCluster(name, roots))!;
  r2k("image", "load", "--name", name, PLACES.images);
  const all = [config, ...(await readJoiningNodes(config))].map(nodeNetns);
  const close = found ? undefined : await serveImages(PLACES.images, all);
  const stop = () => {
    if (found) return;
    close!();
    r2k("down", "--name", name, "--purge");
  };
  return { kubeconfig: clusterFiles(config).kubeconfig("admin"), stop };
}

function limitOf(name: string, { cause }: Result): number {
  if (SLOW.test(name)) return SLOW_LIMIT_S;
  return cause === undefined ? TEST_LIMIT_S : FAILING_LIMIT_S;
}

/** Chooses the tests to run: of a cluster that is shared first, then those that need it alone. */
function choose(results: Results, wanted: readonly string[], failed: boolean, commit: string) {
  const chosen = namesOf([...results.keys()], wanted);
  const isWanted = (name: string, result: Result) => {
    if (wanted.length > 0 && !chosen.has(name)) return false;
    if (failed) return result.outcome !== "passed";
    return wanted.length > 0 || result.commit !== commit;
  };
  const names = [...results].flatMap(([name, result]) => (isWanted(name, result) ? [name] : []));
  return [names.filter((name) => !ALONE.test(name)), names.filter((name) => ALONE.test(name))];
}

function writeDocument(): void {
  writeFileSync(DOCUMENT, formatReport(readRecord(), readRecord(BEYOND)));
}

class Run {
  private readonly clock = systemClock();
  private readonly commit: string;
  private readonly record: string;
  private readonly isRecorded: boolean;
  private readonly results: Map<string, Result>;
  private interrupted = false;

  constructor(
    commit: string,
    { record, isRecorded }: { record: string; isRecorded: boolean },
    names: readonly string[],
  ) {
    this.commit = commit;
    this.record = record;
    this.isRecorded = isRecorded;
    this.results = new Map(names.map((name) => [name, NEVER]));
    process.on("SIGINT", () => (this.interrupted = true));
    process.on("SIGTERM", () => (this.interrupted = true));
  }

  /** The results of this run alone. */
  outcomes(): Iterable<Result> {
    return this.results.values();
  }

  /** Runs tests, `workers` at a time, and records each as it ends. */
  async all(at: Surroundings, names: readonly string[], workers: number): Promise<void> {
    const queue = [...names];
    const work = async () => {
      while (queue.length > 0 && !this.interrupted) await this.one(at, queue.shift()!);
    };
    await Promise.all(Array.from({ length: workers }, work));
  }

  private async one(at: Surroundings, name: string): Promise<void> {
    const start_ms = this.clock.monotonic();
    const limit_s = limitOf(name, readRecord(this.record).get(name) ?? NEVER);
    const { outcome, message } = await runTest(at, name, limit_s);
    if (this.interrupted) return;
    const took_s = (this.clock.monotonic() - start_ms) / 1000;
    const result = { outcome, commit: this.commit, took_s, message };
    const record = this.isRecorded ? { file: this.record } : undefined;
    this.results.set(name, report(name, result, record));
    if (record) writeDocument();
  }
}

function parse() {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  const workers = { ...text, default: "4" };
  const cluster = { ...text, default: CLUSTER };
  const options = { beyond: flag, failed: flag, list: flag, report: flag, workers, cluster };
  return parseArgs({ allowPositionals: true, options });
}

async function main(): Promise<void> {
  const { values, positionals } = parse();
  const record = values.beyond ? BEYOND : RECORD;
  if (values.list) return list(record);
  if (values.report) return writeDocument();
  buildPrograms();
  await buildImages();
  const known = readRecord(record);
  const all = values.beyond ? namesBeyond() : conformanceNames();
  const results = new Map(all.map((name) => [name, known.get(name) ?? NEVER]));
  const commit = commitHere();
  const [shared = [], alone = []] = choose(results, positionals, values.failed, commit);
  say(`${shared.length + alone.length} of ${results.size} tests; their output: ${PLACES.logs}`);
  if (shared.length + alone.length === 0) return;
  const isRecorded = values.cluster === CLUSTER;
  if (isRecorded && !values.beyond) {
    writeRecord(results, record);
    writeDocument();
  }
  const cluster = await startCluster(values.cluster);
  const run = new Run(commit, { record, isRecorded }, [...shared, ...alone]);
  try {
    const at = { ...PLACES, kubeconfig: cluster.kubeconfig };
    await run.all(at, shared, Number(values.workers));
    await run.all(at, alone, 1);
  } finally {
    cluster.stop();
  }
  const { passed, failed, notRun } = count(run.outcomes());
  say(`${passed} passed, ${failed} failed, ${notRun} not run`);
}

runProgram(main());
