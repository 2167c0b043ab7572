import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { NetworkPolicy } from "@raft2kube/api/gen/networking/v1.ts";
import { PEER_LABEL, podPeers } from "@raft2kube/api/networking/v1/policy-peers.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { deleteTable } from "@raft2kube/linux/netfilter/nft.ts";
import { NftTable } from "@raft2kube/linux/netfilter/nft-table/nft-table.ts";
import { baseRules, TABLE } from "@raft2kube/network-policy/base.ts";
import { Planner } from "@raft2kube/network-policy/planner.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { modeNamed } from "@raft2kube/proxy/apply/modes.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import {
  ADDRESSES,
  CLUSTER_CIDR,
  createNodeNetwork,
  type NodeNetwork,
  TARGETS,
} from "../../testing/network/node-network.ts";
import { median, type Row } from "../benchmark.ts";

const clock = systemClock();
const [POLICIES, PODS] = [1_000, 500];
const CHANGES = 20;
const [CONNECT_MS, CONNECT_RUNS] = [3_000, 5];
/** Ports that no one asks for. */
const OTHER_PORT_FIRST = 20_000;

/** One pod of each app; those of the first two are real, and the second serves. */
const podOf = (app: number): Pod => ({
  metadata: { namespace: "bench", name: `p${app}`, uid: `${app}`, labels: { app: `a${app}` } },
  spec: { containers: [] },
});
const addressOf = (app: number) =>
  [ADDRESSES.one, ADDRESSES.two][app] ?? `10.244.${1 + (app >> 8)}.${app & 255}`;

/** Two policies for each app: pods of the next one may come, and it may go to the next one. */
function policyOf(index: number, port: number = TARGETS.http): NetworkPolicy {
  const [app, isIngress] = [index >> 1, index % 2 === 0];
  const next = isIngress ? (app + PODS - 1) % PODS : (app + 1) % PODS;
  const peer = [{ podSelector: { matchLabels: { app: `a${next}` } } }];
  const ports = [{ port }];
  return {
    metadata: { namespace: "bench", name: `np${index}`, uid: `${index}` },
    spec: {
      podSelector: { matchLabels: { app: `a${app}` } },
      ...(isIngress
        ? { policyTypes: ["Ingress"], ingress: [{ from: peer, ports }] }
        : { policyTypes: ["Egress"], egress: [{ to: peer, ports }] }),
    },
  };
}

/** The slice that the controller makes for the only peer of a policy. */
function sliceOf(policy: NetworkPolicy): EndpointSlice {
  const [[key, peer] = ["", undefined]] = podPeers(policy);
  const app = Number(peer?.podSelector?.matchLabels?.["app"]?.slice(1));
  return {
    metadata: { namespace: "bench", name: `${key}-0`, labels: { [PEER_LABEL]: key } },
    addressType: "IPv4",
    ports: [],
    endpoints: [{ addresses: [addressOf(app)] }],
  };
}

/**
 * The table of a node in a namespace with 1,000 policies and 500 pods: the time of one change, and
 * connections/s beside those without policies, where two policies judge a connection and where
 * all do.
 */
export async function policies(): Promise<Row[]> {
  const net = await createNodeNetwork();
  const log = logger("bench");
  const proxy = modeNamed("nftables").create({ clusterCidr: CLUSTER_CIDR, clock, log });
  const [spread, onOne] = [new NftTable(TABLE), new NftTable(TABLE)];
  try {
    // A node without policies has the proxy's rules, which track connections.
    await proxy.rebuild([], []);
    const planner = plannerOf(Array.from({ length: POLICIES }, (_, index) => policyOf(index)));
    await spread.rebuild(baseRules(), planner.all());
    const changes_ms = await changes(spread, planner);
    // None of the thousand but the first admits the port.
    const all = plannerOf(
      Array.from({ length: POLICIES }, (_, index) => {
        const policy = policyOf(2, index === 0 ? TARGETS.http : OTHER_PORT_FIRST + index);
        return { ...policy, metadata: { ...policy.metadata, name: `np${index}`, uid: `${index}` } };
      }),
    );
    const rates = await rounds(net, {
      none: () => deleteTable("ip", TABLE),
      spread: () => spread.rebuild(baseRules(), planner.all()),
      all: () => onOne.rebuild(baseRules(), all.all()),
    });
    const size = `${POLICIES} policies, ${PODS} pods`;
    const peer = { name: "without policies", value: rates.none };
    return [
      { what: `${size}: one change`, unit: "ms", ours: median(changes_ms), goal: "<= 50 ms" },
      {
        what: `${size}: the slowest of ${changes_ms.length} changes`,
        unit: "ms",
        ours: Math.max(...changes_ms),
      },
      {
        what: `${size}, two of them a connection's`,
        unit: "connections/s",
        ours: rates.spread,
        peer,
        goal: ">= 0.9 x",
      },
      { what: `${size}, all of them the server's`, unit: "connections/s", ours: rates.all, peer },
    ];
  } finally {
    for (const table of [spread, onOne]) table.close();
    await proxy.close();
    net.close();
  }
}

function plannerOf(all: readonly NetworkPolicy[]): Planner {
  const planner = new Planner();
  for (const policy of all) {
    planner.setPolicy(keyOf(policy), policy);
    planner.setSlice(sliceOf(policy), true);
  }
  for (let app = 0; app < PODS; app++) planner.setPod(`bench/p${app}`, podOf(app), addressOf(app));
  return planner;
}

/** The times of changes of policies, of peers and of pods' labels, each with its transaction. */
async function changes(table: NftTable, planner: Planner): Promise<number[]> {
  const times: number[] = [];
  const timed = async (change: () => void) => {
    const start = performance.now();
    change();
    await table.change(planner.take());
    times.push(performance.now() - start);
  };
  for (let round = 0; round < CHANGES; round++) {
    const index = 100 + round;
    const policy = policyOf(index, OTHER_PORT_FIRST);
    await timed(() => planner.setPolicy(keyOf(policy), policy));
    const slice = sliceOf(policy);
    const addresses = ["10.244.9.9"];
    await timed(() => planner.setSlice({ ...slice, endpoints: [{ addresses }] }, true));
    const labels = { app: `a${index + 1}` };
    const pod = podOf(index);
    const moved = { ...pod, metadata: { ...pod.metadata, labels } };
    await timed(() => planner.setPod(keyOf(pod), moved, addressOf(index)));
  }
  return times;
}

/** The median of the connections each second, of each setting; the settings take turns. */
async function rounds<K extends string>(
  net: NodeNetwork,
  settings: Readonly<Record<K, () => Promise<unknown>>>,
): Promise<Record<K, number>> {
  const found = Object.keys(settings).map((key) => [key as K, [] as number[]] as const);
  for (let round = 0; round < CONNECT_RUNS; round++) {
    for (const [key, rates] of found) {
      await settings[key]();
      const count = await net.one.many(ADDRESSES.two, TARGETS.http, CONNECT_MS);
      rates.push((count * 1_000) / CONNECT_MS);
    }
  }
  return Object.fromEntries(found.map(([key, rates]) => [key, median(rates)])) as Record<K, number>;
}
