import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { KeyValue } from "@raft2kube/proto/gen/etcd.ts";
import { crc32c } from "@raft2kube/std/bytes.ts";
import { parseRecordKey, RECORD_PREFIX_BYTES } from "../records/revision.ts";
import type { State } from "../state/state.ts";
import type { Compactor } from "./compaction/compactor.ts";
import type { Flusher } from "./flush/flusher.ts";
import { META_KEY } from "./flush/meta.ts";
import { bucket } from "./restore/restore.ts";

/** A checksum over the records of the revisions up to one. */
export interface KvHash {
  hash: number;
  /** The revision that was hashed, and the compacted one: both make two hashes comparable. */
  revision: number;
  compactRevision: number;
}

/** A hash's condition to wait for, and its lock while it reads the backend. */
export interface HashParts {
  flusher: Pick<Flusher, "settled">;
  compactor: Pick<Compactor, "hold">;
  /** Reading ends when the member does. */
  replica: { readonly stopped: boolean };
}

const RECORDS = bucket("key");
const SEED = crc32c(Buffer.from("key", "latin1"));
const ALL_KEYS = { from: "", to: undefined, single: false };

/**
 * etcd's HashKV, equal to etcd's for equal histories (upstream: server/storage/mvcc/hash.go):
 * CRC-32C over the bucket's name and all records up to `revision`, 0 for the present one. Of what
 * is compacted only the records that `revision` still shows count, whether or not the others are
 * gone from the backend yet. Rejects with etcd's errors for a compacted or a future revision.
 */
export async function hashKv(
  state: State,
  revision: number,
  { flusher, compactor, replica }: HashParts,
): Promise<KvHash> {
  // To etcd it is no mistake: no record is of a revision below zero.
  if (revision < 0) return { hash: SEED, revision, compactRevision: state.compactRevision };
  const at = revision === 0 ? state.revision : revision;
  checkRevision(state, at);
  await flusher.settled();
  return compactor.hold(async () => {
    checkRevision(state, at);
    // These, even when the state is replaced while they are read.
    const { index, backend, compactRevision } = state;
    let live = false;
    index.visit(ALL_KEYS, at, () => {
      live = true;
      return false;
    });
    // Without live keys etcd counts the records that a compaction leaves: the keys at its revision.
    const keptAt = live ? at : compactRevision;
    const isCounted = (key: Buffer, value: Buffer) => {
      const { main, sub, tombstone } = parseRecordKey(key);
      if (main > at) return false;
      if (main > compactRevision) return true;
      if (tombstone) return false;
      const shown = index.get(KeyValue.decode(value).key.toString("latin1"), keptAt);
      return shown?.main === main && shown.sub === sub;
    };
    let hash = SEED;
    for await (const chunk of backend.scan(RECORDS)) {
      if (replica.stopped) throw etcdError("stopped");
      // A later compaction takes points out of the index that this needs.
      if (state.index === index && state.compactRevision > at) throw etcdError("compacted");
      for (const [key, value] of chunk) {
        if (!isCounted(key, value)) continue;
        hash = crc32c(value, crc32c(key.subarray(RECORD_PREFIX_BYTES), hash));
      }
    }
    return { hash, revision: at, compactRevision };
  });
}

/**
 * A checksum over everything in the backend but the state's own record, at the present revision.
 */
export async function hashBackend(
  state: State,
  { flusher, compactor, replica }: HashParts,
): Promise<number> {
  await flusher.settled();
  return compactor.hold(async () => {
    let hash = 0;
    for await (const chunk of state.backend.scan(EVERYTHING)) {
      if (replica.stopped) throw etcdError("stopped");
      for (const [key, value] of chunk) {
        if (!key.equals(META_KEY)) hash = crc32c(value, crc32c(key, hash));
      }
    }
    return hash;
  });
}

const EVERYTHING = { from: Buffer.alloc(0), to: Buffer.alloc(64, 0xff) };

function checkRevision(state: State, at: number): void {
  if (at < state.compactRevision) throw etcdError("compacted");
  if (at > state.revision) throw etcdError("futureRevision");
}
