import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { logger } from "@raft2kube/observe/log.ts";
import {
  Compare,
  DeleteRangeRequest,
  Event_EventType as EventType,
  WatchCreateRequest_FilterType as Filter,
  type KeyValue,
  LeaseGrantRequest,
  RangeRequest_SortOrder as Order,
  PutRequest,
  RangeRequest,
  RequestOp,
  type ResponseHeader,
  RangeRequest_SortTarget as SortTarget,
  Compare_CompareTarget as Target,
  TxnRequest,
  type TxnResponse,
  WatchCreateRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { SESSION_TTL_S } from "../../limits.ts";
import { range } from "../kv/range.ts";
import { txn } from "../kv/txn.ts";
import { leaseGrant } from "../lease/lease-grant.ts";
import { requireUser } from "../request/caller.ts";
import type { EtcdContext } from "../request/context.ts";
import { cancelled, type KeysChanged, watchKeys } from "./watch-keys.ts";

const log = logger("store");

/**
 * A key that competes for a name, as etcd's client library writes it (client/v3/concurrency):
 * `NAME/LEASE`, with the lease in hexadecimal. Among the keys of a name the one that was created
 * first holds the lock, or leads. The key ends with its lease.
 */
export interface Contender {
  readonly key: Buffer;
  /** The revision at which the key was created. */
  readonly rev: number;
  readonly lease: bigint;
}

/** An error that etcd has no status for: its services pass on what the client library returns. */
export const concurrencyError = (text: string): RpcError => new RpcError(Status.UNKNOWN, text);

/** The lease of a request; 0 asks for a new one, which lasts 60 s unless its client renews it. */
export async function sessionLease(context: EtcdContext, lease: bigint): Promise<bigint> {
  if (lease !== 0n) return lease;
  await requireUser(context);
  const { ID } = await leaseGrant(context, { ...LeaseGrantRequest.create(), TTL: SESSION_TTL_S });
  return ID;
}

/** All keys that compete for a name: the byte after `/` ends the range. */
export const contendersOf = (name: Buffer): { key: Buffer; rangeEnd: Buffer } => ({
  key: Buffer.concat([name, Buffer.from("/")]),
  rangeEnd: Buffer.concat([name, Buffer.from("0")]),
});

/** A contender as it entered: its value, and whether it was the first at that moment. */
interface Entered {
  readonly contender: Contender;
  readonly value: Buffer;
  readonly isFirst: boolean;
  readonly header: ResponseHeader;
}

/**
 * Enters the competition for a name, or finds the key that this lease has entered with before;
 * `value` is then the one it has.
 */
export async function enter(
  context: EtcdContext,
  name: Buffer,
  lease: bigint,
  value: Buffer,
): Promise<Entered> {
  const key = Buffer.concat([contendersOf(name).key, Buffer.from(lease.toString(16))]);
  const created = await ifCreatedAt(
    context,
    { key, rev: 0 },
    {
      success: [{ requestPut: { ...PutRequest.create(), key, value, lease } }, firstOf(name)],
      failure: [{ requestRange: { ...RangeRequest.create(), key } }, firstOf(name)],
    },
  );
  const header = created.header!;
  const [entered, leading] = created.responses.map(({ responseRange }) => responseRange?.kvs[0]);
  const rev = entered ? entered.createRevision : header.revision;
  const isFirst = leading?.createRevision === rev;
  return { contender: { key, rev, lease }, value: entered?.value ?? value, isFirst, header };
}

/** Writes a contender's value; resolves with undefined if its key has changed. */
export async function propose(
  context: EtcdContext,
  { key, rev, lease }: Contender,
  value: Buffer,
): Promise<ResponseHeader | undefined> {
  const { succeeded, header } = await ifCreatedAt(
    context,
    { key, rev },
    { success: [{ requestPut: { ...PutRequest.create(), key, value, lease } }] },
  );
  return succeeded ? header : undefined;
}

/** Deletes a contender's key, if it is still the same. */
export async function leave(
  context: EtcdContext,
  { key, rev }: Pick<Contender, "key" | "rev">,
): Promise<ResponseHeader> {
  const { header } = await ifCreatedAt(
    context,
    { key, rev },
    { success: [{ requestDeleteRange: { ...DeleteRangeRequest.create(), key } }] },
  );
  return header!;
}

export const always = (): boolean => true;

/** Runs `work`. If it fails, its failure is thrown; the contender leaves before, where `leaves`. */
export async function orLeave<R>(
  context: EtcdContext,
  contender: Contender,
  leaves: () => boolean,
  work: () => Promise<R>,
): Promise<R> {
  try {
    return await work();
  } catch (thrown) {
    if (!leaves()) throw thrown;
    await leave(context, contender).catch((failure: unknown) => {
      log.warn("a lock or election was not left", { reason: messageOf(failure) });
    });
    throw thrown;
  }
}

/**
 * Blocks until all keys that entered before the contender are gone. Throws when the watch of one
 * ends, and CANCELLED when `signal` aborts.
 */
export async function waitForTurn(
  context: EtcdContext,
  name: Buffer,
  contender: Contender,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    if (signal.aborted) throw cancelled();
    const before = { sortOrder: Order.DESCEND, maxCreateRevision: contender.rev - 1 };
    const { kv, header } = await first(context, name, before);
    if (!kv) return;
    await deletion(context, kv.key, header.revision + 1, signal);
  }
}

/** The key of a name that was created first, and so holds it; or the last one below a bound. */
export async function first(
  context: EtcdContext,
  name: Buffer,
  more?: Partial<RangeRequest>,
): Promise<{ kv: KeyValue | undefined; header: ResponseHeader }> {
  const { kvs, header } = await range(context, { ...firstOf(name).requestRange, ...more });
  return { kv: kvs[0], header: header! };
}

function firstOf(name: Buffer): { requestRange: RangeRequest } {
  const order = { sortTarget: SortTarget.CREATE, sortOrder: Order.ASCEND, limit: 1 };
  return { requestRange: { ...RangeRequest.create(), ...contendersOf(name), ...order } };
}

async function deletion(
  context: EtcdContext,
  key: Buffer,
  startRevision: number,
  signal: AbortSignal,
): Promise<void> {
  const create = { ...WatchCreateRequest.create(), key, startRevision, filters: [Filter.NOPUT] };
  const deleted = ({ events }: KeysChanged) => events.some(({ type }) => type === EventType.DELETE);
  for await (const changed of watchKeys(context, create, signal)) if (deleted(changed)) return;
  throw etcdError("stopped");
}

interface Branches {
  readonly success: readonly Partial<RequestOp>[];
  readonly failure?: readonly Partial<RequestOp>[];
}

/** Runs `success` if the key has this create revision (0: does not exist), else `failure`. */
function ifCreatedAt(
  context: EtcdContext,
  { key, rev }: Pick<Contender, "key" | "rev">,
  { success, failure = [] }: Branches,
): Promise<TxnResponse> {
  const compare = { ...Compare.create(), key, target: Target.CREATE, createRevision: rev };
  const operations = (parts: readonly Partial<RequestOp>[]) =>
    parts.map((part) => ({ ...RequestOp.create(), ...part }));
  return txn(context, {
    ...TxnRequest.create(),
    compare: [compare],
    success: operations(success),
    failure: operations(failure),
  });
}
