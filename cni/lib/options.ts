import { CniError } from "./errors.ts";
import { parseIp, parseSubnet } from "./ip.ts";
import type { PluginConfig, ResultRoute } from "./types.ts";

// Options that several plugins have; error 7 (invalid config) names the option.

/** Returns a boolean option, by default false. */
export function flagOf(config: PluginConfig, key: string): boolean {
  const value = config[key] ?? false;
  if (typeof value === "boolean") return value;
  throw new CniError("invalid-config", `${key} ${JSON.stringify(value)} is not a boolean`);
}

/** Returns the option `mtu`; undefined, also for 0: the kernel's default. */
export function mtuOf(config: PluginConfig): number | undefined {
  const value = config.mtu;
  if (value === undefined || value === 0) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 68 && value <= 65535) {
    return value;
  }
  throw new CniError("invalid-config", `mtu ${JSON.stringify(value)} is not from 68 to 65535`);
}

/** Returns the option `ipam.routes`. */
export function routesOf(routes: unknown): ResultRoute[] {
  if (routes === undefined || routes === null) return [];
  if (!Array.isArray(routes)) throw new CniError("invalid-config", "ipam.routes is not a list");
  for (const route of routes as ResultRoute[]) {
    parseSubnet(route.dst, "route destination");
    if (route.gw !== undefined) parseIp(route.gw, "route gateway");
  }
  return routes as ResultRoute[];
}
