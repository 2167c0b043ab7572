import { type Random, randomInteger } from "@raft2kube/std/random.ts";
import { inSlices } from "@raft2kube/std/slices.ts";
import type { BudgetsOf } from "../disruption-budgets.ts";
import type { PostFilterPlugin } from "../framework/plugin.ts";
import type { Nominator } from "../nominator.ts";
import { findCandidate } from "../preemption.ts";
import { type PreemptionClients, prepareCandidate } from "../prepare-candidate.ts";

/** Nominates a node on which deleting pods of lower priority lets the pod fit. */
export const defaultPreemption = (
  clients: PreemptionClients,
  budgetsOf: BudgetsOf,
  nominator: Nominator,
  random: Random,
): PostFilterPlugin => ({
  name: "DefaultPreemption",
  events: [],
  async postFilter(state, info, nodeToStatus, handle) {
    const first = randomInteger(random, 0, Math.max(1, state.snapshot.nodes.length));
    const input = { info, state, nodeToStatus, handle, budgetsOf, nominator, first };
    const found = await inSlices(findCandidate(input));
    const { candidate } = found;
    clients.attempted?.(candidate?.victims.length);
    if (!candidate) return { nominatedNodeName: undefined, ...found };
    return {
      nominatedNodeName: candidate.node,
      prepareCandidate: () => prepareCandidate(clients, info.pod, candidate),
    };
  },
});
