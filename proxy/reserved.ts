import { lookup } from "node:dns/promises";
import { isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import { DEVICE } from "./apply/ipvs/layout.ts";
import type { Reservation } from "./plan/service.ts";

/**
 * Returns the IPv4 addresses of the API server at `server`, a URL. Rejects with Node's error if its
 * name cannot be resolved.
 */
export async function apiServerAddresses(server: string): Promise<string[]> {
  const { hostname } = new URL(server);
  if (isIPv4(hostname)) return [hostname];
  if (hostname.startsWith("[")) return []; // an IPv6 literal; the rules are for IPv4
  const found = await lookup(hostname, { all: true, family: 4 });
  return found.map(({ address }) => address);
}

/**
 * Returns the node's own addresses. Those of the device of IPVS mode are the Services': an external
 * address would be refused once it is served.
 */
export function nodeAddresses(
  interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces(),
): Set<string> {
  const own = Object.entries(interfaces).filter(([name]) => name !== DEVICE);
  return new Set(own.flatMap(([, all]) => all ?? []).map(({ address }) => address));
}

/** Reserves the API servers' addresses, and the node's `own` ones. */
export function reservedBy(apiServers: readonly string[], own: ReadonlySet<string>): Reservation {
  return (address) => {
    if (apiServers.includes(address)) return "the API server's";
    return own.has(address) ? "this node's" : undefined;
  };
}
