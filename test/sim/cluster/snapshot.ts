import type { BackendWrite } from "@raft2kube/store/backend/backend.ts";
import { INVENTORY_KEY } from "@raft2kube/store/backend/inventory.ts";
import type { MemberId, SnapshotMark } from "@raft2kube/store/core/types.ts";
import { decodeMeta, encodeMeta, META_KEY } from "@raft2kube/store/mvcc/persist/flush/meta.ts";

/** The point of the log that a backend's state is at; undefined while it has none. */
export function markOf(pairs: ReadonlyMap<string, Buffer>): SnapshotMark | undefined {
  const bytes = pairs.get(META_KEY.toString("latin1"));
  if (!bytes) return undefined;
  const { appliedIndex: index, appliedTerm: term, membership } = decodeMeta(bytes);
  return { index, term, membership };
}

/** Another member's state as this member writes it: the same, under its own name. */
export function stateForMember(
  pairs: ReadonlyMap<string, Buffer>,
  memberId: MemberId,
): BackendWrite[] {
  const name = META_KEY.toString("latin1");
  const meta = pairs.get(name);
  if (!meta) throw new Error("a snapshot without the state's own figures");
  const own = new Map(pairs).set(name, encodeMeta({ ...decodeMeta(meta), memberId }));
  // The other database's inventory is its own.
  own.delete(INVENTORY_KEY.toString("latin1"));
  return [...own].map(([key, value]) => ({ key: Buffer.from(key, "latin1"), value }));
}
