import { openFiles_max } from "@raft2kube/observe/process-metrics.ts";
import type { ProgressState } from "../../core/progress.ts";
import type { Role } from "../../core/state.ts";
import { NONE } from "../../core/types.ts";
import type { EtcdContext } from "../request/context.ts";

/** Names of the roles in etcd's Raft. */
const ROLES: Readonly<Record<Role, string>> = {
  follower: "StateFollower",
  "pre-candidate": "StatePreCandidate",
  candidate: "StateCandidate",
  leader: "StateLeader",
};
const PROGRESS: Readonly<Record<ProgressState, string>> = {
  probe: "StateProbe",
  replicate: "StateReplicate",
  snapshot: "StateSnapshot",
};

const hex = (id: bigint) => id.toString(16);

/** etcd's `/debug/vars` (Go's expvar) without the memory of Go: the command, and Raft's state. */
export function debugVars({ replica }: EtcdContext): object {
  const raft = replica.raft.state;
  const leading = raft.role === "leader" ? raft : undefined;
  const progress = [...(leading?.progress ?? [])].map(([id, { match, next, state }]) => {
    return [hex(id), { match, next, state: PROGRESS[state] }] as const;
  });
  return {
    cmdline: process.argv,
    file_descriptor_limit: openFiles_max(),
    "raft.status": {
      id: hex(raft.id),
      term: raft.term,
      vote: hex(raft.vote),
      commit: raft.log.committed,
      lead: hex(raft.leader),
      raftState: ROLES[raft.role],
      applied: raft.applied,
      progress: Object.fromEntries(progress),
      leadtransferee: hex(leading?.transferee ?? NONE),
    },
  };
}
