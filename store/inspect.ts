import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { KeyValue } from "@raft2kube/proto/gen/etcd.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import type { Backend } from "./backend/backend.ts";
import type { Entry } from "./core/types.ts";
import { decodeCommand } from "./mvcc/apply/command.ts";
import { decodeMeta, META_KEY, type Meta } from "./mvcc/persist/flush/meta.ts";
import { bucket } from "./mvcc/persist/restore/restore.ts";
import { parseRecordKey } from "./mvcc/records/revision.ts";
import { MemberTable } from "./mvcc/state/cluster/members.ts";
import { Backends } from "./node/backends.ts";
import { hasDatabase, refuseForeign } from "./node/data-dir.ts";
import { checkSnapshot } from "./snapshot/load.ts";
import { type Disk, machineDisk } from "./wal/disk.ts";
import { type RecoveredLog, recoverLog } from "./wal/recover.ts";

/**
 * Checks all that a stopped member has on disk, and says what it found; throws the error that its
 * start would throw at the first thing that is wrong. Nothing of the log is changed.
 */
export async function* verify(dataDir: string): AsyncGenerator<string> {
  const { backend, meta } = await openStopped(dataDir);
  try {
    yield describe(meta);
    yield `state: ${await checkRecords(backend, meta)}`;
    const { log, notes } = readLog(dataDir, meta);
    yield* notes;
    const last = log.base.index + log.entries.length;
    if (last < meta.appliedIndex) {
      throw new CodedError("LOG_LOST", `the log ends at ${last}, behind the state`);
    }
    yield `log: ${log.segments.length} segments, entries ${log.base.index + 1} to ${last}`;
    yield* verifySnapshots(dataDir);
  } finally {
    await backend.close();
  }
}

/** Everything a stopped member has on disk, a line for each record. */
export async function* dump(dataDir: string): AsyncGenerator<string> {
  const { backend, meta } = await openStopped(dataDir);
  try {
    yield describe(meta);
    const { log, notes } = readLog(dataDir, meta);
    yield* notes;
    const { term, vote, commit } = log.hardState;
    yield `log: term ${term}, vote ${vote.toString(16)}, committed ${commit}`;
    for (const entry of log.entries) yield describeEntry(entry);
    const members = new MemberTable();
    for await (const chunk of backend.scan(bucket("members"))) {
      for (const [key, value] of chunk) members.restore(key, value);
    }
    for (const { ID, name, peerURLs, clientURLs } of members.values()) {
      yield `member ${ID.toString(16)} ${name} ${peerURLs.join(",")} ${clientURLs.join(",")}`;
    }
    for await (const chunk of backend.scan(bucket("key"))) {
      for (const [key, value] of chunk) yield describeRecord(key, value);
    }
  } finally {
    await backend.close();
  }
}

async function openStopped(dataDir: string): Promise<{ backend: Backend; meta: Meta }> {
  const nothing = new CodedError("NO_STATE", `${dataDir} holds no member's state`, {
    remedy: "name the directory that was given as --data-dir",
  });
  refuseForeign(dataDir);
  if (!hasDatabase(dataDir)) throw nothing;
  const { backend } = await new Backends(dataDir).openNewest();
  const stored = backend.getSync(META_KEY);
  if (stored) return { backend, meta: decodeMeta(stored) };
  await backend.close();
  throw nothing;
}

function describe(meta: Meta): string {
  const { memberId, clusterId, appliedIndex, appliedTerm, revision } = meta;
  const member = `member ${memberId.toString(16)} of cluster ${clusterId.toString(16)}`;
  return `${member}: applied ${appliedIndex} of term ${appliedTerm}, revision ${revision}`;
}

/** Every record decodes, is of its own revision, and none is ahead of the state. */
async function checkRecords(backend: Backend, meta: Meta): Promise<string> {
  let records = 0;
  for await (const chunk of backend.scan(bucket("key"))) {
    for (const [key, value] of chunk) {
      const { main, tombstone } = parseRecordKey(key);
      const { modRevision } = KeyValue.decode(value);
      if (main > meta.revision || (!tombstone && modRevision !== main)) {
        const message = `a record at revision ${main} says ${modRevision} of ${meta.revision}`;
        throw new CodedError("STATE_DAMAGED", message, {
          remedy: "remove this member, empty its data directory and add it again",
        });
      }
      records++;
    }
  }
  return `${records} records up to revision ${meta.revision}`;
}

/** Reads the log without changing it; reports what a start would truncate or remove. */
function readLog(dataDir: string, { clusterId, memberId }: Meta) {
  const notes: string[] = [];
  const machine = machineDisk(join(dataDir, "member", "wal"));
  const disk: Disk = {
    ...machine,
    cutSync: (name, offset) => {
      // Behind the last record there is room, of zeros, unless a write was torn.
      const torn = machine
        .read(name)
        .subarray(offset)
        .some((byte) => byte !== 0);
      if (torn) notes.push(`log: ${name} ends with a torn write at byte ${offset}`);
    },
    removeSync: (name) => void notes.push(`log: ${name} was never begun`),
  };
  const log: RecoveredLog = recoverLog(disk, { clusterId, memberId });
  return { log, notes };
}

function describeEntry({ index, term, data, change }: Entry): string {
  const entry = `${index}/${term}`;
  const command = change ? change.context : data;
  const steps = change?.steps.map(({ action, member }) => `${action} ${member.toString(16)}`);
  const prefix = steps ? `${entry} change [${steps.join(", ")}]` : entry;
  if (command.length === 0) return `${prefix} (empty)`;
  const { kind, request } = decodeCommand(command);
  return `${prefix} ${kind} ${JSON.stringify(request, readable)}`;
}

function describeRecord(key: Buffer, value: Buffer): string {
  const { main, sub, tombstone } = parseRecordKey(key);
  const { key: name, value: content, lease, version } = KeyValue.decode(value);
  const what = tombstone ? "deleted" : `version ${version} lease ${lease} ${content.length} bytes`;
  return `revision ${main}/${sub} ${JSON.stringify(name.toString("latin1"))} ${what}`;
}

/** Bytes as text, 64-bit ids as digits. */
function readable(_name: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  const bytes = value as { type?: unknown; data?: number[] } | null;
  if (bytes?.type === "Buffer" && bytes.data) return Buffer.from(bytes.data).toString("latin1");
  return value;
}

async function* verifySnapshots(dataDir: string): AsyncGenerator<string> {
  const folder = join(dataDir, "member", "snap");
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder).sort()) {
    if (name.endsWith(".in") || name.endsWith(".part")) {
      yield `snapshot: ${name} is not whole yet`;
      continue;
    }
    const { index, term, pairs, revision } = await checkSnapshot(join(folder, name));
    yield `snapshot: ${name} at ${index}/${term}, revision ${revision}, ${pairs} pairs`;
  }
}
