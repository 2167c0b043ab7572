import { BboltError } from "@raft2kube/bbolt/errors.ts";
import type { OpenBbolt } from "@raft2kube/bbolt/read.ts";
import { AlarmMember, AlarmType, KeyValue, Role, User } from "@raft2kube/proto/gen/etcd.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import type { Backend, BackendPair, BackendWrite } from "../backend/backend.ts";
import { IMPORT_BATCH_BYTES } from "../limits.ts";
import { DOWNGRADE_KEY, decodeDowngrade, importDowngrade } from "../mvcc/apply/downgrade.ts";
import { KeyIndex } from "../mvcc/index/key-index.ts";
import { parseRecordKey, REVISION_BYTES } from "../mvcc/records/revision.ts";
import { StoredLease } from "../mvcc/state/lease/lease.ts";

/** Term, index and revision of an imported state. */
export interface ImportSummary {
  revision: number;
  compactRevision: number;
  compactedRevision: number;
  records: number;
  leases: number;
  users: number;
  /** The version that a downgrade leads to, when one is under way. */
  downgradeTarget: string | undefined;
}

/** An empty store's revision, as etcd's. */
const FIRST_REVISION = 1;

/**
 * Fills an empty backend from etcd's buckets: records, leases, alarms, auth and a downgrade, as
 * they are. Members are not copied, as in etcd's restore: the caller provides new ones. Throws
 * BboltError with the record that is inconsistent; DOWNGRADE_TARGET for an unsupported downgrade.
 */
export async function fillBackend(
  path: string,
  file: OpenBbolt,
  backend: Backend,
): Promise<ImportSummary> {
  const damaged = (what: string) => new BboltError("BBOLT_DAMAGED", path, what);
  if (!file.buckets.includes("key") || !file.buckets.includes("meta")) {
    throw new BboltError("BBOLT_FORMAT", path, "a bbolt file, but not etcd's: no bucket key, meta");
  }
  const { scheduled, finished } = await compactions(file, damaged);
  const keys = await copyRecords(file, backend, damaged);
  const copied: Record<string, number> = {};
  for (const bucket of ["lease", "alarm", "auth", "authRoles", "authUsers"]) {
    copied[bucket] = await copyBucket(file, backend, bucket, damaged);
  }
  return {
    // Compaction may have removed the last records: the revision never goes back before it.
    revision: Math.max(keys.revision, scheduled, FIRST_REVISION),
    compactRevision: scheduled > 0 ? scheduled : -1,
    compactedRevision: finished > 0 ? finished : -1,
    records: keys.records,
    leases: copied["lease"]!,
    users: copied["authUsers"]!,
    downgradeTarget: await copyDowngrade(file, backend, damaged),
  };
}

type Damaged = (what: string) => BboltError;

/** How far compaction was asked for, and how far it came. */
async function compactions(file: OpenBbolt, damaged: Damaged) {
  const found = new Map<string, number>();
  for await (const chunk of file.pairs("meta")) {
    for (const [key, value] of chunk) {
      const name = key.toString("latin1");
      if (!name.endsWith("CompactRev")) continue;
      if (value.length < REVISION_BYTES) throw damaged(`bucket meta: ${name} is cut short`);
      const { main } = parseRecordKey(prefixed("key", value));
      if (!Number.isSafeInteger(main)) throw damaged(`bucket meta: ${name} is above 2^53`);
      found.set(name, main);
    }
  }
  const finished = found.get("finishedCompactRev") ?? 0;
  return { finished, scheduled: Math.max(found.get("scheduledCompactRev") ?? 0, finished) };
}

async function copyRecords(file: OpenBbolt, backend: Backend, damaged: Damaged) {
  const index = new KeyIndex();
  const writes: BackendWrite[] = [];
  let bytes = 0;
  let revision = 0;
  let records = 0;
  for await (const chunk of file.pairs("key")) {
    for (const [key, value] of chunk) {
      const record = prefixed("key", key);
      revision = checkRecord(index, key, record, value, damaged);
      writes.push({ key: record, value });
      bytes += value.length;
      records++;
    }
    if (bytes >= IMPORT_BATCH_BYTES) {
      await backend.writeBatch(writes.splice(0), { sync: true });
      bytes = 0;
    }
  }
  await backend.writeBatch(writes, { sync: true });
  return { revision, records };
}

/** A record must be of the revision it lies at, and follow its key's history. */
function checkRecord(
  index: KeyIndex,
  key: Buffer,
  record: Buffer,
  value: Buffer,
  damaged: Damaged,
): number {
  const at = `the record at ${key.toString("hex")}`;
  const tombstone = key.length === REVISION_BYTES + 1 && key[REVISION_BYTES] === 0x74;
  if (!tombstone && key.length !== REVISION_BYTES) throw damaged(`${at} has no revision for a key`);
  const { main, sub } = parseRecordKey(record);
  if (!Number.isSafeInteger(main) || !Number.isSafeInteger(sub)) {
    throw damaged(`${at} has a revision above 2^53`);
  }
  const kv = decode(at, value, damaged);
  const name = kv.key.toString("latin1");
  if (name === "") throw damaged(`${at} has no key`);
  if (tombstone) {
    index.restore(name, main, sub, "tombstone");
    return main;
  }
  if (kv.modRevision !== main) throw damaged(`${at} says it is of revision ${kv.modRevision}`);
  index.restore(name, main, sub, kv);
  const point = index.get(name, main);
  if (point?.createRevision !== kv.createRevision || point.version !== kv.version) {
    const due = `${point?.createRevision}, version ${point?.version}`;
    throw damaged(`${at} says created at ${kv.createRevision}, version ${kv.version}, not ${due}`);
  }
  return main;
}

function decode(at: string, value: Buffer, damaged: Damaged): KeyValue {
  try {
    return KeyValue.decode(value);
  } catch (thrown) {
    throw damaged(`${at}: ${messageOf(thrown)}`);
  }
}

async function copyBucket(
  file: OpenBbolt,
  backend: Backend,
  bucket: string,
  damaged: Damaged,
): Promise<number> {
  let count = 0;
  for await (const chunk of file.pairs(bucket)) {
    for (const pair of chunk) checkPair(bucket, pair, damaged);
    const writes = chunk.map(([key, value]) => ({ key: prefixed(bucket, key), value }));
    await backend.writeBatch(writes, { sync: true });
    count += chunk.length;
  }
  return count;
}

/** A downgrade continues in the new cluster, as after etcd's restore. */
async function copyDowngrade(
  file: OpenBbolt,
  backend: Backend,
  damaged: Damaged,
): Promise<string | undefined> {
  for await (const chunk of file.pairs("cluster")) {
    for (const [key, value] of chunk) {
      if (!prefixed("cluster", key).equals(DOWNGRADE_KEY)) continue;
      const stored = importable(value, damaged);
      if (!stored) return undefined;
      await backend.writeBatch([{ key: DOWNGRADE_KEY, value: stored }], { sync: true });
      return decodeDowngrade(stored);
    }
  }
  return undefined;
}

function importable(value: Buffer, damaged: Damaged): Buffer | undefined {
  try {
    return importDowngrade(value);
  } catch (thrown) {
    if (thrown instanceof CodedError) throw thrown;
    throw damaged(`bucket cluster: downgrade: ${messageOf(thrown)}`);
  }
}

/** Checks that all records that a start reads are readable and at their keys. */
function checkPair(bucket: string, [key, value]: BackendPair, damaged: Damaged): void {
  const at = `bucket ${bucket}: ${key.toString("hex")}`;
  let fits: boolean;
  try {
    fits = pairFits(bucket, key, value);
  } catch (thrown) {
    throw damaged(`${at}: ${messageOf(thrown)}`);
  }
  if (!fits) throw damaged(`${at} does not belong there`);
}

function pairFits(bucket: string, key: Buffer, value: Buffer): boolean {
  switch (bucket) {
    case "lease": {
      const { ID, TTL } = StoredLease.decode(value);
      return key.length === 8 && key.readBigInt64BE() === ID && TTL > 0;
    }
    case "alarm":
      return AlarmMember.decode(key).alarm !== AlarmType.NONE;
    case "authUsers":
      return User.decode(value).name.equals(key);
    case "authRoles":
      return Role.decode(value).name.equals(key);
    default:
      return value.length === (key.toString() === "authRevision" ? 8 : 1);
  }
}

const prefixed = (bucket: string, key: Buffer) => Buffer.concat([Buffer.from(`${bucket}/`), key]);
