import { numberOf, parseCidr } from "@raft2kube/api/cidr.ts";
import type {
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from "@raft2kube/api/gen/networking/v1.ts";
import type { Direction } from "@raft2kube/api/networking/v1/policy-peers.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";

type Labels = Readonly<Record<string, string>>;

/** One end of a connection: a pod, the node's network, or an address outside the cluster. */
export interface End {
  readonly address: string;
  /** The pod; undefined where the end is none with an address of its own. */
  readonly pod?: {
    readonly namespace: string;
    readonly name: string;
    readonly labels?: Labels | undefined;
    readonly namespaceLabels?: Labels | undefined;
    /** Numbers of its named ports, by `name/protocol`. */
    readonly ports?: Readonly<Record<string, number>>;
  };
}

/** A connection that is asked about. */
export interface Connection {
  readonly from: End;
  readonly to: End;
  readonly port: number;
  readonly protocol: string;
}

/** The answer for one direction: the rule that admits, or the policies that do not. */
export type Verdict = { readonly admitted: boolean; readonly why: string };

/**
 * Says whether policies admit a connection, and why: first those of the pod that it comes from,
 * then those of the pod that it goes to. Read from the policies' texts alone, as the concepts page
 * "Network Policies" describes them: what `r2k explain policy` prints, and what the rules of the
 * kernel are tested against.
 */
export function judge(policies: readonly NetworkPolicy[], connection: Connection): Verdict[] {
  const { from, to } = connection;
  if (from.address === to.address) return [{ admitted: true, why: "a pod reaches itself" }];
  return [judgeOne(policies, connection, "egress"), judgeOne(policies, connection, "ingress")];
}

function judgeOne(
  policies: readonly NetworkPolicy[],
  connection: Connection,
  direction: Direction,
): Verdict {
  const isIngress = direction === "ingress";
  const { from, to } = connection;
  const [{ pod }, other] = isIngress ? [to, from] : [from, to];
  if (!pod) return { admitted: true, why: `${direction}: this end is no pod with its own address` };
  const own = policies.filter(
    ({ metadata, spec }) =>
      metadata.namespace === pod.namespace &&
      (spec.policyTypes ?? ["Ingress"]).includes(isIngress ? "Ingress" : "Egress") &&
      matchesSelector(spec.podSelector ?? {}, pod.labels),
  );
  const subject = `${direction} of ${pod.namespace}/${pod.name}`;
  if (own.length === 0) return { admitted: true, why: `${subject}: no policy selects it` };
  for (const {
    metadata: { name = "" },
    spec,
  } of own) {
    const rules = isIngress
      ? (spec.ingress ?? []).map(({ from = [], ports }) => ({ peers: from, ports }))
      : (spec.egress ?? []).map(({ to = [], ports }) => ({ peers: to, ports }));
    const index = rules.findIndex(({ peers, ports = [] }) => {
      const found = peers.filter((peer) => isPeer(peer, pod.namespace, other));
      if (peers.length > 0 && found.length === 0) return false;
      // Where a packet goes, a port's name is the pods' that peers select, not a block's.
      const named = isIngress || peers.length === 0 || found.some(({ ipBlock }) => !ipBlock);
      return hasPort(
        named ? ports : ports.filter(({ port }) => typeof port !== "string"),
        connection,
        ports.length === 0,
      );
    });
    if (index < 0) continue;
    return { admitted: true, why: `${subject}: ${name}, spec.${direction}[${index}]` };
  }
  const names = own.map(({ metadata: { name = "" } }) => name).join(", ");
  return { admitted: false, why: `${subject}: no rule of ${names}` };
}

function isPeer(peer: NetworkPolicyPeer, namespace: string, { address, pod }: End): boolean {
  const { ipBlock, podSelector, namespaceSelector } = peer;
  if (ipBlock) {
    return isIn(address, ipBlock.cidr) && !ipBlock.except?.some((range) => isIn(address, range));
  }
  if (!pod) return false;
  const isNamespace = namespaceSelector
    ? matchesSelector(namespaceSelector, pod.namespaceLabels)
    : pod.namespace === namespace;
  return isNamespace && matchesSelector(podSelector ?? {}, pod.labels);
}

const hasPort = (
  ports: readonly NetworkPolicyPort[],
  { protocol, port, to }: Connection,
  isOpen: boolean,
): boolean =>
  isOpen ||
  ports.some(({ protocol: of = "TCP", port: wanted, endPort }) => {
    if (of !== protocol) return false;
    if (wanted === undefined) return true;
    if (typeof wanted === "string") return to.pod?.ports?.[`${wanted}/${of}`] === port;
    return port >= wanted && port <= (endPort ?? wanted);
  });

/** Whether an IPv4 address is in a range; in none of IPv6. */
function isIn(address: string, cidr: string): boolean {
  const block = parseCidr(cidr);
  const number = numberOf(address);
  return block?.family === "IPv4" && block.first <= number && number <= block.last;
}
