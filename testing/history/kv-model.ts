import {
  type Compare,
  type LeaseCheckpointRequest,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
  type TxnRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import { LEASE_TTL_S_MIN } from "@raft2kube/store/limits.ts";
import type { Command } from "@raft2kube/store/mvcc/apply/command.ts";
import { describeRec, type KvEvent, type KvState, keysIn, type Rec, stateAt } from "./kv-state.ts";

/** Requests of clients and commands of the log. */
export type KvInput = Command | { kind: "range"; request: RangeRequest };

/** A step of the model: the answer in one line, the state after it, and the changes. */
export type KvStep = { answer: string; state: KvState; events: KvEvent[] };

/**
 * The simplest model of etcd's KV, independent of the store's code, with which members and clients
 * are compared.
 */
export function kvStep(state: KvState, input: KvInput): KvStep {
  switch (input.kind) {
    case "range":
      return unchanged(state, rangeAnswer(state, state, input.request));
    case "put":
      return transaction(state, (work) => {
        const error = refusePut(state, input.request);
        return error ?? `put${work.put(input.request)}`;
      });
    case "delete-range":
      return transaction(state, (work) => {
        const { key, rangeEnd } = input.request;
        return `deleted ${work.remove(text(key), text(rangeEnd))}`;
      });
    case "txn":
      return txn(state, input.request);
    case "compact":
      return compact(state, input.request.revision);
    case "lease-grant":
      return leaseGrant(state, input.request.ID, input.request.TTL);
    case "lease-revoke":
      return leaseRevoke(state, input.request.ID);
    case "lease-checkpoint":
      return leaseCheckpoint(state, input.request);
    default:
      return unchanged(state, "no change");
  }
}

/** Whether any member may answer a read from the state that it has applied. */
export function isSerializable(input: KvInput): boolean {
  return input.kind === "range" && input.request.serializable;
}

/** Latin1, as keys are in the store's index. */
export const text = (bytes: Buffer): string => bytes.toString("latin1");

function unchanged(state: KvState, answer: string): KvStep {
  const refused = answer.startsWith("!");
  return { answer: refused ? answer : `@${state.revision} ${answer}`, state, events: [] };
}

/** Changes on their way into one revision. */
class Work {
  readonly before: KvState;
  readonly keys: Map<string, Rec>;
  readonly events: KvEvent[] = [];
  readonly main: number;

  constructor(before: KvState) {
    this.before = before;
    this.keys = new Map(before.keys);
    this.main = before.revision + 1;
  }

  get revision(): number {
    return this.events.length > 0 ? this.main : this.before.revision;
  }

  get view(): KvState {
    return { ...this.before, keys: this.keys, revision: this.revision, past: this.before };
  }

  put({ key, value, lease, prevKv }: PutRequest): string {
    const name = text(key);
    const previous = this.keys.get(name);
    const rec: Rec = {
      value: text(value),
      create: previous?.create ?? this.main,
      mod: this.main,
      version: (previous?.version ?? 0) + 1,
      lease,
    };
    this.keys.set(name, rec);
    this.events.push({ key: name, rec, previous });
    return prevKv && previous ? ` over ${describeRec(name, previous)}` : "";
  }

  remove(from: string, to: string): number {
    const gone = keysIn(this.view, from, to);
    for (const [key, previous] of gone) {
      this.keys.delete(key);
      this.events.push({ key, rec: undefined, previous });
    }
    return gone.length;
  }
}

function transaction(state: KvState, act: (work: Work) => string): KvStep {
  const work = new Work(state);
  const answer = act(work);
  if (answer.startsWith("!") || work.events.length === 0) return unchanged(state, answer);
  const next = { ...state, keys: work.keys, revision: work.main, past: state };
  return { answer: `@${work.main} ${answer}`, state: next, events: work.events };
}

function refusePut(state: KvState, { lease }: PutRequest): string | undefined {
  return lease !== 0n && !state.leases.has(lease) ? "!leaseNotFound" : undefined;
}

function txn(state: KvState, request: TxnRequest): KvStep {
  const succeeded = request.compare.every((compare) => holds(state, compare));
  const operations = succeeded ? request.success : request.failure;
  for (const { requestPut, requestRange } of operations) {
    const put = requestPut && refusePut(state, requestPut);
    const error = put ?? (requestRange && refuseRange(state, requestRange.revision));
    if (error) return unchanged(state, error);
  }
  return transaction(state, (work) => {
    const answers = operations.map((operation) => operate(work, operation));
    return `${succeeded ? "then" : "else"} (${answers.join("; ")})`;
  });
}

function operate(work: Work, operation: RequestOp): string {
  const { requestPut, requestRange, requestDeleteRange } = operation;
  if (requestPut) return `put${work.put(requestPut)}`;
  if (requestRange) return rangeAnswer(work.view, work.view, requestRange);
  if (!requestDeleteRange) throw new RangeError("an operation that the model does not know");
  const { key, rangeEnd } = requestDeleteRange;
  return `deleted ${work.remove(text(key), text(rangeEnd))}`;
}

/** Holds for each key of a range; without any, for one that does not exist. */
function holds(state: KvState, compare: Compare): boolean {
  const found = keysIn(state, text(compare.key), text(compare.rangeEnd));
  if (found.length === 0) return holdsFor(compare, undefined);
  return found.every(([, rec]) => holdsFor(compare, rec));
}

function holdsFor(compare: Compare, rec: Rec | undefined): boolean {
  const order = difference(compare, rec);
  if (order === undefined) return false;
  if (compare.result === Result.EQUAL) return order === 0;
  if (compare.result === Result.NOT_EQUAL) return order !== 0;
  return compare.result === Result.GREATER ? order > 0 : order < 0;
}

function difference(compare: Compare, rec: Rec | undefined): number | undefined {
  switch (compare.target) {
    case Target.VALUE:
      return rec && Buffer.compare(Buffer.from(rec.value, "latin1"), compare.value!);
    case Target.MOD:
      return (rec?.mod ?? 0) - compare.modRevision!;
    case Target.CREATE:
      return (rec?.create ?? 0) - compare.createRevision!;
    case Target.VERSION:
      return (rec?.version ?? 0) - compare.version!;
    case Target.LEASE:
      return Number((rec?.lease ?? 0n) - compare.lease!);
    default:
      throw new RangeError(`a comparison that the model does not know: ${compare.target}`);
  }
}

function refuseRange(state: KvState, revision: number): string | undefined {
  if (revision > state.revision) return "!futureRevision";
  if (revision > 0 && revision < state.compacted) return "!compacted";
  return undefined;
}

function rangeAnswer(state: KvState, newest: KvState, request: RangeRequest): string {
  const { key, rangeEnd, revision } = request;
  const error = refuseRange(newest, revision);
  if (error) return error;
  const at = revision > 0 ? stateAt(state, revision) : state;
  const found = keysIn(at, text(key), text(rangeEnd));
  return `${found.length}: ${found.map(([name, rec]) => describeRec(name, rec)).join(", ")}`;
}

function compact(state: KvState, revision: number): KvStep {
  if (revision <= state.compacted) return unchanged(state, "!compacted");
  if (revision > state.revision) return unchanged(state, "!futureRevision");
  return { ...unchanged(state, "compacted"), state: { ...state, compacted: revision } };
}

function leaseGrant(state: KvState, id: bigint, asked_s: number): KvStep {
  if (state.leases.has(id)) return unchanged(state, "!leaseExists");
  const ttl_s = Math.max(asked_s, LEASE_TTL_S_MIN);
  const leases = new Map(state.leases).set(id, { ttl_s, remaining_s: 0 });
  return { ...unchanged(state, `lease ${id} for ${ttl_s}`), state: { ...state, leases } };
}

function leaseCheckpoint(state: KvState, { checkpoints }: LeaseCheckpointRequest): KvStep {
  const leases = new Map(state.leases);
  for (const { ID, remainingTTL: remaining_s } of checkpoints) {
    const lease = leases.get(ID);
    if (lease) leases.set(ID, { ...lease, remaining_s });
  }
  return { ...unchanged(state, "checkpoint"), state: { ...state, leases } };
}

function leaseRevoke(state: KvState, id: bigint): KvStep {
  if (!state.leases.has(id)) return unchanged(state, "!leaseNotFound");
  const step = transaction(state, (work) => {
    for (const [key, { lease }] of keysIn(state, "", "\u00ff")) {
      if (lease === id) work.remove(key, "");
    }
    return `revoked with ${work.events.length} keys`;
  });
  const leases = new Map(state.leases);
  leases.delete(id);
  return { ...step, state: { ...step.state, leases } };
}
