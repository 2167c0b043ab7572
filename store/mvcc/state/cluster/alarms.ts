import { AlarmMember, AlarmType } from "@raft2kube/proto/gen/etcd.ts";

const PREFIX = Buffer.from("alarm/", "latin1");

/** Returns the backend key of an alarm: the alarm itself is the key, as in etcd's bucket. */
export function alarmKey(alarm: AlarmMember): Buffer {
  return Buffer.concat([PREFIX, AlarmMember.encode(alarm)]);
}

/** The alarms that are on, by kind and member: part of the replicated state. */
export class AlarmTable {
  readonly #alarms = new Map<string, AlarmMember>();

  /** Alarms of one kind, or with NONE of every kind, in order of kind and member. */
  list(kind: AlarmType = AlarmType.NONE): AlarmMember[] {
    const wanted = [...this.#alarms.values()].filter(
      ({ alarm }) => kind === AlarmType.NONE || alarm === kind,
    );
    return wanted.sort((a, b) => a.alarm - b.alarm || (a.memberID < b.memberID ? -1 : 1));
  }

  get isEmpty(): boolean {
    return this.#alarms.size === 0;
  }

  has(kind: AlarmType): boolean {
    for (const { alarm } of this.#alarms.values()) if (alarm === kind) return true;
    return false;
  }

  isOn(alarm: AlarmMember): boolean {
    return this.#alarms.has(nameOf(alarm));
  }

  add(alarm: AlarmMember): void {
    this.#alarms.set(nameOf(alarm), alarm);
  }

  /** Removes an alarm; returns false when it was not on. */
  remove(alarm: AlarmMember): boolean {
    return this.#alarms.delete(nameOf(alarm));
  }

  /** Takes in a key found in the backend under "alarm". */
  restore(key: Buffer): void {
    this.add(AlarmMember.decode(key.subarray(PREFIX.length)));
  }
}

const nameOf = ({ alarm, memberID }: AlarmMember) => `${alarm}/${memberID}`;
