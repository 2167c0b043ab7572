import { CniError } from "../../lib/errors.ts";
import type { PluginCall } from "../../lib/skel.ts";

/** The bound of one direction, as configured. */
export interface Bound {
  /** Bits per second. */
  rate_bits: number;
  /** Bits that may be sent in a burst, after a pause. */
  burst_bits: number;
}

/** The container's bounds; a direction that is undefined is not shaped. */
export interface BandwidthConfig {
  /** Bound of traffic to the container. */
  ingress: Bound | undefined;
  /** Bound of traffic from the container. */
  egress: Bound | undefined;
}

/** A token bucket's size is 32 bits of bytes in the kernel. */
const BURST_BITS_MAX = 8 * 0xffffffff;
const SETTINGS = ["ingressRate", "ingressBurst", "egressRate", "egressBurst"] as const;
const UNSUPPORTED = ["unshapedSubnets", "shapedSubnets"] as const;

/**
 * Parses the configuration; without settings of its own, those of the capability `bandwidth` count,
 * as in the reference plugin. Error 2 for an unsupported option, 7 for an invalid value.
 */
export function configOf(call: PluginCall): BandwidthConfig {
  for (const key of UNSUPPORTED) {
    const value = call.config[key];
    if (value === undefined || value === null || (value as unknown[]).length === 0) continue;
    throw new CniError("unsupported-field", `bandwidth: ${key} is not supported`);
  }
  const runtime = call.config.runtimeConfig as { bandwidth?: object } | undefined;
  const own = SETTINGS.some((key) => call.config[key]);
  const settings = (own ? call.config : (runtime?.bandwidth ?? {})) as Record<string, unknown>;
  return { ingress: boundOf(settings, "ingress"), egress: boundOf(settings, "egress") };
}

function boundOf(settings: Record<string, unknown>, direction: string): Bound | undefined {
  const [rate, burst] = [`${direction}Rate`, `${direction}Burst`];
  const rate_bits = bitsOf(settings, rate);
  const burst_bits = bitsOf(settings, burst);
  if (rate_bits === 0 && burst_bits === 0) return undefined;
  if (rate_bits === 0 || burst_bits === 0) {
    const [set, missing] = rate_bits === 0 ? [burst, rate] : [rate, burst];
    throw new CniError("invalid-config", `${set} is set, ${missing} must be too`);
  }
  if (burst_bits > BURST_BITS_MAX) {
    throw new CniError("invalid-config", `${burst} ${burst_bits} is more than ${BURST_BITS_MAX}`);
  }
  return { rate_bits, burst_bits };
}

function bitsOf(settings: Record<string, unknown>, key: string): number {
  const value = settings[key] ?? 0;
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new CniError("invalid-config", `${key} ${JSON.stringify(value)} is not a number of bits`);
}
