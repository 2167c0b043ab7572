import { readFileSync } from "node:fs";
import { isIP, isIPv4 } from "node:net";
import { isErrno } from "@raft2kube/std/errors.ts";

/** A resolver elsewhere. */
export interface Upstream {
  address: string;
  port: number;
}

/** Where systemd-resolved writes the real resolvers when resolv.conf names itself. */
const RESOLV_CONF = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/** The nameservers of a resolv.conf(5). */
export function nameserversOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([key, value]) => key === "nameserver" && value !== undefined)
    .map(([, value]) => (value ?? "").replace(/%.*$/, ""))
    .filter((address) => isIP(address) !== 0);
}

/**
 * The resolvers of this machine that can be reached from a node's network namespace: those on a
 * loopback address cannot. The first file that names any wins.
 */
export function machineUpstreams(files: readonly string[] = RESOLV_CONF): Upstream[] {
  for (const file of files) {
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (thrown) {
      if (isErrno(thrown, "ENOENT", "ENOTDIR")) continue;
      throw thrown;
    }
    const found = nameserversOf(text).filter((address) => !isLoopback(address));
    if (found.length > 0) return found.map((address) => ({ address, port: 53 }));
  }
  return [];
}

function isLoopback(address: string): boolean {
  return isIPv4(address) ? address.startsWith("127.") || address === "0.0.0.0" : address === "::1";
}
