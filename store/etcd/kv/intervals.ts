import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { DeleteRangeRequest, RequestOp } from "@raft2kube/proto/gen/etcd.ts";
import { type KeyRange, keyRange } from "../../structures/key-range.ts";
import { KeySet } from "../../structures/key-set.ts";

type Writes = { puts: Set<string>; deletes: KeySet };

/**
 * Returns the range of a delete for this check. etcd takes the end "\0" literally, which makes the
 * range empty.
 */
function deleteInterval(request: DeleteRangeRequest): KeyRange {
  const range = keyRange(request.key, request.rangeEnd);
  return range.to === undefined ? { ...range, to: "\0" } : range;
}

/**
 * Refuses operations that would write one key twice in one revision, as etcd does: two puts of a
 * key, or a put of a key that is also deleted. Branches of one nested transaction exclude each
 * other, so they may repeat what the other writes.
 */
export function checkIntervals(operations: RequestOp[]): Writes {
  const writes: Writes = { puts: new Set(), deletes: new KeySet() };
  for (const { requestDeleteRange } of operations) {
    if (!requestDeleteRange) continue;
    writes.deletes.add(deleteInterval(requestDeleteRange));
  }
  for (const { requestTxn } of operations) {
    if (!requestTxn) continue;
    const branches = [checkIntervals(requestTxn.success), checkIntervals(requestTxn.failure)];
    for (const branch of branches) refuseClash(writes, branch);
    for (const { puts, deletes } of branches) {
      for (const key of puts) writes.puts.add(key);
      writes.deletes.addAll(deletes);
    }
  }
  for (const { requestPut } of operations) {
    if (!requestPut) continue;
    const key = requestPut.key.toString("latin1");
    if (writes.puts.has(key)) throw etcdError("duplicateKey");
    if (writes.deletes.has(key)) throw etcdError("duplicateKey");
    writes.puts.add(key);
  }
  return writes;
}

/**
 * Refuses a put of a key that was put before, or deleted at this level or before; no more, as etcd.
 */
function refuseClash(outer: Writes, branch: Writes): void {
  for (const key of branch.puts) {
    if (outer.puts.has(key)) throw etcdError("duplicateKey");
    if (outer.deletes.has(key)) throw etcdError("duplicateKey");
  }
}
