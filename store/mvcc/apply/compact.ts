import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { CompactionRequest, CompactionResponse } from "@raft2kube/proto/gen/etcd.ts";
import { header, type State } from "../state/state.ts";

/**
 * Declares revisions below `revision` gone: from now on reads of them are refused (S6). The
 * records themselves leave later, in the background, see `Compactor`. A revision up to that of
 * the last compaction, or one that is yet to come, is refused.
 */
export function compact(state: State, request: CompactionRequest): CompactionResponse {
  // lab:06 begin compact
  const { revision } = request;
  if (revision <= state.compactRevision) throw etcdError("compacted");
  if (revision > state.revision) throw etcdError("futureRevision");
  state.compactRevision = revision;
  return { header: header(state) };
  // lab:06 end
}
