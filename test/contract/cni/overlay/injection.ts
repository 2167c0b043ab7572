import { createSocket, type Socket } from "node:dgram";
import { createNetns, deleteNetns, inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { addAddress } from "@raft2kube/linux/netlink/address.ts";
import { createVeth, getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { replaceRoute } from "@raft2kube/linux/netlink/route.ts";
import { addressBytes } from "@raft2kube/linux/socket/address-bytes.ts";
import { bindUdp } from "@raft2kube/linux/socket/socket.ts";
import { OverlayNetwork } from "@raft2kube/overlay/apply.ts";
import { waitFor } from "../../../../testing/wait.ts";
import { ethernet, openRaw, udp4 } from "../frames.ts";
import { HOST, type Machine, patience } from "./underlay.ts";

const VXLAN_PORT = 8472;
const UDP = 17;
/** The port to which `udp4` sends (RFC 863). */
const DISCARD_PORT = 9;

/** A UDP socket in a namespace. */
export function udpIn(netns: string, address: string, port = 0): Socket {
  const socket = createSocket("udp4");
  return socket.bind({ fd: inNetns(netns, () => bindUdp(address, port)) });
}

/**
 * Builds a packet that a node sends by VXLAN with VNI 1: a frame with a UDP packet, from any
 * source.
 */
export function frame(to: {
  mac: string;
  source: string;
  address: string;
  port: number;
  text: string;
}): Buffer {
  const text = Buffer.from(to.text);
  const vxlan = Buffer.from([8, 0, 0, 0, 0, 0, 1, 0]);
  const ethernet = Buffer.from(`${to.mac.replaceAll(":", "")}0200000000090800`, "hex");
  const ip = Buffer.alloc(20);
  ip.writeUInt16BE(0x4500, 0);
  ip.writeUInt16BE(28 + text.length, 2);
  ip.set([64, UDP], 8);
  addressBytes(to.source).copy(ip, 12);
  addressBytes(to.address).copy(ip, 16);
  ip.writeUInt16BE(checksum(ip), 10);
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(to.port, 0);
  udp.writeUInt16BE(to.port, 2);
  udp.writeUInt16BE(8 + text.length, 4);
  return Buffer.concat([vxlan, ethernet, ip, udp, text]);
}

function checksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** An address in a namespace. */
export type Sender = { readonly netns: string; readonly address: string };

/** Sends a frame to a machine's VXLAN port. */
export async function inject({ netns, address }: Sender, to: string, bytes: Buffer): Promise<void> {
  const socket = udpIn(netns, address);
  await new Promise<void>((resolve, reject) => {
    socket.send(bytes, VXLAN_PORT, to, (error) => (error ? reject(error) : resolve()));
  });
  socket.close();
}

/**
 * Sends packets that are not encapsulated from one machine to a pod of another, with the source
 * `forged` and then the host's; returns the sources that arrived when the host's has.
 */
export async function plainArrivals(
  from: Machine,
  to: Machine,
  pod: Sender,
  forged: string,
): Promise<string[]> {
  const macOf = ({ netns }: Machine) => new OverlayNetwork(netns).find("eth0")?.mac ?? "";
  const found = new Set<string>();
  const socket = udpIn(pod.netns, pod.address, DISCARD_PORT);
  socket.on("message", (text) => void found.add(text.toString()));
  const raw = openRaw(from.netns, "eth0");
  const isFound = () => {
    for (const source of [forged, HOST.address]) {
      const packet = udp4(source, pod.address, source);
      raw.send(ethernet(macOf(to), macOf(from), 0x0800, packet));
    }
    return found.has(HOST.address);
  };
  await waitFor("the host's packet", isFound, patience);
  raw.close();
  socket.close();
  return [...found];
}

/** A namespace behind a machine with an address of its range, as a pod has. */
export function attachPod({ netns, podCidr, dir }: Machine) {
  const pod = { netns: `${dir}-pod`, address: podCidr.replace("0/24", "5") };
  const gateway = podCidr.replace("0/24", "1");
  createNetns(pod.netns);
  inNetns(netns, () => {
    using route = openRoute();
    createVeth(route, { name: "pod0", up: true }, { name: "eth0", netns: pod.netns, up: true });
    addAddress(route, getLink(route, "pod0").index, `${gateway}/24`);
  });
  inNetns(pod.netns, () => {
    using route = openRoute();
    const { index } = getLink(route, "eth0");
    addAddress(route, index, `${pod.address}/24`);
    replaceRoute(route, { to: "0.0.0.0/0", via: gateway, link: index });
  });
  return { ...pod, [Symbol.dispose]: () => deleteNetns(pod.netns) };
}
