// `npm run etcd-tests [-- NAME...]`: etcd's own tests of its programs (tests/common, tests/e2e of
// 3.6.5), each in a process of its own, with the store in etcd's place. A NAME is a pattern of
// names. Without one, the tests run that have no result of this commit, but for those whose cause
// says why they do not apply: a run can be interrupted.
//   --failed   only the tests that apply and have not passed, of those named
//   --list     prints the names and the last results, and runs nothing
//   --etcd     runs etcd itself, to compare with; nothing is recorded
// Needs Go. Writes results.txt, and each test's output below .peers/etcd-tests/logs.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "@raft2kube/std/clock.ts";
import { runProgram } from "../../cli/terminal.ts";
import { type Results, readRecord, writeRecord } from "../conformance/record.ts";
import { count } from "../conformance/report.ts";
import { commitHere, list, NEVER, report, say } from "../conformance/suite.ts";
import { runTest } from "./one-test.ts";
import { BIN, buildPrograms, LOGS, namesOf, SUITES, type Suite, sourcesOf } from "./suites.ts";

export const RECORD = join(import.meta.dirname, "results.txt");
export const HEAD = `# The last result of etcd's own tests on the store, written by
# \`npm run etcd-tests\`.
# Under a test that does not pass stands, indented, why: write it there when it was examined. One
# that does not apply is "not-run", with the reason.
`;

/** Chooses the tests to run. */
export function choose(
  results: Results,
  wanted: readonly string[],
  { failed, commit }: { readonly failed: boolean; readonly commit: string },
): string[] {
  const patterns = wanted.map((text) => new RegExp(text));
  return [...results].flatMap(([name, { outcome, cause, commit: last }]) => {
    const isNamed = patterns.some((each) => each.test(name));
    if (patterns.length > 0 && !isNamed) return [];
    const applies = outcome !== "not-run" || cause === undefined;
    if (failed) return applies && !["passed", "skipped"].includes(outcome) ? [name] : [];
    return isNamed || (applies && last !== commit) ? [name] : [];
  });
}

async function runAll(names: readonly string[], etcd: boolean, commit: string): Promise<void> {
  const clock = systemClock();
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupt.abort());
  const sources = Object.fromEntries(SUITES.map((suite) => [suite, sourcesOf(suite)]));
  const bin = etcd ? BIN.etcd : BIN.store;
  for (const name of names) {
    const [suite = "", test = ""] = name.split(" ");
    const start_ms = clock.monotonic();
    const at = { bin, sources: sources[suite]!, signal: interrupt.signal };
    const { outcome, message } = await runTest(suite as Suite, test, at);
    if (interrupt.signal.aborted) return;
    const took_s = (clock.monotonic() - start_ms) / 1000;
    const result = { outcome, commit, took_s, message: outcome === "passed" ? "" : message };
    report(name, result, etcd ? undefined : { file: RECORD, head: HEAD });
  }
}

async function main(): Promise<void> {
  const flag = { type: "boolean", default: false } as const;
  const options = { failed: flag, list: flag, etcd: flag };
  const { values, positionals } = parseArgs({ allowPositionals: true, options });
  if (values.list) return list(RECORD);
  buildPrograms();
  const known = readRecord(RECORD);
  const names = SUITES.flatMap((suite) => namesOf(suite));
  const results = new Map(names.map((name) => [name, known.get(name) ?? NEVER]));
  const commit = commitHere();
  const chosen = choose(results, positionals, { failed: values.failed, commit });
  say(`${chosen.length} of ${results.size} tests; their output: ${LOGS}`);
  if (!values.etcd) writeRecord(results, RECORD, HEAD);
  await runAll(chosen, values.etcd, commit);
  const { passed, failed, notRun } = count(readRecord(RECORD).values());
  say(`recorded: ${passed} passed, ${failed} failed, ${notRun} not run`);
}

if (import.meta.main) runProgram(main());
