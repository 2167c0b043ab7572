import type { HashKVRequest, HashKVResponse } from "@raft2kube/proto/gen/etcd.ts";
import { hashKv as hashRecords } from "../../mvcc/persist/hash.ts";
import { header } from "../../mvcc/state/state.ts";
import type { EtcdContext } from "../request/context.ts";

/** Maintenance.HashKV: this member's own records, to be compared with those of others. */
export async function hashKv(
  context: EtcdContext,
  request: HashKVRequest,
): Promise<HashKVResponse> {
  const { state, metrics } = context;
  const work = () => hashRecords(state, request.revision, context);
  const hashed = await metrics.maintenance.timed("hashKv", work);
  const { hash, revision: hashRevision, compactRevision } = hashed;
  return { header: header(state), hash, compactRevision, hashRevision };
}
