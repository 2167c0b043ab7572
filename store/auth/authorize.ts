import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import {
  type DeleteRangeRequest,
  type PutRequest,
  type RequestOp,
  type TxnRequest,
  Permission_Type as Type,
} from "@raft2kube/proto/gen/etcd.ts";
import type { AuthTable } from "./auth-table.ts";
import { type Caller, ROOT } from "./caller.ts";
import { covers } from "./permissions.ts";

/** The caller found to have permissions for all keys of a lease but those attached `since`. */
export type CheckedKeys = { readonly by: string; readonly since: Set<string> };

/** The keys attached to a lease, in latin1. */
type LeaseKeys = { readonly keys: Iterable<string>; checked?: CheckedKeys | undefined };

/** The auth state that permissions are looked up in. */
export interface AuthView {
  readonly auth: AuthTable;
  readonly leases: { get(id: bigint): LeaseKeys | undefined };
}

const ONE_KEY: Buffer = Buffer.alloc(0);

/** Throws unless the caller has the role root, while auth is on. */
export function checkAdmin(auth: AuthTable, caller: Caller | undefined): void {
  if (!auth.enabled) return;
  if (!caller || caller.user === "") throw etcdError("userEmpty");
  const user = auth.user(caller.user);
  if (!user) throw etcdError("userNotFound");
  if (!user.roles.includes(ROOT)) throw etcdError("permissionDenied");
}

/** Throws unless the caller is a user, by token or certificate, while auth is on. */
export function checkUser(auth: AuthTable, caller: Caller | undefined): void {
  if (auth.enabled && !caller) throw etcdError("userEmpty");
}

export function isAdmin(auth: AuthTable, caller: Caller | undefined): boolean {
  if (!auth.enabled) return true;
  return caller !== undefined && auth.user(caller.user)?.roles.includes(ROOT) === true;
}

/**
 * Checks whether the caller may read, or write, these keys. Throws etcd's error if not, while auth
 * is on.
 */
type KeyCheck = (
  auth: AuthTable,
  caller: Caller | undefined,
  key: Buffer,
  rangeEnd?: Buffer,
) => void;

export const checkRead = keyCheck(Type.READ);
const checkWrite = keyCheck(Type.WRITE);

type Checked = typeof Type.READ | typeof Type.WRITE;

function keyCheck(type: Checked): KeyCheck {
  return (auth, caller, key, rangeEnd = ONE_KEY) => check(auth, caller, type, key, rangeEnd);
}

function check(
  auth: AuthTable,
  caller: Caller | undefined,
  type: Checked,
  key: Buffer,
  rangeEnd: Buffer,
): void {
  if (!auth.enabled) return;
  if (!caller || caller.revision === 0) throw etcdError("userEmpty");
  if (caller.revision < auth.revision) throw etcdError("authOldRevision");
  const user = auth.user(caller.user);
  if (!user) throw etcdError("permissionDenied");
  if (user.roles.includes(ROOT)) return;
  const { read, write } = auth.permissions(caller.user);
  if (covers(type === Type.READ ? read : write, key, rangeEnd)) return;
  throw etcdError("permissionDenied");
}

/**
 * Throws unless the caller may write the key and all keys of its lease: a lease can be revoked
 * only with the right for all of them.
 */
export function checkPutAllowed(view: AuthView, caller: Caller | undefined, put: PutRequest): void {
  checkWrite(view.auth, caller, put.key);
  checkLeaseWrites(view, caller, put.lease);
  if (put.prevKv) checkRead(view.auth, caller, put.key);
}

export function checkDeleteAllowed(
  { auth }: AuthView,
  caller: Caller | undefined,
  { key, rangeEnd, prevKv }: DeleteRangeRequest,
): void {
  checkWrite(auth, caller, key, rangeEnd);
  if (prevKv) checkRead(auth, caller, key, rangeEnd);
}

/** The caller must be allowed to write every key that hangs on the lease. */
export function checkLeaseWrites(view: AuthView, caller: Caller | undefined, id: bigint): void {
  checkLeaseKeys(view, caller, id, Type.WRITE);
}

/** The caller must be allowed to read every key that hangs on the lease. */
export function checkLeaseReads(view: AuthView, caller: Caller | undefined, id: bigint): void {
  checkLeaseKeys(view, caller, id, Type.READ);
}

/** A caller that was found to have them all is checked for the keys attached since. */
function checkLeaseKeys(
  { auth, leases }: AuthView,
  caller: Caller | undefined,
  id: bigint,
  type: Checked,
): void {
  const lease = leases.get(id);
  if (!lease || isAdmin(auth, caller)) return;
  const by = `${type} ${auth.revision} ${caller?.revision} ${caller?.user}`;
  const known = lease.checked?.by === by ? lease.checked : undefined;
  for (const key of known?.since ?? lease.keys) {
    check(auth, caller, type, Buffer.from(key, "latin1"), ONE_KEY);
  }
  lease.checked = { by, since: new Set() };
}

/** Every compare and every operation of both branches, nested transactions included. */
export function checkTxnAllowed(view: AuthView, caller: Caller | undefined, txn: TxnRequest): void {
  if (!view.auth.enabled) return;
  for (const { key, rangeEnd } of txn.compare) checkRead(view.auth, caller, key, rangeEnd);
  for (const operation of txn.success) checkOperation(view, caller, operation);
  for (const operation of txn.failure) checkOperation(view, caller, operation);
}

function checkOperation(view: AuthView, caller: Caller | undefined, operation: RequestOp): void {
  const { requestRange, requestPut, requestDeleteRange, requestTxn } = operation;
  if (requestRange) checkRead(view.auth, caller, requestRange.key, requestRange.rangeEnd);
  if (requestPut) checkPutAllowed(view, caller, requestPut);
  if (requestDeleteRange) checkDeleteAllowed(view, caller, requestDeleteRange);
  if (requestTxn) checkTxnAllowed(view, caller, requestTxn);
}
