import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { judge, type Verdict } from "./judge.ts";
import { GRACE_S, MEMORY, REPORT_S } from "./limits.ts";
import { runInto } from "./suite.ts";

export interface Surroundings {
  readonly e2e: string;
  readonly kubectl: string;
  readonly kubeconfig: string;
  /** The command line by which the program runs elsewhere; default: here. */
  readonly enter?: (program: string, args: readonly string[]) => string[];
  /** Where each test's output is kept. */
  readonly logs: string;
}

/** The file that a test's output goes to. */
export function logOf(logs: string, name: string): string {
  const words = name.replaceAll(/[^A-Za-z0-9]+/g, "_").slice(0, 80);
  return join(logs, `${words}-${createHash("sha1").update(name).digest("hex").slice(0, 6)}.log`);
}

/**
 * Runs one test in a process of its own, which ginkgo ends after `limit_s`. One that does not end
 * then is killed, and lost.
 */
export async function runTest(at: Surroundings, name: string, limit_s: number): Promise<Verdict> {
  mkdirSync(at.logs, { recursive: true });
  const log = logOf(at.logs, name);
  const report = log.replace(/log$/, "json");
  rmSync(report, { force: true });
  const args = argumentsFor(at, name, limit_s, report);
  const [program, ...words] = at.enter?.(at.e2e, args) ?? [at.e2e, ...args];
  const timeout = (limit_s + REPORT_S) * 1000;
  // Half of a process's time went to collecting the tree of all tests.
  const env = { ...process.env, GOGC: "off", GOMEMLIMIT: MEMORY };
  const ended = await runInto(log, program!, words, { timeout, env });
  if (!existsSync(report)) return { outcome: "lost", message: `${ended}, and left no report` };
  const verdict = judge(readFileSync(report, "utf8"));
  rmSync(report);
  return verdict;
}

function argumentsFor(at: Surroundings, name: string, limit_s: number, report: string): string[] {
  // Go's patterns have no escaped space or quote.
  const pattern = name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  return [
    `--ginkgo.focus=${pattern}$`,
    `--ginkgo.timeout=${limit_s}s`,
    `--ginkgo.grace-period=${GRACE_S}s`,
    `--ginkgo.json-report=${report}`,
    "--ginkgo.no-color",
    "--ginkgo.v",
    `--kubeconfig=${at.kubeconfig}`,
    `--kubectl-path=${at.kubectl}`,
    "--provider=skeleton",
    "--node-os-distro=debian",
    "--non-blocking-taints=node-role.kubernetes.io/control-plane",
    "--allowed-not-ready-nodes=0",
    "--disable-log-dump=true",
  ];
}
