import { hasIpam } from "../../lib/delegate.ts";
import { CniError } from "../../lib/errors.ts";
import { masqueradeBackend } from "../../lib/masquerade.ts";
import { flagOf, mtuOf } from "../../lib/options.ts";
import type { PluginCall } from "../../lib/skel.ts";

/** The ptp plugin's configuration, with defaults. */
export interface PtpConfig {
  ipMasq: boolean;
  /** MTU; undefined for the kernel's default. */
  mtu: number | undefined;
}

/** Options of the bridge plugin that would be missed if they were ignored. */
const UNSUPPORTED = ["macspoofchk", "ipspoofchk"] as const;

/** Parses the configuration; error 2 for an unsupported option, 7 for an invalid value. */
export function configOf(call: PluginCall): PtpConfig {
  masqueradeBackend(call.config);
  for (const key of UNSUPPORTED) {
    if (!flagOf(call.config, key)) continue;
    throw new CniError("unsupported-field", `ptp: ${key} is not supported`);
  }
  if (!hasIpam(call)) throw new CniError("invalid-config", 'ptp: the configuration has no "ipam"');
  return { ipMasq: flagOf(call.config, "ipMasq"), mtu: mtuOf(call.config) };
}
