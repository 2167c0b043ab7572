import { type AlarmMember, AlarmType } from "@raft2kube/proto/gen/etcd.ts";

/** The name of a kind of alarm, as in etcd's texts. */
export function alarmName(kind: AlarmType): string {
  const found = Object.entries(AlarmType).find(([, number]) => number === kind);
  return found ? found[0] : `${kind}`;
}

/** An alarm in the words of etcd's `errors` of a status: protobuf's text form. */
export function describeAlarm({ memberID, alarm }: AlarmMember): string {
  return `memberID:${memberID} alarm:${alarmName(alarm)} `;
}
