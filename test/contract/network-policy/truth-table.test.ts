import { randomInt } from "node:crypto";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { NetworkPolicy } from "@raft2kube/api/gen/networking/v1.ts";
import { PEER_LABEL, podPeers } from "@raft2kube/api/networking/v1/policy-peers.ts";
import { peerGroups, PeerSelection } from "@raft2kube/controllers/networkpolicy/select.ts";
import { enterNetns } from "@raft2kube/linux/namespace/netns.ts";
import { NftTable } from "@raft2kube/linux/netfilter/nft-table/nft-table.ts";
import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { baseRules, TABLE } from "@raft2kube/network-policy/base.ts";
import { Planner } from "@raft2kube/network-policy/planner.ts";
import { type End, judge } from "@raft2kube/network-policy/verdict.ts";
import { pick, seededRandom } from "@raft2kube/std/random.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createNamespaces, type Namespaces } from "../../../testing/network/namespaces.ts";
import { Agent, connectToNode, type Protocol } from "../../../testing/network/node-network.ts";
import { addressOf, NAMESPACES, PODS, PORTS, randomPolicies } from "./random-policy.ts";

// Upstream's netpol suite in small: nine pods in three namespaces, two ports, two protocols; every
// cell of the table is probed with the kernel's rules and compared with the policies' texts.

const TIMEOUT_MS = 300_000;
/** Sets of policies. */
const TABLES = 60;
/** Blocks of one policy, which touch no other and no pod. */
const BLOCKS = 10_000;
/** How long nothing must come where packets are dropped. */
const SILENCE_MS = 100;
/** All probes of a run have ports of their own. */
const FIRST_PORT = 10_000;
const GATEWAY = "10.244.0.1";

interface Place {
  readonly agent: Agent;
  readonly pod: Pod;
  readonly end: End;
}

const podOf = (namespace: number, index: number, label: string = PODS[index]!): Pod => ({
  metadata: {
    namespace: NAMESPACES[namespace]!, name: PODS[index]!, uid: `${namespace}${index}`,
    labels: { pod: label },
  },
  spec: {
    containers: [{
      name: "c", image: "i",
      ports: (["TCP", "UDP"] as const).map((protocol) =>
        ({ name: "web", protocol, containerPort: PORTS.web })),
    }],
  },
  status: { podIPs: [{ ip: addressOf(namespace, index) }] },
});

function endOf({ metadata, status }: Pod): End {
  const { namespace = "", name = "", labels } = metadata;
  const ports = { "web/TCP": PORTS.web, "web/UDP": PORTS.web };
  const pod = { namespace, name, labels, namespaceLabels: { ns: namespace }, ports };
  return { address: status!.podIPs![0]!.ip!, pod };
}

/** The slices that the controller makes for a policy's peers. */
function slicesOf(policies: readonly NetworkPolicy[], pods: readonly Pod[]): EndpointSlice[] {
  return policies.flatMap((policy) => [...podPeers(policy)].flatMap(([key, peer]) => {
    const { namespace = "" } = policy.metadata;
    const selection = new PeerSelection(namespace, peer);
    const selected = pods.filter((pod) => {
      const name = pod.metadata.namespace!;
      return selection.hasNamespace(name, { ns: name }) && selection.hasPod(pod);
    });
    return peerGroups(selected, peer.named).map(({ family, ports, endpoints }, index) => ({
      metadata: { namespace, name: `${key}-${index}`, labels: { [PEER_LABEL]: key } },
      addressType: family, ports, endpoints,
    }));
  }));
}

const keyOf = ({ metadata: { namespace, name } }: Pod | NetworkPolicy) => `${namespace}/${name}`;

describe.runIf(process.getuid?.() === 0)("network policies", { timeout: TIMEOUT_MS }, () => {
  let namespaces: Namespaces;
  const places: Place[] = [];
  const table = new NftTable(TABLE);
  const planner = new Planner();
  const seed = Number(process.env["R2K_SEED"] ?? randomInt(2 ** 31));
  const random = seededRandom(seed);
  let policies: NetworkPolicy[] = [];
  let slices: EndpointSlice[] = [];
  let pods: Pod[] = [];
  let lastPort = FIRST_PORT;

  beforeAll(async () => {
    console.log(`R2K_SEED=${seed}`);
    namespaces = createNamespaces("r2k-netpol-");
    enterNetns(namespaces.add("node"));
    writeSysctl("net.ipv4.ip_forward", 1);
    for (const namespace of NAMESPACES.keys()) {
      for (const index of PODS.keys()) {
        const pod = podOf(namespace, index);
        const name = `${NAMESPACES[namespace]}${PODS[index]}`;
        const netns = namespaces.add(name);
        connectToNode(netns, { name, address: `${endOf(pod).address}/32`, gateway: GATEWAY });
        places.push({ agent: new Agent(netns), pod, end: endOf(pod) });
      }
    }
    await Promise.all(places.flatMap(({ agent, pod }) => Object.values(PORTS).flatMap((port) =>
      (["tcp", "udp"] as const).map((protocol) => agent.listen(port, keyOf(pod), protocol)))));
    await table.rebuild(baseRules(), []);
  }, TIMEOUT_MS);
  afterAll(() => {
    table.close();
    for (const { agent } of places) agent.close();
    namespaces?.close();
  });

  /** Replaces policies and pods, in one transaction. */
  async function apply(next: NetworkPolicy[], nextPods: Pod[]): Promise<void> {
    for (const policy of policies) planner.setPolicy(keyOf(policy), undefined);
    for (const slice of slices) planner.setSlice(slice, false);
    [policies, pods, slices] = [next, nextPods, slicesOf(next, nextPods)];
    for (const policy of policies) planner.setPolicy(keyOf(policy), policy);
    for (const slice of slices) planner.setSlice(slice, true);
    for (const pod of pods) planner.setPod(keyOf(pod), pod, endOf(pod).address);
    await table.change(planner.take());
  }

  /** Probes every cell; returns those that are not as the policies say. */
  async function wrongCells(): Promise<string[]> {
    const wrong: string[] = [];
    const probe = async (from: Place, to: Place, port: number, protocol: Protocol) => {
      const [source, target] = [from, to].map((place) => endOf(pods[places.indexOf(place)]!));
      const ends = { from: source!, to: target! };
      const verdicts = judge(policies, { ...ends, port, protocol: protocol.toUpperCase() });
      const admitted = verdicts.every((verdict) => verdict.admitted);
      const timeout = admitted ? {} : { timeout_ms: SILENCE_MS };
      // The kernel remembers UDP clients, which the policies before may have admitted.
      const options = { protocol, localPort: ++lastPort, ...timeout };
      const answer = await from.agent.ask(to.end.address, port, options);
      const expected = admitted ? `${keyOf(to.pod)} ${from.end.address}` : "silent";
      if (answer === expected) return;
      const why = verdicts.map((verdict) => verdict.why).join("; ");
      wrong.push(`${keyOf(from.pod)} -> ${keyOf(to.pod)}:${port}/${protocol}: ${answer}; ${why}`);
    };
    await Promise.all(places.flatMap((from) => places.flatMap((to) =>
      Object.values(PORTS).flatMap((port) => (["tcp", "udp"] as const).map((protocol) =>
        probe(from, to, port, protocol))))));
    return wrong;
  }

  it("without policies every pod reaches every pod", async () => {
    await apply([], places.map(({ pod }) => pod));
    expect(await wrongCells()).toEqual([]);
  });

  it(`${TABLES} sets of random policies: every cell is as the texts say`, async () => {
    for (let index = 0; index < TABLES; index++) {
      // Pods move between labels as well.
      const next = places.map((_, at) => {
        const [namespace, own] = [Math.floor(at / PODS.length), at % PODS.length];
        return podOf(namespace, own, pick(random, [PODS[own]!, PODS[own]!, ...PODS]));
      });
      await apply(randomPolicies(random), next);
      const wrong = await wrongCells();
      expect(wrong, JSON.stringify(policies, null, 1)).toEqual([]);
      expect(await table.intact()).toBe(true);
    }
  });

  it("a table made at once has the same rules", async () => {
    await apply(randomPolicies(random), pods);
    await table.rebuild(baseRules(), planner.all());
    expect(await wrongCells()).toEqual([]);
  });

  it("a policy of 10,000 blocks of addresses is in force", async () => {
    const own = [2, 3].map((namespace) => ({ ipBlock: { cidr: `10.244.${namespace}.0/24` } }));
    const others = Array.from({ length: BLOCKS }, (_, block) =>
      ({ ipBlock: { cidr: `10.${block >> 7}.${(block & 127) << 1}.0/24` } }));
    await apply([{
      metadata: { namespace: "x", name: "many", uid: "many" },
      spec: { podSelector: {}, policyTypes: ["Ingress"], ingress: [{ from: [...others, ...own] }] },
    }], pods);
    expect(await wrongCells()).toEqual([]);
    expect(await table.intact()).toBe(true);
  });

  it("connections outlive a policy that admits no new ones", async () => {
    await apply([], pods);
    const [from, to] = [places[0]!, places[1]!];
    await from.agent.open("kept", to.end.address, PORTS.web);
    const denied: NetworkPolicy = {
      metadata: { namespace: "x", name: "deny", uid: "deny" },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    };
    await apply([denied], pods);
    expect(await from.agent.say("kept")).toBe(`${keyOf(to.pod)} ${from.end.address}`);
    expect(await wrongCells()).toEqual([]);
  });
});
