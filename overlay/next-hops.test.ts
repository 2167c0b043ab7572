import { expect, test } from "vitest";
import { OVERLAY_PROTOCOL } from "./difference.ts";
import { gatewaysOf, nextHops } from "./next-hops.ts";

const underlay = { address: "192.0.2.1", connected: ["192.0.2.0/24", "fd00::/64"] };

test("other nodes on the underlay's subnet are next hops, those behind a gateway are not", () => {
  const encapsulation = { port: 8472, nodes: ["192.0.2.2", "198.51.100.3"] };
  expect([...nextHops({ encapsulation, routes: [] }, underlay, [])]).toEqual(["192.0.2.2"]);
});

test("so are the gateways of direct routes, once, and not those of the VXLAN link", () => {
  const routes = [
    { to: "10.244.2.0/24", via: "192.0.2.2", by: "underlay" as const },
    { to: "10.244.3.0/24", via: "192.0.2.3", by: "underlay" as const },
    { to: "10.244.4.0/24", via: "10.244.4.0", by: "device" as const },
    { to: "10.244.5.0/24", by: "device" as const },
  ];
  const encapsulation = { port: 8472, nodes: ["192.0.2.2"] };
  const hops = nextHops({ encapsulation, routes }, underlay, []);
  expect([...hops]).toEqual(["192.0.2.2", "192.0.2.3"]);
});

test("so are the gateways of other routes of the link", () => {
  const routes = [
    { to: "0.0.0.0/0", via: "192.0.2.254", link: 5 },
    { to: "192.0.2.0/24", link: 5, protocol: 2 },
    { to: "0.0.0.0/0", via: "203.0.113.1", link: 6, metric: 100 },
    { to: "10.244.2.0/24", via: "192.0.2.9", link: 5, protocol: OVERLAY_PROTOCOL },
  ];
  expect(gatewaysOf(routes, 5)).toEqual(["192.0.2.254"]);
});

test("so is the API server by its address on the subnet, which is not the node's own", () => {
  const kept = (others: string[]) => [
    ...nextHops({ encapsulation: undefined, routes: [] }, underlay, others),
  ];
  expect(kept(["192.0.2.254", "192.0.2.7"])).toEqual(["192.0.2.254", "192.0.2.7"]);
  expect(kept(["192.0.2.1", "203.0.113.7", "127.0.0.1", "[fd00::7]", "api.example"])).toEqual([]);
});
