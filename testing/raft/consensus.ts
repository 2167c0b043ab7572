import type { Message } from "@raft2kube/store/core/message.ts";
import type { Raft } from "@raft2kube/store/core/raft.ts";
import type { Ready, Write } from "@raft2kube/store/core/ready.ts";
import type { LogBase, MemberId } from "@raft2kube/store/core/types.ts";
import { acknowledgedIsDurable } from "./checks/acknowledgements.ts";
import { Ballots } from "./checks/ballots.ts";
import { Changes } from "./checks/change-order.ts";
import { Commits } from "./checks/commits.ts";
import { DurableLog, type DurableLogs } from "./checks/durable-logs.ts";
import { Fits } from "./checks/fits.ts";
import { ReadRounds } from "./checks/read-rounds.ts";
import { type Before, type CoreEvent, type CoreObserver, observe } from "./observe.ts";

/** Runs a check; what it finds must not be taken for a failure of the member. */
type Guard = (check: () => void) => void;

/**
 * Checks each step of every core against the protocol: when it may commit, win an election, read
 * and change the membership, and what must be durable before. A bug is found at its step, not only
 * when two members differ.
 */
export class Consensus implements CoreObserver {
  readonly disks: DurableLogs = new Map();
  readonly commits: Commits;
  readonly #ballots = new Ballots(this.disks);
  readonly #changes = new Changes(this.disks);
  readonly #reads = new ReadRounds();
  readonly #fits = new Fits();
  readonly #guard: Guard;
  /** Sees each event before it comes in. */
  readonly #onEvent: CoreObserver["before"];
  /** How much of each core's queues was looked at. */
  #outbox = 0;
  #answers = 0;
  /** The incoming message, and the commit index before it. */
  #message: Message | undefined;
  #committed = 0;

  constructor(base: LogBase, guard: Guard, onEvent: CoreObserver["before"]) {
    this.commits = new Commits(this.disks, base);
    this.#guard = guard;
    this.#onEvent = onEvent;
  }

  /** A member starts a life with this core. */
  began(raft: Raft): void {
    const { id, term, vote, log } = raft.state;
    const hardState = { term, vote, commit: log.committed };
    this.disks.set(id, new DurableLog(hardState, log));
    this.#guard(() => this.commits.began(raft.state));
    this.#listen(raft);
    observe(raft, this);
  }

  /** Sees what the core asks for, and each write as it becomes durable. */
  #listen(raft: Raft): void {
    const { id } = raft.state;
    const writes = new Map<number, Write>();
    const { ready, persisted, requestReadIndex } = raft;
    raft.requestReadIndex = (readId) => {
      this.#reads.requested(id, readId, this.commits.last);
      if (raft.isLeader) this.#reads.asked(raft.state, id, readId);
      return requestReadIndex.call(raft, readId);
    };
    raft.ready = () => {
      const result = ready.call(raft);
      if (result?.write) writes.set(result.write.id, result.write);
      if (result) this.#guard(() => this.#ready(raft, result));
      return result;
    };
    raft.persisted = (number) => {
      const write = writes.get(number);
      writes.delete(number);
      if (write) {
        this.disks.get(id)!.written(write);
        this.#guard(() => this.#changes.written(raft.state, write.entries));
      }
      persisted.call(raft, number);
    };
  }

  #ready(raft: Raft, { messages, reads }: Ready): void {
    const { state } = raft;
    this.#reads.sent(state, messages);
    for (const { readId, index } of reads) this.#reads.safe(state.id, readId, index);
  }

  /** A message leaves for another member. */
  sent(message: Message): void {
    this.#guard(() => this.#ballots.sent(message));
    this.#guard(() => acknowledgedIsDurable(this.disks, message));
  }

  /** A member puts the change at `index` into effect. */
  applies(member: MemberId, index: number): void {
    this.#guard(() => this.#changes.applied(member, index));
  }

  before(raft: Raft, event: CoreEvent, message: Message | undefined): void {
    const { state } = raft;
    this.#onEvent(raft, event, message);
    this.#outbox = state.outbox.length;
    this.#answers = state.readAnswers.length;
    this.#committed = state.log.committed;
    this.#message = message;
    if (!message) return;
    this.#fits.before(state, message);
    this.#ballots.received(state, message);
    if (state.role !== "leader" || message.term !== state.term) return;
    if (message.kind === "read") this.#reads.asked(state, message.from, message.readId);
    if (message.kind !== "heartbeat-reply") return;
    this.#reads.answered(state, message.from, message.readId);
  }

  after(raft: Raft, before: Before): void {
    const { state } = raft;
    const leads = raft.isLeader && before.role === "leader" && before.term === state.term;
    this.#guard(() => this.commits.seen(state, leads));
    const follows = !leads && state.log.committed > this.#committed;
    if (follows) this.#guard(() => this.#fits.committed(state, this.#message));
    if (raft.isLeader && !leads) this.#guard(() => this.#ballots.elected(state));
    if (leads && state.log.lastIndex > before.lastIndex) {
      this.#guard(() => this.#changes.appended(state, before.lastIndex));
    }
    if (leads) this.#guard(() => this.#confirmed(raft));
  }

  /** Reads that the core let be answered in this step. */
  #confirmed({ state }: Raft): void {
    for (const message of state.outbox.slice(this.#outbox)) {
      if (message.kind !== "read-reply") continue;
      this.#reads.confirmed(state, message.to, message.readId);
    }
    for (const { readId } of state.readAnswers.slice(this.#answers)) {
      this.#reads.confirmed(state, state.id, readId);
    }
  }
}
