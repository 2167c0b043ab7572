import { isDeepStrictEqual } from "node:util";
import { ETCD_ERRORS, EtcdError, type EtcdErrorName } from "@raft2kube/client-etcd/errors.ts";
import { DecodeError } from "@raft2kube/proto/codec.ts";
import {
  type KeyValue,
  RangeRequest,
  type ResponseOp,
  TxnRequest,
  type TxnResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { initialMembership } from "@raft2kube/store/core/membership.ts";
import { checkTxn } from "@raft2kube/store/etcd/kv/check.ts";
import { TXN_OPERATIONS_MAX } from "@raft2kube/store/limits.ts";
import { apply } from "@raft2kube/store/mvcc/apply/apply.ts";
import type { Command } from "@raft2kube/store/mvcc/apply/command.ts";
import { range } from "@raft2kube/store/mvcc/kv/range.ts";
import { restoreState } from "@raft2kube/store/mvcc/persist/restore/restore.ts";
import type { State } from "@raft2kube/store/mvcc/state/state.ts";
import { memoryBackend } from "../../../testing/store/memory-backend.ts";
import type { Target } from "../target.ts";
import { type Answer, type Rec, type TxnAnswers, TxnModel, text } from "../txn-model.ts";
import { BEFORE, LEASE, randomTxn } from "./transactions.ts";

const COMPACTED = 3;
const CORPUS_SIZE = 40;

/** Transactions as clients send them, against a model that shares no code with the store. */
export const transaction: Target = {
  name: "transaction",
  corpus() {
    const random = seededRandom(1);
    const each = () => TxnRequest.encode(randomTxn(random));
    return Promise.resolve(Array.from({ length: CORPUS_SIZE }, each));
  },
  // Changed bytes are rarely a message: most inputs are valid ones, generated again.
  seal: (_bytes, random) => TxnRequest.encode(randomTxn(random)),
  async read(bytes) {
    let request: TxnRequest;
    try {
      request = TxnRequest.decode(bytes);
      checkTxn(request, TXN_OPERATIONS_MAX);
    } catch (thrown) {
      if (thrown instanceof DecodeError || thrown instanceof EtcdError) return "refused";
      throw thrown;
    }
    const again = TxnRequest.encode(TxnRequest.decode(TxnRequest.encode(request)));
    if (!again.equals(TxnRequest.encode(request))) throw new Error("is another when sent on");
    const { state, model } = await both();
    const answers = answer(state, { kind: "txn", request });
    same("the answer", answers, model.txn(request));
    same("the revision", state.revision, model.revision);
    same("the keys", allKeys(state), model.newest);
    return typeof answers === "string" ? "refused" : "taken";
  },
};

/** A store and a model with the same past. */
async function both(): Promise<{ state: State; model: TxnModel }> {
  const membership = initialMembership([1n]);
  const state = await restoreState({
    backend: memoryBackend(),
    identity: { clusterId: 1n, memberId: 1n },
    clock: new ManualClock(),
    bootstrap: { membership, members: [], base: { index: 0, term: 0 } },
  });
  const model = new TxnModel();
  answer(state, { kind: "lease-grant", request: { ID: LEASE, TTL: 60 } });
  model.leases.add(LEASE);
  for (const each of BEFORE) {
    const request = TxnRequest.decode(TxnRequest.encode(each));
    same("what was before", answer(state, { kind: "txn", request }), model.txn(request));
  }
  answer(state, { kind: "compact", request: { revision: COMPACTED, physical: false } });
  model.compacted = COMPACTED;
  return { state, model };
}

/** Returns the outcome of a command, in the model's words. */
function answer(state: State, command: Command): TxnAnswers | EtcdErrorName {
  const entry = { index: state.appliedIndex + 1, term: 1 };
  const { response, error } = apply(state, entry, Buffer.from("x"), command)!;
  if (error) return nameOf(error);
  if (command.kind !== "txn") return { succeeded: true, answers: [] };
  return answersOf(response as TxnResponse);
}

function nameOf({ message }: EtcdError): EtcdErrorName {
  const names = Object.keys(ETCD_ERRORS) as EtcdErrorName[];
  const name = names.find((each) => ETCD_ERRORS[each][1] === message);
  if (!name) throw new Error(`not an error of etcd's: ${message}`);
  return name;
}

function answersOf({ succeeded, responses }: TxnResponse): TxnAnswers {
  return { succeeded, answers: responses.map(answerOf) };
}

function answerOf(response: ResponseOp): Answer {
  const { responseRange, responsePut, responseDeleteRange, responseTxn } = response;
  if (responseRange) {
    const { kvs, more, count, header } = responseRange;
    return { range: kvs.map(rec), more, count, at: header!.revision };
  }
  if (responsePut) {
    const { prevKv, header } = responsePut;
    return { put: prevKv && rec(prevKv), at: header!.revision };
  }
  if (responseDeleteRange) {
    const { deleted, prevKvs, header } = responseDeleteRange;
    return { deleted, before: prevKvs.map(rec), at: header!.revision };
  }
  return answersOf(responseTxn!);
}

function rec({ key, value, createRevision, modRevision, version, lease }: KeyValue): Rec {
  const [create, mod] = [createRevision, modRevision];
  return { key: text(key), value: text(value), create, mod, version, lease };
}

function allKeys(state: State): Rec[] {
  const { records, revision } = state;
  const read = (main: number, sub: number) => records.read(main, sub);
  const request = { ...RangeRequest.create(), key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };
  return range(state, { revision, read }, request).kvs.map(rec);
}

function same(what: string, is: unknown, due: unknown): void {
  if (isDeepStrictEqual(is, due)) return;
  const shown = (value: unknown) => {
    return JSON.stringify(value, (_, item: unknown) => {
      return typeof item === "bigint" ? String(item) : item;
    });
  };
  throw new Error(`${what} is\n  ${shown(is)}\nnot\n  ${shown(due)}`);
}
