import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { begin, folder } from "./apiserver.ts";
import { makeCredentials } from "./apiserver/credentials.ts";
import { creates, type Measurements, type Subject } from "./apiserver/phases.ts";
import { oursOf, ROOT } from "./apiserver/sides.ts";
import { median, type Range, type Row } from "./benchmark.ts";

const ROUNDS = 10;
const PODS_OF_ROUND = 400;
const POLICY = { apiVersion: "audit.k8s.io/v1", kind: "Policy", rules: [{ level: "Metadata" }] };

/**
 * Measures what an audit log at Metadata costs: two of our servers, one with a log, create pods in
 * turn, the first of a round being the second of the next; medians of the rounds after the first.
 */
export async function audit(): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), "r2k-bench-"));
  const subjects: Subject[] = [];
  try {
    const credentials = await makeCredentials(join(dir, "pki"));
    const policy = join(dir, "policy.json");
    writeFileSync(policy, JSON.stringify(POLICY));
    const flags = { "audit-policy-file": policy, "audit-log-path": join(dir, "audit.log") };
    for (const [at, side] of [oursOf(ROOT, "ours", flags), oursOf(ROOT, "peer")].entries()) {
      subjects.push(await begin(side, folder(dir, `${at}`), credentials));
    }
    const { run } = creates(ROUNDS, 0, ROUNDS * PODS_OF_ROUND, 1);
    const found: Measurements[][] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      for (const at of round % 2 === 0 ? [0, 1] : [1, 0]) {
        const measured = await run(subjects[at]!, round);
        if (round > 0) found[at]!.push(measured);
      }
    }
    return [
      rowOf("create pods, 50 in flight, audit log at Metadata", "/s", "create", ">= 0.95x", found),
      rowOf("the same: CPU time of server and store for each", "ms", "create_cpu", "", found),
    ];
  } finally {
    for (const { running } of subjects) await running.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

function rowOf(
  what: string, unit: string, key: string, goal: string, found: readonly Measurements[][],
): Row {
  const [with_, without] = found.map((rounds) => rounds.map((each) => each[key]!));
  const range = (values: readonly number[]): Range => [Math.min(...values), Math.max(...values)];
  return {
    what, unit, ...(goal === "" ? {} : { goal }),
    ours: median(with_!), peer: { name: "without", value: median(without!) },
    ranges: { ours: range(with_!), peer: range(without!) },
  };
}
