import { CniError } from "../../lib/errors.ts";
import { hasIpam } from "../../lib/delegate.ts";
import { flagOf, mtuOf, requireMasqueradeBackend } from "../../lib/options.ts";
import type { PluginCall } from "../../lib/skel.ts";

/** The ptp plugin's configuration, with defaults. */
export interface PtpConfig {
  ipMasq: boolean;
  /** Undefined: the kernel's default. */
  mtu: number | undefined;
}

/** Parses the configuration; error 2 for an unsupported option, 7 for an invalid value. */
export function configOf(call: PluginCall): PtpConfig {
  requireMasqueradeBackend(call.config);
  if (!hasIpam(call)) {
    throw new CniError("invalid-config", 'ptp: the configuration has no "ipam"');
  }
  return { ipMasq: flagOf(call.config, "ipMasq"), mtu: mtuOf(call.config) };
}
