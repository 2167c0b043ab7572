import { deleteTable } from "@raft2kube/linux/netfilter/nft.ts";
import { TABLE } from "./base.ts";
import { type NetworkPolicies, type NetworkPolicyOptions, PolicyLoop } from "./loop.ts";

export type { NetworkPolicies };

/** Starts to enforce NetworkPolicies for a node's pods. */
export const startNetworkPolicies = (options: NetworkPolicyOptions): NetworkPolicies =>
  new PolicyLoop(options);

/** Removes the rules in the network namespace of this process; all pods reach each other. */
export async function cleanup(): Promise<void> {
  await deleteTable("ip", TABLE);
}
