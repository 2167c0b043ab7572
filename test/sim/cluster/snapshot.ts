import type { MemberId } from "@raft2kube/store/core/types.ts";
import { META_KEY, decodeMeta, encodeMeta } from "@raft2kube/store/mvcc/meta.ts";

/** The slot that a backend's state is at. */
export function appliedIndexOf(pairs: Map<string, Buffer>): number {
  const meta = pairs.get(META_KEY.toString("latin1"));
  return meta ? decodeMeta(meta).appliedIndex : 0;
}

/** Another member's state as this member stores it: the same, under its own name. */
export function stateForMember(
  pairs: Map<string, Buffer>,
  memberId: MemberId,
): Map<string, Buffer> {
  const name = META_KEY.toString("latin1");
  const meta = pairs.get(name);
  if (!meta) throw new Error("a snapshot without the state's own figures");
  return new Map(pairs).set(name, encodeMeta({ ...decodeMeta(meta), memberId }));
}
