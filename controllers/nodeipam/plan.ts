import type { Node, NodeCondition } from "@raft2kube/api/gen/core/v1.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { formatSubnet, ipOf, subnetOf } from "@raft2kube/std/ip.ts";
import ipaddr from "ipaddr.js";

/** Length of a node's range by address family, when none is set (upstream's defaults). */
const MASK_IPV4 = 24;
const MASK_IPV6 = 64;

/** One range of pod addresses, cut into equal parts for nodes. */
export interface ClusterRange {
  readonly text: string;
  readonly ipv6: boolean;
  readonly base: bigint;
  /** Number of parts. */
  readonly parts: bigint;
  /** Addresses in one part. */
  readonly partSize: bigint;
  readonly nodeMask: number;
}

/**
 * Reads `10.244.0.0/16`, or two ranges with a comma for dual stack. Fails with `BadClusterCidr`.
 */
export function clusterRanges(text: string, nodeMask: number | undefined): ClusterRange[] {
  return text.split(",").map((part) => clusterRange(part.trim(), nodeMask));
}

function clusterRange(text: string, nodeMask: number | undefined): ClusterRange {
  if (!ipaddr.isValidCIDR(text)) {
    throw new CodedError("BadClusterCidr", `"${text}" is not a range of addresses`);
  }
  const [address, length] = ipaddr.parseCIDR(text);
  const ipv6 = address.kind() === "ipv6";
  const mask = ipv6 ? MASK_IPV6 : (nodeMask ?? MASK_IPV4);
  const bits = ipv6 ? 128 : 32;
  if (!Number.isInteger(mask) || mask < length || mask > bits) {
    const message = `ranges of /${mask} for nodes cannot be cut from ${text}`;
    const remedy = `--node-cidr-mask-size from ${length} to ${bits}, or a wider --cluster-cidr`;
    throw new CodedError("BadClusterCidr", message, { remedy });
  }
  const partSize = 1n << BigInt(bits - mask);
  const { network } = subnetOf(ipOf(address.toString())!, length)!;
  return {
    text,
    ipv6,
    base: network,
    parts: 1n << BigInt(mask - length),
    partSize,
    nodeMask: mask,
  };
}

const NO_RANGE = "CIDRNotAvailable";

/** Whether a node's condition says that it has no range. */
export function saysNoRange({ status }: Node): boolean {
  return (status?.conditions ?? []).some((condition) => {
    return condition.type === "NetworkUnavailable" && condition.reason === NO_RANGE;
  });
}

/** A node's network condition: without a range its pods get no addresses. */
export function rangeCondition(
  hasRange: boolean,
  ranges: readonly ClusterRange[],
  now: string,
): NodeCondition {
  const type = "NetworkUnavailable" as const;
  if (hasRange) {
    const message = "the node has its range of pod addresses";
    const known = { reason: "CIDRAssigned", message, lastTransitionTime: now };
    return { type, status: "False", lastHeartbeatTime: now, ...known };
  }
  const size = ({ text, parts, nodeMask }: ClusterRange) =>
    `all ${parts} ranges of /${nodeMask} in ${text} are given`;
  const message = `${ranges.map(size).join("; ")}: remove a node, or start with a larger --node-cidr-mask-size`;
  const known = { reason: NO_RANGE, message, lastTransitionTime: now };
  return { type, status: "True", lastHeartbeatTime: now, ...known };
}

/** The first part that overlaps none in use; undefined when the range is used up. */
export function freePart(range: ClusterRange, used: Iterable<string>): string | undefined {
  const taken = new Set<bigint>();
  for (const cidr of used) for (const part of partsOf(range, cidr)) taken.add(part);
  for (let part = 0n; part < range.parts; part++) {
    if (!taken.has(part)) return cidrText(range, range.base + part * range.partSize);
  }
  return undefined;
}

/** The numbers of the parts that a range in use touches; other sizes than ours occur by hand. */
function partsOf(range: ClusterRange, cidr: string): bigint[] {
  if (!ipaddr.isValidCIDR(cidr)) return [];
  const [address, length] = ipaddr.parseCIDR(cidr);
  if ((address.kind() === "ipv6") !== range.ipv6) return [];
  const first = ipOf(address.toString())!.value;
  const size = 1n << BigInt((range.ipv6 ? 128 : 32) - length);
  const end = range.base + range.parts * range.partSize;
  if (first + size <= range.base || first >= end) return [];
  const from = first < range.base ? 0n : (first - range.base) / range.partSize;
  const last = first + size > end ? end : first + size;
  const parts: bigint[] = [];
  for (let part = from; range.base + part * range.partSize < last; part++) parts.push(part);
  return parts;
}

function cidrText({ ipv6, nodeMask }: ClusterRange, network: bigint): string {
  return formatSubnet({ family: ipv6 ? 6 : 4, network, prefix: nodeMask });
}
