import type { Raft, Restored } from "@raft2kube/store/core/raft.ts";
import { jointIndex } from "@raft2kube/store/core/joint.ts";
import { sendAfterPersist, type RaftState } from "@raft2kube/store/core/state.ts";
import { NONE } from "@raft2kube/store/core/types.ts";
import type { State } from "@raft2kube/store/mvcc/state.ts";
import type { Disk } from "@raft2kube/store/wal/disk.ts";
import type { Life } from "./cluster/life.ts";
import type { Seams } from "./cluster/seams.ts";

/** A bug put back in, and who is expected to notice. */
export interface Mutant {
  name: string;
  /** The promise it breaks. */
  breaks: string;
  seams: Seams;
}

/** The core's state, which the product only lets others read. */
const inside = (raft: Raft): RaftState => raft.state as RaftState;

function disk(wrap: (disk: Disk) => Partial<Disk>): (disk: Disk) => Disk {
  return (real) => ({ ...real, ...wrap(real) });
}

/** Files whose sync says that all is well, whatever the disk says. */
const syncLies = (sync: "skips" | "ignores failure") =>
  disk((real) => ({
    open: (name, create, done) =>
      real.open(name, create, (error, file) => {
        if (!file) return done(error);
        done(error, {
          ...file,
          sync: (synced) => {
            if (sync === "skips") synced(null);
            else file.sync(() => synced(null));
          },
        });
      }),
  }));

/** Steps into the core what `change` makes of each message. */
function onStep(before: (raft: RaftState, message: Parameters<Raft["step"]>[0]) => boolean) {
  return (raft: Raft) => {
    const step = raft.step.bind(raft);
    raft.step = (message) => {
      if (before(inside(raft), message)) step(message);
    };
  };
}

/** Runs after every answer that a leader gets. */
function onProgress(after: (raft: RaftState) => void) {
  return (raft: Raft) => {
    const step = raft.step.bind(raft);
    const persisted = raft.persisted.bind(raft);
    raft.step = (message) => {
      step(message);
      if (raft.isLeader) after(inside(raft));
    };
    raft.persisted = (id) => {
      persisted(id);
      if (raft.isLeader) after(inside(raft));
    };
  };
}

const matchOf = (raft: RaftState) => (member: bigint) =>
  member === raft.id ? raft.log.persisted : (raft.progress.get(member)?.match ?? 0);

export const MUTANTS: readonly Mutant[] = [
  {
    name: "acknowledges before the sync",
    breaks: "S1",
    seams: { disk: syncLies("skips") },
  },
  {
    name: "goes on after a failed sync",
    breaks: "S10",
    seams: { disk: syncLies("ignores failure") },
  },
  {
    name: "commits slots of an older term by counting",
    breaks: "S1, Raft 5.4.2",
    seams: {
      raft: onProgress((raft) => {
        const index = jointIndex(raft.voterSets, matchOf(raft));
        if (index > raft.log.committed) raft.log.commitTo(index);
      }),
    },
  },
  {
    name: "commits with one voter less than a majority",
    breaks: "S1",
    seams: { raft: onProgress(commitWithOneLess) },
  },
  {
    name: "votes twice in a term",
    breaks: "Raft 5.2",
    seams: {
      raft: onStep((raft, message) => {
        if (message.kind === "vote" && !message.pre && message.term === raft.term) {
          if (raft.role === "follower") Object.assign(raft, { vote: NONE, leader: NONE });
        }
        return true;
      }),
    },
  },
  {
    name: "votes for a log that lacks what it has",
    breaks: "Raft 5.4.1",
    seams: {
      raft: onStep((raft, message) => {
        if (message.kind !== "vote") return true;
        const { lastIndex, lastTerm } = raft.log;
        Object.assign(message, { lastIndex: Math.max(lastIndex, message.lastIndex) });
        Object.assign(message, { lastTerm: Math.max(lastTerm, message.lastTerm) });
        return true;
      }),
    },
  },
  {
    name: "loses its vote at a restart",
    breaks: "Raft 5.1",
    seams: { restored: ({ hardState }: Restored) => Object.assign(hardState, { vote: NONE }) },
  },
  {
    name: "loses its term at a restart",
    breaks: "Raft 5.1",
    seams: {
      restored: (restored) => {
        const { term, commit } = restored.hardState;
        restored.hardState = { term: Math.max(1, term - 1), vote: NONE, commit };
      },
    },
  },
  {
    name: "keeps its own slots where they conflict",
    breaks: "Raft 5.3",
    seams: { raft: onStep(keepConflicts) },
  },
  {
    name: "answers reads without asking the others",
    breaks: "S2",
    seams: {
      life: ({ replica }: Life) => {
        replica.readBarrier = (done) => done();
      },
    },
  },
  {
    name: "applies the last command again after a restart",
    breaks: "S4",
    seams: { restored: applyAgain },
  },
  {
    name: "leaves a watch without some event",
    breaks: "S5",
    seams: { life: skipSomeEvents },
  },
  {
    name: "a deposed leader goes on ending leases",
    breaks: "S7",
    seams: {
      life: ({ expiry, replica }: Life) => {
        replica.proposeInOffice = (command, done) => replica.propose(command, done);
        const leads = expiry.leads.bind(expiry);
        expiry.leads = (inOffice) => {
          if (inOffice) leads(true);
        };
      },
    },
  },
  {
    name: "compacts one revision too many",
    breaks: "S6",
    seams: {
      life: ({ state }: Life) => {
        const compact = state.index.compact.bind(state.index);
        state.index.compact = (at, after, max, removed) => compact(at + 1, after, max, removed);
      },
    },
  },
  {
    name: "writes only a part of some transactions to the backend",
    breaks: "S4",
    seams: {
      life: ({ state }: Life) => {
        const { recent } = state;
        const changes = recent.changes.bind(recent);
        recent.changes = (main) => {
          const found = changes(main);
          return main % 97 === 0 && found && found.length > 1 ? found.slice(0, 1) : found;
        };
      },
    },
  },
];

/** The largest index that a majority less one has. */
function commitWithOneLess(raft: RaftState): void {
  const have = [...raft.voterSets.voters].map(matchOf(raft)).sort((a, b) => b - a);
  const needed = Math.max(1, Math.floor(have.length / 2));
  const index = have[needed - 1] ?? 0;
  if (index > raft.log.committed && raft.log.term(index) === raft.term) raft.log.commitTo(index);
}

function keepConflicts(raft: RaftState, message: Parameters<Raft["step"]>[0]): boolean {
  if (message.kind !== "append" || message.term < raft.term) return true;
  const { log } = raft;
  const conflict = message.entries.find(
    ({ index, term }) => index <= log.lastIndex && log.term(index) !== term,
  );
  if (!conflict || log.term(message.prevIndex) !== message.prevTerm) return true;
  raft.electionElapsed = 0;
  const index = message.entries.at(-1)!.index;
  const rest = { index, reject: false, hintIndex: 0, hintTerm: 0 };
  sendAfterPersist(raft, { kind: "append-reply", to: message.from, ...rest });
  return false;
}

function applyAgain(restored: Restored, state: State): void {
  const last = state.appliedIndex - 1;
  const before = restored.entries[last - restored.base.index - 1];
  if (!before || last <= restored.base.index) return;
  Object.assign(state, { appliedIndex: last, appliedTerm: before.term });
  restored.applied = last;
}

function skipSomeEvents({ state }: Life): void {
  const notify = state.onRevision;
  state.onRevision = (main, changes) => {
    if (main % 31 !== 0) notify(main, changes);
  };
}
