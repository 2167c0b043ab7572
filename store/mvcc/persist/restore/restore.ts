import { KeyValue } from "@raft2kube/proto/gen/etcd.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { AUTH_BUCKETS } from "../../../auth/auth-table.ts";
import type { Backend, BackendWrite, ScanRange } from "../../../backend/backend.ts";
import type { LogBase, Membership } from "../../../core/types.ts";
import { RECENT_BYTES_MAX, RECORD_CACHE_BYTES_MAX } from "../../../limits.ts";
import { decodeDowngrade } from "../../apply/downgrade.ts";
import { parseRecordKey } from "../../records/revision.ts";
import { encodeMember, type MemberRecord, memberKey } from "../../state/cluster/members.ts";
import { StoredLease } from "../../state/lease/lease.ts";
import { type Identity, newState, type State } from "../../state/state.ts";
import { decodeMeta, encodeMeta, META_KEY } from "../flush/meta.ts";
import { readIndexFile } from "./index-file.ts";

/** An empty store's revision, as etcd's. */
const FIRST_REVISION = 1;

export interface RestoreOptions {
  backend: Backend;
  identity: Identity;
  clock: Clock;
  /** The initial state of a new member; an existing one's is in its backend. */
  bootstrap: Bootstrapped;
  /** Where a clean stop may have left the index. */
  indexPath?: string;
}

export type Bootstrapped = { membership: Membership; members: MemberRecord[]; base: LogBase };

/** Reads the state from the backend, making a new one in an empty backend. */
export async function restoreState(options: RestoreOptions): Promise<State> {
  const { backend, identity, clock, bootstrap, indexPath } = options;
  // A whole scan detects a lost record, where a single read would find a new database.
  await drain(backend.scan(bucket("meta")));
  const stored = backend.getSync(META_KEY);
  const meta = stored ? decodeMeta(stored) : undefined;
  if (meta && (meta.clusterId !== identity.clusterId || meta.memberId !== identity.memberId)) {
    const whose = `member ${meta.memberId.toString(16)} of ${meta.clusterId.toString(16)}`;
    throw new CodedError("FOREIGN_STATE", `the data directory belongs to ${whose}`, {
      remedy: "start with the member's own name and cluster token, or use another --data-dir",
    });
  }
  const state = newState({
    identity,
    backend,
    clock,
    membership: meta?.membership ?? bootstrap.membership,
    revision: meta?.revision ?? FIRST_REVISION,
    recentBytes_max: RECENT_BYTES_MAX,
    cacheBytes_max: RECORD_CACHE_BYTES_MAX,
  });
  if (!meta) {
    await begin(state, bootstrap);
    return state;
  }
  const { appliedIndex, appliedTerm, compactRevision, compactedRevision } = meta;
  Object.assign(state, { appliedIndex, appliedTerm, compactRevision, compactedRevision });
  state.flushedCompactRevision = compactRevision;
  await restoreMembers(state);
  await restoreLeases(state);
  await restoreAuth(state);
  for await (const chunk of backend.scan(bucket("alarm"))) {
    for (const [key] of chunk) state.alarms.restore(key);
  }
  for await (const chunk of backend.scan(bucket("cluster"))) {
    for (const [, value] of chunk) state.downgradeTarget = decodeDowngrade(value);
  }
  state.recordsUnread = indexPath !== undefined && readIndexFile(indexPath, state);
  if (!state.recordsUnread) await restoreIndex(state);
  return state;
}

async function drain(chunks: AsyncIterable<unknown>): Promise<void> {
  const iterator = chunks[Symbol.asyncIterator]();
  while (!(await iterator.next()).done);
}

/** Writes the first batch of a new backend: the members, and the entry before the log. */
async function begin(state: State, { members, base }: Bootstrapped): Promise<void> {
  Object.assign(state, { appliedIndex: base.index, appliedTerm: base.term });
  const writes: BackendWrite[] = [{ key: META_KEY, value: encodeMeta(newMeta(state)) }];
  for (const member of members) {
    state.members.set(member);
    writes.push({ key: memberKey(member.ID), value: encodeMember(member) });
  }
  await state.backend.writeBatch(writes, { sync: true });
}

function newMeta(state: State) {
  const { identity, appliedIndex, appliedTerm, revision, membership } = state;
  const { compactRevision, compactedRevision } = state;
  const indexes = { appliedIndex, appliedTerm, revision, compactRevision, compactedRevision };
  return { ...identity, ...indexes, membership };
}

/** The backend's keys under a name, as etcd's buckets. */
export const bucket = (name: string): ScanRange => ({
  from: Buffer.from(`${name}/`),
  to: Buffer.from(`${name}0`),
});

async function restoreMembers(state: State): Promise<void> {
  for (const name of ["members", "members_removed"]) {
    for await (const chunk of state.backend.scan(bucket(name))) {
      for (const [key, value] of chunk) state.members.restore(key, value);
    }
  }
  // Written before stores knew of other members.
  const { memberId: ID } = state.identity;
  const alone = state.membership.voters.length === 1 && state.membership.voters[0] === ID;
  if (!state.members.get(ID) && alone) {
    state.members.set({ ID, name: "", peerURLs: [], clientURLs: [] });
  }
}

async function restoreLeases(state: State): Promise<void> {
  for await (const chunk of state.backend.scan(bucket("lease"))) {
    for (const [, value] of chunk) {
      const { ID, TTL, RemainingTTL } = StoredLease.decode(value);
      state.leaseTimers.started(state.leases.add(ID, TTL, RemainingTTL));
    }
  }
}

async function restoreAuth(state: State): Promise<void> {
  for (const name of AUTH_BUCKETS) {
    for await (const chunk of state.backend.scan(bucket(name))) {
      for (const [key, value] of chunk) state.auth.restore(key, value);
    }
  }
}

async function restoreIndex(state: State): Promise<void> {
  for await (const chunk of state.backend.scan(bucket("key"))) {
    for (const [recordKey, value] of chunk) {
      const { main, sub, tombstone } = parseRecordKey(recordKey);
      const kv = KeyValue.decode(value);
      const key = kv.key.toString("latin1");
      state.index.restore(key, main, sub, tombstone ? "tombstone" : kv);
      state.leases.attach(key, tombstone ? 0n : kv.lease);
    }
  }
}
