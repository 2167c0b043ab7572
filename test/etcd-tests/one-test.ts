import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Verdict } from "../conformance/judge.ts";
import { runInto } from "../conformance/suite.ts";
import { LOGS, programOf, type Suite } from "./suites.ts";

/** Seconds for one test: the longest, of 60 clusters, takes over three minutes. */
const TEST_LIMIT_S = 300;
/** Seconds that Go has to print its goroutines and end, before it is killed. */
const END_S = 15;

const OUTCOMES = { PASS: "passed", FAIL: "failed", SKIP: "skipped" } as const;

/** Runs one test in a process of its own, with the programs in `bin`. */
export async function runTest(
  suite: Suite,
  test: string,
  at: { readonly bin: string; readonly sources: string; readonly signal: AbortSignal },
): Promise<Verdict> {
  mkdirSync(LOGS, { recursive: true });
  const log = join(LOGS, `${suite}-${test}.log`);
  const args = [
    `-test.run=^${test}$`,
    "-test.v",
    `-test.timeout=${TEST_LIMIT_S}s`,
    `-bin-dir=${at.bin}`,
  ];
  const timeout = (TEST_LIMIT_S + END_S) * 1000;
  const options = { cwd: at.sources, timeout, signal: at.signal };
  // Its log has no result then.
  await runInto(log, programOf(suite), args, options).catch(() => undefined);
  return judge(readFileSync(log, "utf8"), test);
}

/** Finds a test's result in what `go test -v` prints. */
export function judge(output: string, test: string): Verdict {
  const result = new RegExp(`^--- (PASS|FAIL|SKIP): ${test} `, "m").exec(output)?.[1];
  const message = reasonIn(output);
  if (result === "PASS" && hasOnlySkipped(output)) return { outcome: "skipped", message };
  if (result !== undefined) return { outcome: OUTCOMES[result as keyof typeof OUTCOMES], message };
  if (output.includes("panic: test timed out")) return { outcome: "timeout", message };
  return { outcome: "lost", message: message || "it ended without a result" };
}

/** Go calls a test passed whose parts were all skipped. */
function hasOnlySkipped(output: string): boolean {
  return /^ +--- SKIP: /m.test(output) && !/^ +--- PASS: /m.test(output);
}

/** The first assertion that failed, or the reason of a skip: a line with a place in a test. */
function reasonIn(output: string): string {
  const assertion = /^ +\tError: +\t(.*)$/m.exec(output)?.[1];
  const line = /^ +(?!logger\.go|testing\.go)\w+\.go:\d+: (\S.*)$/m.exec(output)?.[1];
  return (assertion ?? line ?? "").slice(0, 200);
}
