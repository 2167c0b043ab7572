import type { Message } from "@raft2kube/store/core/message.ts";
import type { RaftOptions } from "@raft2kube/store/core/options.ts";
import { Raft, type Restored } from "@raft2kube/store/core/raft.ts";
import type { Ready, Write } from "@raft2kube/store/core/ready.ts";
import type {
  Entry,
  HardState,
  LogBase,
  MemberId,
  Membership,
  SnapshotMark,
} from "@raft2kube/store/core/types.ts";
import { CORE_OPTIONS } from "./limits.ts";

/** The disk of a member of the test cluster: it survives a crash. */
export interface TestDisk {
  hardState: HardState;
  base: LogBase;
  entries: Entry[];
  /** The state machine's durable state: everything applied up to `mark`. */
  mark: SnapshotMark;
  state: AppliedEntry[];
}

export type AppliedEntry = { index: number; term: number; command: string };

/** The core's options that differ from CORE_OPTIONS. */
export type TestOptions = Partial<Omit<RaftOptions, "id">> & Pick<RaftOptions, "random">;

/** A write handed to the disk and not yet durable. */
type PendingWrite = { write: Write; after: Message[] };

/**
 * A core with a disk that syncs when the test calls `sync`, and a state machine that keeps every
 * command.
 */
export class TestMember {
  readonly id: MemberId;
  readonly disk: TestDisk;
  readonly #options: TestOptions;
  readonly #onStart: (member: TestMember) => void;
  raft: Raft;
  /** Counts the starts. */
  generation = 0;
  applied: AppliedEntry[];
  pending: PendingWrite[] = [];
  #staged: AppliedEntry[] = [];
  reads: { readId: number; index: number }[] = [];

  /** `onStart` is called with the member at each start, a crash's too. */
  constructor(
    id: MemberId,
    membership: Membership,
    options: TestOptions,
    onStart: (member: TestMember) => void = () => undefined,
  ) {
    this.id = id;
    this.#onStart = onStart;
    this.#options = options;
    const base = { index: 0, term: 0 };
    this.disk = {
      hardState: { term: 0, vote: 0n, commit: 0 },
      base,
      entries: [],
      mark: { ...base, membership },
      state: [],
    };
    this.applied = [];
    this.raft = this.#start();
    this.#onStart(this);
  }

  #start(): Raft {
    this.generation++;
    const { hardState, base, entries, mark, state } = this.disk;
    this.applied = [...state];
    this.pending = [];
    const restored: Restored = {
      hardState,
      base,
      entries: [...entries],
      applied: mark.index,
      membership: mark.membership,
    };
    return new Raft({ id: this.id, ...CORE_OPTIONS, ...this.#options }, restored);
  }

  /** Stops immediately: writes that were not durable are gone. */
  crash(): void {
    this.raft = this.#start();
    this.#onStart(this);
  }

  /**
   * Takes what the core wants done; the write waits for `sync`. Messages to send now are
   * returned.
   */
  process(): Ready | undefined {
    const ready = this.raft.ready();
    if (!ready) return undefined;
    if (ready.write) this.pending.push({ write: ready.write, after: ready.messagesAfterPersist });
    this.reads.push(...ready.reads);
    this.#apply(ready.committed);
    return ready;
  }

  /** Makes the oldest pending write durable; returns the messages that waited for it. */
  sync(): Message[] {
    const next = this.pending.shift();
    if (!next) return [];
    this.#writeToDisk(next.write);
    this.raft.persisted(next.write.id);
    const others: Message[] = [];
    for (const message of next.after) {
      if (message.to === this.id) this.raft.step(message);
      else others.push(message);
    }
    return others;
  }

  #writeToDisk({ hardState, entries, snapshot }: Write): void {
    const { disk } = this;
    if (snapshot) {
      disk.mark = snapshot;
      disk.state = this.#staged;
      disk.base = { index: snapshot.index, term: snapshot.term };
      disk.entries = [];
    }
    for (const entry of entries) {
      disk.entries.length = entry.index - disk.base.index - 1;
      disk.entries.push(entry);
    }
    if (hardState) disk.hardState = hardState;
  }

  #apply(entries: Entry[]): void {
    let bytes = 0;
    for (const { index, term, data, change } of entries) {
      bytes += data.length;
      if (change) this.raft.applyChange(change);
      this.applied.push({ index, term, command: change ? "(change)" : data.toString() });
    }
    const last = entries.at(-1);
    if (last) this.raft.appliedTo(last.index, bytes);
  }

  /** Makes the state machine's state durable and cuts the log to it, keeping a tail. */
  compact(keep: number): void {
    const last = this.applied.at(-1);
    // Until a received snapshot is durable, nothing may be built on it.
    if (!last || this.pending.some(({ write }) => write.snapshot)) return;
    const { membership } = this.raft.state;
    this.disk.mark = { index: last.index, term: last.term, membership };
    this.disk.state = [...this.applied];
    this.raft.compact(this.disk.mark, keep);
    const drop = this.raft.state.log.base.index - this.disk.base.index;
    if (drop <= 0) return;
    this.disk.entries = this.disk.entries.slice(drop);
    this.disk.base = this.raft.state.log.base;
  }

  /** Takes a received state: in use immediately, on disk together with the log's record of it. */
  stage(mark: SnapshotMark, state: AppliedEntry[]): void {
    this.#staged = state.filter(({ index }) => index <= mark.index);
    this.applied = [...this.#staged];
  }
}
