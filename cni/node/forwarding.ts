import { listRuleset } from "@raft2kube/linux/nft.ts";
import { readSysctl, writeSysctl } from "@raft2kube/linux/sysctl.ts";

const FORWARD = "net.ipv4.ip_forward";
const NOTE = /^forwarding-was-([01])$/;

/** A cluster's note in its table: how the host was before the first cluster came. */
interface Note {
  table: string;
  before: string;
}

/**
 * The notes of all clusters on this host. They are chains without rules, so that they live and die
 * with the tables and the namespace they are about, wherever each cluster keeps its files.
 */
async function notes(): Promise<Note[]> {
  const objects = await listRuleset(["chains", "ip"]);
  return objects.flatMap(({ chain }) => {
    const before = NOTE.exec(String(chain?.name))?.[1];
    return before === undefined ? [] : [{ table: String(chain?.table), before }];
  });
}

/** The name of the chain to put into a cluster's table before it lets the host forward. */
export async function forwardingNote(): Promise<string> {
  const [first] = await notes();
  return `forwarding-was-${first?.before ?? readSysctl(FORWARD)}`;
}

export function forward(): void {
  writeSysctl(FORWARD, 1);
}

/** Puts the host's setting back when `table` is the last that has a note; before it is deleted. */
export async function releaseForwarding(table: string): Promise<void> {
  const all = await notes();
  const own = all.find((note) => note.table === table);
  if (own && all.length === 1) writeSysctl(FORWARD, own.before);
}
