import type { ResponseHeader } from "@raft2kube/proto/gen/etcd.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { AuthTable } from "../../auth/auth-table.ts";
import { SimpleTokens } from "../../auth/simple-tokens.ts";
import type { Backend, BackendWrite } from "../../backend/backend.ts";
import type { Membership } from "../../core/types.ts";
import { newOperationMetrics, type OperationMetrics } from "../../metrics/operations.ts";
import { Slabs } from "../../structures/slabs.ts";
import { KeyIndex } from "../index/key-index.ts";
import { RecentRevisions } from "../records/recent.ts";
import { RecordCache } from "../records/record-cache.ts";
import { Records } from "../records/records.ts";
import { AlarmTable } from "./cluster/alarms.ts";
import { MemberTable } from "./cluster/members.ts";
import { LeaseTable } from "./lease/lease.ts";
import { LeaseTimers } from "./lease/lease-timers.ts";

export type Identity = { clusterId: bigint; memberId: bigint };

/**
 * The replicated state machine's data. `apply` changes it, synchronously and alike on every
 * member; reads look at it; the flush carries it to the backend.
 */
export interface State {
  readonly identity: Identity;
  readonly backend: Backend;
  index: KeyIndex;
  readonly recent: RecentRevisions;
  readonly records: Records;
  readonly leases: LeaseTable;
  readonly leaseTimers: LeaseTimers;
  readonly auth: AuthTable;
  /** Tokens, which are not replicated: they outlive a state that a snapshot brought. */
  readonly tokens: SimpleTokens;
  /** The latest revision. An empty store is at 1, as etcd's. */
  revision: number;
  /** Reads below it are refused; 0 or less before the first compaction. */
  compactRevision: number;
  /** How far the records of compacted revisions are gone from the backend. */
  compactedRevision: number;
  /** The compact revision that the backend's own record of the state says. */
  flushedCompactRevision: number;
  appliedIndex: number;
  appliedTerm: number;
  membership: Membership;
  readonly members: MemberTable;
  readonly alarms: AlarmTable;
  /** The version of the downgrade under way, `major.minor.0`. */
  downgradeTarget: string | undefined;
  /** The index is from a file: whether the records are all there is still to be looked at. */
  recordsUnread: boolean;
  /** Where the keys and values of new records lie. */
  readonly slabs: Slabs;
  /** Metrics, which are not replicated, as `tokens`. */
  readonly metrics: OperationMetrics;
  /** Changes beside records that the next flush takes along, by backend key in latin1. */
  readonly pending: Map<string, BackendWrite>;
}

export interface StateOptions {
  identity: Identity;
  backend: Backend;
  clock: Clock;
  membership: Membership;
  revision: number;
  recentBytes_max: number;
  cacheBytes_max: number;
}

/** A state with nothing in it, at `revision`. */
export function newState(options: StateOptions): State {
  const { identity, backend, membership, revision } = options;
  const recent = new RecentRevisions(revision, options.recentBytes_max);
  const cache = new RecordCache(options.cacheBytes_max);
  const pending = new Map<string, BackendWrite>();
  return {
    identity,
    backend,
    index: new KeyIndex(),
    recent,
    records: new Records(recent, cache, backend),
    leases: new LeaseTable(),
    leaseTimers: new LeaseTimers(options.clock),
    auth: new AuthTable((write) => pending.set(write.key.toString("latin1"), write)),
    tokens: new SimpleTokens(options.clock),
    revision,
    compactRevision: -1,
    compactedRevision: -1,
    flushedCompactRevision: -1,
    appliedIndex: 0,
    appliedTerm: 0,
    membership,
    members: new MemberTable(),
    alarms: new AlarmTable(),
    downgradeTarget: undefined,
    metrics: newOperationMetrics(),
    slabs: new Slabs(),
    recordsUnread: false,
    pending,
  };
}

/** Notes a change for the next flush. */
export function notePending(state: State, key: Buffer, value: Buffer | undefined): void {
  state.pending.set(key.toString("latin1"), { key, value });
}

/** The header of an answer given now. */
export function header(state: State): ResponseHeader {
  const { clusterId, memberId } = state.identity;
  return { clusterId, memberId, revision: state.revision, raftTerm: state.appliedTerm };
}

/** The header of an answer inside a transaction's answer: the revision alone, as etcd sends it. */
export function innerHeader(revision: number): ResponseHeader {
  return { clusterId: 0n, memberId: 0n, revision, raftTerm: 0 };
}
