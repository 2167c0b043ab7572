import { logger } from "@raft2kube/observe/log.ts";
import { initialMembership } from "../core/membership.ts";
import type { Restored } from "../core/raft.ts";
import { memberKey, removedKey } from "../mvcc/state/cluster/members.ts";
import { notePending, type State } from "../mvcc/state/state.ts";

const log = logger("store");

/**
 * Makes this member the sole one after a majority is lost permanently (etcd's --force-new-cluster):
 * all others are removed; the entries of this member's log are kept, except pending changes of
 * membership.
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
