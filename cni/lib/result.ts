import ipaddr from "ipaddr.js";
import { CniError } from "./errors.ts";
import type { CniResult, ResultIp, ResultRoute } from "./types.ts";
import { atLeast, isCniVersion, type CniVersion } from "./version.ts";

/** Route attributes that came with 1.1.0; before, a route is `dst` and `gw`. */
const ROUTE_1_1 = ["mtu", "advmss", "priority", "table", "scope"] as const;

/**
 * A result in the shape that `version` has. Before 1.0.0 each address says its family in `version`;
 * what came with 1.1.0 is left out for older versions, as the reference library does.
 */
export function resultForVersion(result: CniResult, version: CniVersion): Record<string, unknown> {
  const newest = atLeast(version, "1.1.0");
  const ips = result.ips?.map((ip) => (atLeast(version, "1.0.0") ? ip : withFamily(ip)));
  const routes = result.routes?.map((route) => (newest ? route : plainRoute(route)));
  const interfaces = result.interfaces?.map(({ name, mac, sandbox, ...rest }) => ({
    name,
    ...(mac ? { mac } : {}),
    ...(sandbox ? { sandbox } : {}),
    ...(newest ? rest : {}),
  }));
  return {
    cniVersion: version,
    ...(interfaces?.length ? { interfaces } : {}),
    ...(ips?.length ? { ips } : {}),
    ...(routes?.length ? { routes } : {}),
    dns: result.dns ?? {},
  };
}

function withFamily(ip: ResultIp): ResultIp & { version: string } {
  return { version: ip.address.includes(":") ? "6" : "4", ...ip };
}

function plainRoute(route: ResultRoute): ResultRoute {
  const plain: ResultRoute = { ...route };
  for (const key of ROUTE_1_1) delete plain[key];
  return plain;
}

/**
 * A result that a plugin printed, or that stands in `prevResult`, as a 1.1.0 result. Anything that
 * is none is error "plugin-garbage", naming the field; `from` names who said it.
 */
export function parseResult(value: unknown, from: string): CniResult {
  const garbage = (why: string) => {
    return new CniError("plugin-garbage", `${from} gave a result that ${why}`);
  };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw garbage("is no JSON object");
  }
  const raw = value as Record<string, unknown>;
  if (!isCniVersion(raw.cniVersion)) {
    throw garbage(`has the unsupported cniVersion ${JSON.stringify(raw.cniVersion)}`);
  }
  const list = (key: string): Record<string, unknown>[] => {
    const items = raw[key] ?? [];
    if (!Array.isArray(items)) throw garbage(`has no list in "${key}"`);
    if (items.some((item) => typeof item !== "object" || item === null)) {
      throw garbage(`has an element that is no object in "${key}"`);
    }
    return items;
  };
  const interfaces = list("interfaces");
  if (interfaces.some((item) => typeof item.name !== "string")) {
    throw garbage("has an interface without a name");
  }
  const ips = list("ips").map((ip) => parseIp(ip, interfaces.length, garbage));
  const routes = list("routes");
  const bad = routes.find((route) => !isCidr(route.dst));
  if (bad) throw garbage(`has the route destination ${JSON.stringify(bad.dst)}`);
  return {
    cniVersion: "1.1.0",
    ...(interfaces.length ? { interfaces: interfaces as unknown as CniResult["interfaces"] } : {}),
    ...(ips.length ? { ips } : {}),
    ...(routes.length ? { routes: routes as unknown as ResultRoute[] } : {}),
    ...(raw.dns ? { dns: raw.dns } : {}),
  } as CniResult;
}

function parseIp(
  ip: Record<string, unknown>,
  interfaces: number,
  garbage: (why: string) => CniError,
): ResultIp {
  if (!isCidr(ip.address)) throw garbage(`has the address ${JSON.stringify(ip.address)}`);
  const index = ip.interface;
  const inside = typeof index === "number" && Number.isInteger(index) && index >= 0;
  if (index !== undefined && !(inside && index < interfaces)) {
    throw garbage(`has an address on interface ${JSON.stringify(index)} of ${interfaces}`);
  }
  const { version: _family, ...rest } = ip;
  return rest as unknown as ResultIp;
}

function isCidr(value: unknown): value is string {
  return typeof value === "string" && ipaddr.isValidCIDR(value);
}
