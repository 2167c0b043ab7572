import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { ipv4Subnet } from "@raft2kube/cni/lib/subnet.ts";
import { describe, expect, test } from "vitest";
import { annotationsOf, ownSubnet, vtepMac } from "./lease.ts";
import { parseNetConf } from "./net-conf.ts";
import { type PlanInput, planOverlay } from "./plan.ts";

const conf = (backend: object = { Type: "vxlan" }) =>
  parseNetConf(JSON.stringify({ Network: "10.244.0.0/16", Backend: backend }), "test");

const MAC = "02:00:00:00:00:0";

/**
 * Node n<index>, with the annotations that an overlay of the back end publishes, unless
 * `annotations` differ.
 */
function node(
  index: number,
  annotations: Record<string, string | null> = {},
  podCIDR = `10.244.${index}.0/24`,
): Node {
  const published = annotationsOf({
    conf: conf(),
    publicIp: `192.0.2.${index}`,
    mac: `${MAC}${index}`,
  });
  return {
    metadata: {
      name: `n${index}`,
      creationTimestamp: `2026-01-01T00:00:0${index}Z`,
      annotations: { ...published, ...(annotations as Record<string, string>) },
    },
    spec: { podCIDRs: ["fd00::/64", podCIDR] },
  };
}

const underlay = {
  index: 5,
  name: "eth0",
  mtu: 1500,
  address: "192.0.2.1",
  connected: ["192.0.2.0/24"],
};

function plan(nodes: Node[], changes: Partial<PlanInput> = {}) {
  const subnet = ipv4Subnet("10.244.1.0/24")!;
  const base = { conf: conf(), nodeName: "n1", subnet, mac: `${MAC}1`, underlay };
  return planOverlay({ ...base, nodes, ...changes });
}

const BACKEND = "flannel.alpha.coreos.com/backend-type";
const DATA = "flannel.alpha.coreos.com/backend-data";
const IP = "flannel.alpha.coreos.com/public-ip";
const MANAGED = "flannel.alpha.coreos.com/kube-subnet-manager";

test("VXLAN: a route, a neighbour and a forwarding entry for each other node", () => {
  expect(plan([node(1), node(2)])).toEqual({
    device: {
      name: "flannel.1",
      vni: 1,
      port: 8472,
      mac: `${MAC}1`,
      mtu: 1450,
      local: "192.0.2.1",
      underlay: 5,
      address: "10.244.1.0/32",
      checksumOffload: true,
    },
    tunnel: undefined,
    mtu: 1450,
    routes: [{ to: "10.244.2.0/24", via: "10.244.2.0", by: "device" }],
    neighbours: [{ address: "10.244.2.0", mac: `${MAC}2` }],
    forwarding: [{ address: "192.0.2.2", mac: `${MAC}2` }],
    encapsulation: { port: 8472, nodes: ["192.0.2.2"] },
    sources: [{ node: "192.0.2.2", range: ipv4Subnet("10.244.2.0/24") }],
    problems: [],
  });
});

test("a node with the address of the host, or of a Service, is left out", () => {
  const reserved = ["192.0.2.100/32", "10.96.0.0/16"].map((range) => ipv4Subnet(range)!);
  const greedy = [node(3, { [IP]: "192.0.2.100" }), node(4, { [IP]: "10.96.0.10" })];
  const found = plan([node(2), ...greedy], { reserved });
  expect(found.problems).toEqual([
    "Node n3: public-ip 192.0.2.100 is in 192.0.2.100/32, where no node is",
    "Node n4: public-ip 10.96.0.10 is in 10.96.0.0/16, where no node is",
  ]);
  expect(found).toEqual({ ...plan([node(2)]), problems: found.problems });
});

test("host-gw: a route by the node's address, if that is on the same subnet", () => {
  const hostGw = { [BACKEND]: "host-gw", [DATA]: "null" };
  const far = node(3, { ...hostGw, [IP]: "198.51.100.3" });
  const found = plan([node(2, hostGw), far], { conf: conf({ Type: "host-gw" }) });
  expect(found.device).toBeUndefined();
  expect(found.mtu).toBe(1500);
  expect(found.routes).toEqual([{ to: "10.244.2.0/24", via: "192.0.2.2", by: "underlay" }]);
  expect(found.problems).toEqual([expect.stringMatching(/n3.*198\.51\.100\.3.*host-gw/)]);
});

test.each([
  ["ours", "udp"],
  ["flanneld's, which names no back end", ""],
])("UDP: a tunnel that knows each other node's range: %s", (_whose, backend) => {
  const udp = { [BACKEND]: backend, [DATA]: "null" };
  const found = plan([node(2, udp)], { conf: conf({ Type: "udp" }) });
  const range = ipv4Subnet("10.244.2.0/24");
  expect(found.tunnel).toEqual({
    name: "flannel0",
    mtu: 1472,
    address: "10.244.1.0/32",
    local: "192.0.2.1",
    port: 8285,
    peers: [{ range, address: "192.0.2.2" }],
  });
  expect(found.routes).toEqual([{ to: "10.244.2.0/24", by: "device" }]);
});

test("direct routing takes the tunnel only to nodes behind a gateway", () => {
  const far = node(3, { [IP]: "198.51.100.3" });
  const direct = conf({ Type: "vxlan", DirectRouting: true });
  const { routes, neighbours, forwarding, problems } = plan([node(2), far], { conf: direct });
  expect(routes.map(({ via, by }) => [via, by])).toEqual([
    ["192.0.2.2", "underlay"],
    ["10.244.3.0", "device"],
  ]);
  expect(neighbours.map(({ address }) => address)).toEqual(["10.244.3.0"]);
  expect(forwarding.map(({ address }) => address)).toEqual(["198.51.100.3"]);
  expect(problems).toEqual([]);
});

test("a node without annotations is not part of the overlay yet", () => {
  const silent: Node = { metadata: { name: "n2" }, spec: { podCIDR: "10.244.2.0/24" } };
  const other = node(3, { [MANAGED]: "false" });
  expect(plan([silent, other])).toMatchObject({ routes: [], problems: [] });
});

describe("a node is left out, and named, when", () => {
  test.each([
    ["its address is none", { [IP]: "300.1.1.1" }, /n2.*public-ip "300\.1\.1\.1"/],
    ["its address is loopback", { [IP]: "127.0.0.1" }, /n2.*public-ip/],
    ["its address is multicast", { [IP]: "239.0.0.1" }, /n2.*public-ip/],
    ["its address is a pod's", { [IP]: "10.244.7.7" }, /n2.*public-ip 10\.244\.7\.7 is in/],
    ["its address is this node's", { [IP]: "192.0.2.1" }, /n2.*192\.0\.2\.1 is that of Node n1/],
    ["its data are no JSON", { [DATA]: "{" }, /n2.*backend-data "\{" has no VtepMAC/],
    ["its data are of another kind", { [DATA]: "[3]" }, /n2.*VtepMAC/],
    ["its data are null", { [DATA]: "null" }, /n2.*VtepMAC/],
    ["its MAC is garbage", { [DATA]: '{"VtepMAC":"x"}' }, /n2.*VtepMAC/],
    ["its MAC would receive floods", { [DATA]: '{"VtepMAC":"00:00:00:00:00:00"}' }, /n2.*VtepMAC/],
    ["its MAC is a group's", { [DATA]: '{"VtepMAC":"01:00:5e:00:00:01"}' }, /n2.*VtepMAC/],
    ["its MAC is this node's", { [DATA]: `{"VtepMAC":"${MAC}1"}` }, /n2.*VtepMAC.*of Node n1/],
    ["its VNI is another", { [DATA]: `{"VNI":2,"VtepMAC":"${MAC}2"}` }, /n2.*VNI is 2, not 1/],
    ["its back end is another", { [BACKEND]: "wireguard" }, /n2.*"wireguard", not vxlan/],
    ["it names no back end", { [BACKEND]: "", [DATA]: "null" }, /n2.*"", not vxlan/],
  ])("%s", (_why, annotations, problem) => {
    const found = plan([node(2, annotations), node(3)]);
    expect(found.problems).toEqual([expect.stringMatching(problem)]);
    expect(found.routes.map(({ to }) => to)).toEqual(["10.244.3.0/24"]);
  });

  test.each([
    ["lies outside the network", "192.168.0.0/24", /192\.168\.0\.0\/24 is not in/],
    ["is everything", "0.0.0.0/0", /0\.0\.0\.0\/0 is not in/],
    ["overlaps this node's", "10.244.0.0/23", /overlaps 10\.244\.1\.0\/24 of Node n1/],
    ["is none", "here", /has no IPv4 podCIDR/],
  ])("its range %s", (_why, podCIDR, problem) => {
    const found = plan([node(2, {}, podCIDR)]);
    expect(found.problems).toEqual([expect.stringMatching(problem)]);
    expect(found).toMatchObject({ routes: [], neighbours: [], forwarding: [] });
  });
});

test("of two nodes with one range, address or link the older stays, in any order", () => {
  const twins = [
    node(3, {}, "10.244.2.128/25"),
    node(4, { [IP]: "192.0.2.2" }),
    node(5, { [DATA]: `{"VtepMAC":"${MAC}2"}` }),
    node(2),
  ];
  for (const nodes of [twins, [...twins].reverse()]) {
    const found = plan(nodes);
    expect(found.routes.map(({ to }) => to)).toEqual(["10.244.2.0/24"]);
    expect(found.problems.map((problem) => problem.slice(0, 8))).toEqual([
      "Node n3:",
      "Node n4:",
      "Node n5:",
    ]);
  }
});

test("a range, an underlay and an MTU that cannot be are errors with a remedy", () => {
  const outside: Node = { metadata: { name: "n1" }, spec: { podCIDR: "10.9.0.0/24" } };
  expect(() => ownSubnet(outside, conf())).toThrow(/10\.9\.0\.0\/24 is not in.*10\.244\.0\.0\/16/);
  expect(() => ownSubnet({ metadata: { name: "n1" }, spec: {} }, conf())).toThrow(/no IPv4 podC/);
  const large = conf({ Type: "vxlan", MTU: 9000 });
  expect(() => plan([], { conf: large })).toThrow(/MTU 9000 is more than the MTU 1500 of eth0/);
  const narrow = { ...underlay, mtu: 600 };
  expect(() => plan([], { underlay: narrow })).toThrow(/leave 550 for pods, at least 576/);
  expect(plan([], { conf: conf({ Type: "vxlan", MTU: 1400 }) }).mtu).toBe(1350);
});

describe("net-conf.json", () => {
  test.each([
    ["{", /JSON/],
    ["[]", /not a JSON object/],
    ["{}", /Network is not an IPv4 range/],
    ['{"Network":"fd00::/64"}', /Network is not an IPv4 range/],
    ['{"Network":"10.0.0.0/8","EnableIPv6":true}', /EnableIPv6/],
    ['{"Network":"10.0.0.0/8","Netwrk":1}', /"Netwrk", which is not known/],
    ['{"Network":"10.0.0.0/8","Backend":{"Type":"ipip"}}', /"ipip" is not vxlan, host-gw or/],
    ['{"Network":"10.0.0.0/8","Backend":{"Type":"vxlan","VNI":16777216}}', /Backend\.VNI 16777216/],
    ['{"Network":"10.0.0.0/8","Backend":{"Type":"vxlan","GBP":true}}', /Backend\.GBP is not supp/],
    ['{"Network":"10.0.0.0/8","Backend":{"Type":"vxlan","Vnl":1}}', /Backend has the field "Vnl"/],
    ['{"Network":"10.0.0.0/8","Backend":{"Type":"host-gw","VNI":1}}', /Backend has the field "V/],
  ])("%s is refused by name", (text, message) => {
    expect(() => parseNetConf(text, "net-conf.json")).toThrow(message);
  });

  test("flannel's own manifest is read", () => {
    const text = '{"Network":"10.244.0.0/16","EnableNFTables":false,"Backend":{"Type":"vxlan"}}';
    expect(parseNetConf(text, "net-conf.json").backend).toEqual({
      type: "vxlan",
      vni: 1,
      port: 8472,
      directRouting: false,
      checksumOffload: true,
      mtu: undefined,
    });
  });
});

test("a node's hardware address is always the same, and its own", () => {
  expect(vtepMac("n1")).toBe(vtepMac("n1"));
  expect(vtepMac("n1")).not.toBe(vtepMac("n2"));
  expect(Number.parseInt(vtepMac("n1").slice(0, 2), 16) & 3).toBe(2);
});
