import type { HashKVRequest, HashKVResponse } from "@raft2kube/proto/gen/etcd.ts";
import { hashKv as hashRecords } from "../mvcc/hash.ts";
import { header } from "../mvcc/state.ts";
import type { EtcdContext } from "./context.ts";

/** Maintenance.HashKV: this member's own records, to be compared with those of others. */
export async function hashKv(
  context: EtcdContext,
  request: HashKVRequest,
): Promise<HashKVResponse> {
  const { state } = context;
  const hashed = await hashRecords(state, request.revision, context);
  const { hash, revision: hashRevision, compactRevision } = hashed;
  return { header: header(state), hash, compactRevision, hashRevision };
}
