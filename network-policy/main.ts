import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { NetworkPolicy } from "@raft2kube/api/gen/networking/v1.ts";
import { PEER_MANAGER } from "@raft2kube/api/networking/v1/policy-peers.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  ENDPOINT_SLICES, NETWORK_POLICIES, PODS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { deleteTable } from "@raft2kube/linux/netfilter/nft.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { TABLE } from "./base.ts";
import { PolicyLoop } from "./loop.ts";

export interface NetworkPolicyOptions {
  /**
   * Lists and watches NetworkPolicies, EndpointSlices and its node's pods: a node's identity, with
   * the rights of `cli/addons/07-network-policy.yaml`.
   */
  client: KubeClient;
  nodeName: string;
  clock: Clock;
}

/** The enforcement of NetworkPolicies on a node. */
export interface NetworkPolicies {
  /** Resolves when they are in force for the first time. */
  readonly ready: Promise<void>;
  /** Resolves when a new pod's are in force. Rejects with CodedError `NO_POLICIES`, after 10 s. */
  admit(pod: Pod, address: string): Promise<void>;
  /** Keeps the rules. */
  close(): Promise<void>;
}

/**
 * Enforces NetworkPolicies for this node's pods, in the network namespace of this process. Peers
 * come from the slices of `controllers/networkpolicy`.
 */
export function startNetworkPolicies(options: NetworkPolicyOptions): NetworkPolicies {
  const { client, nodeName, clock } = options;
  const loop = new PolicyLoop({
    policies: new Informer<NetworkPolicy>({
      resource: client.resource<NetworkPolicy>(NETWORK_POLICIES), clock,
    }),
    slices: new Informer<EndpointSlice>({
      resource: client.resource<EndpointSlice>(ENDPOINT_SLICES),
      selection: { labelSelector: `endpointslice.kubernetes.io/managed-by=${PEER_MANAGER}` },
      clock,
    }),
    pods: new Informer<Pod>({
      resource: client.resource<Pod>(PODS),
      selection: { fieldSelector: `spec.nodeName=${nodeName}` },
      clock,
    }),
    clock,
    log: logger("network-policy"),
  });
  loop.start();
  return {
    ready: loop.ready,
    admit: (pod, address) => loop.admit(pod, address),
    close: () => loop.close(),
  };
}

/** Removes the rules in the network namespace of this process; all pods reach each other. */
export async function cleanup(): Promise<void> {
  await deleteTable("ip", TABLE);
}
