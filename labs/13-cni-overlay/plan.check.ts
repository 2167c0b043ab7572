import { OverlayError } from "@raft2kube/overlay/errors.ts";
import { type OverlayPlan, planOverlay, type Underlay } from "@raft2kube/overlay/plan.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { addressesOf, inputOf, netConf, nodeOf, VXLAN_PORT } from "./machines.ts";

const UNDERLAY: Underlay = {
  index: 2,
  name: "eth0",
  mtu: 1500,
  address: addressesOf(1).address,
  connected: ["192.0.2.0/24"],
};
const [TWO, THREE] = [addressesOf(2), addressesOf(3)];

const NODES = [nodeOf(1), nodeOf(2), nodeOf(3)];
const planOn1 = (nodes = NODES, conf = netConf(), underlay = UNDERLAY) =>
  planOverlay({ ...inputOf(1, nodes, conf), underlay });

/** The four tables as `ip` and `bridge` print them. */
function tablesOf({ routes, neighbours, forwarding }: OverlayPlan): Record<string, string[]> {
  const linkOf = { device: "dev flannel.1 onlink", underlay: "dev eth0" };
  return {
    route: routes.map(({ to, via = "none", by }) => `${to} via ${via} ${linkOf[by]}`),
    neighbour: neighbours.map(({ address, mac }) => `${address} lladdr ${mac}`),
    fdb: forwarding.map(({ address, mac }) => `${mac} dst ${address}`),
  };
}

function judgeTables(
  when: string,
  plan: OverlayPlan,
  expected: Record<string, readonly string[]>,
  why: Record<string, string>,
): void {
  const found = tablesOf(plan);
  for (const [table, lines] of Object.entries(expected)) {
    const wanted = [...lines].sort().join("; ") || "nothing";
    const happened = [...(found[table] ?? [])].sort().join("; ") || "nothing";
    judge(happened === wanted, {
      when: `${when}: ${table}`,
      expected: wanted,
      happened,
      why: why[table] ?? "",
    });
  }
}

const WHY = {
  route: "the kernel looks up the pod's address: its node's range has one gateway, on the link",
  neighbour: "nobody answers ARP on this link: the gateway's hardware address must be known",
  fdb: "the link sends a frame to the node that its hardware address belongs to",
};

check("plan: what a tunnel adds is taken from the pods' MTU", () => {
  const udp = netConf({ Type: "udp" });
  for (const [eth0, expected] of [
    [1500, 1472],
    [604, 576],
  ] as const) {
    const { mtu } = planOn1([], udp, { ...UNDERLAY, mtu: eth0 });
    judge(mtu === expected, {
      when: `back end udp, which adds 28 bytes; eth0 has ${eth0}`,
      expected: `${expected} for the pods' links`,
      happened: `${mtu}`,
      why: "a packet that is too long once it is wrapped is dropped in silence",
    });
  }
  const refused = refusalOf(() => planOn1([], udp, { ...UNDERLAY, mtu: 600 }));
  judge(/^mtu-too-small: .*eth0.*; .*604/.test(refused), {
    when: "eth0 has 600 bytes, which leave 572",
    expected:
      "OverlayError mtu-too-small, as every host must take 576 bytes (RFC 791); it names eth0, " +
      "and its remedy the 604 bytes that would do",
    happened: refused,
    why: "the Node's condition tells the administrator, instead of connections that hang",
  });
});

check("plan: what VXLAN adds is taken from the pods' MTU", () => {
  const cases = [
    { when: "eth0 has 1500 bytes", eth0: 1500, backend: {}, expected: 1450 },
    { when: "eth0 has 9000 bytes", eth0: 9000, backend: {}, expected: 8950 },
    { when: "Backend.MTU is 1400", eth0: 1500, backend: { MTU: 1400 }, expected: 1350 },
    { when: "eth0 has 626 bytes", eth0: 626, backend: {}, expected: 576 },
  ];
  for (const { when, eth0, backend, expected } of cases) {
    const { mtu, device } = planOn1([], netConf(backend), { ...UNDERLAY, mtu: eth0 });
    judge(mtu === expected && device?.mtu === expected, {
      when,
      expected: `${expected} for the pods' links and for flannel.1`,
      happened: `${mtu} for pods, ${device?.mtu} for flannel.1`,
      why: "Ethernet 14, VXLAN 8, UDP 8, IPv4 20: a packet that is too long is dropped in silence",
    });
  }
});

function refusalOf(plan: () => OverlayPlan): string {
  try {
    return `a plan with ${plan().mtu} bytes`;
  } catch (thrown) {
    if (thrown instanceof OverlayError) {
      return `${thrown.code}: ${thrown.message}; remedy: ${thrown.remedy}`;
    }
    throw thrown;
  }
}

check("plan: each other node has a route, a neighbour and a forwarding entry", () => {
  const plan = planOn1();
  judgeTables(
    "node n1 of three",
    plan,
    {
      route: [TWO, THREE].map(({ podCidr, vtep }) => `${podCidr} via ${vtep} dev flannel.1 onlink`),
      neighbour: [TWO, THREE].map(({ vtep, mac }) => `${vtep} lladdr ${mac}`),
      fdb: [TWO, THREE].map(({ address, mac }) => `${mac} dst ${address}`),
    },
    WHY,
  );
  const { device, encapsulation } = plan;
  const found =
    device &&
    `${device.name} ${device.mac} ${device.local}:${device.port} ` +
      `VNI ${device.vni} on link ${device.underlay}, ${device.address}`;
  const expected = `flannel.1 ${addressesOf(1).mac} 192.0.2.1:${VXLAN_PORT} VNI 1 on link 2, 10.244.1.0/32`;
  judge(found === expected, {
    when: "the link of n1",
    expected,
    happened: found ?? "no link",
    why: "one link serves all peers, and its name and numbers are flannel's: either takes over",
  });
  const admitted = encapsulation?.nodes.join() ?? "none";
  judge(admitted === "192.0.2.2,192.0.2.3" && encapsulation?.port === VXLAN_PORT, {
    when: "the nodes whose encapsulated packets are admitted",
    expected: `192.0.2.2,192.0.2.3 at port ${VXLAN_PORT}`,
    happened: `${admitted} at port ${encapsulation?.port}`,
    why: "VXLAN has no authentication: the guard drops what comes from other addresses",
  });
});

check("plan: direct routing takes the tunnel only to nodes behind a gateway", () => {
  const far = nodeOf(3, { address: "198.51.100.3" });
  const plan = planOn1([nodeOf(1), nodeOf(2), far], netConf({ DirectRouting: true }));
  judgeTables(
    "DirectRouting; n2 is on the subnet of eth0, n3 is not",
    plan,
    {
      route: [
        `${TWO.podCidr} via ${TWO.address} dev eth0`,
        `${THREE.podCidr} via ${THREE.vtep} dev flannel.1 onlink`,
      ],
      neighbour: [`${THREE.vtep} lladdr ${THREE.mac}`],
      fdb: [`${THREE.mac} dst 198.51.100.3`],
    },
    { ...WHY, route: "without encapsulation a packet costs less and keeps its 1500 bytes" },
  );
  const admitted = plan.encapsulation?.nodes.join() ?? "none";
  judge(admitted === `${TWO.address},198.51.100.3`, {
    when: "DirectRouting: the nodes whose encapsulated packets are admitted",
    expected: `${TWO.address},198.51.100.3`,
    happened: admitted,
    why: "n2 sends by the tunnel as long as its own configuration has no DirectRouting",
  });
});

check("plan: a Node cannot take over another's range, address or link", () => {
  const base = [nodeOf(1), nodeOf(2)];
  const stolenMac = nodeOf(3);
  stolenMac.metadata.annotations = {
    ...stolenMac.metadata.annotations,
    "flannel.alpha.coreos.com/backend-data": JSON.stringify({ VNI: 1, VtepMAC: TWO.mac }),
  };
  const cases = [
    { when: "n3 has half of n2's range", node: nodeOf(3, { podCidr: "10.244.2.128/25" }) },
    { when: "n3 has a range around n2's", node: nodeOf(3, { podCidr: "10.244.2.0/23" }) },
    { when: "n3 has this node's range", node: nodeOf(3, { podCidr: "10.244.1.0/24" }), of: "n1" },
    { when: "n3 publishes n2's address", node: nodeOf(3, { address: TWO.address }) },
    {
      when: "n3 publishes this node's address",
      node: nodeOf(3, { address: UNDERLAY.address }),
      of: "n1",
    },
    { when: "n3 publishes the hardware address of n2's link", node: stolenMac },
  ];
  for (const { when, node, of = "n2" } of cases) {
    const { routes, problems } = planOn1([...base, node]);
    const to = routes.map((route) => route.to).join() || "none";
    const isNamed = problems.some((text) => text.includes("Node n3:") && text.endsWith(of));
    judge(to === TWO.podCidr && isNamed, {
      when,
      expected: `a route to ${TWO.podCidr} alone, and a problem of n3 that names ${of}`,
      happened: `routes to ${to}; problems: ${problems.join("; ") || "none"}`,
      why: "a node changes its own Node object: one that was broken into would get others' packets",
    });
  }
  const on3 = planOverlay({
    ...inputOf(3, NODES),
    underlay: { ...UNDERLAY, address: THREE.address },
  });
  judge(on3.routes.length === 2 && on3.problems.length === 0, {
    when: "on n3, whose range comes after those of n1 and n2",
    expected: "routes to both, and no problem",
    happened: `${on3.routes.length} routes; problems: ${on3.problems.join("; ") || "none"}`,
    why: "ranges conflict if they have an address in common, whichever begins first",
  });
  const conf = netConf({ Type: "host-gw" });
  const { routes, problems } = planOn1(
    [1, 2, 3].map((index) => nodeOf(index, { conf })),
    conf,
  );
  judge(routes.length === 2 && problems.length === 0, {
    when: "host-gw: no node publishes a hardware address",
    expected: "routes to both other nodes, and no problem",
    happened: `${routes.length} routes; problems: ${problems.join("; ") || "none"}`,
    why: "a hardware address that two nodes lack is nothing that they share",
  });
});
