import { findIptables, hasNatTable, type Iptables } from "@raft2kube/linux/netfilter/iptables.ts";
import { errno, tolerate } from "@raft2kube/std/errors.ts";
import { PORTS_PER_TRANSACTION } from "../../limits.ts";
import type { Layout } from "./base.ts";
import { hasJumps, removal, type Saved } from "./state.ts";

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

/** Returns what the two tables have now. */
export async function saveTables(tools: Iptables): Promise<Saved> {
  const tables = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of await tools.save()) {
    if (line.startsWith("*")) tables.set(line.slice(1), (lines = []));
    else lines.push(line);
  }
  return { filter: tables.get("filter") ?? [], nat: tables.get("nat") ?? [] };
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
