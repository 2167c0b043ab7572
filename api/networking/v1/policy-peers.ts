import { digest } from "@raft2kube/std/digest.ts";
import type { Pod } from "../../gen/core/v1.ts";
import type { LabelSelector } from "../../gen/meta/v1.ts";
import type {
  NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
} from "../../gen/networking/v1.ts";

/**
 * The pods that a NetworkPolicy names as peers reach the nodes as EndpointSlices, so that a node
 * does not have to read other nodes' pods: the controller and the nodes agree on their labels here.
 */
export const PEER_LABEL = "networkpolicy.r2k.io/peer";
/** The label endpointslice.kubernetes.io/managed-by of these slices. */
export const PEER_MANAGER = "networkpolicy-controller.r2k.io";

/** Selectors that a namespace's policies may have together; peers beyond are no pods. */
export const PEERS_OF_NAMESPACE_MAX = 2_000;

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
  return digest(text, 32);
}

/** Every pod of the cluster, by whose ports a rule without peers resolves a port's name. */
const ALL_PODS: PodPeer = { namespaceSelector: {}, named: true };

/** The pods that an ingress rule names: undefined if it names no peers, and admits all sources. */
export function sourcesOf({ from = [] }: NetworkPolicyIngressRule): PodPeer[] | undefined {
  return from.length === 0 ? undefined : from.flatMap((peer) => podPeer(peer, false));
}

/** The same of an egress rule. Its peers resolve the names of its ports. */
export function targetsOf({ to = [], ports = [] }: NetworkPolicyEgressRule): PodPeer[] | undefined {
  const named = ports.some(({ port }) => typeof port === "string");
  if (to.length === 0) return named ? [ALL_PODS] : undefined;
  return to.flatMap((peer) => podPeer(peer, named));
}

function podPeer(peer: NetworkPolicyPeer, named: boolean): PodPeer[] {
  const { ipBlock, podSelector, namespaceSelector } = peer;
  return ipBlock === undefined ? [{ podSelector, namespaceSelector, named }] : [];
}

/** Returns the pod peers of a policy by their keys. */
export function podPeers({ spec: { ingress = [], egress = [] } }: NetworkPolicy) {
  const peers = [...ingress.flatMap((rule) => sourcesOf(rule) ?? []),
    ...egress.flatMap((rule) => targetsOf(rule) ?? [])];
  return new Map(peers.map((peer) => [peerKey(peer), peer]));
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
 * The ports of a pod that have names, of containers that run beside each other; the first of a name
 * and protocol counts.
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
  return [...found.values()];
}
