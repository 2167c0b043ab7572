import type { Backend } from "@raft2kube/store/backend/backend.ts";
import type { Raft } from "@raft2kube/store/core/raft.ts";
import type { LeaderState, RaftState } from "@raft2kube/store/core/state.ts";
import type { Disk } from "@raft2kube/store/wal/disk.ts";
import type { Seams } from "../cluster/seams.ts";
import type { Kind } from "../script.ts";

/** A bug put back in, and the invariant that it breaks. */
export interface Mutant {
  readonly name: string;
  /** The promise by its number, and what of the literature says so. */
  readonly breaks: string;
  /** The checkers any of which may be the first to notice it: which one is the seed's doing. */
  readonly noticedBy: readonly string[];
  /** Where a bug of this kind was found in the field. */
  readonly seen?: string;
  /** The kind of run that shows it, where that is not left to the hunt. */
  readonly kind?: Kind;
  readonly seams: Seams;
}

/** The core's state, which is read-only in the product. */
export const inside = (raft: Raft): RaftState => raft.state as RaftState;

/** A leader's state, which is read-only in the product. */
export function insideLeader(raft: Raft): LeaderState | undefined {
  const state = inside(raft);
  return state.role === "leader" ? state : undefined;
}

/** Runs after every reply that a leader receives. */
export function onProgress(after: (raft: LeaderState) => void) {
  return (raft: Raft) => {
    const step = raft.step.bind(raft);
    const persisted = raft.persisted.bind(raft);
    raft.step = (message) => {
      step(message);
      const leader = insideLeader(raft);
      if (leader) after(leader);
    };
    raft.persisted = (id) => {
      persisted(id);
      const leader = insideLeader(raft);
      if (leader) after(leader);
    };
  };
}

/** The durable index of each member, as the leader knows it. */
export const matchOf = (raft: LeaderState) => (member: bigint) =>
  member === raft.id ? raft.log.persisted : (raft.progress.get(member)?.match ?? 0);

/** A database with some operations replaced. */
export function database(wrap: (real: Backend) => Partial<Backend>): (real: Backend) => Backend {
  return (real) => ({
    getSync: (key) => real.getSync(key),
    scan: (range) => real.scan(range),
    writeBatch: (writes, options) => real.writeBatch(writes, options),
    snapshot: () => real.snapshot(),
    compactRange: (range) => real.compactRange(range),
    size: () => real.size(),
    close: () => real.close(),
    ...wrap(real),
  });
}

/** A disk with some operations replaced. */
export function disk(wrap: (disk: Disk) => Partial<Disk>): (disk: Disk) => Disk {
  return (real) => ({ ...real, ...wrap(real) });
}
