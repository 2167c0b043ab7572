import { ETCD_ERRORS, EtcdError } from "@raft2kube/client-etcd/errors.ts";
import type {
  KeyValue,
  PutResponse,
  RangeResponse,
  ResponseOp,
  TxnResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import type { Responses } from "@raft2kube/store/mvcc/apply/responses.ts";
import { text } from "./kv-model.ts";
import { describeRec } from "./kv-state.ts";

type KvResponses = Pick<
  Responses,
  "put" | "delete-range" | "txn" | "compact" | "lease-grant" | "lease-revoke"
> & { range: RangeResponse };

const CONTENT: { [K in keyof KvResponses]: (response: KvResponses[K]) => string } = {
  put: putContent,
  "delete-range": ({ deleted }) => `deleted ${deleted}`,
  txn: txnContent,
  compact: () => "compacted",
  "lease-grant": ({ ID, TTL }) => `lease ${ID} for ${TTL}`,
  "lease-revoke": () => "revoked",
  range: rangeContent,
};

/** A real answer in the words of the model, with the revision it was given at. */
export function describeAnswer<K extends keyof KvResponses>(
  kind: K,
  response: KvResponses[K],
): string {
  const { header } = response as { header?: { revision: number } };
  return `@${header?.revision} ${CONTENT[kind](response)}`;
}

/**
 * etcd's error in the words of the model; undefined for one that leaves open whether the request
 * took effect.
 */
export function describeRefusal(thrown: unknown): string | undefined {
  if (!(thrown instanceof EtcdError)) return undefined;
  const definite = ["compacted", "futureRevision", "leaseNotFound", "leaseExists"] as const;
  const name = definite.find((each) => thrown.message === ETCD_ERRORS[each][1]);
  return name && `!${name}`;
}

function describeKv({ key, value, createRevision, modRevision, version, lease }: KeyValue): string {
  const rec = { value: text(value), create: createRevision, mod: modRevision, version, lease };
  return describeRec(text(key), rec);
}

function putContent({ prevKv }: PutResponse): string {
  return `put${prevKv ? ` over ${describeKv(prevKv)}` : ""}`;
}

function rangeContent({ count, kvs }: RangeResponse): string {
  return `${count}: ${kvs.map(describeKv).join(", ")}`;
}

function txnContent({ succeeded, responses }: TxnResponse): string {
  return `${succeeded ? "then" : "else"} (${responses.map(operationContent).join("; ")})`;
}

function operationContent(operation: ResponseOp): string {
  const { responsePut, responseRange, responseDeleteRange, responseTxn } = operation;
  if (responsePut) return putContent(responsePut);
  if (responseRange) return rangeContent(responseRange);
  if (responseDeleteRange) return `deleted ${responseDeleteRange.deleted}`;
  if (responseTxn) return txnContent(responseTxn);
  throw new RangeError("an answer that the model does not know");
}
