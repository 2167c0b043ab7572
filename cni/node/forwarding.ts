import { listRuleset, nftTableExists } from "@raft2kube/linux/netfilter/nft.ts";
import { listLinks, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { readSysctl, writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";

const FORWARD = "net.ipv4.ip_forward";
const CHAIN = /^forwarding-was-([01])$/;
const LINK = /^r2k-/;
/** "r2k" in a link's `tag`, a number without a meaning to the kernel; the last byte is free. */
const TAG = 0x72_32_6b_00;

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
}

async function savedInTables(): Promise<SavedSetting[]> {
  const objects = await listRuleset(["chains", "ip"]);
  return objects.flatMap(({ chain }) => {
    const before = CHAIN.exec(String(chain?.name))?.[1];
    return before === undefined ? [] : [{ in: String(chain?.table), before }];
  });
}

function savedInLinks(): SavedSetting[] {
  using route = openRoute();
  return listLinks(route).flatMap(({ name }) => {
    const before = LINK.test(name) ? tagOf(name) - TAG : -1;
    return before === 0 || before === 1 ? [{ in: name, before: String(before) }] : [];
  });
}

const tagName = (device: string) => `net/ipv4/conf/${device}/tag`;

function tagOf(device: string): number {
  // Deleted since it was listed.
  return tolerateSync(() => Number(readSysctl(tagName(device))), errno("ENOENT")) ?? 0;
}

/** Returns the host's setting before its first cluster: that of today where none has saved it. */
export async function forwardingBefore(): Promise<string> {
  const [first = { before: readSysctl(FORWARD) }] = [...(await savedInTables()), ...savedInLinks()];
  return first.before;
}

/** Returns the name of the chain that saves the setting in a cluster's table. */
export const forwardingChain = (before: string): string => `forwarding-was-${before}`;

/**
 * Enables IPv4 forwarding on the host, after saving the setting in the cluster's link, too; returns
 * whether it was off.
 */
export function enableForwarding(device: string, before: string): boolean {
  writeSysctl(tagName(device), TAG + Number(before));
  return writeSysctl(FORWARD, 1);
}

/** The setting, if a cluster's table or its link, which have one name, has saved it. */
export async function savedForwarding(name: string): Promise<string | undefined> {
  const isSaved = savedInLinks().some((saved) => saved.in === name);
  // Nothing is saved where a start has failed for want of nft.
  return isSaved || nftTableExists("ip", name) ? await forwardingBefore() : undefined;
}

/**
 * Restores the host's setting unless a cluster of another name has saved it. Call before deleting
 * what saves it, so that an interrupted removal can be repeated, and again afterwards: when several
 * clusters are removed concurrently, the first call sees the others, the last one none.
 */
export async function restoreForwarding(name: string, before: string): Promise<void> {
  const all = [...(await savedInTables()), ...savedInLinks()];
  if (all.every((saved) => saved.in === name)) writeSysctl(FORWARD, before);
}
