import { findIptables, hasNatTable, type Iptables } from "@raft2kube/linux/netfilter/iptables.ts";
import { errno, tolerate } from "@raft2kube/std/errors.ts";
import { IPTABLES_ATTEMPTS_MAX } from "../limits.ts";

/** A rule of one of our chains of the nat table, with the comment that identifies its owner. */
export interface OwnedRule {
  readonly chain: string;
  /** Matches as iptables-save prints them: `-p tcp -m tcp --dport 80`. */
  readonly matches: string;
  readonly target: string;
  readonly comment: string;
}

/** Chains that plugins share, and how packets come to them. */
export interface SharedChains {
  readonly names: readonly string[];
  /** Rules that are made with the chains: `-A POSTROUTING -j CHAIN`. */
  readonly rules: readonly string[];
}

/**
 * Adds rules; those of an owner are together and in their order. The chains are made with the first
 * of them: when a concurrent call makes them first, iptables refuses, and this one looks again.
 */
export async function addOwnedRules(
  shared: SharedChains,
  rules: readonly OwnedRule[],
): Promise<void> {
  const tools = await findIptables();
  for (let attempt = 1; ; attempt++) {
    const saved = await tools.save("nat");
    const isThere = saved.some((line) => line.startsWith(`:${shared.names[0]} `));
    const frame = [...shared.names.map((name) => `-N ${name}`), ...shared.rules];
    try {
      return await tools.restore(nat([...(isThere ? [] : frame), ...rules.map(ruleText)]));
    } catch (thrown) {
      if (isThere || attempt === IPTABLES_ATTEMPTS_MAX) throw thrown;
    }
  }
}

const nat = (lines: readonly string[]): string => ["*nat", ...lines, "COMMIT", ""].join("\n");

function ruleText({ chain, matches, target, comment }: OwnedRule): string {
  return `-A ${chain} ${matches} -m comment --comment "${comment}" -j ${target}`;
}

/** A rule as iptables-save prints it: `-A CHAIN ... -m comment --comment "..." -j TARGET`. */
type SavedRule = { readonly line: string; readonly chain: string; readonly comment: string };

/** Returns the rules of these chains that have a comment; none where iptables has no nat table. */
export async function listOwnedRules({ names }: SharedChains): Promise<SavedRule[]> {
  const tools = await programs();
  return tools === undefined ? [] : ownedIn(await tools.save("nat"), names);
}

function ownedIn(saved: readonly string[], chains: readonly string[]): SavedRule[] {
  return saved.flatMap((line) => {
    const [, chain = "", comment = ""] = /^-A (\S+) .*--comment "([^"]*)"/.exec(line) ?? [];
    return chains.includes(chain) ? [{ line, chain, comment }] : [];
  });
}

/** Deletes the rules whose comment `stale` accepts, in one transaction. */
export async function deleteOwnedRules(
  { names }: SharedChains,
  stale: (comment: string) => boolean,
): Promise<void> {
  const tools = await programs();
  if (tools === undefined) return;
  for (let attempt = 1; ; attempt++) {
    const gone = ownedIn(await tools.save("nat"), names).filter(({ comment }) => stale(comment));
    if (gone.length === 0) return;
    try {
      return await tools.restore(nat(gone.map(({ line }) => line.replace(/^-A/, "-D"))));
    } catch (thrown) {
      if (attempt === IPTABLES_ATTEMPTS_MAX) throw thrown; // another call deletes the same
    }
  }
}

/**
 * The programs; undefined where iptables left no rules, because it does not work or was never used.
 */
async function programs(): Promise<Iptables | undefined> {
  if (!hasNatTable()) return undefined;
  return tolerate(findIptables(), errno("iptables-missing"));
}
