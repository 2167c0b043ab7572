import { execFile, execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { placeAt } from "@raft2kube/cni/lib/own-table.ts";
import {
  CONNECTION_SHARES,
  CONNECTS_BURST,
  CONNECTS_PER_SECOND,
  QUERIES_BURST,
  QUERIES_PER_SECOND,
  SUSPECT_SHARES,
} from "@raft2kube/cni/limits.ts";
import {
  boundConnectionsByIptables,
  connectionBounds,
  hostConnectionBounds,
} from "@raft2kube/cni/node/connection-bound.ts";
import { createNode, deleteNode, type NodeLink } from "@raft2kube/cni/node/node.ts";
import {
  createUnderlay,
  deleteUnderlay,
  macOf,
  type Underlay,
} from "@raft2kube/cni/node/underlay.ts";
import { enterNetns, inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { listFlows } from "@raft2kube/linux/netfilter/conntrack.ts";
import { deleteTable, listRuleset } from "@raft2kube/linux/netfilter/nft.ts";
import { addAddress } from "@raft2kube/linux/netlink/address.ts";
import { createVeth, getLink, openRoute, setLink } from "@raft2kube/linux/netlink/link.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHostNetwork, type HostNetwork } from "../../../testing/network/host-network.ts";
import { ethernet, openRaw, udp4 } from "../../contract/cni/frames.ts";

const NODE = "10.244.0.1";
const GREEDY = "10.244.0.2";
const MODEST = "10.244.0.3";
const LARGE = "10.244.0.4";
const ASKING = "10.244.0.5";
const ASKING_SERVICE = "10.244.0.6";
const GREEDY_IN_GUEST = "10.244.0.7";
const BOUND = 256;
/** Size of the table of which it is a pod's part. */
const TABLE = String(CONNECTION_SHARES * BOUND);
const FLOWS = 4_000;
const QUERIES = 20_000;
const CONNECTS = 5_000;
/** More fragments than the kernel's default memory of them has room for, 2 KiB each. */
const INCOMPLETE = 4_000;

let net: HostNetwork;
let pods: string;
let underlay: Underlay;
let link: NodeLink;

beforeAll(async () => {
  net = createHostNetwork();
  const ranges = {
    hostAddress: "10.200.0.1",
    nodeRange: "10.200.0.0/24",
    podCidr: "10.244.0.0/16",
    serviceCidr: "10.96.0.0/16",
    dnsAddress: "10.96.0.10",
  };
  const nodeAddress = "10.200.0.2";
  const underlayNetns = join(net.root, "run", "netns", "underlay");
  underlay = {
    name: "bound",
    netnsPath: underlayNetns,
    hostDevice: "r2k-bound",
    gateway: nodeAddress,
    ...ranges,
  };
  const netnsPath = join(net.root, "run", "netns", "node");
  link = { netnsPath, underlayNetns, port: "node", nodeAddress, ...ranges };
  await createUnderlay(underlay);
  await createNode(link);
  pods = net.container();
  inNetns(link.netnsPath, () => {
    using route = openRoute();
    createVeth(route, { name: "pods", up: true }, { name: "eth0", up: true, netns: pods });
    const { index } = getLink(route, "pods");
    addAddress(route, index, `${NODE}/24`);
    setLink(route, { index }, { up: true });
    // As in IPVS mode, which translates it later.
    addAddress(route, getLink(route, "lo").index, `${link.dnsAddress}/32`);
  });
  inNetns(pods, () => {
    using route = openRoute();
    const { index } = getLink(route, "eth0");
    for (const address of [GREEDY, MODEST, LARGE, ASKING, ASKING_SERVICE, GREEDY_IN_GUEST])
      addAddress(route, index, `${address}/24`);
    for (const address of [link.nodeAddress, link.dnsAddress])
      execFileSync("ip", ["route", "add", address, "via", NODE]);
  });
});
afterAll(async () => {
  await deleteNode(link);
  await deleteUnderlay(underlay);
  net.close();
});

/** Runs a program of Node where the pods are. */
const runAsPod = (script: string): Promise<void> =>
  new Promise((resolve, reject) => {
    inNetns(pods, () => {
      execFile(process.execPath, ["-e", script], (thrown) => (thrown ? reject(thrown) : resolve()));
    });
  });

/** Sends a datagram to each of `count` ports of the node: a new connection each. */
function sendFrom(address: string, count: number, bytes = 1): Promise<void> {
  const script = `
    const socket = require("node:dgram").createSocket("udp4");
    socket.bind(0, "${address}", async () => {
      for (let port = 1024; port < 1024 + ${count}; port++) {
        await new Promise((sent) => socket.send("x".repeat(${bytes}), port, "${NODE}", sent));
      }
      socket.close();
    });`;
  return runAsPod(script);
}

/** Sends `count` datagrams to the port of the node's DNS, at an address of it. */
function flood(address: string, to: string, count: number): Promise<void> {
  const script = `
    const socket = require("node:dgram").createSocket("udp4");
    socket.bind(0, "${address}", async () => {
      for (let n = 0; n < ${count}; n += 100) {
        await Promise.all(Array.from({ length: 100 }, () =>
          new Promise((sent) => socket.send("x", 53, "${to}", sent))));
      }
      socket.close();
    });`;
  return runAsPod(script);
}

/** Opens `count` connections to the port of the node's kubelet, and leaves each. */
function connectFrom(address: string, count: number): Promise<void> {
  const script = `
    const { connect } = require("node:net");
    const turn = () => new Promise((done) => setImmediate(done));
    const options = { host: "${link.nodeAddress}", port: 10250, localAddress: "${address}" };
    (async () => {
      for (let n = 0; n < ${count}; n += 100) {
        const all = Array.from({ length: 100 }, () => connect(options).on("error", () => {}));
        for (let turns = 0; turns < 3; turns++) await turn();
        for (const socket of all) socket.destroy();
      }
    })();`;
  return runAsPod(script);
}

/** A counter of the node: of packets to ports without a socket, as nothing listens there. */
const countOf = (protocol: "Udp" | "Tcp", name: string) =>
  inNetns(link.netnsPath, () => {
    const text = readFileSync("/proc/thread-self/net/snmp", "utf8");
    const [names, values] = text.split("\n").filter((line) => line.startsWith(`${protocol}:`));
    return Number(values!.split(" ")[names!.split(" ").indexOf(name)]);
  });
const unclaimed = () => countOf("Udp", "NoPorts");
const refused = () => countOf("Tcp", "OutRsts");

const connectionsOf = (address: string) =>
  inNetns(link.netnsPath, () => listFlows("udp")).filter(
    ({ original }) => original.source === address,
  ).length;

test("a node bounds the connections of its pods", async () => {
  const rules = await listRuleset(["table", "ip", "r2k-connections"], { netns: link.netnsPath });
  expect(JSON.stringify(rules)).toContain('"ct count"');
});

test("a pod above its bound gets no new connection, another pod does", async () => {
  const ofNode = { podCidr: link.podCidr, hostMac: macOf(link.hostAddress) };
  expect(await connectionBounds(placeAt(link.netnsPath), ofNode, TABLE)()).toBe(true);
  await sendFrom(GREEDY, FLOWS);
  const greedy = connectionsOf(GREEDY);
  // One of 16 is counted, at random: that it takes four times the bound happens once in 10^9.
  expect(greedy).toBeLessThan(4 * BOUND);
  await sendFrom(MODEST, 16);
  expect(connectionsOf(MODEST)).toBe(16);
});

test("nor does it get some each time that it tries again", async () => {
  for (let times = 0; times < 2; times++) {
    const isPast = async () => {
      const over = ["set", "ip", "r2k-connections", "over"];
      return !JSON.stringify(await listRuleset(over, { netns: link.netnsPath })).includes(GREEDY);
    };
    await waitFor("the end of its pause", isPast, { clock: systemClock() });
    const before = connectionsOf(GREEDY);
    await sendFrom(GREEDY, FLOWS);
    // Some end meanwhile.
    expect(connectionsOf(GREEDY) - before).toBeLessThan(BOUND / SUSPECT_SHARES + 2);
  }
});

/** Sends datagrams as another node would, from ever other sources. */
function sendFromNode(
  netns: string,
  device: string,
  way: { from: string; by: string; to: string },
) {
  const raw = openRaw(netns, device);
  for (let source = 0; source < FLOWS; source++) {
    const packet = udp4(`198.18.${source >> 8}.${source & 255}`, way.to, "");
    raw.send(ethernet(macOf(way.by), macOf(way.from), 0x0800, packet));
  }
  raw.close();
}

test("a node that names ever other sources leaves the host and others connections", async () => {
  expect(await hostConnectionBounds("r2k-test", underlay, TABLE)()).toBe(true);
  const onHost = () => listFlows("udp").length;
  const onNode = () => inNetns(link.netnsPath, onHost);
  const ways = [
    [onHost, link.netnsPath, "eth0", link.nodeAddress, underlay.hostAddress, "10.244.0.9"],
    [onNode, underlay.netnsPath, "node", "10.200.0.3", link.nodeAddress, link.nodeAddress],
  ] as const;
  for (const [count, netns, device, from, by, to] of ways) {
    const before = count();
    sendFromNode(netns, device, { from, by, to });
    // Three quarters of the table, twice over as one of 16 is counted.
    expect(count() - before).toBeLessThan(2 * 6 * BOUND);
  }
});

test.each([
  ["the node's address", ASKING, () => link.nodeAddress],
  ["the Service's, which is local in IPVS mode", ASKING_SERVICE, () => link.dnsAddress],
])("a flood of queries from a pod to %s is dropped before a socket", async (_to, pod, address) => {
  const to = address();
  const begin = performance.now();
  const before = unclaimed();
  await flood(pod, to, QUERIES);
  const allowed = QUERIES_BURST + (QUERIES_PER_SECOND * (performance.now() - begin)) / 1_000;
  const arrived = unclaimed() - before;
  expect(arrived).toBeGreaterThan(QUERIES_BURST / 2);
  expect(arrived).toBeLessThan(allowed + 100);
  await flood(MODEST, to, 100);
  expect(unclaimed() - before - arrived).toBe(100);
});

test("a flood of connections from a pod to the kubelet is dropped before its queue", async () => {
  const begin = performance.now();
  const before = refused();
  await connectFrom(ASKING, CONNECTS);
  const allowed = CONNECTS_BURST + (CONNECTS_PER_SECOND * (performance.now() - begin)) / 1_000;
  const arrived = refused() - before;
  expect(arrived).toBeGreaterThan(CONNECTS_BURST / 2);
  expect(arrived).toBeLessThan(allowed + 50);
  await connectFrom(MODEST, 100);
  expect(refused() - before - arrived).toBe(100);
});

test("a pod's incomplete fragments keep no large datagrams of others away", async () => {
  const [to, from] = [link.netnsPath, pods].map((netns, at) =>
    inNetns(netns, () => {
      using route = openRoute();
      return getLink(route, ["pods", "eth0"][at]!).mac;
    }),
  );
  const raw = openRaw(pods, "eth0");
  for (let id = 0; id < INCOMPLETE; id++) {
    raw.send(ethernet(to!, from!, 0x0800, udp4(GREEDY, NODE, "x".repeat(1_000), id)));
  }
  raw.close();
  await sendFrom(LARGE, 16, 4_000);
  expect(connectionsOf(LARGE)).toBe(16);
});

// The last: it takes the node's rules away.
test("a guest, without nftables, bounds its pods and other nodes alike", async () => {
  const own = { netns: link.netnsPath };
  await deleteTable("ip", "r2k-connections", own);
  const ofNode = { podCidr: link.podCidr, hostMac: macOf(link.hostAddress) };
  enterNetns(link.netnsPath);
  await boundConnectionsByIptables(ofNode, TABLE).finally(() => enterNetns(net.host));
  await sendFrom(GREEDY_IN_GUEST, FLOWS);
  const greedy = connectionsOf(GREEDY_IN_GUEST);
  expect(greedy).toBeLessThan(2 * BOUND);
  const over = "/proc/thread-self/net/xt_recent/r2k-pods-over";
  inNetns(link.netnsPath, () => writeFileSync(over, `-${GREEDY_IN_GUEST}`));
  await sendFrom(GREEDY_IN_GUEST, FLOWS);
  const added = connectionsOf(GREEDY_IN_GUEST) - greedy;
  expect(added).toBeGreaterThan(0);
  expect(added).toBeLessThan(BOUND / SUSPECT_SHARES + 2);
  const all = () => inNetns(link.netnsPath, () => listFlows("udp")).length;
  const before = all();
  const way = { from: "10.200.0.3", by: link.nodeAddress, to: link.dnsAddress };
  sendFromNode(underlay.netnsPath, "node", way);
  expect(all() - before).toBeGreaterThan(0);
  expect(all() - before).toBeLessThan(2 * 6 * BOUND);
});
