import type { CompactionRequest, CompactionResponse } from "@raft2kube/proto/gen/etcd.ts";
import { type EtcdContext, proposeCommand } from "../request/context.ts";

/** KV.Compact; with `physical` the answer waits until the records are gone from the backend. */
export async function compact(
  context: EtcdContext,
  request: CompactionRequest,
): Promise<CompactionResponse> {
  const response = await proposeCommand<"compact">(context, { kind: "compact", request });
  if (request.physical) await context.compactor.removed(request.revision);
  return response;
}
