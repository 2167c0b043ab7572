import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import { messageOf } from "@raft2kube/std/errors.ts";

/** The result of one check. Failures and warnings have a remedy. */
export type Finding =
  | { readonly state: "ok"; readonly detail: string }
  | { readonly state: "warning" | "failed"; readonly detail: string; readonly remedy: string };

/** One named check of this machine. `ask` tries the operation itself. */
export interface Check {
  readonly name: string;
  ask(context: CheckContext): Promise<Finding>;
}

export interface CheckContext {
  readonly dataDir: string;
  readonly runDir: string;
  /** The API's port; undefined when the cluster itself listens on it. */
  readonly apiPort: number | undefined;
  /** Address ranges in CIDR form that the cluster will use. */
  readonly ranges: readonly string[];
  /** The kind of rules that serve Services. Default nftables. */
  readonly proxyMode?: ModeName;
}

export type CheckResult = { readonly name: string; readonly finding: Finding };

/** Asks all checks; one that throws has failed with what it threw. */
export async function runChecks(
  checks: readonly Check[],
  context: CheckContext,
): Promise<CheckResult[]> {
  return Promise.all(
    checks.map(async (check) => {
      try {
        return { name: check.name, finding: await check.ask(context) };
      } catch (thrown) {
        const remedy = "run `r2k doctor` with R2K_LOG=debug and look at the message";
        return { name: check.name, finding: failed(messageOf(thrown), remedy) };
      }
    }),
  );
}

export const ok = (detail: string): Finding => ({ state: "ok", detail });

export const warning = (detail: string, remedy: string): Finding => {
  return { state: "warning", detail, remedy };
};

export const failed = (detail: string, remedy: string): Finding => {
  return { state: "failed", detail, remedy };
};
