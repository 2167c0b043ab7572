import { digest } from "@raft2kube/std/digest.ts";
import type { Pod } from "../../gen/core/v1.ts";
import type { LabelSelector } from "../../gen/meta/v1.ts";
import type {
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from "../../gen/networking/v1.ts";

/**
 * The pods that a NetworkPolicy names as peers reach the nodes as EndpointSlices, so that a node
 * does not have to read other nodes' pods: the controller and the nodes agree on their labels here.
 */
export const PEER_LABEL = "networkpolicy.r2k.io/peer";
/** The label endpointslice.kubernetes.io/managed-by of these slices. */
export const PEER_MANAGER = "networkpolicy-controller.r2k.io";

/**
 * Selectors that a namespace's policies may have together; peers beyond are no pods. Each change of
 * a pod is compared with them: PEER_TERMS terms of one count as a further selector.
 */
export const PEERS_OF_NAMESPACE_MAX = 2_000;
const PEER_TERMS = 10;

/** Pods as a peer selects them: of the policy's namespace if there is no namespaceSelector. */
export interface PodPeer {
  readonly podSelector?: LabelSelector | undefined;
  readonly namespaceSelector?: LabelSelector | undefined;
  /** Whether their named ports are asked for, too. */
  readonly named: boolean;
}

/** The name of a peer among those of its namespace: 32 hexadecimal digits, a label's value. */
export function peerKey({ podSelector, namespaceSelector, named }: PodPeer): string {
  const text = JSON.stringify([terms(podSelector), terms(namespaceSelector), named]);
  return digest(text);
}

/** Returns how many selectors a peer counts as, of PEERS_OF_NAMESPACE_MAX. */
export function peerCost({ podSelector, namespaceSelector }: PodPeer): number {
  const count = termCount(podSelector) + termCount(namespaceSelector);
  return 1 + Math.floor(count / PEER_TERMS);
}

/** Returns the number of terms of a selector. */
export function termCount({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}): number {
  return Object.keys(matchLabels).length + matchExpressions.length;
}

/** Every pod of the cluster, by whose ports a rule without peers resolves a port's name. */
const ALL_PODS: PodPeer = { namespaceSelector: {}, named: true };

/** The directions in which policies isolate pods. */
export type Direction = "ingress" | "egress";
export const DIRECTIONS: readonly Direction[] = ["ingress", "egress"];

/** A rule of either direction. */
export interface PolicyRule {
  readonly peers: readonly NetworkPolicyPeer[];
  readonly ports: readonly NetworkPolicyPort[];
  /** The pods among the peers, or by whose ports names are resolved. */
  readonly pods: readonly PodPeer[];
}

/** Returns a policy's rules in a direction; undefined if it does not isolate its pods there. */
export function rulesOf({ spec }: NetworkPolicy, direction: Direction): PolicyRule[] | undefined {
  const { policyTypes = ["Ingress"], ingress = [], egress = [] } = spec;
  const isIngress = direction === "ingress";
  if (!policyTypes.includes(isIngress ? "Ingress" : "Egress")) return undefined;
  if (isIngress) {
    return ingress.map(({ from: peers = [], ports = [] }) => ({
      peers,
      ports,
      pods: podPeersOf(peers, false),
    }));
  }
  return egress.map(({ to: peers = [], ports = [] }) => {
    // The peers of egress resolve the names of its ports.
    const named = ports.some(({ port }) => typeof port === "string");
    const isOpen = named && peers.length === 0;
    return { peers, ports, pods: isOpen ? [ALL_PODS] : podPeersOf(peers, named) };
  });
}

const podPeersOf = (peers: readonly NetworkPolicyPeer[], named: boolean): PodPeer[] =>
  peers.flatMap(({ ipBlock, podSelector, namespaceSelector }) =>
    ipBlock === undefined ? [{ podSelector, namespaceSelector, named }] : [],
  );

/** Returns the pod peers of a policy by their keys. */
export function podPeers(policy: NetworkPolicy): Map<string, PodPeer> {
  const rules = DIRECTIONS.flatMap((direction) => rulesOf(policy, direction) ?? []);
  return new Map(rules.flatMap(({ pods }) => pods.map((peer) => [peerKey(peer), peer])));
}

/** A selector in an order of its own; undefined stays another than the empty one. */
function terms(selector: LabelSelector | undefined): unknown {
  if (selector === undefined) return null;
  const { matchLabels = {}, matchExpressions = [] } = selector;
  return [Object.entries(matchLabels).sort(([a], [b]) => (a < b ? -1 : 1)), matchExpressions];
}

/** The address of a pod that policies judge; undefined while it has none of IPv4. */
export function ipv4Of({ status }: Pod): string | undefined {
  return status?.podIPs?.find(({ ip }) => !ip.includes(":"))?.ip;
}

/** A port of a pod that has a name. */
export interface PodPort {
  readonly name: string;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly port: number;
}

/**
 * Named ports of a pod that policies know. The slices of all policies that select it have them,
 * those of other namespaces too: an EndpointSlice takes 20,000.
 */
export const NAMED_PORTS_OF_POD_MAX = 100;

/**
 * The ports of a pod that have names, of containers that run beside each other; the first of a name
 * and protocol counts, and of all the first NAMED_PORTS_OF_POD_MAX.
 */
export function namedPorts({ spec }: Pod): PodPort[] {
  const found = new Map<string, PodPort>();
  const sidecars = (spec.initContainers ?? []).filter((c) => c.restartPolicy === "Always");
  for (const { ports = [] } of [...spec.containers, ...sidecars]) {
    for (const { name, protocol = "TCP", containerPort: port } of ports) {
      const key = `${name}/${protocol}`;
      if (name && !found.has(key)) found.set(key, { name, protocol, port });
    }
  }
  return [...found.values()].slice(0, NAMED_PORTS_OF_POD_MAX);
}
