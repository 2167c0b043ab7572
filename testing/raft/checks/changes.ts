import type { Restored } from "@raft2kube/store/core/raft.ts";
import { require } from "../../violation.ts";

type Found = Pick<Restored, "hardState" | "base" | "entries" | "applied">;

/**
 * A disk that has a change of membership knows that the one before it is committed (S11): of the
 * changes beyond its commit index there is at most one. `found` is what a start reads.
 */
export function changesKnown(member: bigint, found: Found): void {
  const { hardState, base, entries, applied } = found;
  const known = Math.max(hardState.commit, base.index, applied);
  const open = entries.filter(({ change, index }) => change && index > known);
  const message = () =>
    `${member} has changes at ${open.map(({ index }) => index).join(" and ")}, ` +
    `and knows that ${known} is committed`;
  require(open.length < 2, "a change is known to be committed", message);
}
