import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { type FitError, schedulePod } from "../cycle.ts";
import type { BudgetsOf } from "../disruption-budgets.ts";
import type { Framework } from "../framework/framework.ts";
import type { Snapshot } from "../framework/snapshot.ts";
import { podInfo } from "../node-info.ts";
import { Nominator } from "../nominator.ts";
import { findCandidate, type Preemption, type PreemptionInput } from "../preemption.ts";
import { resultOf } from "./objects.ts";

/** The failed cycle of a pod, and what preemption is given after it. */
export type FailedCycle = { decision: FitError; input: PreemptionInput };

/** Runs a cycle for a pod; returns undefined if the pod fits. By default there are no budgets. */
export function failedCycle(
  framework: Framework,
  wanted: Pod,
  snapshot: Snapshot,
  budgetsOf: BudgetsOf = () => [],
  nominator = new Nominator(),
): FailedCycle | undefined {
  const info = podInfo(wanted);
  const random = seededRandom(1);
  const decision = schedulePod({ info, snapshot, framework, random, nominator });
  if (decision.kind === "scheduled") return undefined;
  const { nodeToStatus, state } = decision;
  const input = { info, state, handle: framework, nodeToStatus, budgetsOf, nominator };
  return { decision, input };
}

/** Looks for the pods to preempt after a failed cycle. */
export function preemptionAfter({ input }: FailedCycle): Preemption {
  return resultOf(findCandidate(input));
}

/** Returns the names of the pods to delete. */
export function victimsOf({ candidate }: Preemption): string[] | undefined {
  return candidate?.victims.map(({ pod }) => pod.metadata.name ?? "");
}
