import { MetricArea } from "@raft2kube/observe/families.ts";

/** Decisions of admission policies (upstream: policy/validating/metrics). */
export class PolicyMetrics extends MetricArea {
  readonly #checks = this.counter(
    "apiserver_validating_admission_policy_check_total",
    "Findings of validating policies, by what was done about them.",
  );

  /** A finding of a policy met an action of its binding. */
  enforced(labels: { policy: string; policy_binding: string }, action: string): void {
    const enforcement_action = action.toLowerCase();
    this.#checks.of({ ...labels, error_type: "no_error", enforcement_action }).add();
  }
}
