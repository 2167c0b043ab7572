import { isIPv4 } from "node:net";
import { isErrno } from "@raft2kube/std/errors.ts";
import { readSysctl, writeSysctl } from "@raft2kube/linux/sysctl.ts";
import { LOCALNET_ROUNDS_MAX } from "../../limits.ts";
import { CniError } from "../../lib/errors.ts";
import { listElements, type NftElement } from "../../lib/nft-elements.ts";
import type { CniResult, PortMapping } from "../../lib/types.ts";

/**
 * The set of `interface . container address` pairs for which route_localnet is on: the answers of a
 * container whose port is mapped on 127.0.0.0/8 come in by that interface.
 */
export const LOCALNETS = "localnets";

export function isLoopback({ hostIP }: PortMapping): boolean {
  return hostIP !== undefined && isIPv4(hostIP) && hostIP.startsWith("127.");
}

/** The host's interfaces of a result; error "invalid-config" when it names none. */
export function hostInterfaces(result: CniResult): string[] {
  const names = (result.interfaces ?? []).filter(({ sandbox }) => !sandbox).map(({ name }) => name);
  if (names.length > 0) return names;
  const what = "portmap: hostIP in 127.0.0.0/8 needs the host's interface in prevResult";
  throw new CniError("invalid-config", what);
}

/** The interfaces that elements name, each once. */
export function localnetsOf(elements: readonly NftElement[]): string[] {
  const mine = elements.filter(({ set }) => set === LOCALNETS);
  return [...new Set(mine.map(({ key }) => JSON.parse(key.split(" . ")[0] ?? "") as string))];
}

/**
 * Turns route_localnet of these interfaces on or off, as the table's elements demand, after they
 * were changed. Other calls may change them at the same time, so they are read again after the
 * write: whoever writes last has seen the elements that are left.
 */
export async function settleLocalnets(table: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  let used = localnetsOf(await listElements(table));
  for (let round = 0; round < LOCALNET_ROUNDS_MAX; round++) {
    for (const name of names) setLocalnet(name, used.includes(name));
    const now = localnetsOf(await listElements(table));
    if (names.every((name) => used.includes(name) === now.includes(name))) return;
    used = now;
  }
  const what = `route_localnet of ${names.join(", ")}: port mappings change all the time`;
  throw new CniError("try-again", what);
}

/** The first of these interfaces on which route_localnet is off. */
export function closedLocalnet(names: readonly string[]): string | undefined {
  return names.find((name) => readSysctl(settingOf(name)) !== "1");
}

const settingOf = (name: string) => `net/ipv4/conf/${name}/route_localnet`;

function setLocalnet(name: string, on: boolean): void {
  try {
    writeSysctl(settingOf(name), on ? 1 : 0);
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown; // an interface that is gone has no setting
  }
}
