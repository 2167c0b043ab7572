import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { NetworkPolicy } from "@raft2kube/api/gen/networking/v1.ts";
import { PEER_LABEL, podPeers } from "@raft2kube/api/networking/v1/policy-peers.ts";
import { PeerSelection, peerGroups } from "@raft2kube/controllers/networkpolicy/select.ts";
import type { NftTable } from "@raft2kube/linux/netfilter/nft-table/nft-table.ts";
import { Planner } from "@raft2kube/network-policy/planner.ts";
import { type End, judge } from "@raft2kube/network-policy/verdict.ts";
import { pick, type Random } from "@raft2kube/std/random.ts";
import type { Agent, Protocol } from "../../../testing/network/node-network.ts";
import { NAMESPACES, PODS, PORTS } from "./random-policy.ts";

/** How long nothing must come where packets are dropped. */
const SILENCE_MS = 100;
/** All probes of a client in a run have ports of their own: the last one of each. */
const lastPorts = new WeakMap<Agent, number>();
const FIRST_PORT = 10_000;

/** A pod of the tables, and the node that it is on. */
export type Place = { readonly agent: Agent; readonly address: string; readonly node: PolicyNode };

/** The pod at a place, which is the namespace's times three and the pod's number. */
export function podAt(place: number, address: string, label?: string): Pod {
  const [namespace, index] = [Math.floor(place / PODS.length), place % PODS.length];
  const name = PODS[index]!;
  const ports = (["TCP", "UDP"] as const).map((protocol) => ({
    name: "web",
    protocol,
    containerPort: PORTS.web,
  }));
  return {
    metadata: {
      namespace: NAMESPACES[namespace]!,
      name,
      uid: `${place}`,
      labels: { pod: label ?? name },
    },
    spec: { containers: [{ name: "c", image: "i", ports }] },
    status: { podIPs: [{ ip: address }] },
  };
}

/** The pods of the places, some of them with another's label: pods move between labels, too. */
export function movedPods(random: Random, places: readonly Place[]): Pod[] {
  return places.map(({ address }, place) => {
    const own = PODS[place % PODS.length]!;
    return podAt(place, address, pick(random, [own, own, ...PODS]));
  });
}

export const keyOf = ({ metadata: { namespace, name } }: Pod | NetworkPolicy) =>
  `${namespace}/${name}`;

/** Serves the pods' ports; each answer starts with the pod's key. */
export async function servePorts(places: readonly Place[]): Promise<void> {
  await Promise.all(
    places.flatMap(({ agent, address }, place) =>
      Object.values(PORTS).flatMap((port) =>
        (["tcp", "udp"] as const).map((protocol) =>
          agent.listen(port, keyOf(podAt(place, address)), protocol),
        ),
      ),
    ),
  );
}

function endOf({ metadata, status }: Pod): End {
  const { namespace = "", name = "", labels } = metadata;
  const ports = { "web/TCP": PORTS.web, "web/UDP": PORTS.web };
  const pod = { namespace, name, labels, namespaceLabels: { ns: namespace }, ports };
  return { address: status!.podIPs![0]!.ip!, pod };
}

/** The slices that the controller makes for policies' peers. */
function slicesOf(policies: readonly NetworkPolicy[], pods: readonly Pod[]): EndpointSlice[] {
  return policies.flatMap((policy) =>
    [...podPeers(policy)].flatMap(([key, peer]) => {
      const { namespace = "" } = policy.metadata;
      const selection = new PeerSelection(namespace, peer);
      const selected = pods.filter((pod) => {
        const name = pod.metadata.namespace!;
        return selection.hasNamespace(name, { ns: name }) && selection.hasPod(pod);
      });
      return peerGroups(selected, peer.named).map(({ family, ports, endpoints }, index) => ({
        metadata: { namespace, name: `${key}-${index}`, labels: { [PEER_LABEL]: key } },
        addressType: family,
        ports,
        endpoints,
      }));
    }),
  );
}

/** A node's rules; a change is one transaction. */
export class PolicyNode {
  readonly planner = new Planner();
  readonly table: NftTable;
  #policies: readonly NetworkPolicy[] = [];
  #slices: readonly EndpointSlice[] = [];

  constructor(table: NftTable) {
    this.table = table;
  }

  /** Replaces policies and pods; the node enforces them for `own`, its own pods. */
  async apply(
    policies: readonly NetworkPolicy[],
    pods: readonly Pod[],
    own: readonly Pod[],
  ): Promise<void> {
    for (const policy of this.#policies) this.planner.setPolicy(keyOf(policy), undefined);
    for (const slice of this.#slices) this.planner.setSlice(slice, false);
    [this.#policies, this.#slices] = [policies, slicesOf(policies, pods)];
    for (const policy of policies) this.planner.setPolicy(keyOf(policy), policy);
    for (const slice of this.#slices) this.planner.setSlice(slice, true);
    for (const pod of own) this.planner.setPod(keyOf(pod), pod, endOf(pod).address);
    await this.table.change(this.planner.take());
  }
}

/**
 * Probes every cell with the kernel's rules, at the pods' own addresses or at those of `at`;
 * returns the cells that are not as the policies' texts say. A cell that answers `again` is asked
 * again.
 */
export async function wrongCells(
  places: readonly Place[],
  pods: readonly Pod[],
  policies: readonly NetworkPolicy[],
  at: (place: number) => string = (place) => places[place]!.address,
  again?: string,
): Promise<string[]> {
  const wrong: string[] = [];
  const probe = async (from: number, to: number, port: number, protocol: Protocol) => {
    const [source, target] = [pods[from]!, pods[to]!];
    const ends = { from: endOf(source), to: endOf(target) };
    const verdicts = judge(policies, { ...ends, port, protocol: protocol.toUpperCase() });
    const admitted = verdicts.every((verdict) => verdict.admitted);
    const timeout = admitted ? {} : { timeout_ms: SILENCE_MS };
    // The kernel remembers UDP clients, which the policies before may have admitted.
    const { agent } = places[from]!;
    const ask = () => {
      const localPort = (lastPorts.get(agent) ?? FIRST_PORT) + 1;
      lastPorts.set(agent, localPort);
      return agent.ask(at(to), port, { protocol, localPort, ...timeout });
    };
    let answer = await ask();
    while (answer === again) answer = await ask();
    // A pod that reaches itself through a Service is masqueraded.
    const client = from === to && at(to) !== ends.to.address ? "" : ends.from.address;
    const expected = admitted ? `${keyOf(target)} ${client}` : "silent";
    if (admitted ? answer.startsWith(expected) : answer === expected) return;
    const why = verdicts.map((verdict) => verdict.why).join("; ");
    wrong.push(`${keyOf(source)} -> ${keyOf(target)}:${port}/${protocol}: ${answer}; ${why}`);
  };
  const all = [...places.keys()];
  await Promise.all(
    all.flatMap((from) =>
      all.flatMap((to) =>
        Object.values(PORTS).flatMap((port) =>
          (["tcp", "udp"] as const).map((protocol) => probe(from, to, port, protocol)),
        ),
      ),
    ),
  );
  return wrong;
}
