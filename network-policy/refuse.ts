import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { NETWORK_POLICIES } from "@raft2kube/client-kube/rest/resources.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import type { NetworkPolicies } from "./main.ts";

/** The Node's label that says whether it enforces NetworkPolicies: enforced or none. */
export const ENFORCED_LABEL = "r2k.io/network-policy";

/**
 * Stands in on a node whose kernel lacks the maps of nftables: pods that policies select are not
 * started there, with CodedError `NO_POLICIES`.
 */
export function refusePolicies(client: KubeClient): NetworkPolicies {
  const policies = client.resource(NETWORK_POLICIES);
  return {
    ready: Promise.resolve(),
    async admit({ metadata: { namespace = "", labels } }: Pod) {
      const { items } = await policies.listAll({ namespace });
      const found = items.find(({ spec }) => matchesSelector(spec.podSelector ?? {}, labels));
      if (!found) return;
      const name = found.metadata.name ?? "";
      throw new CodedError("NO_POLICIES", `this node cannot enforce NetworkPolicy "${name}"`, {
        remedy: `select nodes with the label ${ENFORCED_LABEL}=enforced`,
      });
    },
    release: () => undefined,
    close: () => Promise.resolve(),
  };
}
