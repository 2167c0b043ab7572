import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createByTwo, OTHER_ADMIN, rowInTurn } from "./apiserver/in-turn.ts";
import type { Row } from "./benchmark.ts";

const POLICY = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  rules: [{ level: "None", users: [OTHER_ADMIN] }, { level: "Metadata" }],
};

/** Several times as many as the other benchmarks in turn: a round varies by a third. */
const ROUNDS = 100;

/** Measures what an audit log at Metadata costs: of two users' requests it has one's alone. */
export async function audit(): Promise<Row[]> {
  const found = await createByTwo((dir) => {
    const policy = join(dir, "policy.json");
    writeFileSync(policy, JSON.stringify(POLICY));
    return { "audit-policy-file": policy, "audit-log-path": join(dir, "audit.log") };
  }, ROUNDS);
  const what = "create pods, 50 in flight, audit log at Metadata";
  return [
    rowInTurn(what, "/s", "create", ">= 0.95x", found),
    rowInTurn("the same: CPU time of server and store for each", "ms", "create_cpu", "", found),
  ];
}
