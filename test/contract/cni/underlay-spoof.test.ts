import { join } from "node:path";
import { createNode, deleteNode, type NodeLink } from "@raft2kube/cni/node/node.ts";
import { guardPodSources } from "@raft2kube/cni/node/port-guard.ts";
import { createUnderlay, deleteUnderlay, macOf } from "@raft2kube/cni/node/underlay.ts";
import { listRuleset } from "@raft2kube/linux/netfilter/nft.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHostNetwork, type HostNetwork } from "../../../testing/network/host-network.ts";
import { waitFor } from "../../../testing/wait.ts";
import { arp, BROADCAST, ethernet, icmp6, openRaw, type RawLink, tooBig4, udp4 } from "./frames.ts";

const [IP, IP6, ARP, VLAN] = [0x0800, 0x86dd, 0x0806, 0x8100];
/** ICMPv6's type of an echo request. */
const ECHO = 128;
const [HOST, OWN, OTHER] = ["10.200.0.1", "10.200.0.2", "10.200.0.3"];
const [MAC, OTHER_MAC] = [macOf(OWN), macOf(OTHER)];
const RANGES = {
  hostAddress: HOST,
  nodeRange: "10.200.0.0/24",
  podCidr: "10.244.0.0/16",
  serviceCidr: "10.96.0.0/16",
  dnsAddress: "10.96.0.10",
};

let net: HostNetwork;
let nodes: NodeLink[];
let [attacker, victim]: RawLink[] = [];
const underlay = () => ({
  ...RANGES,
  name: "one",
  hostDevice: "r2k-one",
  netnsPath: join(net.root, "underlay"),
  gateway: OWN,
});

beforeAll(async () => {
  net = createHostNetwork();
  await createUnderlay(underlay());
  nodes = [OWN, OTHER].map((nodeAddress, index) => ({
    ...RANGES,
    nodeAddress,
    port: `${index}-node`,
    underlayNetns: underlay().netnsPath,
    netnsPath: join(net.root, `node-${index}`),
  }));
  for (const node of nodes) await createNode(node);
  [attacker, victim] = nodes.map(({ netnsPath }) => openRaw(netnsPath, "eth0"));
});
afterAll(async () => {
  for (const raw of [attacker, victim]) raw?.close();
  for (const node of nodes) await deleteNode(node);
  await deleteUnderlay(underlay());
  net.close();
});

/** Whether a frame of the attacker arrives, which is known once a later frame has. */
async function arrives(frame: Buffer): Promise<boolean> {
  const [from, to] = [attacker!, victim!];
  to.receive();
  from.send(frame);
  const marker = udp4(OWN, OTHER, `marker ${Math.random()}`);
  from.send(ethernet(OTHER_MAC, MAC, IP, marker));
  const seen: Buffer[] = [];
  await waitFor("the frame after it", () => {
    seen.push(...to.receive());
    return seen.some((each) => each.subarray(14, 14 + marker.length).equals(marker)) || undefined;
  });
  // The tag of a VLAN does not come with the frame (packet(7), PACKET_AUXDATA).
  const tagged = frame.readUInt16BE(12) === VLAN;
  const bare = tagged ? Buffer.concat([frame.subarray(0, 12), frame.subarray(16)]) : frame;
  return seen.some((each) => each.subarray(0, bare.length).equals(bare));
}

const claim = (ip: string, mac = MAC) =>
  ethernet(BROADCAST, MAC, ARP, arp(2, { mac, ip }, { mac, ip }));

describe("a node on the underlay", () => {
  test.each([
    ["a datagram from its address", ethernet(OTHER_MAC, MAC, IP, udp4(OWN, OTHER, "hello"))],
    [
      "a datagram from a pod's address",
      ethernet(OTHER_MAC, MAC, IP, udp4("10.244.1.2", OTHER, "hello")),
    ],
    [
      "a datagram from a Service's address",
      ethernet(OTHER_MAC, MAC, IP, udp4("10.96.0.10", OTHER, "hello")),
    ],
    [
      "an ICMP error about what was sent to it",
      ethernet(OTHER_MAC, MAC, IP, tooBig4(OWN, OTHER, [OTHER, OWN])),
    ],
    [
      "an ICMP error about what was sent to a pod",
      ethernet(OTHER_MAC, MAC, IP, tooBig4(OWN, OTHER, [OTHER, "10.244.1.2"])),
    ],
    ["an ARP announcement", claim(OWN)],
    ["an ARP request from a Service's address", claim("10.96.0.10")],
  ])("sends %s", async (_what, frame) => {
    expect(await arrives(frame)).toBe(true);
  });

  test.each([
    [
      "a datagram from another hardware address",
      ethernet(OTHER_MAC, macOf(HOST), IP, udp4(OWN, OTHER, "hello")),
    ],
    [
      "a datagram from the host's address",
      ethernet(OTHER_MAC, MAC, IP, udp4(HOST, OTHER, "hello")),
    ],
    // The receiver takes the MTU for that address.
    [
      "an ICMP error about what was sent to the host",
      ethernet(OTHER_MAC, MAC, IP, tooBig4(OWN, OTHER, [OTHER, HOST])),
    ],
    [
      "an ICMP error about what was sent to another node, as by a router",
      ethernet(OTHER_MAC, MAC, IP, tooBig4("192.0.2.1", OTHER, [OTHER, "10.200.0.9"])),
    ],
    [
      "the first fragment of an ICMP error",
      ethernet(OTHER_MAC, MAC, IP, tooBig4(OWN, OTHER, [OTHER, OWN], 7)),
    ],
    ["an announcement of the host's address, where the API is", claim(HOST)],
    ["an announcement of another node's address", claim("10.200.0.9")],
    ["an answer with another's hardware address", claim(OWN, macOf(HOST))],
    [
      "IPv6, of which nodes have no addresses there",
      ethernet(OTHER_MAC, MAC, IP6, icmp6("fe80::1", "fe80::2", ECHO, Buffer.alloc(8))),
    ],
    [
      "a tagged announcement of the host's address",
      ethernet(
        BROADCAST,
        MAC,
        VLAN,
        Buffer.concat([Buffer.from([0, 0, 8, 6]), claim(HOST).subarray(14)]),
      ),
    ],
  ])("does not send %s", async (_what, frame) => {
    expect(await arrives(frame)).toBe(false);
  });

  test("makes few entries in another's table of neighbours", async () => {
    const sent = 1_000;
    const arrived = Array.from({ length: sent }, (_, i) => {
      const sender = { mac: MAC, ip: `198.18.${i >> 8}.${i & 255}` };
      const request = arp(1, sender, { mac: OTHER_MAC, ip: OTHER });
      attacker!.send(ethernet(OTHER_MAC, MAC, ARP, request));
      return victim!.receive().filter((frame) => frame.includes(request)).length;
    });
    const count = arrived.reduce((sum, each) => sum + each, 0);
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(sent / 2);
  });

  test("sends, of pods' addresses, those of its own pods alone", async () => {
    const ranges = { "10.244.1.0/24": OWN, "10.244.2.0/24": OTHER };
    const guard = (of: Record<string, string>) =>
      guardPodSources(underlay().netnsPath, RANGES.podCidr, new Map(Object.entries(of)));
    const sends = (from: string) =>
      arrives(ethernet(OTHER_MAC, MAC, IP, udp4(from, OTHER, "hello")));
    await guard(ranges);
    await createNode(nodes[0]!);
    expect(await sends("10.244.1.2")).toBe(true);
    for (const other of ["10.244.2.2", "10.244.9.2"]) expect(await sends(other)).toBe(false);
    expect(await sends("10.96.0.10")).toBe(true);
    // Not known yet whose they are.
    await guard({});
    expect(await sends("10.244.2.2")).toBe(true);
  });

  test("loses its rules with its port", async () => {
    const [, second] = nodes as [NodeLink, NodeLink];
    const chains = async () =>
      (await listRuleset(["chains", "netdev"], { netns: second.underlayNetns })).filter(
        (object) => "chain" in object,
      ).length;
    // That of the sources of pods among them.
    expect(await chains()).toBe(3);
    const third = {
      ...second,
      port: "third",
      nodeAddress: "10.200.0.4",
      netnsPath: join(net.root, "node-3"),
    };
    await createNode(third);
    await createNode(third);
    expect(await chains()).toBe(4);
    await deleteNode(third);
    await deleteNode(third);
    expect(await chains()).toBe(3);
  });
});
