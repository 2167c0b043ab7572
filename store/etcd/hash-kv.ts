import type { HashKVRequest, HashKVResponse } from "@raft2kube/proto/gen/etcd.ts";
import { hashKv as hashRecords } from "../mvcc/hash.ts";
import { header } from "../mvcc/state.ts";
import type { EtcdContext } from "./context.ts";

/** Maintenance.HashKV: this member's own records, to be compared with those of others. */
export async function hashKv(
  { state, compactor }: EtcdContext,
  request: HashKVRequest,
): Promise<HashKVResponse> {
  const hashed = await hashRecords(state, request.revision, (read) => compactor.hold(read));
  const { hash, revision: hashRevision, compactRevision } = hashed;
  return { header: header(state), hash, compactRevision, hashRevision };
}
