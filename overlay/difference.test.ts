import { describe, expect, test } from "vitest";
import { type Actual, difference, OVERLAY_PROTOCOL as protocol } from "./difference.ts";
import type { OverlayPlan } from "./plan.ts";

const [DEVICE, ETH0] = [7, 2];
const [ONE, TWO] = ["02:00:00:00:00:01", "02:00:00:00:00:02"];

const plan: OverlayPlan = {
  device: undefined,
  tunnel: undefined,
  mtu: 1450,
  routes: [
    { to: "10.244.2.0/24", via: "10.244.2.0", by: "device" },
    { to: "10.244.3.0/24", via: "192.0.2.3", by: "underlay" },
  ],
  neighbours: [{ address: "10.244.2.0", mac: TWO }],
  forwarding: [{ address: "192.0.2.2", mac: TWO }],
  encapsulation: undefined,
  problems: [],
};

const permanent = (address: string, mac: string) => ({
  link: DEVICE,
  address,
  mac,
  permanent: true,
});

const right: Actual = {
  device: DEVICE,
  underlay: ETH0,
  routes: [
    { to: "10.244.2.0/24", via: "10.244.2.0", link: DEVICE, onlink: true, scope: 0, protocol },
    { to: "10.244.3.0/24", via: "192.0.2.3", link: ETH0, scope: 0, protocol },
    // Of others: the kernel's, an administrator's, another component's.
    { to: "192.0.2.0/24", link: ETH0, scope: 253, protocol: 2 },
    { to: "10.0.0.0/8", via: "192.0.2.9", link: ETH0, scope: 0 },
    { to: "10.244.2.0/24", via: "192.0.2.9", link: ETH0, metric: 50, scope: 0 },
  ],
  neighbours: [
    permanent("10.244.2.0", TWO),
    { link: DEVICE, address: "10.244.8.0", mac: "", permanent: false },
  ],
  forwarding: [permanent("192.0.2.2", TWO)],
};

const kinds = (actual: Partial<Actual>) =>
  difference(plan, { ...right, ...actual }).map((change) => change.kind);

test("what is right stays, and what is not ours", () => {
  expect(difference(plan, right)).toEqual([]);
});

test("entries come before the routes that need them", () => {
  expect(kinds({ routes: [], neighbours: [], forwarding: [] })).toEqual([
    "set-neighbour",
    "set-forwarding",
    "set-route",
    "set-route",
  ]);
});

describe("a route is set again when", () => {
  test.each([
    ["its gateway", { via: "192.0.2.4" }],
    ["its link", { link: 9 }],
    ["its owner", { protocol: 3 }],
  ])("%s is another", (_what, changed) => {
    const routes = [right.routes[0]!, { ...right.routes[1]!, ...changed }];
    expect(kinds({ routes })).toEqual(["set-route"]);
  });
});

test("all of a node that is gone is deleted, its route first", () => {
  const gone = { ...plan, routes: [], neighbours: [], forwarding: [] };
  expect(difference(gone, right).map(({ kind }) => kind)).toEqual([
    "delete-route",
    "delete-route",
    "delete-neighbour",
    "delete-forwarding",
  ]);
});

test("everything on our link that we did not plan is deleted, flannel's routes too", () => {
  const left = { to: "10.244.9.0/24", via: "10.244.9.0", link: DEVICE, scope: 0, protocol: 3 };
  expect(
    kinds({
      routes: [...right.routes, left],
      neighbours: [...right.neighbours, permanent("10.244.9.0", ONE)],
      forwarding: [...right.forwarding, permanent("192.0.2.9", "00:00:00:00:00:00")],
    }),
  ).toEqual(["delete-route", "delete-neighbour", "delete-forwarding"]);
});

test("a node's new hardware address replaces the old one", () => {
  const old = {
    neighbours: [permanent("10.244.2.0", ONE)],
    forwarding: [permanent("192.0.2.2", ONE)],
  };
  // The neighbour is replaced by its address; the old forwarding entry has a key of its own.
  expect(kinds(old)).toEqual(["set-neighbour", "set-forwarding", "delete-forwarding"]);
});

test("an entry that is not permanent is set", () => {
  const neighbours = [{ ...permanent("10.244.2.0", TWO), permanent: false }];
  expect(kinds({ neighbours })).toEqual(["set-neighbour"]);
});
