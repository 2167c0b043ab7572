import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { createForwarder } from "@raft2kube/dns/forward/forwarder.ts";
import { createResolver } from "@raft2kube/dns/resolver.ts";
import { listenTcp } from "@raft2kube/dns/server/tcp.ts";
import { type Listener, listenUdp } from "@raft2kube/dns/server/udp.ts";
import type { ClusterView } from "@raft2kube/dns/zone/view.ts";
import { deleteTable } from "@raft2kube/linux/netfilter/nft.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { nftablesRules } from "@raft2kube/proxy/apply/nftables/apply.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { planOf } from "../../../testing/plan-of.ts";
import { createNetworkCluster, lookUp, type NetworkCluster, RANGES } from "./cluster.ts";

const DNS_IP = "10.96.0.10";
const TABLE = "r2k-proxy-dns";
let cluster: NetworkCluster;
let pod: { netns: string; address: string };
const listeners: Listener[] = [];

const KUBE_DNS: Service = {
  metadata: { namespace: "kube-system", name: "kube-dns" },
  spec: {
    clusterIP: DNS_IP,
    ports: [
      { name: "dns", port: 53, protocol: "UDP" },
      { name: "dns-tcp", port: 53, protocol: "TCP" },
    ],
  },
};

/** The slice that stands in the cluster: the server is the node itself. */
const SLICE: EndpointSlice = {
  metadata: { namespace: "kube-system", name: "kube-dns-node" },
  addressType: "IPv4",
  endpoints: [{ addresses: [RANGES.nodeAddress], nodeName: "here" }],
  ports: [
    { name: "dns", port: 53, protocol: "UDP" },
    { name: "dns-tcp", port: 53 },
  ],
};

const VIEW: ClusterView = {
  hasNamespace: () => true,
  service: (namespace, name) =>
    namespace === "kube-system" && name === "kube-dns" ? KUBE_DNS : undefined,
  backends: () => ({ all: [], byHost: new Map() }),
  serviceAt: () => undefined,
  slicesAt: () => [],
  serial: () => 1,
};

beforeAll(async () => {
  cluster = await createNetworkCluster();
  pod = await cluster.pod("client");
  const log = logger("dns-e2e");
  const forwarder = createForwarder({ upstreams: () => [], clock: systemClock(), log });
  const zone = { domain: "cluster.local", ttl_s: 5 };
  const resolve = createResolver({ view: () => VIEW, zone, forwarder });
  const at = { address: RANGES.nodeAddress, port: 53 };
  listeners.push(await listenUdp(at, resolve, log), await listenTcp(at, resolve, log));
  const rules = nftablesRules({ table: TABLE, clusterCidr: "10.244.0.0/16" });
  await rules.rebuild(planOf(KUBE_DNS, [SLICE], "here").ports, []);
});

afterAll(async () => {
  for (const listener of listeners) await listener.close();
  await deleteTable("ip", TABLE);
  await cluster.close();
});

test.each(["host", "pod"])(
  "nslookup finds a Service through the DNS Service, from the %s",
  async (where) => {
    const netns = where === "pod" ? pod.netns : cluster.net.host;
    const output = await lookUp(netns, "kube-dns.kube-system.svc.cluster.local", DNS_IP);
    expect(output).toMatch(new RegExp(`Server:\\s+${DNS_IP}[^]*Address[^\\n]*${DNS_IP}\\s*$`));
  },
);

test("a name that is none says so", async () => {
  const output = await lookUp(pod.netns, "absent.kube-system.svc.cluster.local", DNS_IP);
  expect(output).toMatch(/NXDOMAIN|can't resolve|can't find/);
});
