import { randomInt } from "node:crypto";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { NetworkPolicy } from "@raft2kube/api/gen/networking/v1.ts";
import { enterNetns } from "@raft2kube/linux/namespace/netns.ts";
import { NftTable } from "@raft2kube/linux/netfilter/nft-table/nft-table.ts";
import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { baseRules, TABLE } from "@raft2kube/network-policy/base.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createNamespaces, type Namespaces } from "../../../testing/network/namespaces.ts";
import { Agent, connectToNode } from "../../../testing/network/node-network.ts";
import { ours } from "../proxy/ours.ts";
import { ask as askSctp, sendInit, serveSctp } from "../proxy/sctp-rule.ts";
import {
  keyOf,
  movedPods,
  type Place,
  PolicyNode,
  podAt,
  servePorts,
  wrongCells as wrongOf,
} from "./cells.ts";
import { NAMESPACES, PODS, PORTS, randomPolicies } from "./random-policy.ts";

// Upstream's netpol suite in small: nine pods in three namespaces, two ports, two protocols; every
// cell of the table is probed with the kernel's rules and compared with the policies' texts.

/** Sets of policies; fewer where a proxy translates, unless `R2K_POLICY_TABLES` says how many. */
const TABLES = Number(process.env["R2K_POLICY_TABLES"] ?? 20);
const TABLES_OF_MODE = Number(process.env["R2K_POLICY_TABLES"] ?? 2);
/** Blocks of one policy, which touch no other and no pod. */
const BLOCKS = 10_000;
const GATEWAY = "10.244.0.1";

const addressOf = (place: number) =>
  `10.244.${Math.floor(place / PODS.length) + 1}.${(place % PODS.length) + 11}`;
const clusterIpOf = (place: number) => `10.96.7.${place + 1}`;

describe.runIf(process.getuid?.() === 0)("network policies", () => {
  let namespaces: Namespaces;
  let node: PolicyNode;
  const places: Place[] = [];
  const seed = Number(process.env["R2K_SEED"] ?? randomInt(2 ** 31));
  const random = seededRandom(seed);
  let policies: NetworkPolicy[] = [];
  let pods: Pod[] = [];
  const randomSet = () =>
    randomPolicies(
      random,
      places.map(({ address }) => address),
    );

  beforeAll(async () => {
    console.log(`R2K_SEED=${seed}`);
    namespaces = createNamespaces("r2k-netpol-");
    enterNetns(namespaces.add("node"));
    writeSysctl("net.ipv4.ip_forward", 1);
    node = new PolicyNode(new NftTable(TABLE));
    for (let place = 0; place < NAMESPACES.length * PODS.length; place++) {
      const [name, address] = [`pod${place}`, addressOf(place)];
      const netns = namespaces.add(name);
      connectToNode(netns, { name, address: `${address}/32`, gateway: GATEWAY });
      places.push({ agent: new Agent(netns), address, node });
    }
    await servePorts(places);
    await node.table.rebuild(baseRules(), []);
  });
  afterAll(() => {
    node.table.close();
    for (const { agent } of places) agent.close();
    namespaces?.close();
  });

  async function apply(next: NetworkPolicy[], nextPods: Pod[]): Promise<void> {
    [policies, pods] = [next, nextPods];
    await node.apply(policies, pods, pods);
  }
  const wrongCells = (at?: (place: number) => string, again?: string) =>
    wrongOf(places, pods, policies, at, again);

  it("without policies every pod reaches every pod", async () => {
    await apply(
      [],
      places.map(({ address }, place) => podAt(place, address)),
    );
    expect(await wrongCells()).toEqual([]);
  });

  it(`${TABLES} sets of random policies: every cell is as the texts say`, async () => {
    for (let index = 0; index < TABLES; index++) {
      await apply(randomSet(), movedPods(random, places));
      const wrong = await wrongCells();
      expect(wrong, JSON.stringify(policies, null, 1)).toEqual([]);
      expect(await node.table.intact()).toBe(true);
    }
  });

  it("a table made at once has the same rules", async () => {
    await apply(randomSet(), pods);
    await node.table.rebuild(baseRules(), node.planner.all());
    expect(await wrongCells()).toEqual([]);
  });

  // IPVS needs a guest, whose kernel cannot enforce policies: test/guest/node.test.ts.
  const modes = ["nftables", "iptables", "userspace"] as const;
  it.each(modes)("hold through Services, %s", async (mode) => {
    const proxy = await ours(mode).start();
    try {
      for (const [place, { address }] of places.entries()) await lead(proxy, place, address);
      for (let index = 0; index < TABLES_OF_MODE; index++) {
        await apply(randomSet(), movedPods(random, places));
        for (const at of [clusterIpOf, addressOf]) {
          // The proxy of userspace mode resets what an endpoint has not accepted in 250 ms.
          const wrong = await wrongCells(at, mode === "userspace" ? "reset" : undefined);
          expect(wrong, JSON.stringify(policies, null, 1)).toEqual([]);
        }
      }
    } finally {
      await proxy.close();
    }
  });

  it("a policy of 10,000 blocks of addresses is in force", async () => {
    const own = [2, 3].map((namespace) => ({ ipBlock: { cidr: `10.244.${namespace}.0/24` } }));
    const others = Array.from({ length: BLOCKS }, (_, block) => ({
      ipBlock: { cidr: `10.${block >> 7}.${(block & 127) << 1}.0/24` },
    }));
    const admitting = (blocks: readonly object[]): NetworkPolicy => ({
      metadata: { namespace: "x", name: "many", uid: "many" },
      spec: { podSelector: {}, policyTypes: ["Ingress"], ingress: [{ from: [...blocks] }] },
    });
    await apply([admitting([...others, ...own])], pods);
    // The others admit no pod: each cell need not be compared with each of them.
    policies = [admitting(own)];
    expect(await wrongCells()).toEqual([]);
    expect(await node.table.intact()).toBe(true);
  });

  it("SCTP is judged by address and port", async () => {
    const [to, from, other] = places as [Place, Place, Place];
    await apply(
      [
        {
          metadata: { namespace: "x", name: "sctp", uid: "sctp" },
          spec: {
            podSelector: { matchLabels: { pod: "a" } },
            ingress: [
              {
                from: [{ podSelector: { matchLabels: { pod: "b" } } }],
                ports: [{ protocol: "SCTP", port: 9_000, endPort: 9_001 }],
              },
            ],
          },
        },
      ],
      places.map(({ address }, place) => podAt(place, address)),
    );
    const servers = [9_000, 9_002].map((port) => serveSctp(to.agent.netns, port));
    try {
      // Packets that are not admitted are sent first, and would arrive first.
      sendInit(other.agent.netns, to.address, 9_000);
      sendInit(from.agent.netns, to.address, 9_002);
      await askSctp(from.agent.netns, to.address, 9_000);
      expect(servers.map(({ clients }) => [...new Set(clients)])).toEqual([[from.address], []]);
    } finally {
      for (const server of servers) server.close();
    }
  });

  it("connections outlive a policy that admits no new ones", async () => {
    await apply([], pods);
    const [from, to] = [places[0]!, places[1]!];
    await from.agent.open("kept", to.address, PORTS.web);
    const denied: NetworkPolicy = {
      metadata: { namespace: "x", name: "deny", uid: "deny" },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    };
    await apply([denied], pods);
    expect(await from.agent.say("kept")).toBe(`${keyOf(pods[1]!)} ${from.address}`);
    expect(await wrongCells()).toEqual([]);
  });
});

/** Makes a Service whose only endpoint is a pod. */
async function lead(
  proxy: Awaited<ReturnType<ReturnType<typeof ours>["start"]>>,
  place: number,
  address: string,
): Promise<void> {
  const ports = Object.values(PORTS).flatMap((port) =>
    (["TCP", "UDP"] as const).map((protocol) => ({
      name: `${protocol.toLowerCase()}-${port}`,
      protocol,
      port,
    })),
  );
  const [name, clusterIP] = [`pod${place}`, clusterIpOf(place)];
  const metadata = { namespace: "default", name };
  await proxy.set(
    { metadata, spec: { type: "ClusterIP", clusterIP, clusterIPs: [clusterIP], ports } },
    {
      metadata: { ...metadata, labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      ports,
      endpoints: [{ addresses: [address] }],
    },
  );
}
