import type { HashRequest, HashResponse } from "@raft2kube/proto/gen/etcd.ts";
import { hashBackend } from "../../mvcc/persist/hash.ts";
import { header } from "../../mvcc/state/state.ts";
import type { EtcdContext } from "../request/context.ts";

/** Maintenance.Hash: this member's whole backend; unlike HashKV's its value is our own. */
export async function hash(context: EtcdContext, _request: HashRequest): Promise<HashResponse> {
  const { state, metrics } = context;
  const answerHeader = header(state);
  const hashed = await metrics.maintenance.timed("hash", () => hashBackend(state, context));
  return { header: answerHeader, hash: hashed };
}
