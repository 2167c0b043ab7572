import { execFile } from "node:child_process";
import type { Server } from "node:net";
import { join } from "node:path";
import { buildPlugins } from "@raft2kube/cni/build.ts";
import { createCni } from "@raft2kube/cni/lib/cni.ts";
import { parseConflist } from "@raft2kube/cni/lib/conflist.ts";
import { inProcessInvoke } from "@raft2kube/cni/lib/in-process.ts";
import type { Attachment, Invoke } from "@raft2kube/cni/lib/types.ts";
import { bridgeConflist } from "@raft2kube/cni/node/conflist.ts";
import { createNode, deleteNode, type NodeLink } from "@raft2kube/cni/node/node.ts";
import { createUnderlay, deleteUnderlay, type Underlay } from "@raft2kube/cni/node/underlay.ts";
import { PLUGINS } from "@raft2kube/cni/plugins/index.ts";
import { enterNetns, inNetns } from "@raft2kube/linux/namespace/netns.ts";
import {
  createHostNetwork,
  echoAddress,
  type HostNetwork,
} from "../../../testing/network/host-network.ts";

export const RANGES = {
  hostAddress: "10.200.0.1",
  nodeAddress: "10.200.0.2",
  nodeRange: "10.200.0.0/24",
  podCidr: "10.244.0.0/24",
  serviceCidr: "10.96.0.0/16",
  dnsAddress: "10.96.0.10",
};

/** A host, a machine beyond it, a node with pods: network only, no Kubernetes. */
export interface NetworkCluster {
  net: HostNetwork;
  node: NodeLink;
  /** A pod with a server on port 80 that returns its name and the client's address. */
  pod(name: string): Promise<{ netns: string; address: string }>;
  close(): Promise<void>;
}

/**
 * Builds it from nothing; this process lives in the node afterwards, as a node's process does.
 * `inHost` runs before, when it lives in the host and the node is there.
 */
export async function createNetworkCluster(
  inHost: () => Promise<void> = () => Promise.resolve(),
): Promise<NetworkCluster> {
  const net = createHostNetwork();
  const underlayNetns = join(net.root, "underlay");
  const netnsPath = join(net.root, "node");
  const underlay: Underlay = {
    name: "test",
    netnsPath: underlayNetns,
    hostDevice: "r2k-test",
    gateway: RANGES.nodeAddress,
    ...RANGES,
  };
  const node: NodeLink = { netnsPath, underlayNetns, port: "node", ...RANGES };
  await createUnderlay(underlay);
  await createNode(node);
  await inHost();
  const bin = join(net.root, "bin");
  await buildPlugins(bin);
  enterNetns(node.netnsPath);
  const exec: Invoke = () => Promise.reject(new Error("our own build was exec'd"));
  const cni = createCni({
    pluginDirs: [bin],
    cacheDir: join(net.root, "cache"),
    invoke: inProcessInvoke({ plugins: PLUGINS, exec }),
  });
  const text = bridgeConflist({
    name: "pods",
    podCidr: RANGES.podCidr,
    dataDir: join(net.root, "ipam"),
  });
  const list = parseConflist(text, "pods.conflist");
  const attachments: Attachment[] = [];
  const servers: Server[] = [];
  return {
    net,
    node,
    async pod(name) {
      const netns = net.container();
      const attachment = { containerId: name, netns, ifName: "eth0" };
      const result = await cni.addNetworkList(list, attachment);
      attachments.push(attachment);
      servers.push(await echoAddress(netns, 80, name));
      return { netns, address: result.ips?.[0]?.address.split("/")[0] ?? "" };
    },
    async close() {
      for (const server of servers) server.close();
      for (const attachment of attachments) await cni.delNetworkList(list, attachment);
      enterNetns(net.host);
      await deleteNode(node);
      await deleteUnderlay(underlay);
      net.close();
    },
  };
}

/** Returns the error of a client in a namespace that cannot connect: `Connection refused`, ... */
export function refusal(netns: string, address: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    inNetns(netns, () => {
      const args = ["nc", "-w", "2", address, String(port)];
      const child = execFile("busybox", args, (_error, _stdout, stderr) => resolve(stderr.trim()));
      child.stdin?.end();
      return child.pid;
    });
  });
}

/**
 * Asks a DNS server from a namespace: one datagram to port 53; what it answers, or that none came.
 */
export function lookUp(netns: string, name: string, server: string): Promise<string> {
  return new Promise((resolve) => {
    inNetns(netns, () => {
      const args = ["nslookup", name, server];
      return execFile("busybox", args, (_error, stdout, stderr) => resolve(stdout + stderr)).pid;
    });
  });
}
