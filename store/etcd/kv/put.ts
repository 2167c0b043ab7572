import type { PutRequest, PutResponse } from "@raft2kube/proto/gen/etcd.ts";
import { type EtcdContext, proposeCommand } from "../request/context.ts";
import { checkPut } from "./check.ts";

export async function put(context: EtcdContext, request: PutRequest): Promise<PutResponse> {
  checkPut(request);
  return proposeCommand<"put">(context, { kind: "put", request });
}
