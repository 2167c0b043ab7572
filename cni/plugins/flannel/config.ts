import { CniError } from "../../lib/errors.ts";
import { formatSubnet, parseSubnet } from "../../lib/ip.ts";
import { routesOf } from "../../lib/options.ts";
import type { PluginCall } from "../../lib/skel.ts";
import { FLANNEL_SUBNET_FILE, type SubnetEnv } from "../../lib/subnet-env.ts";
import type { PluginRequest } from "../../lib/types.ts";

/** The plugin's own options. */
export interface FlannelConfig {
  subnetFile: string;
  /** Directory of the configurations that containers were added with, as the reference's. */
  dataDir: string;
  /** Options of the plugin that makes the interface. */
  delegate: Readonly<Record<string, unknown>>;
  ipam: Readonly<Record<string, unknown>>;
}

const DATA_DIR = "/var/lib/cni/flannel";

type Json = Record<string, unknown>;

/** Parses the configuration; error 7 (invalid config) names the option. */
export function configOf({ config }: PluginCall): FlannelConfig {
  const path = (key: string, fallback: string) => {
    const value = config[key] ?? fallback;
    if (typeof value === "string" && value.startsWith("/")) return value;
    throw new CniError("invalid-config", `flannel: ${key} is not an absolute path`);
  };
  const object = (key: string): Json => {
    const value = config[key] ?? {};
    if (typeof value === "object" && !Array.isArray(value)) return value as Json;
    throw new CniError("invalid-config", `flannel: ${key} is not an object`);
  };
  const delegate = object("delegate");
  for (const key of ["name", "ipam"]) {
    if (!(key in delegate)) continue;
    const what = `flannel: delegate has ${JSON.stringify(key)}, which the plugin sets itself`;
    throw new CniError("invalid-config", what);
  }
  if (delegate.type === "flannel") {
    throw new CniError("invalid-config", "flannel: it cannot delegate to itself");
  }
  return {
    subnetFile: path("subnetFile", FLANNEL_SUBNET_FILE),
    dataDir: path("dataDir", DATA_DIR),
    delegate,
    ipam: object("ipam"),
  };
}

/**
 * Plans the delegate's configuration: by default a bridge with host-local addresses of this node's
 * range, the overlay's MTU, and a route to the pods of other nodes. Masquerades if the overlay does
 * not.
 */
export function delegateConfig(
  call: PluginCall,
  { delegate, ipam }: FlannelConfig,
  env: SubnetEnv,
): PluginRequest["config"] {
  const type = typeof delegate.type === "string" ? delegate.type : "bridge";
  const { runtimeConfig } = call.config;
  const ranges = env.subnets.map((range) => [
    { subnet: formatSubnet(parseSubnet(range, "FLANNEL_SUBNET")) },
  ]);
  return {
    ipMasq: !env.ipMasq,
    mtu: env.mtu,
    ...(type === "bridge" ? { isGateway: true } : {}),
    ...delegate,
    type,
    name: call.network,
    cniVersion: call.version,
    ipam: {
      type: "host-local",
      ...ipam,
      ranges,
      routes: [...routesOf(ipam.routes), ...env.networks.map((dst) => ({ dst }))],
    },
    ...(runtimeConfig === undefined ? {} : { runtimeConfig }),
  };
}
