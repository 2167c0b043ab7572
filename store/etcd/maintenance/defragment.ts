import type { DefragmentRequest, DefragmentResponse } from "@raft2kube/proto/gen/etcd.ts";
import { EVERYTHING } from "../../snapshot/write.ts";
import type { EtcdContext } from "../request/context.ts";

/** Maintenance.Defragment: this member's backend frees the space of removed records. */
export async function defragment(
  { state, quota, metrics, serving }: EtcdContext,
  _request: DefragmentRequest,
): Promise<DefragmentResponse> {
  const { backend } = state;
  const work = () => backend.compactRange(EVERYTHING);
  await serving.defragmenting(() => metrics.maintenance.timed("defragment", work));
  await quota.measure();
  // As etcd's, without a header.
  return {};
}
