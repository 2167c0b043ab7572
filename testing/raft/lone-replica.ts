import { type Clock, ManualClock } from "@raft2kube/std/clock.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { initialMembership } from "@raft2kube/store/core/membership.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import { Raft } from "@raft2kube/store/core/raft.ts";
import type { CommitConflict, Entry, SnapshotMark } from "@raft2kube/store/core/types.ts";
import type { Command } from "@raft2kube/store/mvcc/apply/command.ts";
import { restoreState } from "@raft2kube/store/mvcc/persist/restore/restore.ts";
import type { State } from "@raft2kube/store/mvcc/state/state.ts";
import { LeaseExpiry } from "@raft2kube/store/node/lease-expiry.ts";
import { Replica } from "@raft2kube/store/node/replica.ts";
import { soleMemberTransport } from "@raft2kube/store/transport/transport.ts";
import { Wal } from "@raft2kube/store/wal/wal.ts";
import { MemoryDisk } from "../disk/memory-disk.ts";
import { memoryBackend } from "../store/memory-backend.ts";

const SELF = 1n;
const OTHERS = [2n, 3n];
const NOTHING = { index: 1, term: 1 };

export interface LoneReplicaOptions {
  connectedSince_ms?: number;
  /** Returns the state that a received snapshot replaces the current one with. */
  install?: (clock: Clock, mark: SnapshotMark) => Promise<Partial<State>>;
  dropSnapshot?: (mark: SnapshotMark) => void;
  onConflict?: (conflict: CommitConflict) => void;
  /** Why the member has to end. Default: it must not have to. */
  onFatal?: (reason: unknown) => void;
}

/**
 * Member 1 of three, whole but for its surroundings: the test is the other two, the clock and the
 * disk.
 */
export async function loneReplica(options: LoneReplicaOptions = {}) {
  const clock = new ManualClock();
  const sent: Message[] = [];
  const disk = new MemoryDisk();
  const unexpected = (reason: unknown) => {
    throw reason;
  };
  const { onFatal = unexpected } = options;
  const identity = { clusterId: 7n, memberId: SELF };
  const { wal } = Wal.open({ disk, identity, clock, onFatal });
  const membership = initialMembership([SELF, ...OTHERS]);
  const bootstrap = { membership, members: [], base: NOTHING };
  const state = await restoreState({ backend: memoryBackend(), identity, clock, bootstrap });
  const bounds = { appendBytes_max: 2 ** 20, inflightAppends_max: 16, inflightBytes_max: 2 ** 20 };
  const more = { uncommittedBytes_max: 2 ** 20, applyBytes_max: 2 ** 20, pendingReads_max: 16 };
  const raft = new Raft(
    { id: SELF, random: seededRandom(1), electionTicks: 10, heartbeatTicks: 1, ...bounds, ...more },
    {
      hardState: { term: 1, vote: 0n, commit: 1 },
      base: NOTHING,
      entries: [],
      applied: 1,
      membership,
    },
  );

  const replica = new Replica({
    raft,
    wal,
    state,
    clock,
    session: 5,
    transport: {
      ...soleMemberTransport(),
      send: (messages) => sent.push(...messages),
      connectedSince_ms: () => options.connectedSince_ms,
    },
    onApplied: () => undefined,
    nextFlush: () => new Promise(() => undefined),
    onOutcome: () => undefined,
    onLeadership: (leads) => expiry.leads(leads),
    onMembers: () => undefined,
    install: async (mark) => {
      const received = await options.install?.(clock, mark);
      Object.assign(state, { appliedIndex: mark.index, appliedTerm: mark.term }, received);
    },
    dropSnapshot: (mark) => options.dropSnapshot?.(mark),
    onConflict: options.onConflict,
    onFatal,
  });
  const expiry = new LeaseExpiry(state, replica, clock);
  return { clock, sent, raft, replica, state, expiry, ...othersOf(raft, replica, disk) };
}

/** Plays the other two members. */
function othersOf(raft: Raft, replica: Replica, disk: MemoryDisk) {
  /** Lets everything that is due happen, the disk's work too. */
  const settle = async () => {
    for (let turn = 0; turn < 10; turn++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      disk.run();
    }
  };
  const receive = async (message: Message) => {
    replica.receive(message);
    await settle();
  };
  /** Entries from a leader, committed as they come. */
  const append = (from: bigint, term: number, entries: Entry[]) => {
    const [first] = entries;
    const prevIndex = (first?.index ?? raft.state.log.lastIndex + 1) - 1;
    const prevTerm = raft.state.log.term(prevIndex) ?? 0;
    const commit = entries.at(-1)?.index ?? prevIndex;
    return receive({ kind: "append", from, to: SELF, term, prevIndex, prevTerm, entries, commit });
  };
  /** Makes this member the leader, all it appends acknowledged by member 2. */
  const lead = async () => {
    while (raft.state.role === "follower") raft.tick();
    for (const pre of [true, false]) {
      const term = raft.state.term + (pre ? 1 : 0);
      const news = { commit: 0, commitTerm: 0 };
      await settle();
      await receive({ kind: "vote-reply", from: 2n, to: SELF, term, pre, granted: true, ...news });
    }
    await acknowledge();
  };
  const acknowledge = async () => {
    await settle();
    const { term, log } = raft.state;
    const answer = { index: log.lastIndex, reject: false, hintIndex: 0, hintTerm: 0 };
    await receive({ kind: "append-reply", from: 2n, to: SELF, term, ...answer });
  };
  return { settle, receive, append, lead, acknowledge };
}

/** An entry as leaders send it. */
export function entryOf(index: number, term: number, data: Buffer = Buffer.alloc(0)): Entry {
  return { index, term, data, change: undefined };
}

/** A command that puts a key. */
export function put(key: string): Command {
  return {
    kind: "put",
    request: {
      key: Buffer.from(key),
      value: Buffer.from("x"),
      lease: 0n,
      prevKv: false,
      ignoreValue: false,
      ignoreLease: false,
    },
  };
}
