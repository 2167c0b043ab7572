import ipaddr from "ipaddr.js";
import { CniError } from "./errors.ts";
import type { CniResult, Dns, ResultInterface, ResultIp, ResultRoute } from "./types.ts";
import { atLeast, type CniVersion, isCniVersion } from "./version.ts";

/** Route attributes of version 1.1.0; earlier routes have `dst` and `gw` only. */
const ROUTE_1_1 = ["mtu", "advmss", "priority", "table", "scope"] as const;

/**
 * Converts a result to the format of `version`. Before 1.0.0 each address has its family in
 * `version`; fields of 1.1.0 are omitted for older versions, as in the reference library.
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
 * Parses a plugin's output or `prevResult` as a result of 1.1.0. Error "plugin-garbage" names the
 * invalid field and the source `from`.
 */
export function parseResult(value: unknown, from: string): CniResult {
  const garbage: Garbage = (why) => {
    return new CniError("plugin-garbage", `${from} returned a result that ${why}`);
  };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw garbage("is not a JSON object");
  }
  const raw = value as Record<string, unknown>;
  if (!isCniVersion(raw.cniVersion)) {
    throw garbage(`has the unsupported cniVersion ${JSON.stringify(raw.cniVersion)}`);
  }
  const list = (key: string): Record<string, unknown>[] => {
    const items = raw[key] ?? [];
    if (!Array.isArray(items)) throw garbage(`has no list in "${key}"`);
    if (items.some((item) => typeof item !== "object" || item === null)) {
      throw garbage(`has an element that is not an object in "${key}"`);
    }
    return items;
  };
  const interfaces = list("interfaces").map((item) => take(item, INTERFACE, "interface", garbage));
  if (interfaces.some((item) => item.name === undefined)) {
    throw garbage("has an interface without a name");
  }
  const ips = list("ips").map((ip) => parseIp(ip, interfaces.length, garbage));
  const routes = list("routes").map((route) => parseRoute(route, garbage));
  const dns = raw.dns ?? {};
  if (typeof dns !== "object" || Array.isArray(dns)) throw garbage('has no object in "dns"');
  return {
    cniVersion: "1.1.0",
    ...(interfaces.length ? { interfaces: interfaces as unknown as ResultInterface[] } : {}),
    ...(ips.length ? { ips } : {}),
    ...(routes.length ? { routes } : {}),
    ...(raw.dns ? { dns: take(dns as Record<string, unknown>, DNS, "dns", garbage) as Dns } : {}),
  };
}

type Garbage = (why: string) => CniError;
type FieldType = "text" | "number" | "texts";

const INTERFACE = {
  name: "text",
  mac: "text",
  mtu: "number",
  sandbox: "text",
  socketPath: "text",
  pciID: "text",
} as const;
const IP = { address: "text", gateway: "text", interface: "number" } as const;
const ROUTE = {
  dst: "text",
  gw: "text",
  mtu: "number",
  advmss: "number",
  priority: "number",
  table: "number",
  scope: "number",
} as const;
const DNS = { nameservers: "texts", domain: "text", search: "texts", options: "texts" } as const;

const isText = (value: unknown): value is string => typeof value === "string";
const CHECKS: Readonly<Record<FieldType, (value: unknown) => boolean>> = {
  text: isText,
  number: (value) => Number.isSafeInteger(value),
  texts: (value) => Array.isArray(value) && value.every(isText),
};

/** Older plugins print an empty string for an absent value. */
const OPTIONAL_TEXTS = ["gateway", "gw", "mac", "sandbox"];

/** Returns the protocol's fields after checking their types; null is absent, as in Go. */
function take(
  from: Record<string, unknown>,
  fields: Readonly<Record<string, FieldType>>,
  what: string,
  garbage: Garbage,
): Record<string, unknown> {
  const taken: Record<string, unknown> = {};
  for (const [name, type] of Object.entries(fields)) {
    if (!Object.hasOwn(from, name)) continue;
    const value = from[name];
    if (value === undefined || value === null) continue;
    if (value === "" && OPTIONAL_TEXTS.includes(name)) continue;
    if (!CHECKS[type](value)) throw garbage(`has ${JSON.stringify(value)} as ${name} of ${what}`);
    taken[name] = value;
  }
  return taken;
}

function parseIp(raw: Record<string, unknown>, interfaces: number, garbage: Garbage): ResultIp {
  const ip = take(raw, IP, "an address", garbage);
  if (!isCidr(ip.address)) throw garbage(`has the address ${JSON.stringify(ip.address)}`);
  const { gateway, interface: index } = ip as { gateway?: string; interface?: number };
  if (index !== undefined && !(index >= 0 && index < interfaces)) {
    throw garbage(`has an address on interface ${JSON.stringify(index)} of ${interfaces}`);
  }
  if (gateway !== undefined && !ipaddr.isValid(gateway)) {
    throw garbage(`has the gateway ${gateway}`);
  }
  return ip as unknown as ResultIp;
}

function parseRoute(raw: Record<string, unknown>, garbage: Garbage): ResultRoute {
  const route = take(raw, ROUTE, "a route", garbage);
  const { dst, gw } = route as { dst?: string; gw?: string };
  if (!isCidr(dst)) throw garbage(`has the route destination ${JSON.stringify(dst)}`);
  if (gw !== undefined && !ipaddr.isValid(gw)) throw garbage(`has the gateway ${gw} of a route`);
  return route as unknown as ResultRoute;
}

const isCidr = (value: unknown): value is string => isText(value) && ipaddr.isValidCIDR(value);
