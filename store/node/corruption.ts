import { AlarmType } from "@raft2kube/proto/gen/etcd.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import type { MemberId } from "../core/types.ts";
import type { State } from "../mvcc/state/state.ts";

/**
 * This member's data is not the others': it must not be served (S8). A sole member has no other to
 * be rebuilt from, and stays readable, as etcd.
 */
export function corruptMember({ alarms, identity, members }: State): CodedError | undefined {
  const { memberId: memberID } = identity;
  if (!alarms.isOn({ memberID, alarm: AlarmType.CORRUPT })) return undefined;
  return members.values().length < 2 ? undefined : memberCorrupt(memberID);
}

export function memberCorrupt(memberId: MemberId): CodedError {
  const id = memberId.toString(16);
  return new CodedError("MEMBER_CORRUPT", `member ${id}: its data differs from the others'`, {
    remedy:
      `rebuild it from them: etcdctl member remove ${id}; etcdctl alarm disarm; ` +
      "etcdctl member add; then start it with an empty data directory and " +
      "--initial-cluster-state existing",
  });
}
