import { expect, test } from "vitest";
import { nextHops } from "./next-hops.ts";

const underlay = { connected: ["192.0.2.0/24", "fd00::/64"] };

test("other nodes on the underlay's subnet are next hops, those behind a gateway are not", () => {
  const encapsulation = { port: 8472, nodes: ["192.0.2.2", "198.51.100.3"] };
  expect([...nextHops({ encapsulation, routes: [] }, underlay)]).toEqual(["192.0.2.2"]);
});

test("so are the gateways of direct routes, once, and not those of the VXLAN link", () => {
  const routes = [
    { to: "10.244.2.0/24", via: "192.0.2.2", by: "underlay" as const },
    { to: "10.244.3.0/24", via: "192.0.2.3", by: "underlay" as const },
    { to: "10.244.4.0/24", via: "10.244.4.0", by: "device" as const },
    { to: "10.244.5.0/24", by: "device" as const },
  ];
  const encapsulation = { port: 8472, nodes: ["192.0.2.2"] };
  const hops = nextHops({ encapsulation, routes }, underlay);
  expect([...hops]).toEqual(["192.0.2.2", "192.0.2.3"]);
});
