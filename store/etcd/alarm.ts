import { EtcdError, STATUS } from "@raft2kube/client-etcd/errors.ts";
import {
  type AlarmRequest,
  AlarmRequest_AlarmAction as Action,
  type AlarmResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { header } from "../mvcc/state.ts";
import { requireAdmin, requireUser } from "./caller.ts";
import type { EtcdContext } from "./context.ts";

/**
 * Maintenance.Alarm: nothing here raises an alarm yet, so the list is empty and none can be set
 * or cleared.
 */
export async function alarm(context: EtcdContext, request: AlarmRequest): Promise<AlarmResponse> {
  if (request.action === Action.GET) await requireUser(context);
  else await requireAdmin(context);
  if (request.action !== Action.GET) {
    const message = "etcdserverpb.Maintenance/Alarm is not implemented for actions but GET";
    throw new EtcdError(STATUS.UNIMPLEMENTED, message);
  }
  return { header: header(context.state), alarms: [] };
}
