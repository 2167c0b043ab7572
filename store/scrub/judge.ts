import type { MemberId } from "../core/types.ts";
import type { KvHash } from "../mvcc/persist/hash.ts";

/** One member's hash at the common revision. */
export interface Testimony extends KvHash {
  member: MemberId;
}

/**
 * `agree`: all that answered are equal. `corrupt`: these differ from a majority of all members.
 * `divided`: they differ, and no majority shows which members are wrong.
 */
export type Verdict =
  | { kind: "agree" }
  | { kind: "corrupt"; members: MemberId[] }
  | { kind: "divided" };

/**
 * Compares members' hashes of one revision. Only those that are compacted to the same revision can
 * be compared; the largest such group is.
 */
export function judge(testimonies: Testimony[], memberCount: number): Verdict {
  const groups = Map.groupBy(testimonies, ({ compactRevision }) => compactRevision);
  const [comparable = []] = [...groups.values()].sort((a, b) => b.length - a.length);
  const byHash = Map.groupBy(comparable, ({ hash }) => hash);
  if (byHash.size < 2) return { kind: "agree" };
  const right = [...byHash].find(([, those]) => those.length > memberCount / 2)?.[0];
  if (right === undefined) return { kind: "divided" };
  const wrong = comparable.filter(({ hash }) => hash !== right);
  return { kind: "corrupt", members: wrong.map(({ member }) => member) };
}

/** Returns the differences that both rounds found. A difference in one round only is ignored. */
export function both(first: Verdict, second: Verdict): Verdict {
  if (first.kind === "agree" || second.kind === "agree") return { kind: "agree" };
  if (first.kind === "divided" || second.kind === "divided") return { kind: "divided" };
  const members = first.members.filter((member) => second.members.includes(member));
  return members.length > 0 ? { kind: "corrupt", members } : { kind: "agree" };
}
