import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { listFlows } from "@raft2kube/linux/netfilter/conntrack.ts";
import { deleteTable, listRuleset, nftTableExists } from "@raft2kube/linux/netfilter/nft.ts";
import { listAddresses } from "@raft2kube/linux/netlink/address.ts";
import { findLink, listLinks, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { listRoutes, replaceRoute } from "@raft2kube/linux/netlink/route.ts";
import { readSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { nftablesRules } from "@raft2kube/proxy/apply/nftables/apply.ts";
import type { Rules } from "@raft2kube/proxy/apply/rules.ts";
import { deleteStaleFlows } from "@raft2kube/proxy/apply/stale-flows.ts";
import type { ServicePort } from "@raft2kube/proxy/plan/model.ts";
import { staleFlows } from "@raft2kube/proxy/plan/stale-flows.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ADDRESSES, ask, echoAddress } from "../../../testing/network/host-network.ts";
import { planOf } from "../../../testing/plan-of.ts";
import { waitFor } from "../../../testing/wait.ts";
import { createNetworkCluster, lookUp, type NetworkCluster, RANGES, refusal } from "./cluster.ts";

const CLUSTER_CIDR = "10.244.0.0/16";
let cluster: NetworkCluster;
let rules: Rules;
let host: string;
let one: { netns: string; address: string };
let two: { netns: string; address: string };
const applied = new Map<string, ServicePort>();
const servers: { close(): void }[] = [];

beforeAll(async () => {
  cluster = await createNetworkCluster();
  host = cluster.net.host;
  one = await cluster.pod("one");
  two = await cluster.pod("two");
  rules = nftablesRules({ table: "r2k-proxy-test", clusterCidr: CLUSTER_CIDR });
  await rules.rebuild([], [RANGES.hostAddress]);
});

afterAll(async () => {
  for (const server of servers) server.close();
  await deleteTable("ip", "r2k-proxy-test");
  expect(nftTableExists("ip", "r2k-proxy-test")).toBe(false);
  await cluster.close();
});

interface Wish {
  name: string;
  ip: string;
  spec?: Partial<Service["spec"]>;
  endpoints: { address: string; node?: string; ready?: boolean }[];
  port?: number;
  targetPort?: number;
  protocol?: "TCP" | "UDP";
  nodePort?: number;
}

/** Makes the rules serve this Service as the plan says, by an incremental change. */
async function serve(wish: Wish): Promise<void> {
  const { name, protocol = "TCP", port = 80, targetPort = 80 } = wish;
  const ports = [{ port, protocol, ...(wish.nodePort ? { nodePort: wish.nodePort } : {}) }];
  const service: Service = {
    metadata: { namespace: "default", name },
    spec: { clusterIP: wish.ip, clusterIPs: [wish.ip], ports, ...wish.spec },
  };
  const slice: EndpointSlice = {
    metadata: { namespace: "default", name: `${name}-1` },
    addressType: "IPv4",
    endpoints: wish.endpoints.map(({ address, node = "here", ready = true }) => ({
      addresses: [address],
      nodeName: node,
      conditions: { ready },
    })),
    ports: [{ port: targetPort, protocol }],
  };
  const changes = new Map<string, ServicePort | undefined>();
  for (const planned of planOf(service, [slice], "here").ports) changes.set(planned.key, planned);
  await rules.change(changes);
  for (const [key, planned] of changes) {
    await deleteStaleFlows(staleFlows(applied.get(key), planned));
    if (planned) applied.set(key, planned);
  }
}

async function askMany(netns: string, ip: string, port: number, times = 12): Promise<string[]> {
  const answers: string[] = [];
  for (let at = 0; at < times; at++) answers.push((await ask(netns, ip, port)) ?? "none");
  return answers;
}

const namesOf = (answers: string[]) =>
  [...new Set(answers.map((answer) => answer.split(" ")[0]))].sort();

describe("ClusterIP", () => {
  const ip = "10.96.0.50";
  const both = () => [{ address: one.address }, { address: two.address }];

  test("connections of the host are spread over all endpoints", async () => {
    await serve({ name: "web", ip, endpoints: both() });
    expect(namesOf(await askMany(host, ip, 80, 24))).toEqual(["one", "two"]);
  });

  test("pods of the same node are served, and keep their address", async () => {
    await serve({ name: "web", ip, endpoints: [{ address: two.address }] });
    expect(await ask(one.netns, ip, 80)).toBe(`two ${one.address}`);
  });

  test("a pod reaches itself through the Service", async () => {
    await serve({ name: "web", ip, endpoints: [{ address: one.address }] });
    expect(await ask(one.netns, ip, 80)).toMatch(/^one 10\./);
  });

  test("the node itself is served", async () => {
    expect(await ask(cluster.node.netnsPath, ip, 80)).toMatch(/^one 10\./);
  });

  test("without endpoints it refuses at once, from host, node and pod", async () => {
    await serve({ name: "web", ip, endpoints: [{ address: one.address, ready: false }] });
    for (const netns of [host, cluster.node.netnsPath, two.netns]) {
      expect(await refusal(netns, ip, 80)).toMatch(/refused/);
    }
  });

  test("a port that the Service does not have is refused", async () => {
    await serve({ name: "web", ip, endpoints: both() });
    expect(await refusal(host, ip, 81)).toMatch(/refused/);
    expect(await refusal(two.netns, ip, 81)).toMatch(/refused/);
  });

  test("ClientIP affinity keeps a client at its endpoint", async () => {
    await serve({
      name: "sticky",
      ip: "10.96.0.51",
      endpoints: both(),
      spec: { sessionAffinity: "ClientIP" },
    });
    expect(namesOf(await askMany(host, "10.96.0.51", 80))).toHaveLength(1);
    expect(namesOf(await askMany(one.netns, "10.96.0.51", 80))).toHaveLength(1);
  });

  test("internalTrafficPolicy Local uses this node's endpoints, drops without one", async () => {
    const spec: Wish["spec"] = { internalTrafficPolicy: "Local" };
    const far = { address: one.address, node: "elsewhere" };
    const endpoints = [far, { address: two.address }];
    await serve({ name: "near", ip: "10.96.0.52", spec, endpoints });
    expect(namesOf(await askMany(host, "10.96.0.52", 80))).toEqual(["two"]);
    await serve({ name: "near", ip: "10.96.0.52", spec, endpoints: [far] });
    expect(await ask(host, "10.96.0.52", 80)).toBeUndefined();
  });

  test("an endpoint on the host side is reached by pods, and by the host itself", async () => {
    servers.push(await echoAddress(host, 6443, "apiserver"));
    const endpoints = [{ address: RANGES.hostAddress, node: "none" }];
    await serve({ name: "kubernetes", ip: "10.96.0.1", port: 443, targetPort: 6443, endpoints });
    expect(await ask(one.netns, "10.96.0.1", 443)).toBe(`apiserver ${one.address}`);
    expect(await ask(host, "10.96.0.1", 443)).toBe(`apiserver ${RANGES.nodeAddress}`);
  });
});

describe("NodePort", () => {
  const spec: Wish["spec"] = { type: "NodePort" };
  const { nodeAddress } = RANGES;

  test("is served to the host, to pods, to a machine beyond the host", async () => {
    inNetns(cluster.net.outside, () => {
      using route = openRoute();
      replaceRoute(route, { to: `${nodeAddress}/32`, via: ADDRESSES.host, link: 0 });
    });
    await serve({
      name: "np",
      ip: "10.96.0.60",
      nodePort: 30080,
      spec,
      endpoints: [{ address: one.address }, { address: two.address }],
    });
    expect(namesOf(await askMany(host, nodeAddress, 30080, 24))).toEqual(["one", "two"]);
    expect(namesOf(await askMany(one.netns, nodeAddress, 30080, 24))).toEqual(["one", "two"]);
    expect(await ask(cluster.net.outside, nodeAddress, 30080)).toMatch(/^(one|two) 10\.244/);
  });

  test("with externalTrafficPolicy Local the client's address arrives", async () => {
    await serve({
      name: "np",
      ip: "10.96.0.60",
      nodePort: 30080,
      endpoints: [{ address: one.address, node: "elsewhere" }, { address: two.address }],
      spec: { ...spec, externalTrafficPolicy: "Local" },
    });
    const answers = await askMany(cluster.net.outside, nodeAddress, 30080);
    expect(new Set(answers)).toEqual(new Set([`two ${ADDRESSES.outside}`]));
  });

  test("is not served on loopback, nor refused wrongly without endpoints", async () => {
    await serve({ name: "np", ip: "10.96.0.60", nodePort: 30080, spec, endpoints: [] });
    expect(await refusal(host, nodeAddress, 30080)).toMatch(/refused/);
    expect(readSysctl("net.ipv4.conf.all.route_localnet")).toBe("0");
  });
});

describe("external addresses", () => {
  const { hostAddress, nodeAddress } = RANGES;
  const kubernetes = (addresses: string[]): Wish => ({
    name: "kubernetes",
    ip: "10.96.0.1",
    port: 443,
    targetPort: 6443,
    endpoints: addresses.map((address) => ({ address, node: "none" })),
  });
  /** A Service of a tenant with an address that is another's. */
  const greedy = (address: string, port: number, ready = true): Wish => ({
    name: "greedy",
    ip: "10.96.0.62",
    port,
    endpoints: [{ address: one.address, ready }],
    spec: { externalIPs: [address] },
  });

  test("are served", async () => {
    await serve({
      name: "ext",
      ip: "10.96.0.61",
      endpoints: [{ address: one.address }],
      spec: { externalIPs: ["10.96.200.1"] },
    });
    expect(await ask(host, "10.96.200.1", 80)).toMatch(/^one /);
  });

  test.each([[true], [false]])("the API server's is not taken over: %s", async (ready) => {
    await serve(kubernetes([hostAddress]));
    await serve(greedy(hostAddress, 6443, ready));
    for (const netns of [cluster.node.netnsPath, two.netns]) {
      expect(await ask(netns, hostAddress, 6443)).toMatch(/^apiserver /);
    }
  });

  test.each([[true], [false]])("the node's is not taken over: %s", async (ready) => {
    servers.push(await echoAddress(cluster.node.netnsPath, 10_250, "kubelet"));
    await serve(greedy(nodeAddress, 10_250, ready));
    for (const netns of [host, cluster.node.netnsPath, two.netns]) {
      expect(await ask(netns, nodeAddress, 10_250)).toMatch(/^kubelet /);
    }
    servers.pop()?.close();
  });

  test.each([[true], [false]])("a cluster IP is not taken over: %s", async (ready) => {
    // The tenant's comes first, as it may when the proxy starts again.
    await rules.change(new Map([["default/kubernetes:/TCP", undefined]]));
    await serve(greedy("10.96.0.1", 443, ready));
    await serve(kubernetes([hostAddress]));
    expect(await ask(two.netns, "10.96.0.1", 443)).toBe(`apiserver ${two.address}`);
    await serve(greedy("10.96.0.1", 444));
    expect(await refusal(two.netns, "10.96.0.1", 444)).toMatch(/refused/);
  });

  test("a pod's is not taken over", async () => {
    await serve(greedy(two.address, 80));
    expect(await ask(host, two.address, 80)).toMatch(/^two /);
  });

  test("that of another API server, an endpoint of kubernetes, is not taken over", async () => {
    servers.push(await echoAddress(cluster.net.outside, 6443, "member"));
    await serve(greedy(ADDRESSES.outside, 6443));
    expect(await ask(two.netns, ADDRESSES.outside, 6443)).toMatch(/^one /);
    await serve(kubernetes([hostAddress, ADDRESSES.outside]));
    expect(await ask(two.netns, ADDRESSES.outside, 6443)).toMatch(/^member /);
  });
});

test("UDP: the kernel forgets connections to an endpoint that is gone", async () => {
  const ip = "10.96.0.70";
  const wish: Wish = {
    name: "udp",
    ip,
    port: 53,
    targetPort: 53,
    protocol: "UDP",
    endpoints: [{ address: one.address }],
  };
  await serve(wish);
  void lookUp(host, "web.default", ip);
  const tracked = () => listFlows("udp").filter((flow) => flow.original.destination === ip);
  const clock = systemClock();
  await waitFor("the connection to be tracked", () => tracked()[0], { clock });
  expect(tracked()[0]?.reply.source).toBe(one.address);
  await serve({ ...wish, endpoints: [{ address: two.address }] });
  expect(tracked().filter((flow) => flow.reply.source === one.address)).toEqual([]);
});

test("changes leave the same table as building it again", async () => {
  const shape = async () =>
    (await listRuleset(["table", "ip", "r2k-proxy-test"])).map((object) => normal(object)).sort();
  const both = [{ address: one.address }, { address: two.address }];
  await serve({ name: "web", ip: "10.96.1.1", endpoints: both });
  await serve({ name: "np", ip: "10.96.1.2", endpoints: both.slice(1) });
  await serve({ name: "np", ip: "10.96.1.2", nodePort: 30090, endpoints: both });
  const spec: Wish["spec"] = { sessionAffinity: "ClientIP" };
  await serve({ name: "sticky", ip: "10.96.1.3", endpoints: both, spec });
  await serve({ name: "sticky", ip: "10.96.1.3", endpoints: both.slice(1), spec });
  const changed = await shape();
  await rules.rebuild([...applied.values()], [RANGES.hostAddress]);
  expect(changed).toEqual(await shape());
  expect(changed.some((object) => /service-[0-9a-f]{32}/.test(object))).toBe(true);
});

/** An object of nft's listing without what depends on the order of things: handles, clients. */
function normal(object: unknown): string {
  return JSON.stringify(object, (key, value) => {
    if (key === "handle" || key === "metainfo") return undefined;
    if (key === "elem" && Array.isArray(value)) {
      const timed = value.some((item) => typeof item === "object" && "elem" in item);
      return timed ? undefined : value.map((item) => JSON.stringify(item)).sort();
    }
    return value;
  });
}

describe("the node's link", () => {
  test("an address that no Service or pod has is refused, instead of going round", async () => {
    for (const netns of [host, one.netns, cluster.node.netnsPath]) {
      expect(await refusal(netns, "10.96.77.77", 80)).toMatch(/refused/);
    }
    // Outside of this node's part of the range: no pod answers.
    const seen = inNetns(cluster.node.netnsPath, () => {
      using route = openRoute();
      return listRoutes(route).map(({ to }) => to);
    });
    expect(seen).toContain(RANGES.podCidr);
  });

  test("pods reach the world behind the host's address", async () => {
    servers.push(await echoAddress(cluster.net.outside, 8080, "outside"));
    const answer = await ask(one.netns, ADDRESSES.outside, 8080);
    expect(answer).toBe(`outside ${ADDRESSES.host}`);
  });

  test("the host has one device, routes to both ranges, two tables", async () => {
    const seen = inNetns(host, () => {
      using route = openRoute();
      const link = findLink(route, "r2k-test");
      return {
        addresses: listAddresses(route, link?.index ?? -1).map(({ cidr }) => cidr),
        routes: listRoutes(route)
          .filter((item) => item.link === link?.index)
          .map(({ to }) => to),
        links: listLinks(route)
          .map(({ name }) => name)
          .sort(),
      };
    });
    expect(seen.links).toEqual(["lo", "r2k-test", "up0"]);
    expect(seen.addresses).toContain("10.200.0.1/24");
    expect(seen.routes.sort()).toEqual(["10.200.0.0/24", "10.244.0.0/24", "10.96.0.0/16"]);
    const listed = await listRuleset(["tables"], { netns: host });
    const tables = listed.flatMap(({ table }) => (table ? [String(table["name"])] : []));
    expect(tables.sort()).toEqual(["r2k-test", "r2k-test.pods"]);
  });
});
