import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { PortMapping } from "@raft2kube/cni/lib/types.ts";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { readSysctl, writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { expect, test } from "vitest";
import { ADDRESSES, ask } from "../../../testing/network/host-network.ts";
import { type Bench, GATEWAY, type Implementation } from "./bench.ts";
import { ethernet, openRaw, udp4 } from "./frames.ts";

const IP = 0x0800;
const LOOPBACK = "127.0.0.1";
const BRIDGE_LOCALNET = "net/ipv4/conf/cni0/route_localnet";
/** The port that `udp4` sends to. */
const DISCARD = 9;

const onLoopback = (hostPort: number, hostIP = LOOPBACK): PortMapping[] => [
  { hostPort, containerPort: 80, protocol: "tcp", hostIP },
];

/** A port with a hostIP in 127.0.0.0/8 is the host's alone, and opens nothing else of it. */
export function loopbackPortsContract(bench: () => Bench, implementation: Implementation): void {
  test("reach the container from the host alone, by that address alone", async () => {
    const list = bench().conflist();
    const one = await bench().attach(list, { ports: onLoopback(8090) });
    const two = await bench().attach(list, { ports: onLoopback(8090, "127.0.0.2") });
    await bench().serve(one.netns, 80);
    const { host, outside } = bench().net;
    expect(await ask(host, LOOPBACK, 8090)).toBe(GATEWAY);
    expect(await ask(host, "127.0.0.2", 8090)).toBeUndefined(); // two serves nothing yet
    await bench().serve(two.netns, 80);
    expect(await ask(host, "127.0.0.2", 8090)).toBe(GATEWAY);
    expect(await ask(host, "127.0.0.3", 8090)).toBeUndefined();
    expect(await ask(host, ADDRESSES.host, 8090)).toBeUndefined();
    expect(await ask(outside, ADDRESSES.host, 8090)).toBeUndefined();
    expect(await ask(two.netns, GATEWAY, 8090)).toBeUndefined();
    await bench().cni.delNetworkList(list, one.attachment);
    expect(await ask(host, LOOPBACK, 8090)).toBeUndefined();
    expect(await ask(host, "127.0.0.2", 8090)).toBe(GATEWAY);
  });

  if (!implementation.ours) return;
  localnetContract(bench);
  guardContract(bench);
}

/** route_localnet follows the mappings. */
function localnetContract(bench: () => Bench): void {
  test("route_localnet is on while one is mapped; DEL and GC turn it off with the last", async () => {
    const list = bench().conflist();
    const plain: PortMapping[] = [{ hostPort: 8091, containerPort: 80, protocol: "tcp" }];
    await bench().attach(list, { ports: plain });
    expect(readSysctl(BRIDGE_LOCALNET)).toBe("0");
    const one = await bench().attach(list, { ports: onLoopback(8091) });
    const two = await bench().attach(list, { ports: onLoopback(8092) });
    expect(readSysctl(BRIDGE_LOCALNET)).toBe("1");
    await bench().cni.delNetworkList(list, one.attachment);
    expect(readSysctl(BRIDGE_LOCALNET)).toBe("1");
    const { containerId: containerID, ifName: ifname } = two.attachment;
    await bench().cni.gcNetworkList(list, [{ containerID, ifname }]);
    expect(readSysctl(BRIDGE_LOCALNET)).toBe("1");
    await bench().cni.gcNetworkList(list, []);
    expect(readSysctl(BRIDGE_LOCALNET)).toBe("0");
  });

  test("added and deleted at the same time, they leave route_localnet as the last one needs it", async () => {
    const list = bench().conflist();
    const pods = await Promise.all(
      [8093, 8094, 8095, 8096].map((port) => bench().attach(list, { ports: onLoopback(port) })),
    );
    const [last, ...others] = pods;
    const late = bench().attach(list, { ports: onLoopback(8097) });
    const del = (pod: (typeof pods)[number] | undefined) =>
      pod && bench().cni.delNetworkList(list, pod.attachment);
    await Promise.all([late, ...others.map(del)]);
    expect(readSysctl(BRIDGE_LOCALNET)).toBe("1");
    await Promise.all([del(last), del(await late)]);
    expect(readSysctl(BRIDGE_LOCALNET)).toBe("0");
  });

  test("CHECK finds route_localnet turned off", async () => {
    const list = bench().conflist();
    const { attachment } = await bench().attach(list, { ports: onLoopback(8098) });
    await bench().cni.checkNetworkList(list, attachment);
    writeSysctl(BRIDGE_LOCALNET, 0);
    const attempt = bench().cni.checkNetworkList(list, attachment);
    await expect(attempt).rejects.toThrow(/route_localnet of cni0/);
  });
}

/** Rules that the sysctl for the mappings exposes no other service of the host. */
function guardContract(bench: () => Bench): void {
  test("CVE-2020-8558: what listens on the host's loopback hears no container", async () => {
    // Without the check of senders, so that a loopback address as the sender gets to the host.
    const list = bench().conflist({ bridge: { ipspoofchk: false } });
    const pod = await bench().attach(list, { ports: onLoopback(8099) });
    const { net } = bench();
    const received: string[] = [];
    using socket = closable(createSocket("udp4"));
    socket.it.on("message", (message) => received.push(String(message)));
    // Without a host, bind() makes its socket before it returns: in the namespace.
    inNetns(net.host, () => socket.it.bind(DISCARD));
    await once(socket.it, "listening");
    using raw = closable(openRaw(pod.netns, "eth0"));
    const [mac, bridge] = [macOf(pod.netns, "eth0"), macOf(net.host, "cni0")];
    const send = (from: string, to: string, text: string) =>
      raw.it.send(ethernet(bridge, mac, IP, udp4(from, to, text)));
    const marked = once(socket.it, "message");
    send(pod.address, LOOPBACK, "to loopback");
    // 127.0.0.1 is an address of the host, which the kernel refuses as a sender by itself.
    send("127.0.0.2", GATEWAY, "from loopback");
    send(pod.address, GATEWAY, "marker");
    await marked;
    expect(received).toEqual(["marker"]);
  });

  test("without snat are refused by name", async () => {
    const list = bench().conflist();
    const [bridge, portmap] = list.plugins;
    if (!bridge || !portmap) throw new Error("the list has two plugins");
    const bare = { ...list, plugins: [bridge, { ...portmap, snat: false }] };
    const attempt = bench().attach(bare, { ports: onLoopback(8100) });
    await expect(attempt).rejects.toThrow(/127\.0\.0\.0\/8.*snat/);
  });
}

function closable<T extends { close(): unknown }>(it: T): Disposable & { it: T } {
  return { it, [Symbol.dispose]: () => void it.close() };
}

function macOf(netns: string, name: string): string {
  return inNetns(netns, () => {
    using route = openRoute();
    return getLink(route, name).mac;
  });
}
