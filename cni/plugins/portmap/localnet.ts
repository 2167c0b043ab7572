import { isIPv4 } from "node:net";
import { readSysctl, writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { CniError } from "../../lib/errors.ts";
import { listElements, type NftElement } from "../../lib/nft-elements.ts";
import type { CniResult, PortMapping } from "../../lib/types.ts";
import { LOCALNET_ATTEMPTS_MAX } from "../../limits.ts";

/**
 * The set of `interface . container address` pairs that need route_localnet: replies of a container
 * with a port mapped on 127.0.0.0/8 arrive at that interface.
 */
export const LOCALNETS = "localnets";

export function isLoopback({ hostIP }: PortMapping): boolean {
  return hostIP !== undefined && isIPv4(hostIP) && hostIP.startsWith("127.");
}

/** Returns the host's interfaces of a result; error "invalid-config" if it has none. */
export function hostInterfaces(result: CniResult): string[] {
  const names = (result.interfaces ?? []).filter(({ sandbox }) => !sandbox).map(({ name }) => name);
  if (names.length > 0) return names;
  const what = "portmap: hostIP in 127.0.0.0/8 needs the host's interface in prevResult";
  throw new CniError("invalid-config", what);
}

/** Returns the interfaces of elements, each once. */
export function localnetsOf(elements: readonly NftElement[]): string[] {
  const mine = elements.filter(({ set }) => set === LOCALNETS);
  return [...new Set(mine.map(({ key }) => JSON.parse(key.split(" . ")[0] ?? "") as string))];
}

/** Sets route_localnet off for the interfaces that only `gone` need. */
export function closeLocalnets(gone: readonly NftElement[], kept: readonly NftElement[]): void {
  const used = localnetsOf(kept);
  for (const name of localnetsOf(gone)) if (!used.includes(name)) setLocalnet(name, false);
}

/**
 * Sets route_localnet of these interfaces to match the table's elements, after these were changed.
 * Concurrent calls may change elements, so they are read again after the write until they match:
 * the last writer has read the final elements.
 */
export async function syncLocalnets(table: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  let used = localnetsOf(await listElements(table));
  for (let attempt = 0; attempt < LOCALNET_ATTEMPTS_MAX; attempt++) {
    for (const name of names) setLocalnet(name, used.includes(name));
    const now = localnetsOf(await listElements(table));
    if (names.every((name) => used.includes(name) === now.includes(name))) return;
    used = now;
  }
  const what = `route_localnet of ${names.join(", ")}: port mappings keep changing`;
  throw new CniError("try-again", what);
}

/** Returns the first of these interfaces whose route_localnet is off. */
export function disabledLocalnet(names: readonly string[]): string | undefined {
  return names.find((name) => readSysctl(settingOf(name)) !== "1");
}

const settingOf = (name: string) => `net/ipv4/conf/${name}/route_localnet`;

function setLocalnet(name: string, on: boolean): void {
  // The interface was deleted.
  tolerateSync(() => writeSysctl(settingOf(name), on ? 1 : 0), errno("ENOENT"));
}
