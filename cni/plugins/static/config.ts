import { CniError } from "../../lib/errors.ts";
import { contains, formatIp, parseIp, parseSubnet, subnetOf } from "../../lib/ip.ts";
import { routesOf } from "../../lib/options.ts";
import { argument, type PluginCall } from "../../lib/skel.ts";
import type { Dns, ResultIp, ResultRoute } from "../../lib/types.ts";

/** The configuration of static. */
export type StaticConfig = { ips: ResultIp[]; routes: ResultRoute[]; dns: Dns | undefined };

/**
 * Parses the configuration; error 7 (invalid config) names the invalid field. Addresses are those
 * of the capability `ips`, else of `args.cni.ips`, else of CNI_ARGS `IP=` (with `GATEWAY=`), else
 * of `ipam.addresses`, as in the reference plugin.
 */
export function configOf(call: PluginCall): StaticConfig {
  const ipam = call.config.ipam as Record<string, unknown> | undefined;
  if (!ipam) throw new CniError("invalid-config", 'the configuration has no "ipam"');
  const ips = requestedBy(call) ?? listOf(ipam.addresses, "ipam.addresses").map(configured);
  if (ips.length === 0) {
    const remedy = "set ipam.addresses, or give the capability ips";
    throw new CniError("invalid-config", "static has no address to give", { remedy });
  }
  const dns = ipam.dns as Dns | undefined;
  return { ips, routes: routesOf(ipam.routes), dns };
}

function listOf(value: unknown, field: string): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new CniError("invalid-config", `${field} is not a list`);
  return value;
}

function configured(value: unknown, index: number): ResultIp {
  const { address, gateway } = (value ?? {}) as Partial<ResultIp>;
  return ipOf(address, gateway, `ipam.addresses[${index}]`);
}

/** Returns the addresses that the caller chooses; undefined if it chooses none. */
function requestedBy(call: PluginCall): ResultIp[] | undefined {
  const runtime = call.config.runtimeConfig as { ips?: unknown } | undefined;
  const args = call.config.args as { cni?: { ips?: unknown } } | undefined;
  for (const [field, given] of [
    ["ips", runtime?.ips],
    ["args.cni.ips", args?.cni?.ips],
  ] as const) {
    const texts = listOf(given, field);
    if (texts.length > 0) return texts.map((text) => ipOf(text, undefined, field));
  }
  const texts = split(argument(call.args, "IP"));
  if (texts.length === 0) return undefined;
  const gateways = split(argument(call.args, "GATEWAY"));
  return texts.map((text) => {
    const gateway = gateways.find((each) =>
      contains(parseSubnet(text, "IP"), parseIp(each, "GATEWAY")),
    );
    return ipOf(text, gateway, "IP");
  });
}

const split = (text: string | undefined) => text?.split(",").filter((part) => part !== "") ?? [];

function ipOf(address: unknown, gateway: string | undefined, field: string): ResultIp {
  parseSubnet(address, field);
  const ip = { address: address as string };
  if (gateway === undefined || gateway === "") return ip;
  const via = parseIp(gateway, `gateway of ${field}`);
  if (via.family !== subnetOf(ip.address).family) {
    const what = `gateway ${gateway} of ${field} is of another family than ${ip.address}`;
    throw new CniError("invalid-config", what);
  }
  return { ...ip, gateway: formatIp(via) };
}
