import {
  DeleteRangeRequest,
  type LockRequest,
  type LockResponse,
  RangeRequest,
  type UnlockRequest,
  type UnlockResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import type { Call } from "@raft2kube/rpc/server.ts";
import { deleteRange } from "../kv/delete-range.ts";
import { range } from "../kv/range.ts";
import type { EtcdContext } from "../request/context.ts";
import {
  always,
  concurrencyError,
  enter,
  orLeave,
  sessionLease,
  waitForTurn,
} from "./contender.ts";
import { cancelled } from "./watch-keys.ts";

const NO_VALUE = Buffer.alloc(0);

/**
 * Lock.Lock (etcd's v3lockpb). Blocks until the caller's lease has the lock of `name`, and returns
 * the key that holds it. A call that ends before gives its place up.
 */
export async function lock(
  context: EtcdContext,
  { name, lease }: LockRequest,
  { signal }: Pick<Call, "signal">,
): Promise<LockResponse> {
  const held = await sessionLease(context, lease);
  const { contender, isFirst, header } = await enter(context, name, held, NO_VALUE);
  const { key } = contender;
  if (isFirst) return { header, key };
  return orLeave(context, contender, always, async () => {
    await waitForTurn(context, name, contender, signal);
    const own = await range(context, { ...RangeRequest.create(), key });
    if (signal.aborted) throw cancelled();
    if (own.kvs.length === 0) throw concurrencyError("mutex: session is expired");
    return { header: own.header, key };
  });
}

/** Lock.Unlock: deletes the key that Lock returned. */
export async function unlock(
  context: EtcdContext,
  { key }: UnlockRequest,
): Promise<UnlockResponse> {
  const { header } = await deleteRange(context, { ...DeleteRangeRequest.create(), key });
  return { header };
}
