import { listRuleset } from "@raft2kube/linux/nft.ts";
import { readSysctl, writeSysctl } from "@raft2kube/linux/sysctl.ts";

const FORWARD = "net.ipv4.ip_forward";
const SAVED = /^forwarding-was-([01])$/;

/** The host's setting before its first cluster, saved in a cluster's table. */
interface SavedSetting {
  table: string;
  before: string;
}

/**
 * Returns the saved settings of all clusters on this host. Each is the name of an empty chain, so
 * that it is deleted with the cluster's table and with the namespace.
 */
async function savedSettings(): Promise<SavedSetting[]> {
  const objects = await listRuleset(["chains", "ip"]);
  return objects.flatMap(({ chain }) => {
    const before = SAVED.exec(String(chain?.name))?.[1];
    return before === undefined ? [] : [{ table: String(chain?.table), before }];
  });
}

/** Returns the name of the chain to add to a cluster's table before enabling forwarding. */
export async function forwardingChain(): Promise<string> {
  const [first] = await savedSettings();
  return `forwarding-was-${first?.before ?? readSysctl(FORWARD)}`;
}

export const isForwarding = (): boolean => readSysctl(FORWARD) === "1";

/** Enables IPv4 forwarding on the host. */
export function enableForwarding(): void {
  writeSysctl(FORWARD, 1);
}

/** Restores the host's setting if `table` is the last cluster's. Call before deleting it. */
export async function restoreForwarding(table: string): Promise<void> {
  const all = await savedSettings();
  const own = all.find((saved) => saved.table === table);
  if (own && all.length === 1) writeSysctl(FORWARD, own.before);
}
