import { readFileSync } from "node:fs";
import { messageOf } from "@raft2kube/std/errors.ts";
import { CniError } from "../../lib/errors.ts";
import { type Ip, parseIp } from "../../lib/ip.ts";
import { routesOf } from "../../lib/options.ts";
import { argument, type PluginCall } from "../../lib/skel.ts";
import type { Dns, ResultRoute } from "../../lib/types.ts";
import { type Range, type RangeConfig, toRange } from "./range.ts";

/** The configuration of host-local. */
export interface HostLocalConfig {
  /** One address of each set is allocated. */
  rangeSets: Range[][];
  routes: ResultRoute[];
  /** Addresses that the container requests, each from one of the sets. */
  requested: Ip[];
  dataDir: string;
  resolvConf: string | undefined;
}

/**
 * Directory of the reference plugin's addresses, so that either plugin can replace the other.
 */
const DATA_DIR = "/var/lib/cni/networks";

/** Parses the configuration; error 7 (invalid config) names the invalid field. */
export function configOf(call: PluginCall): HostLocalConfig {
  const ipam = call.config.ipam as Record<string, unknown> | undefined;
  if (!ipam) throw new CniError("invalid-config", 'the configuration has no "ipam"');
  const runtime = call.config.runtimeConfig as { ipRanges?: unknown; ips?: unknown } | undefined;
  const sets: RangeConfig[][] = [];
  if (ipam.subnet !== undefined) sets.push([ipam as unknown as RangeConfig]);
  for (const ranges of [ipam.ranges, runtime?.ipRanges]) {
    if (ranges === undefined) continue;
    const nested = Array.isArray(ranges) && ranges.every((set) => Array.isArray(set));
    if (!nested) throw new CniError("invalid-config", "ranges is not a list of lists of ranges");
    sets.push(...(ranges as RangeConfig[][]));
  }
  if (sets.length === 0) throw new CniError("invalid-config", "ipam has neither subnet nor ranges");
  const rangeSets = sets.map((set) => set.map(toRange));
  rangeSets.forEach(requireOneFamily);
  requireDisjoint(rangeSets.flat());
  return {
    rangeSets,
    routes: routesOf(ipam.routes),
    requested: requestedAddresses(call, runtime?.ips),
    dataDir: typeof ipam.dataDir === "string" && ipam.dataDir ? ipam.dataDir : DATA_DIR,
    resolvConf: typeof ipam.resolvConf === "string" ? ipam.resolvConf : undefined,
  };
}

function requireOneFamily(set: Range[], index: number): void {
  if (set.length === 0) throw new CniError("invalid-config", `range set ${index} is empty`);
  if (set.every((range) => range.family === set[0]?.family)) return;
  throw new CniError("invalid-config", `range set ${index} mixes IPv4 and IPv6`);
}

function requireDisjoint(ranges: Range[]): void {
  for (const [index, a] of ranges.entries()) {
    const b = ranges
      .slice(index + 1)
      .find((other) => other.family === a.family && other.start <= a.end && a.start <= other.end);
    if (b) throw new CniError("invalid-config", `ranges ${a.text} and ${b.text} overlap`);
  }
}

/** Returns the addresses of CNI_ARGS `IP=`, `args.cni.ips` and the capability `ips`. */
function requestedAddresses(call: PluginCall, capability: unknown): Ip[] {
  const args = call.config.args as { cni?: { ips?: unknown } } | undefined;
  const single = argument(call.args, "IP");
  const texts = [single?.split(",") ?? [], args?.cni?.ips ?? [], capability ?? []].flat();
  return texts.map((text) => parseIp(String(text).split("/")[0], "requested address"));
}

/** Parses a resolv.conf(5) as the result's `dns`. */
export function readResolvConf(path: string): Dns {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (thrown) {
    throw new CniError("io-failure", `resolvConf ${path}: ${messageOf(thrown)}`, { cause: thrown });
  }
  const dns: Dns = { nameservers: [], search: [], options: [] };
  for (const line of text.split("\n")) {
    const [key, ...values] = line.trim().split(/\s+/);
    if (key === "nameserver" && values[0]) dns.nameservers?.push(values[0]);
    if (key === "domain" && values[0]) dns.domain = values[0];
    if (key === "search") dns.search?.push(...values);
    if (key === "options") dns.options?.push(...values);
  }
  return dns;
}
