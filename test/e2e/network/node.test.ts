import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { restoreForwarding } from "@raft2kube/cni/node/forwarding.ts";
import { createNode, deleteNode, type NodeLink } from "@raft2kube/cni/node/node.ts";
import { applyRoutes, planRoutes } from "@raft2kube/cni/node/node-routes.ts";
import {
  createUnderlay,
  deleteUnderlay,
  egressRepair,
  type Underlay,
} from "@raft2kube/cni/node/underlay.ts";
import { inNetns, isNetns } from "@raft2kube/linux/namespace/netns.ts";
import { applyRuleset, listRuleset } from "@raft2kube/linux/netfilter/nft.ts";
import { listAddresses } from "@raft2kube/linux/netlink/address.ts";
import { deleteLink, getLink, listLinks, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { listNeighbours } from "@raft2kube/linux/netlink/neighbour.ts";
import { deleteRoute, listRoutes } from "@raft2kube/linux/netlink/route.ts";
import { readSysctl, writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createHostNetwork, type HostNetwork } from "../../../testing/network/host-network.ts";

let net: HostNetwork;
let before: unknown;

/** A cluster's network with its first node. */
type Network = { readonly underlay: Underlay; readonly node: NodeLink };

function network(name: string, slot: number): Network {
  const ranges = {
    hostAddress: `10.200.${slot}.1`,
    nodeRange: `10.200.${slot}.0/24`,
    podCidr: `10.${244 - slot}.0.0/16`,
    serviceCidr: `10.${96 + slot}.0.0/16`,
    dnsAddress: `10.${96 + slot}.0.10`,
  };
  const run = join(net.root, "run", name);
  const underlayNetns = join(run, "netns", "underlay");
  const gateway = `10.200.${slot}.2`;
  const hostDevice = `r2k-${name}`;
  return {
    underlay: { name, netnsPath: underlayNetns, hostDevice, gateway, ...ranges },
    node: {
      netnsPath: join(run, "netns", "node"),
      underlayNetns,
      port: "first",
      nodeAddress: gateway,
      ...ranges,
    },
  };
}

async function make({ underlay, node }: Network): Promise<void> {
  await createUnderlay(underlay);
  await createNode(node);
}

async function remove({ underlay, node }: Network): Promise<void> {
  await deleteNode(node);
  await deleteUnderlay(underlay);
}

/** Everything of the host that a node may touch. */
async function host(): Promise<unknown> {
  using route = openRoute();
  const tables = await listRuleset(["ruleset"]);
  return {
    links: listLinks(route).map(({ name, up }) => `${name} ${up}`),
    addresses: listAddresses(route)
      .map(({ cidr }) => cidr)
      .filter((cidr) => !/^fe80/.test(cidr)),
    routes: listRoutes(route)
      .map(({ to, via, source }) => `${to} ${via} ${source}`)
      .sort(),
    rules: tables.filter((object) => !("metainfo" in object)).map(withoutHandle),
    forward: readSysctl("net.ipv4.ip_forward"),
  };
}

/** Numbers that the kernel assigns again each time are not compared. */
function withoutHandle(object: object): string {
  return JSON.stringify(object, (key, value) => (key === "handle" ? undefined : value));
}

beforeAll(() => {
  net = createHostNetwork();
});
afterAll(() => net.close());

beforeEach(async () => {
  writeSysctl("net.ipv4.ip_forward", 0);
  before = await host();
});

test("deleting a cluster's network leaves the host as it was", async () => {
  const one = network("one", 0);
  await make(one);
  expect(await host()).not.toEqual(before);
  expect(readSysctl("net.ipv4.ip_forward")).toBe("1");
  await remove(one);
  expect(await host()).toEqual(before);
  expect(isNetns(one.node.netnsPath)).toBe(false);
  expect(isNetns(one.underlay.netnsPath)).toBe(false);
});

test("neither end of a node's link learns routes from the other", async () => {
  const one = network("one", 0);
  await make(one);
  for (const setting of ["ipv6/conf/*/accept_ra", "ipv4/conf/*/accept_redirects"]) {
    const read = (device: string) => readSysctl(`net/${setting.replace("*", device)}`);
    expect(read(one.underlay.hostDevice)).toBe("0");
    expect(inNetns(one.node.netnsPath, () => read("eth0"))).toBe("0");
    for (const port of ["first", "host", "br0"]) {
      expect(inNetns(one.underlay.netnsPath, () => read(port))).toBe("0");
    }
  }
  await remove(one);
});

test("making it again repairs what was lost, and changes nothing else", async () => {
  const one = network("one", 0);
  await make(one);
  const whole = await host();
  const ports = () =>
    inNetns(one.underlay.netnsPath, () => {
      using route = openRoute();
      const bridge = getLink(route, "br0").index;
      return listLinks(route)
        .filter((link) => link.master === bridge && link.up)
        .map(({ name }) => name)
        .sort();
    });
  expect(ports()).toEqual(["first", "host"]);
  await make(one);
  {
    using route = openRoute();
    deleteRoute(route, { to: one.underlay.serviceCidr, link: 0 });
  }
  inNetns(one.node.netnsPath, () => {
    using route = openRoute();
    deleteLink(route, "eth0");
  });
  await make(one);
  expect(await host()).toEqual(whole);
  expect(ports()).toEqual(["first", "host"]);
  {
    using route = openRoute();
    deleteLink(route, one.underlay.hostDevice);
  }
  await make(one);
  expect(await host()).toEqual(whole);
  expect(ports()).toEqual(["first", "host"]);
  await remove(one);
  expect(await host()).toEqual(before);
});

test("deleting what is half there, or not there, is no error", async () => {
  const one = network("one", 0);
  await make(one);
  {
    using route = openRoute();
    deleteLink(route, one.underlay.hostDevice);
  }
  await remove(one);
  await remove(one);
  await createUnderlay(one.underlay);
  await deleteUnderlay(one.underlay);
  await deleteNode(one.node);
  expect(await host()).toEqual(before);
});

test("what a start that was killed left in the namespace's place is no hindrance", async () => {
  const one = network("one", 0);
  await make(one);
  await remove(one);
  for (const path of [one.node.netnsPath, one.underlay.netnsPath]) writeFileSync(path, "");
  await make(one);
  expect(isNetns(one.node.netnsPath)).toBe(true);
  await remove(one);
});

test("two clusters share forwarding: it goes with the last one, whichever that is", async () => {
  const [one, two] = [network("one", 0), network("two", 1)];
  await make(one);
  await make(two);
  await remove(one);
  expect(readSysctl("net.ipv4.ip_forward")).toBe("1");
  await remove(two);
  expect(await host()).toEqual(before);
});

test.each([
  ["with their links", () => undefined],
  // Which go with the underlay's namespace while the cluster's mounts are removed.
  [
    "after the kernel has deleted their links",
    (cluster: ReturnType<typeof network>) => {
      using route = openRoute();
      deleteLink(route, cluster.underlay.hostDevice);
    },
  ],
])("two clusters removed at once, %s, leave forwarding as it was", async (_how, prepare) => {
  const both = [network("one", 0), network("two", 1)];
  for (const cluster of both) await make(cluster);
  both.forEach(prepare);
  await Promise.all(both.map(remove));
  expect(await host()).toEqual(before);
});

test("a cluster whose removal was interrupted counts again once it is started", async () => {
  const [one, two] = [network("one", 0), network("two", 1)];
  await make(one);
  await make(two);
  await restoreForwarding("r2k-one", "0");
  await make(one);
  await remove(two);
  expect(readSysctl("net.ipv4.ip_forward"), "the other cluster needs it").toBe("1");
  await remove(one);
  expect(await host()).toEqual(before);
});

test("the host's former forwarding is restored after a loss of all rules", async () => {
  const [one, two] = [network("one", 0), network("two", 1)];
  const flush = () => applyRuleset("flush ruleset\n");
  await make(one);
  await make(two);
  await flush();
  await remove(two);
  expect(readSysctl("net.ipv4.ip_forward"), "the other cluster needs it").toBe("1");
  await make(two);
  await flush();
  // As a control process does that has started since.
  expect(await egressRepair(one.underlay)()).toBe(true);
  expect(await listRuleset(["chain", "ip", "r2k-one", "forwarding-was-0"])).toHaveLength(2);
  await remove(one);
  expect(readSysctl("net.ipv4.ip_forward"), "the other cluster needs it").toBe("1");
  await flush();
  await remove(two);
  expect(await host()).toEqual(before);
});

test("a link's loss and then that of all rules leave the former forwarding known", async () => {
  const one = network("one", 0);
  await make(one);
  {
    using route = openRoute();
    deleteLink(route, one.underlay.hostDevice);
  }
  await make(one);
  await applyRuleset("flush ruleset\n");
  await remove(one);
  expect(await host()).toEqual(before);
});

test("a cluster of the same name in other folders is refused, and takes nothing away", async () => {
  const one = network("one", 0);
  await make(one);
  const whole = await host();
  const elsewhere = { ...one.underlay, netnsPath: join(net.root, "elsewhere/netns/underlay") };
  const other = { ...elsewhere, hostAddress: "10.200.1.1", nodeRange: "10.200.1.0/24" };
  await expect(createUnderlay(other)).rejects.toMatchObject({ code: "HOST_LINK_TAKEN" });
  await deleteUnderlay(other);
  expect(await host()).toEqual(whole);
  expect(await pings(one.node.netnsPath, one.underlay.hostAddress)).toBe(true);
  await remove(one);
  expect(await host()).toEqual(before);
});

test("a cluster whose addresses another one has is refused", async () => {
  const [one, same] = [network("one", 0), network("two", 0)];
  await make(one);
  const whole = await host();
  await expect(make(same)).rejects.toThrow(/10\.200\.0\.1 is that of its link r2k-one/);
  await remove(same);
  expect(await host()).toEqual(whole);
  await remove(one);
});

test("a host that forwarded before still does afterwards", async () => {
  const one = network("one", 0);
  writeSysctl("net.ipv4.ip_forward", 1);
  await make(one);
  await remove(one);
  expect(readSysctl("net.ipv4.ip_forward")).toBe("1");
});

test("nodes reach each other over the bridge; one that is deleted leaves the others", async () => {
  const one = network("one", 0);
  await make(one);
  const second = { ...one.node, ...named(one, "second", "10.200.0.3") };
  await createNode(second);
  const { hostAddress } = one.underlay;
  for (const [netns, to] of [
    [one.node.netnsPath, "10.200.0.3"],
    [second.netnsPath, "10.200.0.2"],
    [second.netnsPath, hostAddress],
  ] as const)
    expect(await pings(netns, to), to).toBe(true);
  const whole = await host();
  await deleteNode(second);
  expect(await host()).toEqual(whole);
  await createNode(second);
  expect(await pings(one.node.netnsPath, "10.200.0.3")).toBe(true);
  await deleteNode(second);
  await remove(one);
});

test("routes follow the nodes, and those of others stay", async () => {
  const one = network("one", 0);
  await make(one);
  const { hostDevice, hostAddress, nodeRange, podCidr, serviceCidr } = one.underlay;
  const routes = () => {
    using route = openRoute();
    const { index } = getLink(route, hostDevice);
    return listRoutes(route)
      .filter(({ link, via }) => link === index && via)
      .map(({ to, via }) => `${to} ${via}`)
      .sort();
  };
  /** Neighbours that the kernel keeps when their table is full. */
  const kept = () => {
    using route = openRoute();
    const { index } = getLink(route, hostDevice);
    const ours = listNeighbours(route, index).filter(({ protocol }) => protocol);
    return ours.map(({ address }) => address).sort();
  };
  const shared = [podCidr, serviceCidr];
  const node = (last: number, ready: boolean) => ({
    name: `n${last}`,
    address: `10.200.0.${last}`,
    podCidr: `10.244.${last}.0/24`,
    ready,
  });
  const scope = { nodeRange, podCidr, shared };
  const follow = (...nodes: ReturnType<typeof node>[]) =>
    applyRoutes(hostDevice, hostAddress, planRoutes(nodes, scope));
  follow(node(2, true), node(3, true));
  expect(routes()).toEqual([
    "10.244.0.0/16 10.200.0.2",
    "10.244.2.0/24 10.200.0.2",
    "10.244.3.0/24 10.200.0.3",
    "10.96.0.0/16 10.200.0.2",
  ]);
  expect(kept()).toEqual(["10.200.0.2", "10.200.0.3"]);
  const beside = await host();
  follow(node(2, true), node(3, true));
  expect(await host()).toEqual(beside);
  follow(node(3, true));
  expect(routes()).toEqual([
    "10.244.0.0/16 10.200.0.3",
    "10.244.3.0/24 10.200.0.3",
    "10.96.0.0/16 10.200.0.3",
  ]);
  expect(kept()).toEqual(["10.200.0.3"]);
  await remove(one);
  expect(await host()).toEqual(before);
});

/** Another node of the same network. */
function named({ underlay }: Network, port: string, nodeAddress: string) {
  return { port, nodeAddress, netnsPath: join(underlay.netnsPath, "..", `${port}.netns`) };
}

function pings(netns: string, to: string): Promise<boolean> {
  return new Promise((resolve) => {
    inNetns(netns, () => {
      const args = ["ping", "-c", "1", "-W", "5", to];
      return execFile("busybox", args, (error) => resolve(error === null)).pid;
    });
  });
}
