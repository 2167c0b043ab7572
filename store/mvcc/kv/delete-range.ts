import type { DeleteRangeRequest, KeyValue } from "@raft2kube/proto/gen/etcd.ts";
import { keyRange } from "../../structures/key-range.ts";
import type { State } from "../state/state.ts";
import type { WriteTransaction } from "./write-transaction.ts";

/**
 * Deletes the keys of a range; returns their number, and their records when they were asked for.
 */
export function deleteRange(
  state: State,
  transaction: WriteTransaction,
  request: DeleteRangeRequest,
): { deleted: number; prevKvs: KeyValue[] } {
  const range = keyRange(request.key, request.rangeEnd);
  const prevKvs: KeyValue[] = [];
  state.metrics.deletes++;
  if (request.prevKv) {
    state.index.visit(range, transaction.revision, (_key, { main, sub }) => {
      prevKvs.push(transaction.read(main, sub));
      return undefined;
    });
  }
  return { deleted: transaction.delete(range), prevKvs };
}
