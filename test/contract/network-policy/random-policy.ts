import type { LabelSelector } from "@raft2kube/api/gen/meta/v1.ts";
import type {
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from "@raft2kube/api/gen/networking/v1.ts";
import { pick, type Random } from "@raft2kube/std/random.ts";

export const NAMESPACES = ["x", "y", "z"] as const;
export const PODS = ["a", "b", "c"] as const;
/** The ports that every pod serves by TCP and UDP. */
export const PORTS = { web: 8080, other: 8081 } as const;

type Draw = <T>(items: readonly T[]) => T;

/**
 * Draws policies of one namespace or several, of every field that a policy has; `addresses` are
 * those of the pods.
 */
export function randomPolicies(random: Random, addresses: readonly string[]): NetworkPolicy[] {
  const draw: Draw = (items) => pick(random, items);
  const count = draw([1, 2, 3]);
  return Array.from({ length: count }, (_, index) => randomPolicy(draw, `p${index}`, addresses));
}

function randomPolicy(draw: Draw, name: string, addresses: readonly string[]): NetworkPolicy {
  const policyTypes = draw([["Ingress"], ["Egress"], ["Ingress", "Egress"]] as const);
  const rules = () =>
    some(draw, () => ({ peers: some(draw, () => peer(draw, addresses)), ports: ports(draw) }));
  return {
    metadata: { namespace: draw(NAMESPACES), name, uid: name },
    spec: {
      podSelector: podSelector(draw),
      policyTypes: [...policyTypes],
      ingress: rules().map(({ peers, ports }) => ({ from: peers, ports })),
      egress: rules().map(({ peers, ports }) => ({ to: peers, ports })),
    },
  };
}

/** None to two of what `make` returns. */
function some<T>(draw: Draw, make: () => T): T[] {
  return Array.from({ length: draw([0, 1, 1, 2]) }, make);
}

function podSelector(draw: Draw): LabelSelector {
  return draw<LabelSelector>([
    {},
    { matchLabels: { pod: draw(PODS) } },
    { matchExpressions: [{ key: "pod", operator: "In", values: ["b", "c"] }] },
    { matchExpressions: [{ key: "pod", operator: "NotIn", values: ["a"] }] },
    { matchExpressions: [{ key: "none", operator: "Exists" }] },
  ]);
}

function namespaceSelector(draw: Draw): LabelSelector {
  return draw<LabelSelector>([
    {},
    { matchLabels: { ns: draw(NAMESPACES) } },
    { matchExpressions: [{ key: "ns", operator: "NotIn", values: ["x"] }] },
  ]);
}

function peer(draw: Draw, addresses: readonly string[]): NetworkPolicyPeer {
  const address = draw(addresses);
  return draw<NetworkPolicyPeer>([
    { podSelector: podSelector(draw) },
    { namespaceSelector: namespaceSelector(draw) },
    { podSelector: podSelector(draw), namespaceSelector: namespaceSelector(draw) },
    { ipBlock: { cidr: `${address}/32` } },
    { ipBlock: { cidr: "10.244.0.0/16", except: [`${address}/32`, "10.244.2.0/24"] } },
    { ipBlock: { cidr: "10.244.1.0/24" } },
  ]);
}

function ports(draw: Draw): NetworkPolicyPort[] {
  return some(draw, () => {
    const protocol = draw(["TCP", "UDP"] as const);
    return draw<NetworkPolicyPort>([
      { protocol },
      { protocol, port: PORTS.web },
      { protocol, port: "web" },
      { protocol, port: "none" },
      { protocol, port: PORTS.other },
      { protocol, port: 8_000, endPort: 8_080 },
      { protocol, port: 8_081, endPort: 9_000 },
    ]);
  });
}
