import { inSlices } from "@raft2kube/std/slices.ts";
import type { BudgetsOf } from "../disruption-budgets.ts";
import type { PostFilterPlugin } from "../framework/plugin.ts";
import { findCandidate } from "../preemption.ts";
import { type PreemptionClients, prepareCandidate } from "../prepare-candidate.ts";

/** Nominates a node on which deleting pods of lower priority lets the pod fit. */
export function defaultPreemption(
  clients: PreemptionClients,
  budgetsOf: BudgetsOf,
): PostFilterPlugin {
  return {
    name: "DefaultPreemption",
    events: [],
    async postFilter(state, info, nodeToStatus, handle) {
      const input = { info, state, nodeToStatus, handle, budgetsOf };
      const { candidate, message } = await inSlices(findCandidate(input));
      clients.attempted?.(candidate?.victims.length);
      if (!candidate) return { nominatedNodeName: undefined, message };
      return {
        nominatedNodeName: candidate.node,
        prepareCandidate: () => prepareCandidate(clients, info.pod, candidate),
      };
    },
  };
}
