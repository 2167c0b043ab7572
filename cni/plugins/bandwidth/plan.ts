import { createHash } from "node:crypto";
import type { TokenBucket } from "@raft2kube/linux/traffic-control.ts";
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
  const digest = createHash("sha512").update(network + containerId).digest("hex");
  return `${IFB_PREFIX}${digest}`.slice(0, IFNAME_LENGTH);
}
