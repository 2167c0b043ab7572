import type { DeleteRangeRequest, DeleteRangeResponse } from "@raft2kube/proto/gen/etcd.ts";
import { type EtcdContext, proposeCommand } from "../request/context.ts";
import { checkDeleteRange } from "./check.ts";

export async function deleteRange(
  context: EtcdContext,
  request: DeleteRangeRequest,
): Promise<DeleteRangeResponse> {
  checkDeleteRange(request);
  return proposeCommand<"delete-range">(context, { kind: "delete-range", request });
}
