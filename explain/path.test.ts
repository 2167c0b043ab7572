import type { Node, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { expect, test } from "vitest";
import { pathToPod, pathToService } from "./path.ts";

const node = (name: string, address: string, podCIDR: string) =>
  ({
    metadata: { name, annotations: { "flannel.alpha.coreos.com/backend-type": "vxlan" } },
    spec: { podCIDR },
    status: { addresses: [{ type: "InternalIP", address }] },
  }) as Node;
const nodes = [node("a", "10.200.0.2", "10.244.0.0/24"), node("b", "10.200.0.3", "10.244.1.0/24")];
const slices = [
  {
    metadata: {},
    addressType: "IPv4",
    ports: [{ port: 8080 }],
    endpoints: [
      { addresses: ["10.244.0.5"], nodeName: "a", targetRef: { name: "web-1" } },
      { addresses: ["10.244.1.6"], nodeName: "b", targetRef: { name: "web-2" } },
      { addresses: ["10.244.1.7"], nodeName: "b", conditions: { ready: false } },
    ],
  },
] as EndpointSlice[];
const service = (spec: object) =>
  ({
    metadata: { name: "web", namespace: "shop" },
    spec: { clusterIP: "10.96.0.9", ports: [{ port: 80 }], ...spec },
  }) as Service;
const lines = ({ steps }: ReturnType<typeof pathToService>) =>
  steps.map(({ where, what }) => `${where}: ${what}`);

test("a packet to a Service meets a rule, then the bridge or the way between nodes", () => {
  const path = pathToService({ from: "a", nodes }, service({}), slices);
  expect(lines(path)).toEqual([
    "DNS: web.shop.svc.cluster.local is 10.96.0.9",
    "a: a pod's eth0, its veth pair, the node's bridge",
    "rules of a: 10.96.0.9 port 80/TCP: one of 2 endpoints takes its place",
    "a: by the bridge to web-1 at 10.244.0.5 port 8080",
    "between nodes: the route of 10.244.1.0/24 over to b (10.200.0.3) by the overlay: vxlan",
    "b: by its bridge to web-2 at 10.244.1.6 port 8080",
  ]);
  expect(path.addresses).toEqual(["10.96.0.9", "10.244.0.5", "10.244.1.6"]);
});

test("a Service of IPv6 takes the same way", () => {
  const six = [
    {
      ...slices[0]!,
      addressType: "IPv6",
      endpoints: [{ addresses: ["fd00:244::5"], nodeName: "b", targetRef: { name: "web-1" } }],
    },
  ];
  const on = [nodes[0]!, node("b", "fd00:200::3", "fd00:244:1::/64")];
  const path = pathToService({ from: "a", nodes: on }, service({ clusterIP: "fd00:96::9" }), six);
  expect(lines(path).slice(2)).toEqual([
    "rules of a: fd00:96::9 port 80/TCP: one of 1 endpoints takes its place",
    "between nodes: the route of fd00:244:1::/64 over to b (fd00:200::3)",
    "b: by its bridge to web-1 at fd00:244::5 port 8080",
  ]);
  expect(path.addresses).toEqual(["fd00:96::9", "fd00:244::5"]);
});

test("without a ready endpoint the rule refuses; headless Services and aliases have none", () => {
  const refused = pathToService({ from: "a", nodes }, service({}), []);
  expect(lines(refused).at(-1)).toContain("refused, for no endpoint is ready");
  const headless = pathToService({ from: "b", nodes }, service({ clusterIP: "None" }), slices);
  expect(lines(headless)[0]).toContain("the addresses of its 2 ready pods");
  expect(headless.addresses).toEqual(["10.244.0.5", "10.244.1.6"]);
  const external = service({ type: "ExternalName", externalName: "example.com" });
  expect(lines(pathToService({ from: "a", nodes }, external, slices))[0]).toContain("alias");
});

test("a packet to a pod", () => {
  const pod = (status: object) =>
    ({ metadata: { name: "p" }, spec: { nodeName: "b" }, status }) as Pod;
  const there = pathToPod({ from: "a", nodes }, pod({ podIP: "10.244.1.6" }));
  expect(lines(there).at(-1)).toBe("b: by its bridge to p at 10.244.1.6");
  expect(lines(pathToPod({ from: "a", nodes }, pod({})))).toEqual(["pod: it has no address yet"]);
  const routed = { from: "a", nodes: nodes.map((each) => ({ ...each, metadata: { name: "b" } })) };
  expect(lines(pathToPod(routed, pod({ podIP: "10.244.1.6" })))[1]).not.toContain("overlay");
});
