import { iptables } from "@raft2kube/linux/netfilter/iptables.ts";

/** Chains of a table that have one owner and are replaced as a whole, without nftables. */
export interface OwnChains {
  readonly table: "filter" | "mangle";
  /** Our chain by the kernel's chain that jumps to it. */
  readonly hooks: Readonly<Record<string, string>>;
  /** The rules of our chains as iptables-save prints them: `-A CHAIN ... -j DROP`. */
  readonly rules: readonly string[];
}

/**
 * Returns the transaction that replaces our chains, and adds those jumps to them that are not in
 * `saved`, the table's present rules.
 */
export function chainsInput({ table, hooks, rules }: OwnChains, saved: readonly string[]): string {
  const chains = [...new Set(Object.values(hooks))];
  return [
    `*${table}`,
    ...chains.map((chain) => `:${chain} - [0:0]`),
    ...rules,
    ...jumpsOf(hooks).filter((jump) => !saved.includes(jump)),
    "COMMIT",
    "",
  ].join("\n");
}

const jumpsOf = (hooks: OwnChains["hooks"]) =>
  Object.entries(hooks).map(([hook, chain]) => `-A ${hook} -j ${chain}`);

/**
 * Whether a table has exactly these rules in our chains, and the jumps to them. iptables-save
 * prints the chains in an order of its own.
 */
export function hasChains({ hooks, rules }: OwnChains, saved: readonly string[]): boolean {
  const isSame = Object.values(hooks).every((chain) => {
    const [found, wanted] = [saved, rules].map((lines) => {
      return lines.filter((line) => line.startsWith(`-A ${chain} `)).join("\n");
    });
    return found === wanted;
  });
  return isSame && jumpsOf(hooks).every((jump) => saved.includes(jump));
}

/**
 * Sets the chains in this thread's namespace by iptables-legacy; returns whether they differed.
 * IptablesError when they are refused.
 */
export async function ensureChains(own: OwnChains): Promise<boolean> {
  const tools = iptables("legacy");
  const saved = await tools.save(own.table);
  if (hasChains(own, saved)) return false;
  await tools.restore(chainsInput(own, saved));
  return true;
}
