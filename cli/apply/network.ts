import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import {
  createGuestLink,
  createMachine,
  createNode,
  deleteNode,
} from "@raft2kube/cni/node/node.ts";
import type { NodeNetwork } from "@raft2kube/cni/node/node-repair.ts";
import { createUnderlay, deleteUnderlay, egressRepair } from "@raft2kube/cni/node/underlay.ts";
import type { StepOf } from "../plan/step.ts";
import type { ClusterConfig, ClusterPlace } from "../spec/config.ts";
import { FIRST_PORT, nodeRange } from "../spec/nodes.ts";
import { type Context, untilAborted } from "./context.ts";

/** Where a node's network namespace is pinned. */
export const nodeNetns = (node: ClusterPlace): string => join(node.runDir, "netns", "node");

/** The file that pins the namespace of the underlay's bridge. */
export function underlayNetns({ runDir, joins }: ClusterPlace): string {
  const clusterRunDir = joins === undefined ? runDir : dirname(dirname(runDir));
  return join(clusterRunDir, "netns", "underlay");
}

/** The kernel's IFNAMSIZ, less its terminating zero. */
const DEVICE_NAME_LENGTH_MAX = 15;
const DIGEST_DIGITS = 6;

/** The host's end of its link to the underlay: a digest ends the name if the cluster's is long. */
export function hostDevice({ name }: Pick<ClusterPlace, "name">): string {
  const device = `r2k-${name}`;
  if (device.length <= DEVICE_NAME_LENGTH_MAX) return device;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, DIGEST_DIGITS);
  return `${device.slice(0, DEVICE_NAME_LENGTH_MAX - DIGEST_DIGITS - 1)}-${digest}`;
}

/** The node's port on the bridge: a node that joined has its name. */
function portOf({ runDir, joins }: ClusterPlace): string {
  return joins === undefined ? FIRST_PORT : basename(runDir);
}

/** Makes the network that nodes and host share; repairs what is missing. */
function addUnderlay(config: ClusterConfig): Promise<void> {
  const { name, hostAddress, nodeAddress, podCidr, serviceCidr } = config;
  return createUnderlay({
    name,
    netnsPath: underlayNetns(config),
    hostDevice: hostDevice(config),
    hostAddress,
    nodeRange: nodeRange(config),
    podCidr,
    serviceCidr,
    gateway: nodeAddress,
  });
}

/** Returns what puts back the host's rule and its forwarding, as `egressRepair` does. */
export function hostRepair(config: ClusterConfig): () => Promise<boolean> {
  const { name, podCidr } = config;
  return egressRepair({
    name,
    netnsPath: underlayNetns(config),
    hostDevice: hostDevice(config),
    nodeRange: nodeRange(config),
    podCidr,
  });
}

/** Makes the namespace of a node or control plane, and its link; repairs what is missing. */
export async function addNodeLink(node: ClusterConfig): Promise<void> {
  const link = {
    netnsPath: nodeNetns(node),
    underlayNetns: underlayNetns(node),
    port: portOf(node),
    nodeAddress: node.nodeAddress,
    nodeRange: nodeRange(node),
  };
  if (node.guest !== undefined) return createGuestLink(link);
  const create = node.controlPlane === undefined ? createNode : createMachine;
  await create({ ...link, ...nodeNetwork(node) });
}

/** The network that a node is part of. */
export function nodeNetwork(node: ClusterConfig): NodeNetwork {
  const { hostAddress, nodeAddress, podCidr, serviceCidr, dnsAddress } = node;
  return { hostAddress, nodeAddress, nodeRange: nodeRange(node), podCidr, serviceCidr, dnsAddress };
}

/** Makes what nodes and host share, and the first node's namespace. */
export function applyNetwork({ cluster }: StepOf<"network">, context: Context): Promise<void> {
  return context.step("network namespace of the node", () => {
    return untilAborted(context.signal, async () => {
      await addUnderlay(cluster);
      await addNodeLink(cluster);
    });
  });
}

/** Removes a node's namespace and its port. */
export function removeNodeLink(node: ClusterPlace): Promise<void> {
  return deleteNode({
    netnsPath: nodeNetns(node),
    underlayNetns: underlayNetns(node),
    port: portOf(node),
  });
}

/** Removes the bridge, the host's link, its routes and its rule. */
export function removeUnderlay(place: ClusterPlace): Promise<void> {
  return deleteUnderlay({
    name: place.name,
    netnsPath: underlayNetns(place),
    hostDevice: hostDevice(place),
  });
}
