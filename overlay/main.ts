import { readFile, rm } from "node:fs/promises";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { parseSubnet } from "@raft2kube/cni/lib/ip.ts";
import type { SubnetEnv } from "@raft2kube/cni/lib/subnet-env.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { OverlayNetwork } from "./apply.ts";
import { OverlayError } from "./errors.ts";
import { type GuardRules, removeGuard } from "./guard.ts";
import { OverlayLoop } from "./loop.ts";
import { masqueradeTable } from "./masquerade.ts";
import { parseNetConf } from "./net-conf.ts";

export interface OverlayOptions {
  /**
   * Lists and watches Nodes, and patches the status of its own: a node's identity, with the rights
   * of `cli/addons/06-overlay.yaml`. Closed by the caller.
   */
  client: KubeClient;
  nodeName: string;
  /** `net-conf.json`: its content, or its path. */
  netConf: { text: string } | { file: string };
  /** Where plugins read this node's range. */
  subnetFile: string;
  /** Called before `ready` with this node's range and MTU, and again when they have changed. */
  onSubnet?: (env: SubnetEnv) => Promise<void>;
  /** The link to the other nodes; by default that of the default route. */
  iface?: string | undefined;
  /** This node's address for the others; by default that of the link. */
  publicIp?: string | undefined;
  /** Ranges in CIDR notation that no node's address is in: a node may publish any address. */
  reserved?: readonly string[];
  /** API servers that the client's own address leads to, which stay resolved as that does. */
  apiServers?: readonly string[];
  /** Whether packets of pods to other networks are masqueraded. */
  ipMasq?: boolean;
  /** The kind of rules that keep pods' own packets out of it. Default nftables. */
  rules?: GuardRules;
  /** Path of the network namespace; by default that of this process. */
  netns?: string;
  clock: Clock;
}

export interface OverlayHandle {
  /** Resolves when this node is part of the overlay and `subnetFile` is written. */
  readonly ready: Promise<void>;
  /** Returns the problems of this node or others, as of the last sync. */
  problems(): readonly string[];
  /** Ends the component; links and routes stay, and packets still flow. */
  close(): Promise<void>;
}

/**
 * Starts the overlay on this node: flannel's role, which it can take over from flanneld and give
 * back. Throws OverlayError `bad-net-conf`, and when the kernel cannot be watched.
 */
export async function startOverlay(options: OverlayOptions): Promise<OverlayHandle> {
  const { client, ipMasq = false, rules = "nftables", clock } = options;
  const conf = await readNetConf(options.netConf);
  const resource = client.resource(NODES);
  const loop = new OverlayLoop({
    nodes: new Informer<Node>({ resource, clock }),
    resource,
    network: new OverlayNetwork(options.netns),
    conf,
    nodeName: options.nodeName,
    apiServers: [new URL(client.server).hostname, ...(options.apiServers ?? [])],
    subnetFile: options.subnetFile,
    onSubnet: options.onSubnet,
    iface: options.iface,
    publicIp: options.publicIp,
    reserved: (options.reserved ?? []).map((range) => parseSubnet(range, "reserved")),
    ipMasq,
    rules,
    clock,
    log: logger("overlay"),
  });
  loop.start();
  return { ready: loop.ready, problems: () => loop.problems, close: () => loop.close() };
}

/** Reads the configuration; throws OverlayError `bad-net-conf`. */
export async function readNetConf(source: OverlayOptions["netConf"]) {
  if ("text" in source) return parseNetConf(source.text, "net-conf.json");
  let text: string;
  try {
    text = await readFile(source.file, "utf8");
  } catch (thrown) {
    const remedy = 'write one, such as {"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}';
    throw new OverlayError("bad-net-conf", messageOf(thrown), { remedy, cause: thrown });
  }
  return parseNetConf(text, source.file);
}

/** Deletes what the overlay made in the kernel and its file; pods no longer reach other nodes. */
export async function cleanup(options: { subnetFile: string; netns?: string }): Promise<void> {
  const network = new OverlayNetwork(options.netns);
  network.remove();
  await masqueradeTable().remove(network);
  await removeGuard(network);
  await rm(options.subnetFile, { force: true });
}
