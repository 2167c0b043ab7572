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
  expect(planRoutes([node("a", 2), node("b", 3, false)], serving).gateway).toBe("10.200.0.2");
  expect(planRoutes([node("a", 2, false), node("b", 3, false)], serving).gateway).toBe(
    "10.200.0.3",
  );
  expect(planRoutes([], serving).routes.get("10.96.0.0/16")).toBe("10.200.0.3");
  expect(planRoutes([], SCOPE).routes.size).toBe(0);
});

test("a node cannot take traffic by an address or a range that is not the cluster's", () => {
  const foreign = [
    { ...node("a", 2), address: "192.0.2.1" },
    { ...node("b", 3), podCidr: "0.0.0.0/0" },
    { ...node("c", 4), podCidr: "192.0.2.0/24" },
    { ...node("d", 5), address: "" },
    { ...node("e", 6), podCidr: "" },
  ];
  expect(planRoutes(foreign, SCOPE).routes.size).toBe(0);
});
