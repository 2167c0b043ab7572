import { findIptables, hasNatTable, type Iptables } from "@raft2kube/linux/netfilter/iptables.ts";
import { chainsInKernel } from "@raft2kube/linux/netfilter/nft-table/shape.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "@raft2kube/linux/netlink/netlink.ts";
import { errno, isErrno, tolerate } from "@raft2kube/std/errors.ts";
import { inSlices } from "@raft2kube/std/slices.ts";
import { PORTS_PER_TRANSACTION, SAVE_MS_MAX } from "../../limits.ts";
import type { Layout } from "./base.ts";
import { hasJumps, removal, type Saved, TABLES } from "./state.ts";

/** Chains from which packets come to ours. */
const BUILT_IN = /^(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)$/;

/**
 * Returns what finds the programs of this namespace: from now on, while a caller does other work,
 * once, and again after a failure.
 */
export function finder(): () => Promise<Iptables> {
  let finding: Promise<Iptables> | undefined;
  const find = () => {
    finding ??= findIptables();
    finding.catch(() => {
      finding = undefined;
    });
    return finding;
  };
  void find();
  return find;
}

/**
 * Returns what the two tables have now. Where the program on nftables does not end in time, as
 * others' transactions, of NetworkPolicies of a tenant too, make it start again: the names of all
 * chains, and the rules of the built-in ones.
 */
export async function saveTables(tools: Iptables): Promise<Saved> {
  const tables = new Map<string, string[]>();
  let lines: string[] = [];
  let all: string[];
  try {
    all = await tools.save(undefined, SAVE_MS_MAX);
  } catch (thrown) {
    if (tools.kind !== "nft" || !isErrno(thrown, "iptables-failed")) throw thrown;
    return namesOf(tools);
  }
  for (const line of all) {
    if (line.startsWith("*")) tables.set(line.slice(1), (lines = []));
    else lines.push(line);
  }
  return { filter: tables.get("filter") ?? [], nat: tables.get("nat") ?? [] };
}

async function namesOf(tools: Iptables): Promise<Saved> {
  using netfilter = new NetlinkSocket(NETLINK_NETFILTER);
  const saved = { filter: [] as string[], nat: [] as string[], hasNamesAlone: true };
  for (const table of TABLES) {
    for (const name of await inSlices(chainsInKernel(table, netfilter))) {
      saved[table].push(`:${name} - [0:0]`);
      if (BUILT_IN.test(name)) saved[table].push(...(await tools.rulesOf(table, name)));
    }
  }
  return saved;
}

/** Service ports in one transaction. The legacy programs write the whole table for each: all. */
export function portsAtOnce({ kind }: Iptables): number {
  return kind === "nft" ? PORTS_PER_TRANSACTION : Infinity;
}

/** Whether a layout's chains are in this namespace. */
export async function hasLayout(layout: Layout): Promise<boolean> {
  if (!hasNatTable()) return false;
  const tools = await findPrograms();
  return tools !== undefined && hasJumps(await saveTables(tools), layout);
}

/** Removes a layout's jumps and chains from this namespace, and nothing else. */
export async function removeLayout(layout: Layout): Promise<void> {
  const tools = await findPrograms();
  if (!tools) return;
  const input = removal(await saveTables(tools), layout, portsAtOnce(tools));
  if (input !== "") await tools.restore(input);
}

/** Returns the programs, or undefined where iptables does not work: it left nothing then. */
async function findPrograms(): Promise<Iptables | undefined> {
  return tolerate(findIptables(), errno("iptables-missing"));
}
