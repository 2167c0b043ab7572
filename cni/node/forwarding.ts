import { listLinks, openRoute } from "@raft2kube/linux/link.ts";
import { listRuleset, nftTableExists } from "@raft2kube/linux/nft.ts";
import { readSysctl, writeSysctl } from "@raft2kube/linux/sysctl.ts";
import { isErrno } from "@raft2kube/std/errors.ts";

const FORWARD = "net.ipv4.ip_forward";
const CHAIN = /^forwarding-was-([01])$/;
const LINK = /^r2k-/;
/** "r2k" in a link's `tag`, a number without a meaning to the kernel; the last byte is free. */
const TAG = 0x72_32_6b_00;
/** Added to it when the cluster's removal begins. */
const LEAVING = 2;

/**
 * The host's setting before its first cluster, as one cluster saves it: in the name of an empty
 * chain of its table and in the tag of its link, which go with the cluster and with the namespace.
 * Another program that flushes the ruleset takes the one, one that deletes the link the other; what
 * is left of any cluster's counts, the first that is found.
 */
interface SavedSetting {
  /** The table or the link. */
  in: string;
  before: string;
  isLeaving: boolean;
}

async function savedInTables(): Promise<SavedSetting[]> {
  const objects = await listRuleset(["chains", "ip"]);
  return objects.flatMap(({ chain }) => {
    const before = CHAIN.exec(String(chain?.name))?.[1];
    return before === undefined ? [] : [{ in: String(chain?.table), before, isLeaving: false }];
  });
}

function savedInLinks(): SavedSetting[] {
  using route = openRoute();
  return listLinks(route).flatMap(({ name }) => {
    const saved = LINK.test(name) ? tagOf(name) - TAG : -1;
    if (saved < 0 || saved > (LEAVING | 1)) return [];
    return [{ in: name, before: String(saved & 1), isLeaving: (saved & LEAVING) !== 0 }];
  });
}

const tagName = (device: string) => `net/ipv4/conf/${device}/tag`;

function tagOf(device: string): number {
  try {
    return Number(readSysctl(tagName(device)));
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return 0; // deleted since it was listed
    throw thrown;
  }
}

/** Saves in a link's tag, which a link has no longer while the kernel deletes it. */
function tag(device: string, saved: number): void {
  try {
    writeSysctl(tagName(device), TAG + saved);
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown;
  }
}

/** Returns the host's setting before its first cluster: that of today where none has saved it. */
export async function forwardingBefore(): Promise<string> {
  const [first = { before: readSysctl(FORWARD) }] = [...await savedInTables(), ...savedInLinks()];
  return first.before;
}

/** Returns the name of the chain that saves the setting in a cluster's table. */
export const forwardingChain = (before: string): string => `forwarding-was-${before}`;

/**
 * Enables IPv4 forwarding on the host, after saving the setting in the cluster's link, too; returns
 * whether it was off.
 */
export function enableForwarding(device: string, before: string): boolean {
  tag(device, Number(before));
  return writeSysctl(FORWARD, 1);
}

/**
 * Restores the host's setting if no other cluster has saved it, or only clusters that are removed
 * at the same time, of which none can know that it is the last. A cluster's table and its link have
 * one name. Call before deleting its own.
 */
export async function restoreForwarding(table: string, device: string): Promise<void> {
  const own = savedInLinks().find((saved) => saved.in === device);
  // Nothing is saved where a start has failed for want of nft.
  if (!own && !nftTableExists("ip", table)) return;
  if (own) tag(device, LEAVING + Number(own.before));
  const inLinks = savedInLinks();
  const leaving = inLinks.filter(({ isLeaving }) => isLeaving).map((saved) => saved.in);
  const all = [...await savedInTables(), ...inLinks];
  const [first] = all;
  const isLast = all.every((saved) => [table, device, ...leaving].includes(saved.in));
  if (first && isLast) writeSysctl(FORWARD, first.before);
}
