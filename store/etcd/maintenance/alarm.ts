import {
  AlarmRequest_AlarmAction as Action,
  type AlarmRequest,
  type AlarmResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { header } from "../../mvcc/state/state.ts";
import { type EtcdContext, proposeCommand, readBarrier } from "../request/context.ts";

/** Maintenance.Alarm: lists alarms, or switches one on or off on all members. */
export async function alarm(context: EtcdContext, request: AlarmRequest): Promise<AlarmResponse> {
  if (request.action !== Action.GET) {
    return proposeCommand<"alarm">(context, { kind: "alarm", request });
  }
  await readBarrier(context);
  const { state } = context;
  return { header: header(state), alarms: state.alarms.list(request.alarm) };
}
