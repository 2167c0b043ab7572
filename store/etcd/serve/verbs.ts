import {
  type AlarmRequest,
  AlarmRequest_AlarmAction as Action,
  type MemberListRequest,
  type RangeRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import type { Call } from "@raft2kube/rpc/server.ts";
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

/**
 * The right that a verb takes while auth is on: `user` any user, `admin` the role root. The others
 * are checked elsewhere: `keys` by the permissions for the keys of the request, `applied` when the
 * command is applied, `own` by the verb, for a user's own user and roles; `none` takes none.
 */
type Right = "user" | "admin" | "keys" | "applied" | "own" | "none";

/** Aborted when a call ends before its response; most verbs ignore it. */
type Ending = Pick<Call, "signal">;
const ENDLESS: Ending = new AbortController();

/** An RPC: what it does, and what must hold before it does it. `R` is what `run` returns. */
export interface Verb<Q, R> {
  readonly run: (context: EtcdContext, request: Q, ending: Ending) => R;
  readonly right: Right | ((request: Q) => Right);
  /** Whether a learner answers it. Default never. */
  readonly onLearner?: (request: Q) => boolean;
  /** Whether a read barrier comes before the right is checked. Default never. */
  readonly linearizable?: (request: Q) => boolean;
}

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
  lock: { run: LOCK_VERBS.lock, right: "keys" },
  unlock: { run: LOCK_VERBS.unlock, right: "applied" },
  campaign: { run: ELECTION_VERBS.campaign, right: "keys" },
  proclaim: { run: ELECTION_VERBS.proclaim, right: "applied" },
  leader: { run: ELECTION_VERBS.leader, right: "keys" },
  observe: { run: observe, right: "keys" },
  resign: { run: ELECTION_VERBS.resign, right: "applied" },
  authEnable: { run: AUTH_VERBS.authEnable, right: "applied" },
  authDisable: { run: AUTH_VERBS.authDisable, right: "applied" },
  authStatus: { run: AUTH_VERBS.authStatus, right: "admin", linearizable: always },
  authenticate: { run: AUTH_VERBS.authenticate, right: "none" },
  userAdd: { run: AUTH_VERBS.userAdd, right: "admin" },
  userGet: { run: AUTH_VERBS.userGet, right: "own" },
  userList: { run: AUTH_VERBS.userList, right: "admin", linearizable: always },
  userDelete: { run: AUTH_VERBS.userDelete, right: "applied" },
  userChangePassword: { run: AUTH_VERBS.userChangePassword, right: "admin" },
  userGrantRole: { run: AUTH_VERBS.userGrantRole, right: "applied" },
  userRevokeRole: { run: AUTH_VERBS.userRevokeRole, right: "applied" },
  roleAdd: { run: AUTH_VERBS.roleAdd, right: "applied" },
  roleGet: { run: AUTH_VERBS.roleGet, right: "own" },
  roleList: { run: AUTH_VERBS.roleList, right: "admin", linearizable: always },
  roleDelete: { run: AUTH_VERBS.roleDelete, right: "applied" },
  roleGrantPermission: { run: AUTH_VERBS.roleGrantPermission, right: "applied" },
  roleRevokePermission: { run: AUTH_VERBS.roleRevokePermission, right: "applied" },
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
  if (!context.state.auth.enabled && !verb.linearizable) {
    return verb.run(context, request, ending);
  }
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
