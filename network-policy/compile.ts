import type { NetworkPolicy, NetworkPolicyPort } from "@raft2kube/api/gen/networking/v1.ts";
import {
  DIRECTIONS,
  type Direction,
  type PodPort,
  type PolicyRule,
  peerKey,
  rulesOf,
} from "@raft2kube/api/networking/v1/policy-peers.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { digest } from "@raft2kube/std/digest.ts";
import { addressText, blockRanges, merged, type Range } from "./blocks.ts";
import { RULES_OF_POD_MAX } from "./limits.ts";

/** A port by its name, which pods resolve. */
type NamedPort = Pick<PodPort, "name" | "protocol">;

/**
 * A set of addresses in the kernel that slices fill: the pods that the peers of a rule select. One
 * namespace's policies alone look it up.
 */
export interface AddressSet {
  readonly name: string;
  /** `namespace/peer key`. */
  readonly peers: readonly string[];
  /** The set has these pods' numbers for the port, too: `address . protocol . port`. */
  readonly port?: NamedPort;
}

/** The rules of a policy in one direction, and the sets that they look up. */
export interface CompiledRules {
  readonly chain: string;
  readonly rules: readonly string[];
  /** The rules, the ranges of addresses in them, and the selectors of each set. */
  readonly cost: number;
  readonly sets: readonly AddressSet[];
  /** Named ports of the pods that the policy is for. */
  readonly ports: readonly NamedPort[];
}

/** A policy's rules by the directions that it isolates its pods in. */
export type CompiledPolicy = Partial<Record<Direction, CompiledRules>>;

/** The chain in which packets are judged by the policies of the pod that they go to. */
export const TO_PODS = "to-pods";

/** The set of the addresses and numbers of this node's pods that have a port of this name. */
export function localPortSet({ name, protocol }: NamedPort): string {
  return `port-${digest(`${name}/${protocol}`)}`;
}

/**
 * Compiles a policy to chains of nftables. A packet that one of the rules admits leaves the chain
 * by a verdict: of egress, to be judged by the policies of its destination.
 */
export function compilePolicy(policy: NetworkPolicy): CompiledPolicy {
  return Object.fromEntries(
    DIRECTIONS.flatMap((direction) => {
      const rules = rulesOf(policy, direction);
      return rules ? [[direction, compile(policy, direction, rules)]] : [];
    }),
  );
}

function compile(
  policy: NetworkPolicy,
  direction: Direction,
  list: readonly PolicyRule[],
): CompiledRules {
  const { namespace = "" } = policy.metadata;
  const chain = `${direction}-${digest(keyOf(policy))}`;
  const sets = new Map<string, AddressSet>();
  const ports = new Map<string, NamedPort>();
  let cost = 0;
  const rulesOfOne = (rule: PolicyRule): string[] => {
    const [address, verdict] =
      direction === "ingress" ? ["ip saddr", "accept"] : ["ip daddr", `goto ${TO_PODS}`];
    const pods = rule.pods.map((peer) => `${namespace}/${peerKey(peer)}`);
    const peers = [...new Set(pods)].sort();
    const named = namedPorts(rule.ports);
    const blocks = blockRanges(rule.peers.flatMap(({ ipBlock }) => ipBlock ?? []));
    const lookups = (pods.length > 0 ? 1 : 0) + (direction === "egress" ? named.length : 0);
    cost += blocks.length + lookups * (1 + peers.length);
    if (cost > RULES_OF_POD_MAX) return [];
    const all = digest(JSON.stringify([namespace, ...peers]));
    const setOf = (port?: NamedPort): string => {
      const name = `peers-${digest(JSON.stringify([all, port]))}`;
      sets.set(name, { name, peers, ...(port && { port }) });
      return name;
    };
    const isOpen = rule.peers.length === 0;
    const sources = [
      ...(isOpen ? [""] : []),
      ...(!isOpen && pods.length > 0 ? [`${address} @${setOf()} `] : []),
      ...(blocks.length > 0 ? [`${address} { ${blocks.map(addressText).join(", ")} } `] : []),
    ];
    const byNumber = sources.flatMap((source) =>
      numberMatches(rule.ports).map((port) => `${source}${port}${verdict}`),
    );
    if (direction === "egress") {
      return [
        ...byNumber,
        ...named.map((port) => `ip daddr . meta l4proto . th dport @${setOf(port)} ${verdict}`),
      ];
    }
    for (const port of named) ports.set(localPortSet(port), port);
    return [
      ...byNumber,
      ...sources.flatMap((source) =>
        named.map(
          (port) => `${source}ip daddr . meta l4proto . th dport @${localPortSet(port)} ${verdict}`,
        ),
      ),
    ];
  };
  const rules: string[] = [];
  for (const rule of list) {
    const made = rulesOfOne(rule);
    cost += made.length;
    if (cost > RULES_OF_POD_MAX) return { chain, rules: ["drop"], cost, sets: [], ports: [] };
    rules.push(...made);
  }
  // The table has no chains without rules.
  if (rules.length === 0) rules.push("return");
  cost = Math.max(cost, rules.length);
  return { chain, rules, cost, sets: [...sets.values()], ports: [...ports.values()] };
}

/** The matches of a rule's ports that are numbers, one for each protocol; "" without any port. */
function numberMatches(ports: readonly NetworkPolicyPort[]): string[] {
  if (ports.length === 0) return [""];
  return ["TCP", "UDP", "SCTP"].flatMap((protocol) => {
    const own = ports.filter((port) => (port.protocol ?? "TCP") === protocol);
    const name = protocol.toLowerCase();
    if (own.some(({ port }) => port === undefined)) return [`meta l4proto ${name} `];
    const ranges = merged(
      own.flatMap(({ port, endPort }): Range[] =>
        typeof port === "number" ? [{ first: port, last: endPort ?? port }] : [],
      ),
    );
    if (ranges.length === 0) return [];
    const text = ({ first, last }: Range) => (first === last ? `${first}` : `${first}-${last}`);
    return [`${name} dport { ${ranges.map(text).join(", ")} } `];
  });
}

function namedPorts(ports: readonly NetworkPolicyPort[]): NamedPort[] {
  return ports.flatMap(({ port, protocol = "TCP" }) =>
    typeof port === "string" ? [{ name: port, protocol }] : [],
  );
}
