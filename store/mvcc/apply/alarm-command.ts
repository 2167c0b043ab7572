import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import {
  AlarmRequest_AlarmAction as Action,
  type AlarmRequest,
  type AlarmResponse,
  AlarmType,
} from "@raft2kube/proto/gen/etcd.ts";
import { alarmKey } from "../state/cluster/alarms.ts";
import { header, notePending, type State } from "../state/state.ts";
import type { Command } from "./command.ts";
import { spaceCost } from "./space-cost.ts";

/** Switches an alarm on or off; the answer names it when it is on, or was. */
export function alarm(state: State, request: AlarmRequest): AlarmResponse {
  const { action, memberID, alarm: kind } = request;
  const named = { memberID, alarm: kind };
  const answer = (alarms: AlarmResponse["alarms"]) => ({ header: header(state), alarms });
  if (action === Action.GET) return answer(state.alarms.list(kind));
  if (action === Action.DEACTIVATE) {
    if (!state.alarms.remove(named)) return answer([]);
    notePending(state, alarmKey(named), undefined);
    return answer([named]);
  }
  if (action !== Action.ACTIVATE || kind === AlarmType.NONE) return answer([]);
  if (!state.alarms.isOn(named)) {
    state.alarms.add(named);
    notePending(state, alarmKey(named), Buffer.alloc(0));
  }
  return answer([named]);
}

/**
 * Throws for commands that an alarm forbids, on every member alike: with CORRUPT all that change
 * keys, with NOSPACE those that need space.
 */
export function refuseAlarmed(state: State, command: Command): void {
  if (state.alarms.isEmpty) return;
  if (changesKeys(command) && state.alarms.has(AlarmType.CORRUPT)) throw etcdError("corrupt");
  if (spaceCost(command) > 0 && state.alarms.has(AlarmType.NOSPACE)) throw etcdError("noSpace");
}

function changesKeys({ kind }: Command): boolean {
  switch (kind) {
    case "put":
    case "delete-range":
    case "txn":
    case "compact":
    case "lease-grant":
    case "lease-revoke":
      return true;
    default:
      return false;
  }
}
