import { KeyValue } from "@raft2kube/proto/gen/etcd.ts";
import type { Backend, BackendPair, BackendWrite } from "@raft2kube/store/backend/backend.ts";
import { CheckedBackend, CRC_BYTES, seal } from "@raft2kube/store/backend/checked.ts";
import type { Restored } from "@raft2kube/store/core/raft.ts";
import { NONE } from "@raft2kube/store/core/types.ts";
import { META_KEY } from "@raft2kube/store/mvcc/persist/flush/meta.ts";
import { bucket } from "@raft2kube/store/mvcc/persist/restore/restore.ts";
import { decodeRecord } from "@raft2kube/store/wal/record.ts";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from "@raft2kube/store/wal/segment.ts";
import { SYNCED_NAME } from "@raft2kube/store/wal/synced-mark.ts";
import type { Generation } from "../cluster/generation.ts";
import { database, disk, type Mutant } from "./mutant.ts";

/** Files whose sync reports success, regardless of the disk's result. */
const syncLies = (sync: "skips" | "ignores failure") =>
  disk((real) => ({
    open: (name, create, done) =>
      real.open(name, create, (error, file) => {
        if (!file) return done(error);
        done(error, {
          ...file,
          sync: (synced) => {
            if (sync === "skips") synced(null);
            else file.sync(() => synced(null));
          },
        });
      }),
  }));

/** Returns a segment up to its first invalid record, as if no later one had been written. */
function cutAtDamage(name: string, bytes: Buffer): Buffer {
  const start = decodeSegmentHeader(name, bytes);
  if (start === undefined) return bytes;
  let offset = SEGMENT_HEADER_BYTES;
  for (;;) {
    const record = decodeRecord(bytes, offset, start + offset - SEGMENT_HEADER_BYTES);
    if (!record) return Buffer.concat([bytes.subarray(0, offset)], bytes.length);
    offset += record.size;
  }
}

const RECORDS = bucket("key").from;

/** Accepts all data from the disk: checksums are removed without a check. */
function unchecked(raw: Backend): Backend {
  const cut = (stored: Buffer) => stored.subarray(0, stored.length - CRC_BYTES);
  const cutAll = async function* (chunks: AsyncIterable<BackendPair[]>) {
    for await (const chunk of chunks) {
      yield chunk.map(([key, stored]): BackendPair => [key, cut(stored)]);
    }
  };
  return {
    ...raw,
    getSync: (key) => {
      const stored = raw.getSync(key);
      return stored && cut(stored);
    },
    scan: (range) => cutAll(raw.scan(range)),
    writeBatch: (writes, options) => {
      const sealed = Array.from(writes, ({ key, value }) => {
        return { key, value: value && seal(key, value) };
      });
      return raw.writeBatch(sealed, options);
    },
  };
}

/** Writes each fifth batch without the record of its applied index. */
const withoutMeta = database((real) => {
  let batches = 0;
  return {
    writeBatch: (writes, options) => {
      const all = ++batches % 5 !== 0;
      const kept = [...writes].filter(({ key }) => all || !key.equals(META_KEY));
      return real.writeBatch(kept, options);
    },
  };
});

/** A compaction's removals are written without a sync. */
const unsyncedRemovals = database((real) => ({
  writeBatch: (writes, { sync }) => {
    const all = [...writes];
    const removes = all.every(({ value }) => value === undefined);
    return real.writeBatch(all, { sync: sync && !removes });
  },
}));

/** Some records get another value, with a valid checksum. */
const otherValues = database((real) => {
  let records = 0;
  const changed = ({ key, value }: BackendWrite): BackendWrite => {
    const kv = value && key.subarray(0, RECORDS.length).equals(RECORDS) && KeyValue.decode(value);
    if (!kv || kv.value.length === 0 || ++records % 200 !== 0) return { key, value };
    return { key, value: KeyValue.encode({ ...kv, value: Buffer.from("another") }) };
  };
  return { writeBatch: (writes, options) => real.writeBatch(Array.from(writes, changed), options) };
});

export const DISK_MUTANTS: readonly Mutant[] = [
  {
    name: "acknowledges before the sync",
    breaks: "S1",
    noticedBy: [
      "no damage without a cause",
      "term and vote kept",
      "state machine safety",
      "leader completeness",
    ],
    seen: "etcd #14370",
    seams: { disk: syncLies("skips") },
  },
  {
    name: "continues after a failed sync",
    breaks: "S10",
    noticedBy: [
      "no damage without a cause",
      "term and vote kept",
      "store's own",
      "state machine safety",
      "leader completeness",
    ],
    seams: { disk: syncLies("ignores failure") },
  },
  {
    name: "loses its vote at a restart",
    breaks: "Raft 5.1",
    noticedBy: ["term and vote kept"],
    seams: { restored: ({ hardState }: Restored) => Object.assign(hardState, { vote: NONE }) },
  },
  {
    name: "loses its term at a restart",
    breaks: "Raft 5.1",
    noticedBy: ["term and vote kept"],
    seams: {
      restored: (restored) => {
        const { term, commit } = restored.hardState;
        restored.hardState = { term: Math.max(1, term - 1), vote: NONE, commit };
      },
    },
  },
  {
    name: "treats damage to its log as a torn tail",
    breaks: "S8",
    noticedBy: ["term and vote kept", "store's own", "leader completeness", "state machine safety"],
    seams: {
      disk: disk((real) => ({
        list: () => real.list().filter((name) => name !== SYNCED_NAME),
        read: (name) => cutAtDamage(name, real.read(name)),
      })),
    },
  },
  {
    name: "does not verify its database's checksums",
    breaks: "S8",
    noticedBy: ["state agreement", "linearizability", "watch", "scrub", "store's own"],
    seams: { checksums: unchecked },
  },
  {
    name: "does not detect records that its database lost",
    breaks: "S8",
    noticedBy: ["progress", "scrub", "state agreement", "linearizability", "watch"],
    // Checksums, but no inventory of all that must be there.
    seams: { checksums: (raw) => new CheckedBackend(raw, "db", () => undefined) },
  },
  {
    name: "writes records without their applied index",
    breaks: "S3, S4",
    noticedBy: ["store's own", "state agreement"],
    seen: "etcd #14685",
    seams: { backend: withoutMeta },
  },
  {
    name: "does not sync a compaction's removals",
    breaks: "S6, S8",
    noticedBy: ["no damage without a cause"],
    seams: { backend: unsyncedRemovals },
  },
  {
    name: "writes a different value to its database than it applied",
    breaks: "S3, S8",
    noticedBy: ["hash", "progress", "scrub", "state agreement", "linearizability", "watch"],
    seams: { backend: otherValues },
  },
  {
    name: "writes only a part of some transactions to the backend",
    breaks: "S4",
    noticedBy: ["progress", "hash", "store's own", "state agreement", "scrub"],
    seams: {
      generation: ({ state }: Generation) => {
        const { recent } = state;
        const changes = recent.changes.bind(recent);
        recent.changes = (main) => {
          const found = changes(main);
          return main % 97 === 0 && found && found.length > 1 ? found.slice(0, 1) : found;
        };
      },
    },
  },
];
