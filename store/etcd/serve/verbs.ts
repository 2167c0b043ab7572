import {
  AlarmRequest_AlarmAction as Action,
  type AlarmRequest,
  type MemberListRequest,
  type RangeRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import { AUTH_VERBS } from "../auth/auth.ts";
import { memberAdd } from "../cluster/member-add.ts";
import { memberList } from "../cluster/member-list.ts";
import { memberPromote } from "../cluster/member-promote.ts";
import { memberRemove } from "../cluster/member-remove.ts";
import { memberUpdate } from "../cluster/member-update.ts";
import { observe } from "../concurrency/election.ts";
import { ELECTION_VERBS, LOCK_VERBS } from "../concurrency/verbs.ts";
import { compact } from "../kv/compact.ts";
import { deleteRange } from "../kv/delete-range.ts";
import { put } from "../kv/put.ts";
import { range } from "../kv/range.ts";
import { txn } from "../kv/txn.ts";
import { leaseGrant } from "../lease/lease-grant.ts";
import { leaseKeepAlive } from "../lease/lease-keep-alive.ts";
import { leaseLeases } from "../lease/lease-leases.ts";
import { leaseRevoke } from "../lease/lease-revoke.ts";
import { leaseTimeToLive } from "../lease/lease-time-to-live.ts";
import { alarm } from "../maintenance/alarm.ts";
import { defragment } from "../maintenance/defragment.ts";
import { downgrade } from "../maintenance/downgrade.ts";
import { hash } from "../maintenance/hash.ts";
import { hashKv } from "../maintenance/hash-kv.ts";
import { moveLeader } from "../maintenance/move-leader.ts";
import { snapshot } from "../maintenance/snapshot.ts";
import { status } from "../maintenance/status.ts";
import { requireAdmin, requireUser } from "../request/caller.ts";
import { type EtcdContext, readBarrier } from "../request/context.ts";
import type { Ending, Right, Verb } from "../request/verb.ts";

const ENDLESS: Ending = new AbortController();

const always = () => true;

const ofAlarm = ({ action }: AlarmRequest): Right => (action === Action.GET ? "user" : "admin");
const ifWanted = ({ linearizable }: MemberListRequest) => linearizable;
const ifSerializable = ({ serializable }: RangeRequest) => serializable;

/** All RPCs but Watch and Health, by the names of their methods. */
export const VERBS = {
  range: { run: range, right: "keys", onLearner: ifSerializable },
  put: { run: put, right: "applied" },
  deleteRange: { run: deleteRange, right: "applied" },
  txn: { run: txn, right: "keys" },
  compact: { run: compact, right: "admin" },
  leaseGrant: { run: leaseGrant, right: "user" },
  leaseRevoke: { run: leaseRevoke, right: "user" },
  leaseKeepAlive: { run: leaseKeepAlive, right: "user" },
  leaseTimeToLive: { run: leaseTimeToLive, right: "user" },
  leaseLeases: { run: leaseLeases, right: "keys" },
  memberAdd: { run: memberAdd, right: "admin" },
  memberRemove: { run: memberRemove, right: "admin" },
  memberUpdate: { run: memberUpdate, right: "admin" },
  memberList: { run: memberList, right: "user", linearizable: ifWanted },
  memberPromote: { run: memberPromote, right: "admin" },
  status: { run: status, right: "user", onLearner: always },
  alarm: { run: alarm, right: ofAlarm },
  defragment: { run: defragment, right: "admin" },
  hash: { run: hash, right: "admin" },
  hashKV: { run: hashKv, right: "admin" },
  snapshot: { run: snapshot, right: "admin", onLearner: always },
  moveLeader: { run: moveLeader, right: "admin" },
  downgrade: { run: downgrade, right: "admin" },
  ...LOCK_VERBS,
  ...ELECTION_VERBS,
  observe: { run: observe, right: "keys" },
  ...AUTH_VERBS,
} as const;

/**
 * Runs a verb for the caller of `context`; throws etcd's error where the caller lacks the right.
 * While auth is off, the verb starts in the turn of the loop in which the request came.
 */
export function invoke<Q, R>(
  verb: Verb<Q, Promise<R>>,
  context: EtcdContext,
  request: Q,
  ending = ENDLESS,
): Promise<R> {
  if (!context.state.auth.enabled && !verb.linearizable) return verb.run(context, request, ending);
  return checked(verb, context, request).then(() => verb.run(context, request, ending));
}

/** The same for a verb that streams its responses. */
export async function* invokeStream<Q, R>(
  verb: Verb<Q, AsyncIterable<R>>,
  context: EtcdContext,
  request: Q,
  ending = ENDLESS,
): AsyncGenerator<R> {
  await checked(verb, context, request);
  yield* verb.run(context, request, ending);
}

async function checked<Q>(
  { right, linearizable }: Verb<Q, unknown>,
  context: EtcdContext,
  request: Q,
): Promise<void> {
  if (linearizable?.(request)) await readBarrier(context);
  const needed = typeof right === "function" ? right(request) : right;
  if (needed === "user") await requireUser(context);
  if (needed === "admin") await requireAdmin(context);
}
