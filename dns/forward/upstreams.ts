import { readFileSync } from "node:fs";
import { isIP, isIPv4 } from "node:net";
import { isErrno } from "@raft2kube/std/errors.ts";

/** An upstream resolver. */
export type Upstream = { address: string; port: number };

/** systemd-resolved writes its upstream resolvers to the second file. */
const RESOLV_CONF = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/** Returns the nameservers of a resolv.conf(5). */
export function nameserversOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([key, value]) => key === "nameserver" && value !== undefined)
    .map(([, value]) => (value ?? "").split("%", 1)[0]!)
    .filter((address) => isIP(address) !== 0);
}

/**
 * Returns the machine's resolvers that a node's network namespace can reach, which excludes
 * loopback addresses. Uses the first file that lists any.
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
