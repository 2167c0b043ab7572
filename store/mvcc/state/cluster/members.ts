import { Member } from "@raft2kube/proto/gen/etcd.ts";

/** The cluster's record of a member. Whether it votes is in the membership. */
export interface MemberRecord {
  ID: bigint;
  /** The member's name; empty until it has started. */
  name: string;
  peerURLs: string[];
  clientURLs: string[];
}

const MEMBER_PREFIX = "members/";
const REMOVED_PREFIX = "members_removed/";

const hex = (id: bigint) => id.toString(16).padStart(16, "0");

/** The backend keys of a member, and of one that was removed. */
export const memberKey = (id: bigint): Buffer => Buffer.from(MEMBER_PREFIX + hex(id));
export const removedKey = (id: bigint): Buffer => Buffer.from(REMOVED_PREFIX + hex(id));

export function encodeMember(member: MemberRecord): Buffer {
  return Member.encode({ ...member, isLearner: false });
}

/** All members by their ids, and the ids that never come back. */
export class MemberTable {
  readonly #members = new Map<bigint, MemberRecord>();
  readonly #removed = new Set<bigint>();

  get(id: bigint): MemberRecord | undefined {
    return this.#members.get(id);
  }

  /** The members in order of their ids. */
  values(): MemberRecord[] {
    return [...this.#members.values()].sort((a, b) => (a.ID < b.ID ? -1 : 1));
  }

  set(member: MemberRecord): void {
    this.#members.set(member.ID, member);
  }

  remove(id: bigint): void {
    this.#members.delete(id);
    this.#removed.add(id);
  }

  isRemoved(id: bigint): boolean {
    return this.#removed.has(id);
  }

  /** Takes in a pair found in the backend under "members". */
  restore(key: Buffer, value: Buffer): void {
    const name = key.toString("latin1");
    if (name.startsWith(MEMBER_PREFIX)) {
      const { ID, name: given, peerURLs, clientURLs } = Member.decode(value);
      this.set({ ID, name: given, peerURLs, clientURLs });
    } else {
      this.#removed.add(BigInt(`0x${name.slice(REMOVED_PREFIX.length)}`));
    }
  }
}
