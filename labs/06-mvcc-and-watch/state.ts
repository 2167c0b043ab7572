import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import {
  type DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  type TxnRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { initialMembership } from "@raft2kube/store/core/membership.ts";
import { apply } from "@raft2kube/store/mvcc/apply/apply.ts";
import type { Command } from "@raft2kube/store/mvcc/apply/command.ts";
import { range } from "@raft2kube/store/mvcc/kv/range.ts";
import { restoreState } from "@raft2kube/store/mvcc/persist/restore/restore.ts";
import type { Change } from "@raft2kube/store/mvcc/records/recent.ts";
import { header, type State } from "@raft2kube/store/mvcc/state/state.ts";
import { describeAnswer, describeRefusal } from "../../testing/history/answers.ts";
import type { KvInput } from "../../testing/history/kv-model.ts";
import { memoryBackend } from "../../testing/store/memory-backend.ts";

/** A state in memory to which commands are applied one after another, as from a log. */
export class Applied {
  readonly state: State;
  #index = 0;

  constructor(state: State) {
    this.state = state;
  }

  static async open(): Promise<Applied> {
    const bootstrap = { membership: initialMembership([1n]), members: [], base: NOTHING };
    const identity = { clusterId: 1n, memberId: 1n };
    const [backend, clock] = [memoryBackend(), new ManualClock()];
    return new Applied(await restoreState({ backend, identity, clock, bootstrap }));
  }

  /**
   * Executes a request; returns the response in one line: `@revision result`, or `!error`. Changes
   * are reported before that.
   */
  do(input: KvInput, onChanges: (changes: readonly Change[]) => void = () => undefined): string {
    if (input.kind === "range") return this.#range(input.request);
    const place = { index: ++this.#index, term: 1 };
    // Other commands concern members and users, which no check sends.
    const outcome = apply(this.state, place, Buffer.from("lab"), input as Command);
    if (!outcome) return "no answer";
    if (outcome.changes) onChanges(outcome.changes);
    if (outcome.error) return describeRefusal(outcome.error) ?? `!${outcome.error.message}`;
    return describeAnswer(input.kind as "put", outcome.response as never);
  }

  #range(request: RangeRequest): string {
    const { state } = this;
    const read = (main: number, sub: number) => state.records.read(main, sub);
    try {
      const found = range(state, { revision: state.revision, read }, request);
      return describeAnswer("range", { ...found, header: header(state) });
    } catch (thrown) {
      if (isEtcdError(thrown, "compacted")) return "!compacted";
      if (isEtcdError(thrown, "futureRevision")) return "!futureRevision";
      throw thrown;
    }
  }
}

const NOTHING = { index: 0, term: 0 };

export function putOf(key: string, value: string) {
  return { ...PutRequest.create(), key: Buffer.from(key), value: Buffer.from(value) };
}

export function put(key: string, value: string): KvInput {
  return { kind: "put", request: putOf(key, value) };
}

/** Reads one key, or from `key` up to `end`, as of a revision (0: now). */
export function read(key: string, revision = 0, end = ""): KvInput {
  const keys = { key: Buffer.from(key), rangeEnd: Buffer.from(end) };
  return { kind: "range", request: { ...RangeRequest.create(), ...keys, revision } };
}

export function removeOf(key: string, end = ""): DeleteRangeRequest {
  return { key: Buffer.from(key), rangeEnd: Buffer.from(end), prevKv: false };
}

export function remove(key: string, end = ""): KvInput {
  return { kind: "delete-range", request: removeOf(key, end) };
}

export function txn(request: Partial<TxnRequest>): KvInput {
  return { kind: "txn", request: { compare: [], success: [], failure: [], ...request } };
}

export function compact(revision: number): KvInput {
  return { kind: "compact", request: { revision, physical: false } };
}
