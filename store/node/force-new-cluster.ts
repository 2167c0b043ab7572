import { logger } from "@raft2kube/observe/log.ts";
import { initialMembership } from "../core/membership.ts";
import type { Restored } from "../core/raft.ts";
import { memberKey, removedKey } from "../mvcc/state/cluster/members.ts";
import { type State, notePending } from "../mvcc/state/state.ts";

const log = logger("store");

/**
 * After a majority is lost for good, one member goes on alone (etcd's --force-new-cluster): all
 * others are removed, for ever; everything in this member's log is kept, changes of membership
 * still waiting in it apart.
 */
export function becomeSole(state: State, restored: Restored): Restored {
  const own = state.identity.memberId;
  for (const { ID } of state.members.values()) {
    if (ID === own) continue;
    log.warn("removing a member, by force", { member: ID.toString(16) });
    state.members.remove(ID);
    notePending(state, memberKey(ID), undefined);
    notePending(state, removedKey(ID), Buffer.from("removed"));
  }
  const membership = initialMembership([own]);
  state.membership = membership;
  const entries = restored.entries.map((entry) => ({ ...entry, change: undefined }));
  return { ...restored, membership, entries };
}
