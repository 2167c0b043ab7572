import type { Node, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { expect, it } from "vitest";
import type { HealthTarget } from "../health-poller.ts";
import { HEALTHZ_PORT } from "../limits.ts";
import { planBalance } from "./plan.ts";

const VIP = "10.201.0.1";

function node(name: string, { ready = true, labels = {} } = {}): Node {
  const conditions = [{ type: "Ready", status: ready ? "True" : "False" }];
  const addresses = [{ type: "InternalIP", address: `10.200.0.${name}` }];
  return { metadata: { name, labels }, spec: {}, status: { conditions, addresses } };
}

function service(ip: string, spec: Partial<Service["spec"]> = {}): Service {
  const status = { loadBalancer: { ingress: [{ ip }] } };
  const metadata = { namespace: "n", name: "s" };
  return { metadata, spec: { type: "LoadBalancer", ...spec }, status };
}

const NODES = ["2", "3", "4"].map((name) => node(name));

/** A slice of the Service with an endpoint on each of some nodes. */
function sliceOn(nodes: readonly string[]): EndpointSlice {
  const labels = { "kubernetes.io/service-name": "s" };
  const endpoints = nodes.map((nodeName) => ({ addresses: [], nodeName }));
  return { metadata: { namespace: "n", labels }, addressType: "IPv4", endpoints, ports: [] };
}

/** Plans one address; `down` are unhealthy, `unknown` were not asked yet. */
function carrierOf({
  nodes = NODES,
  down = [],
  unknown = [],
  local = false,
  endpointsOn = ["2", "3", "4"],
}: {
  nodes?: Node[];
  down?: string[];
  unknown?: string[];
  local?: boolean;
  endpointsOn?: readonly string[];
} = {}): string | undefined {
  const policy = { externalTrafficPolicy: "Local", healthCheckNodePort: 31_000 } as const;
  const of = service(VIP, local ? policy : {});
  const healthOf = (target: HealthTarget) => {
    const name = target.address.split(".").at(-1)!;
    expect(target.port).toBe(local ? 31_000 : HEALTHZ_PORT);
    return unknown.includes(name) ? undefined : !down.includes(name);
  };
  const slices = [sliceOn(endpointsOn)];
  const { carriers, targets } = planBalance([of], nodes, healthOf, { slices });
  for (const { address } of targets) expect(address).toMatch(/^10\.200\.0\.[234]$/);
  return carriers.get(VIP)?.name;
}

const order = ["2", "3", "4"].reduce<string[]>(
  (found) => [...found, carrierOf({ down: found })!],
  [],
);

it("an address is on one node, and on the next one when that fails", () => {
  expect([...order].sort()).toEqual(["2", "3", "4"]);
  expect(carrierOf({ nodes: NODES.toReversed() })).toBe(order[0]);
  const rest = NODES.filter(({ metadata }) => metadata.name !== order[1]);
  expect(carrierOf({ nodes: rest })).toBe(order[0]);
  expect(carrierOf({ nodes: rest, down: [order[0]!] })).toBe(order[2]);
});

it("addresses are spread over the nodes", () => {
  const services = Array.from({ length: 60 }, (_, i) => service(`10.201.0.${i + 1}`));
  const { carriers } = planBalance(services, NODES, () => true);
  const each = Map.groupBy([...carriers.values()], ({ name }) => name);
  expect(carriers.size).toBe(60);
  for (const { metadata } of NODES) expect(each.get(metadata.name!)!.length).toBeGreaterThan(8);
});

it("a node that is not ready or excluded carries none", () => {
  const excluded = { "node.kubernetes.io/exclude-from-external-load-balancers": "" };
  const others = NODES.filter(({ metadata }) => metadata.name !== order[0]);
  expect(carrierOf({ nodes: [...others, node(order[0]!, { ready: false })] })).toBe(order[1]);
  expect(carrierOf({ nodes: [...others, node(order[0]!, { labels: excluded })] })).toBe(order[1]);
});

it.each(["name.example", "127.0.0.1", ""])("a node at %j carries none, nor is it asked", (at) => {
  const stolen = node("5");
  stolen.status!.addresses = [{ type: "InternalIP", address: at }];
  const { carriers, targets } = planBalance([service(VIP)], [stolen], () => undefined);
  expect([carriers.size, targets.length]).toEqual([0, 0]);
});

it("an address stays while no node is healthy, but not with a local policy", () => {
  expect(carrierOf({ down: ["2", "3", "4"] })).toBe(order[0]);
  expect(carrierOf({ down: ["2", "3", "4"], local: true })).toBeUndefined();
  expect(carrierOf({ down: [order[0]!], local: true })).toBe(order[1]);
});

it("with a local policy a node without endpoints carries none, though it is healthy", () => {
  expect(carrierOf({ local: true, endpointsOn: [order[1]!] })).toBe(order[1]);
  expect(carrierOf({ local: true, endpointsOn: [order[1]!], down: [order[1]!] })).toBeUndefined();
});

it("the first node has an address before it was asked, with a local policy none has", () => {
  expect(carrierOf({ unknown: ["2", "3", "4"] })).toBe(order[0]);
  expect(carrierOf({ down: [order[0]!], unknown: [order[1]!] })).toBe(order[2]);
  expect(carrierOf({ unknown: ["2", "3", "4"], local: true })).toBeUndefined();
});

it("addresses of a cloud's load balancers are not ours to carry", () => {
  const proxied = service(VIP);
  proxied.status!.loadBalancer!.ingress = [{ ip: VIP, ipMode: "Proxy" }];
  const foreign = service(VIP, { loadBalancerClass: "cloud.example/lb" });
  expect(planBalance([proxied, foreign], NODES, () => true).carriers.size).toBe(0);
});

it("addresses of API servers are no one's to carry, those that a Node reports stay", () => {
  const stolen = node("5");
  stolen.status!.addresses!.push({ type: "ExternalIP", address: VIP });
  const services = ["10.200.0.9", VIP].map((ip) => service(ip));
  const { carriers, targets } = planBalance(services, [...NODES, stolen], () => true, {
    apiServers: ["10.200.0.9"],
  });
  expect([...carriers.keys()]).toEqual([VIP]);
  expect(targets).toHaveLength(1);
});

it("a further address in a Service's status is no one's to carry", () => {
  const more = service(VIP);
  more.status!.loadBalancer!.ingress!.push({ ip: "192.0.2.1" });
  expect([...planBalance([more], NODES, () => true).carriers.keys()]).toEqual([VIP]);
});
