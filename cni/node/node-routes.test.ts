import { expect, test } from "vitest";
import { planRoutes, type RoutedNode } from "./node-routes.ts";

const SCOPE = {
  nodeRange: "10.200.0.0/24",
  podCidr: "10.244.0.0/16",
  shared: ["10.96.0.0/16", "10.244.0.0/16"],
};

const node = (name: string, last: number, ready = true): RoutedNode => ({
  name,
  address: `10.200.0.${last}`,
  podCidr: `10.244.${last}.0/24`,
  ready,
});

test("each node's pods are reached by its address, shared ranges by the first node", () => {
  const { routes, gateway } = planRoutes([node("b", 3), node("a", 2)], SCOPE);
  expect(gateway).toBe("10.200.0.2");
  expect([...routes].sort()).toEqual([
    ["10.244.0.0/16", "10.200.0.2"],
    ["10.244.2.0/24", "10.200.0.2"],
    ["10.244.3.0/24", "10.200.0.3"],
    ["10.96.0.0/16", "10.200.0.2"],
  ]);
});

test("the node that serves Services stays while it is ready, and only then", () => {
  const serving = { ...SCOPE, gateway: "10.200.0.3" };
  expect(planRoutes([node("a", 2), node("b", 3)], serving).gateway).toBe("10.200.0.3");
  const atHome = { ...serving, home: "10.200.0.4" };
  expect(planRoutes([node("b", 3), node("c", 4)], atHome).gateway).toBe("10.200.0.4");
  expect(planRoutes([node("b", 3), node("c", 4, false)], atHome).gateway).toBe("10.200.0.3");
  expect(planRoutes([node("a", 2), node("b", 3, false)], serving).gateway).toBe("10.200.0.2");
  expect(planRoutes([node("a", 2, false), node("b", 3, false)], serving).gateway).toBe(
    "10.200.0.3",
  );
  expect(planRoutes([], serving).routes.get("10.96.0.0/16")).toBe("10.200.0.3");
  expect(planRoutes([], SCOPE).routes.size).toBe(0);
});

test("a node has no address of a control plane", () => {
  const { routes, problems } = planRoutes([node("a", 201)], { ...SCOPE, others: ["10.200.0.201"] });
  expect(routes.size).toBe(0);
  expect(problems).toEqual(["Node a: InternalIP 10.200.0.201 is the host's or a control plane's"]);
});

test("a node cannot take traffic by an address or a range that is not the cluster's", () => {
  const foreign = [
    { ...node("a", 2), address: "192.0.2.1" },
    { ...node("b", 3), podCidr: "0.0.0.0/0" },
    { ...node("c", 4), podCidr: "192.0.2.0/24" },
    { ...node("d", 5), address: "" },
    { ...node("e", 6), podCidr: "" },
    // With the cluster's address and a short prefix, or bits that the kernel refuses.
    { ...node("f", 7), podCidr: "10.244.0.0/1" },
    { ...node("g", 8), podCidr: "10.244.8.1/24" },
    // The host's own: a gateway that the kernel refuses, and with it all routes after this one.
    { ...node("h", 9), address: "10.200.0.1" },
    // Addresses of the range that no host has: refused alike.
    { ...node("i", 10), address: "10.200.0.255" },
    { ...node("j", 11), address: "10.200.0.0" },
  ];
  const { routes, problems } = planRoutes(foreign, { ...SCOPE, source: "10.200.0.1" });
  expect(routes.size).toBe(0);
  expect(problems).toEqual([
    "Node a: InternalIP 192.0.2.1 is no host's in the nodes' range 10.200.0.0/24",
    "Node b: podCIDR 0.0.0.0/0 is not a range of 10.244.0.0/16",
    "Node c: podCIDR 192.0.2.0/24 is not a range of 10.244.0.0/16",
    "Node f: podCIDR 10.244.0.0/1 is not a range of 10.244.0.0/16",
    "Node g: podCIDR 10.244.8.1/24 is not a range of 10.244.0.0/16",
    "Node h: InternalIP 10.200.0.1 is the host's",
    "Node i: InternalIP 10.200.0.255 is no host's in the nodes' range 10.200.0.0/24",
    "Node j: InternalIP 10.200.0.0 is no host's in the nodes' range 10.200.0.0/24",
  ]);
});

test("a node cannot take the range or the address of an older one", () => {
  const older = { ...node("m", 2), since: "2026-01-01T00:00:00Z" };
  const later = { since: "2026-01-02T00:00:00Z", ready: true };
  const greedy = [
    { ...later, name: "a", address: "10.200.0.3", podCidr: older.podCidr },
    { ...later, name: "z", address: "10.200.0.4", podCidr: older.podCidr },
    { ...later, name: "b", address: "10.200.0.5", podCidr: "10.244.0.0/17" },
    { ...later, name: "c", address: "10.200.0.6", podCidr: "10.244.2.128/25" },
    { ...later, name: "d", address: older.address, podCidr: "10.244.7.0/24" },
  ];
  const { routes, gateway, problems } = planRoutes([...greedy, older], { ...SCOPE, shared: [] });
  expect(problems).toHaveLength(greedy.length);
  expect(problems.at(0)).toBe("Node a: podCIDR 10.244.2.0/24 overlaps 10.244.2.0/24 of Node m");
  expect(problems).toContain("Node d: InternalIP 10.200.0.2 is that of Node m");
  expect([...routes]).toEqual([["10.244.2.0/24", "10.200.0.2"]]);
  expect(gateway).toBe("10.200.0.2");
});
