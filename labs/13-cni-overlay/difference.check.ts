import type { Neighbour } from "@raft2kube/linux/netlink/neighbour.ts";
import type { Route } from "@raft2kube/linux/netlink/route.ts";
import {
  type Actual,
  type Change,
  difference,
  OVERLAY_PROTOCOL as protocol,
} from "@raft2kube/overlay/difference.ts";
import type { OverlayPlan } from "@raft2kube/overlay/plan.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { addressesOf } from "./machines.ts";

const [DEVICE, ETH0] = [7, 2];
const TWO = addressesOf(2);
const OTHER_MAC = addressesOf(9).mac;

const PLAN: OverlayPlan = {
  device: undefined,
  tunnel: undefined,
  mtu: 1450,
  routes: [
    { to: TWO.podCidr, via: TWO.vtep, by: "device" },
    { to: "10.244.3.0/24", via: "192.0.2.3", by: "underlay" },
  ],
  neighbours: [{ address: TWO.vtep, mac: TWO.mac }],
  forwarding: [{ address: TWO.address, mac: TWO.mac }],
  encapsulation: undefined,
  problems: [],
};
const entry = (address: string, mac: string): Neighbour => ({
  link: DEVICE,
  address,
  mac,
  permanent: true,
});
const TUNNELLED: Route = {
  to: TWO.podCidr,
  via: TWO.vtep,
  link: DEVICE,
  onlink: true,
  scope: 0,
  protocol,
};
const DIRECT: Route = { to: "10.244.3.0/24", via: "192.0.2.3", link: ETH0, scope: 0, protocol };
/** Two of the kernel, an administrator's, and one to the same range with a worse metric. */
const FOREIGN: readonly Route[] = [
  { to: "192.0.2.0/24", link: ETH0, scope: 253, protocol: 2 },
  { to: "169.254.0.0/16", link: DEVICE, scope: 253, protocol: 2 },
  { to: "10.0.0.0/8", via: "192.0.2.9", link: ETH0, scope: 0, protocol: 4 },
  { to: TWO.podCidr, via: "192.0.2.9", link: ETH0, metric: 50, scope: 0 },
];
const RIGHT: Actual = {
  device: DEVICE,
  underlay: ETH0,
  routes: [TUNNELLED, DIRECT, ...FOREIGN],
  neighbours: [entry(TWO.vtep, TWO.mac)],
  forwarding: [entry(TWO.address, TWO.mac)],
};
const EMPTY: Actual = { ...RIGHT, routes: [...FOREIGN], neighbours: [], forwarding: [] };

function textOf(change: Change): string {
  if ("route" in change) return `${change.kind} ${change.route.to}`;
  return `${change.kind} ${change.entry.address} ${change.entry.mac}`;
}

interface Case {
  readonly when: string;
  readonly plan?: OverlayPlan;
  readonly actual: Partial<Actual>;
  readonly expected: readonly string[];
  readonly why: string;
}

function judgeCases(cases: readonly Case[]): void {
  for (const { when, plan = PLAN, actual, expected, why } of cases) {
    const happened = difference(plan, { ...RIGHT, ...actual }).map(textOf);
    judge(happened.join() === expected.join(), {
      when,
      expected: expected.join("; ") || "no change",
      happened: happened.join("; ") || "no change",
      why,
    });
  }
}

const SET_NEIGHBOUR = `set-neighbour ${TWO.vtep} ${TWO.mac}`;
const SET_FORWARDING = `set-forwarding ${TWO.address} ${TWO.mac}`;

check("difference: what is right stays, and what is missing is set, entries before routes", () =>
  judgeCases([
    {
      when: "the kernel has what is planned",
      actual: {},
      expected: [],
      why: "a sync every 15 s must not disturb packets, nor fill the log",
    },
    {
      when: "the kernel has nothing of it",
      actual: EMPTY,
      expected: [
        SET_NEIGHBOUR,
        SET_FORWARDING,
        `set-route ${TWO.podCidr}`,
        "set-route 10.244.3.0/24",
      ],
      why: "a packet that takes a route before the entries are there is lost",
    },
    {
      when: "the UDP back end: a route by the tunnel, without a gateway, is there",
      plan: { ...PLAN, routes: [{ to: TWO.podCidr, by: "device" }] },
      actual: { routes: [{ to: TWO.podCidr, link: DEVICE, scope: 253, protocol }, ...FOREIGN] },
      expected: [],
      why: "a tunnel has no neighbours: its packets need no gateway",
    },
    {
      when: "the neighbour entry is not permanent",
      actual: { neighbours: [{ ...entry(TWO.vtep, TWO.mac), permanent: false }] },
      expected: [SET_NEIGHBOUR],
      why: "the kernel drops such an entry when it has not been used for a while",
    },
  ]),
);

check("difference: routes that are not as planned are set again", () =>
  judgeCases(
    (
      [
        ["another gateway", { via: "192.0.2.4" }],
        ["another link", { link: 9 }],
        ["another owner", { protocol: 3 }],
      ] as const
    ).map(([what, changed]) => ({
      when: `the route to 10.244.3.0/24 has ${what}`,
      actual: { routes: [TUNNELLED, { ...DIRECT, ...changed }, ...FOREIGN] },
      expected: ["set-route 10.244.3.0/24"],
      why: "packets go where the kernel's table says, whatever the plan is",
    })),
  ),
);

check("difference: what left the plan is deleted, routes first, and nothing of others", () => {
  const gone: OverlayPlan = { ...PLAN, routes: [], neighbours: [], forwarding: [] };
  const left: Route = {
    to: "10.244.9.0/24",
    via: "10.244.9.0",
    link: DEVICE,
    scope: 0,
    protocol: 3,
  };
  judgeCases([
    {
      when: "the other nodes are gone",
      plan: gone,
      actual: {},
      expected: [
        `delete-route ${TWO.podCidr}`,
        "delete-route 10.244.3.0/24",
        `delete-neighbour ${TWO.vtep} ${TWO.mac}`,
        `delete-forwarding ${TWO.address} ${TWO.mac}`,
      ],
      why: "without a route a client gets an error at once; with one its packets are lost",
    },
    {
      when: "flanneld has left a route and entries on our link",
      actual: {
        routes: [...RIGHT.routes, left],
        neighbours: [...RIGHT.neighbours, entry("10.244.9.0", OTHER_MAC)],
        forwarding: [...RIGHT.forwarding, entry("192.0.2.9", "00:00:00:00:00:00")],
      },
      expected: [
        "delete-route 10.244.9.0/24",
        `delete-neighbour 10.244.9.0 ${OTHER_MAC}`,
        "delete-forwarding 192.0.2.9 00:00:00:00:00:00",
      ],
      why: "an entry for 00:00:00:00:00:00 would send every unknown frame to that node",
    },
  ]);
});

check("difference: a node's new hardware address replaces the old one", () =>
  judgeCases([
    {
      when: `n2's link has been made again, with ${TWO.mac} instead of ${OTHER_MAC}`,
      actual: {
        neighbours: [entry(TWO.vtep, OTHER_MAC)],
        forwarding: [entry(TWO.address, OTHER_MAC)],
      },
      expected: [SET_NEIGHBOUR, SET_FORWARDING, `delete-forwarding ${TWO.address} ${OTHER_MAC}`],
      why:
        "a neighbour is known by its IP address: deleting the old one would delete the new one; " +
        "a forwarding entry is known by its hardware address",
    },
    {
      when: "n2 has another address than 192.0.2.77 now, and the same link",
      actual: { forwarding: [entry("192.0.2.77", TWO.mac)] },
      expected: [SET_FORWARDING, `delete-forwarding 192.0.2.77 ${TWO.mac}`],
      why: "frames for n2's link would go on to an address that may be another machine's",
    },
  ]),
);
