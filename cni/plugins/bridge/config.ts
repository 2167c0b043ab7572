import { CniError } from "../../lib/errors.ts";
import { masqueradeBackend } from "../../lib/masquerade.ts";
import { requireIfName } from "../../lib/names.ts";
import { flagOf, mtuOf } from "../../lib/options.ts";
import { argument, type PluginCall } from "../../lib/skel.ts";

/** The bridge plugin's configuration, with defaults. */
export interface BridgeConfig {
  bridge: string;
  isGateway: boolean;
  isDefaultGateway: boolean;
  forceAddress: boolean;
  ipMasq: boolean;
  hairpin: boolean;
  promiscuous: boolean;
  isolated: boolean;
  /** Drops the container's frames with another source hardware address. */
  checksMac: boolean;
  /**
   * Whether other source IP addresses are dropped in IP, ARP and NDP. Not in the reference plugin.
   */
  checksAddresses: boolean;
  /** MTU; undefined for the kernel's default. */
  mtu: number | undefined;
  /** The container's hardware address; undefined: the kernel's default. */
  mac: string | undefined;
}

/**
 * Options of the reference plugin that are not implemented; an error is better than ignoring them.
 */
const UNSUPPORTED = ["vlan", "vlanTrunk", "preserveDefaultVlan"] as const;

/** Parses the configuration; error 2 for an unsupported option, 7 for an invalid value. */
export function configOf(call: PluginCall): BridgeConfig {
  const { config } = call;
  const flag = (key: string) => flagOf(config, key);
  for (const key of UNSUPPORTED) {
    const value = config[key];
    const idle = value === undefined || value === false || value === 0;
    if (idle || (key === "preserveDefaultVlan" && value === true)) continue;
    throw new CniError("unsupported-field", `bridge: ${key} is not supported`);
  }
  if (flag("disableContainerInterface")) {
    throw new CniError("unsupported-field", "bridge: disableContainerInterface is not supported");
  }
  masqueradeBackend(config);
  const isDefaultGateway = flag("isDefaultGateway");
  if (flag("hairpinMode") && flag("promiscMode")) {
    throw new CniError("invalid-config", "hairpinMode and promiscMode exclude each other");
  }
  return {
    bridge: bridgeName(config.bridge),
    isGateway: isDefaultGateway || flag("isGateway"),
    isDefaultGateway,
    forceAddress: flag("forceAddress"),
    ipMasq: flag("ipMasq"),
    hairpin: flag("hairpinMode"),
    promiscuous: flag("promiscMode"),
    isolated: flag("portIsolation"),
    checksMac: flag("macspoofchk") || flag("ipspoofchk"),
    checksAddresses: flag("ipspoofchk"),
    mtu: mtuOf(config),
    mac: macOf(call),
  };
}

function bridgeName(value: unknown): string {
  try {
    return requireIfName(value ?? "cni0");
  } catch (thrown) {
    const what = `bridge ${JSON.stringify(value)} is not the name of an interface`;
    throw new CniError("invalid-config", what, { cause: thrown });
  }
}

/** Returns the MAC of the capability `mac`, `args.cni.mac` or CNI_ARGS `MAC=`, in that order. */
function macOf(call: PluginCall): string | undefined {
  const runtime = call.config.runtimeConfig as { mac?: string } | undefined;
  const args = call.config.args as { cni?: { mac?: string } } | undefined;
  const mac = runtime?.mac ?? args?.cni?.mac ?? argument(call.args, "MAC");
  if (mac === undefined || /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) return mac;
  throw new CniError("invalid-config", `mac ${JSON.stringify(mac)} is not a MAC address`);
}
