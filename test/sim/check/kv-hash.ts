import { KeyValue } from "@raft2kube/proto/gen/etcd.ts";
import { crc32c } from "@raft2kube/std/bytes.ts";
import { type KvState, type Rec, stateAt } from "../../../testing/history/kv-state.ts";
import { require } from "../../../testing/violation.ts";
import type { RevisionEvents } from "./watches.ts";

/** A member's answer to HashKV. */
export interface HashSeen {
  readonly revision: number;
  readonly compactRevision: number;
  readonly hash: number;
}

/** One change of a revision; a deletion has no record. */
interface Change {
  readonly main: number;
  readonly sub: number;
  readonly key: string;
  readonly rec: Rec | undefined;
}

const BUCKET = crc32c(Buffer.from("key"));

/**
 * etcd's HashKV of a history (upstream: server/storage/mvcc/hash.go), whose compaction is complete:
 * the changes after the compacted revision, and of those before the ones that the hashed revision
 * still shows. Where it shows no key, etcd hashes what a compaction leaves: the keys of the
 * compacted revision. The tombstone of the compacted revision itself never counts: releases differ
 * in whether they keep it.
 */
export function expectedHash(
  { revision, compactRevision }: Pick<HashSeen, "revision" | "compactRevision">,
  revisions: readonly RevisionEvents[],
  state: KvState,
): number {
  const changesOf = (main: number): Change[] => {
    const events = revisions[main - FIRST_REVISION]?.events ?? [];
    return events.map(({ key, rec }, sub) => ({ main, sub, key, rec }));
  };
  const shows = stateAt(state, revision).keys;
  const kept = shows.size > 0 ? shows : stateAt(state, compactRevision).keys;
  const changes: Change[] = [];
  for (const [key, { mod }] of kept) {
    if (mod <= compactRevision) changes.push(changesOf(mod).findLast((each) => each.key === key)!);
  }
  changes.sort((a, b) => a.main - b.main || a.sub - b.sub);
  for (let main = Math.max(compactRevision + 1, FIRST_REVISION); main <= revision; main++) {
    changes.push(...changesOf(main));
  }
  return changes.reduce((hash, change) => {
    return crc32c(valueOf(change), crc32c(keyOf(change), hash));
  }, BUCKET);
}

/** The first revision in which anything can change. */
const FIRST_REVISION = 2;

function keyOf({ main, sub, rec }: Change): Buffer {
  const key = Buffer.alloc(rec ? 17 : 18, "t");
  key.writeBigUInt64BE(BigInt(main), 0);
  key.write("_", 8);
  key.writeBigUInt64BE(BigInt(sub), 9);
  return key;
}

function valueOf({ key: name, rec }: Change): Buffer {
  const key = Buffer.from(name, "latin1");
  if (!rec) return KeyValue.encode({ ...KeyValue.create(), key });
  const { create: createRevision, mod: modRevision, version, lease } = rec;
  const value = Buffer.from(rec.value, "latin1");
  return KeyValue.encode({ key, value, createRevision, modRevision, version, lease });
}

/** Every member answers HashKV as etcd would for the same history (S8). */
export function hashKept(
  seen: HashSeen,
  revisions: readonly RevisionEvents[],
  state: KvState,
): void {
  const due = expectedHash(seen, revisions, state);
  const { revision, compactRevision, hash } = seen;
  const where = `the hash of revision ${revision}, compacted to ${compactRevision}`;
  require(hash === due, "hash", () => `${where}, is ${hash}, not ${due}`);
}
