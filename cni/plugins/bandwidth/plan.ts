import { createHash } from "node:crypto";
import type { TokenBucket } from "@raft2kube/linux/netlink/traffic-control.ts";
import { networkMark } from "../../lib/owner.ts";
import { IFNAME_LENGTH } from "../../limits.ts";
import type { Bound } from "./config.ts";

/** How long a packet may wait for tokens, as in the reference plugin. */
const LATENCY_S = 0.025;
/** The kernel keeps the limit in 32 bits. */
const LIMIT_BYTES_MAX = 0xffffffff;
const IFB_PREFIX = "bwp";

/** Returns the token bucket of a bound, in bytes. */
export function planBucket({ rate_bits, burst_bits }: Bound): TokenBucket {
  const rate = Math.max(1, Math.floor(rate_bits / 8));
  const burst_bytes = Math.max(1, Math.floor(burst_bits / 8));
  const limit_bytes = Math.min(Math.floor(rate * LATENCY_S) + burst_bytes, LIMIT_BYTES_MAX);
  return { rate, burst_bytes, limit_bytes };
}

/**
 * Returns the name of the link by which a container's traffic leaves: that of the reference
 * plugin, so that either deletes what the other made.
 */
export function ifbName(network: string, containerId: string): string {
  const digest = createHash("sha512")
    .update(network + containerId)
    .digest("hex");
  return `${IFB_PREFIX}${digest}`.slice(0, IFNAME_LENGTH);
}

/**
 * Returns the group of a network's intermediate links, by which GC finds those of which there is no
 * record. Unlike an alias the kernel takes it with the link's birth. Never 0, every link's default.
 */
export function ifbGroup(network: string): number {
  return parseInt(networkMark(network).slice(0, 8), 16) & 0x7fffffff || 1;
}
