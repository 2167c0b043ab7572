import {
  type RequestOp,
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
} from "@raft2kube/proto/gen/etcd.ts";
import type { Restored } from "@raft2kube/store/core/raft.ts";
import { hashKv } from "@raft2kube/store/mvcc/persist/hash.ts";
import type { State } from "@raft2kube/store/mvcc/state/state.ts";
import type { Generation } from "../cluster/generation.ts";
import type { Mutant } from "./mutant.ts";

function applyAgain(restored: Restored, state: State): void {
  const last = state.appliedIndex - 1;
  const before = restored.entries[last - restored.base.index - 1];
  if (!before || last <= restored.base.index) return;
  Object.assign(state, { appliedIndex: last, appliedTerm: before.term });
  restored.applied = last;
}

/** Restores the revision of the newest remaining record: too old after a compacted deletion. */
function revisionOfRecords(_: Restored, state: State): void {
  const all = { from: "", to: undefined, single: false };
  let newest = Math.max(1, state.compactRevision);
  state.index.visit(all, state.revision, (_key, { main }) => {
    newest = Math.max(newest, main);
    return undefined;
  });
  state.revision = newest;
}

const isOldRead = ({ requestRange }: RequestOp) => (requestRange?.revision ?? 0) > 0;

/** Reads of old revisions fail a transaction on the proposing member alone. */
function keepOldReadsHere({ replica }: Generation): void {
  const propose = replica.propose.bind(replica);
  replica.propose = (command, done, timeout_ms) => {
    if (command.kind !== "txn") return propose(command, done, timeout_ms);
    const { success, failure } = command.request;
    const sent = { ...command.request };
    sent.success = success.filter((operation) => !isOldRead(operation));
    sent.failure = failure.filter((operation) => !isOldRead(operation));
    propose({ kind: "txn", request: sent }, done, timeout_ms);
    Object.assign(sent, { success, failure });
  };
}

/** A transaction that compares the lease of a missing key fails, as one that compares its value. */
function failMissingLeases({ replica }: Generation): void {
  const propose = replica.propose.bind(replica);
  replica.propose = (command, done, timeout_ms) => {
    if (command.kind !== "txn") return propose(command, done, timeout_ms);
    const { compare } = command.request;
    const leases = compare.filter(({ target }) => target === Target.LEASE);
    const exist = leases.map(({ key, rangeEnd }) => {
      return { key, rangeEnd, target: Target.VERSION, result: Result.GREATER, version: 0 };
    });
    const request = { ...command.request, compare: [...compare, ...exist] };
    propose({ kind: "txn", request }, done, timeout_ms);
  };
}

/** HashKV counts the tombstone of the compacted revision where no key lives. */
function hashTombstone(generation: Generation): void {
  const { state, context } = generation;
  const hashed = generation.hashKv;
  generation.hashKv = async (revision) => {
    const { compactRevision } = state;
    const at = revision || state.revision;
    let live = false;
    state.index.visit({ from: "", to: undefined, single: false }, at, () => (live = true));
    const answer = await hashed(revision);
    if (live || answer.compactRevision !== compactRevision) return answer;
    const earlier = { compactRevision: { value: compactRevision - 1 } };
    const before = Object.create(state, earlier) as State;
    const { hash } = await hashKv(before, at, context);
    return { ...answer, hash };
  };
}

export const STATE_MUTANTS: readonly Mutant[] = [
  {
    name: "applies the last command again after a restart",
    breaks: "S4",
    noticedBy: ["state agreement"],
    seen: "etcd #13766",
    seams: { restored: applyAgain },
  },
  {
    name: "restores the revision from the newest record",
    breaks: "S3",
    noticedBy: ["state agreement"],
    seen: "etcd #17780",
    seams: { restored: revisionOfRecords },
  },
  {
    name: "a transaction's read of an old revision fails on one member only",
    breaks: "S3, S6",
    noticedBy: ["state agreement", "linearizability"],
    seen: "etcd #18667",
    seams: { generation: keepOldReadsHere },
  },
  {
    name: "compacts one revision too many",
    breaks: "S6",
    noticedBy: ["linearizability", "watch"],
    seams: {
      generation: ({ state }: Generation) => {
        const compact = state.index.compact.bind(state.index);
        state.index.compact = (at, after, max, removed) => compact(at + 1, after, max, removed);
      },
    },
  },
  {
    name: "removes compacted records before the compaction is durable",
    breaks: "S6",
    noticedBy: ["watch", "linearizability"],
    seams: {
      generation: ({ state }: Generation) => {
        const said = { get: () => state.compactRevision, set: () => undefined };
        Object.defineProperty(state, "flushedCompactRevision", said);
      },
    },
  },
  {
    name: "a comparison of a missing key's lease fails",
    breaks: "S3",
    noticedBy: ["linearizability"],
    seams: { generation: failMissingLeases },
  },
  {
    name: "the hash counts the tombstone of the compacted revision where no key lives",
    breaks: "S8",
    noticedBy: ["hash"],
    seams: { generation: hashTombstone },
  },
];
