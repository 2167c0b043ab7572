import { lookup } from "node:dns/promises";
import { isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
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

/** Reserves the API servers' addresses and the node's addresses at the time of each call. */
export function reservedBy(apiServers: readonly string[]): Reservation {
  return (address) => {
    if (apiServers.includes(address)) return "the API server's";
    const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    return own.some((one) => one.address === address) ? "this node's" : undefined;
  };
}
