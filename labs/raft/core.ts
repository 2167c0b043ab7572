import { type Random, seededRandom } from "@raft2kube/std/random.ts";
import { initialMembership } from "@raft2kube/store/core/membership.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import { Raft } from "@raft2kube/store/core/raft.ts";
import type { Write } from "@raft2kube/store/core/ready.ts";
import type { Entry, MemberId, Membership } from "@raft2kube/store/core/types.ts";
import { ELECTION_TICKS, HEARTBEAT_TICKS } from "./limits.ts";

export interface CoreState {
  readonly term?: number;
  readonly vote?: MemberId;
  readonly commit?: number;
  /** The terms of entries 1, 2, ...: `[1, 1, 2]` is a log of three entries. */
  readonly log?: readonly number[];
  readonly voters?: readonly MemberId[];
  /** Membership in place of `voters`, for a configuration with learners or joint voters. */
  readonly membership?: Membership;
  readonly random?: Random;
}

/** Returns member 1 started with this state on its disk. Without `voters`: 1, 2 and 3. */
export function coreWith(state: CoreState = {}): Raft {
  const { term = 0, vote = 0n, commit = 0, log = [], voters = [1n, 2n, 3n] } = state;
  return new Raft(
    {
      id: 1n,
      random: state.random ?? seededRandom(1),
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: HEARTBEAT_TICKS,
      appendBytes_max: 10_000,
      inflightAppends_max: 16,
      inflightBytes_max: 100_000,
      uncommittedBytes_max: 100_000,
      applyBytes_max: 100_000,
      pendingReads_max: 10,
    },
    {
      hardState: { term, vote, commit },
      base: { index: 0, term: 0 },
      entries: log.map((entryTerm, i) => entry(i + 1, entryTerm)),
      applied: 0,
      membership: state.membership ?? initialMembership([...voters]),
    },
  );
}

export function entry(index: number, term: number, command = `${index}/${term}`): Entry {
  return { index, term, data: Buffer.from(command), change: undefined };
}

/** A vote granted to member 1, or a pre-vote, in a term. */
export function yes(from: MemberId, term: number, pre: boolean) {
  const news = { commit: 0, commitTerm: 0 };
  return { kind: "vote-reply", from, to: 1n, term, pre, granted: true, ...news } as const;
}

/** The output of a member's core: all its `ready()`s together. */
export interface Asked {
  /** Messages that were sent without waiting for the disk. */
  readonly now: Message[];
  /** Messages that waited for the disk. */
  readonly afterDisk: Message[];
  readonly writes: Write[];
  readonly applied: Entry[];
}

/** Executes every `ready()` of the core, each write being durable immediately. */
export function work(raft: Raft): Asked {
  const asked: Asked = { now: [], afterDisk: [], writes: [], applied: [] };
  for (let ready = raft.ready(); ready; ready = raft.ready()) {
    asked.now.push(...ready.messages);
    asked.afterDisk.push(...ready.messagesAfterPersist);
    asked.applied.push(...ready.committed);
    for (const { change } of ready.committed) if (change) raft.applyChange(change);
    const last = ready.committed.at(-1);
    if (last) raft.appliedTo(last.index, 0);
    if (!ready.write) continue;
    asked.writes.push(ready.write);
    raft.persisted(ready.write.id);
    for (const message of ready.messagesAfterPersist) if (message.to === 1n) raft.step(message);
  }
  return asked;
}

/** A request for member 1's vote. */
export function askVote(from: MemberId, term: number, last: { index: number; term: number }) {
  const log = { lastIndex: last.index, lastTerm: last.term };
  const rest = { pre: false, transfer: false, commit: 0, commitTerm: 0 };
  return { kind: "vote", from, to: 1n, term, ...log, ...rest } as const;
}

/** An append to member 1 from a leader. */
export function append(
  from: MemberId,
  term: number,
  prev: { index: number; term: number },
  terms: readonly number[],
  commit = 0,
) {
  const entries = terms.map((entryTerm, i) => entry(prev.index + 1 + i, entryTerm));
  const before = { prevIndex: prev.index, prevTerm: prev.term };
  return { kind: "append", from, to: 1n, term, ...before, entries, commit } as const;
}

/** A heartbeat to member 1 from a leader. */
export function heartbeat(from: MemberId, term: number) {
  return { kind: "heartbeat", from, to: 1n, term, commit: 0, readId: 0 } as const;
}

/** A follower's reply to member 1: its log matches up to `index`. */
export function appended(from: MemberId, term: number, index: number) {
  const accepted = { reject: false, hintIndex: 0, hintTerm: 0 };
  return { kind: "append-reply", from, to: 1n, term, index, ...accepted } as const;
}

/** Makes member 1 leader of the next term: `voters` grant its pre-vote and its vote. */
export function electMember1(raft: Raft, voters: readonly MemberId[] = [2n, 3n]): void {
  raft.campaign();
  for (const pre of [true, false]) {
    work(raft);
    const { term } = raft.state;
    for (const from of voters) raft.step(yes(from, pre ? term + 1 : term, pre));
  }
}
