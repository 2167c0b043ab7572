import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { StatusResponse } from "@raft2kube/proto/gen/etcd.ts";
import { NONE } from "../../core/types.ts";
import { clusterVersion } from "../../mvcc/apply/downgrade.ts";
import { header } from "../../mvcc/state/state.ts";
import { ETCD_VERSION } from "../../version.ts";
import type { EtcdContext } from "../request/context.ts";
import { describeAlarm } from "./alarm-text.ts";

/** Maintenance.Status: this member's own view, without asking others. */
export async function status(context: EtcdContext): Promise<StatusResponse> {
  const { state, replica } = context;
  const raft = replica.raft.state;
  const alarms = state.alarms.list().map(describeAlarm);
  const { total, inUse } = await state.backend.size();
  return {
    header: { ...header(state), raftTerm: raft.term },
    version: ETCD_VERSION,
    dbSize: total,
    leader: raft.leader,
    raftIndex: raft.log.lastIndex,
    raftTerm: raft.term,
    raftAppliedIndex: state.appliedIndex,
    errors: [...(raft.leader === NONE ? [etcdError("noLeader").message] : []), ...alarms],
    dbSizeInUse: inUse,
    isLearner: raft.membership.learners.includes(raft.id),
    storageVersion: clusterVersion(state),
    dbSizeQuota: context.quota.configured_bytes,
    downgradeInfo: {
      enabled: state.downgradeTarget !== undefined,
      targetVersion: state.downgradeTarget ?? "",
    },
  };
}
