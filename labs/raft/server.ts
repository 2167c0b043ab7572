import type { Random } from "@raft2kube/std/random.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import type { TestMember } from "../../testing/raft/member.ts";
import type { Timeline } from "../../testing/timeline.ts";
import type { Trace } from "./trace.ts";
import { DISK_MS, TICK_MS } from "./limits.ts";

export interface ServerOptions {
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly random: Random;
  readonly send: (message: Message) => void;
  /** Called when its state, its power or its disk has changed. */
  readonly changed: (server: Server) => void;
  /** Called after every step, once the change was reported. */
  readonly stepped: (server: Server) => void;
  /** A snapshot after this many applied entries; undefined: no snapshots. */
  readonly snapshotEvery: number | undefined;
}

/** A member on the virtual clock: the core, a disk with latency, and a power switch. */
export class Server {
  readonly id: MemberId;
  readonly member: TestMember;
  readonly #options: ServerOptions;
  up = true;
  connected = true;
  #generation = 0;
  #awake = false;
  #role = "";

  constructor(member: TestMember, options: ServerOptions) {
    this.id = member.id;
    this.member = member;
    this.#options = options;
    this.#startClock();
  }

  get isLeader(): boolean {
    return this.up && this.member.raft.isLeader;
  }

  get term(): number {
    return this.member.raft.state.term;
  }

  /** Bytes of log on the disk, which snapshots must keep small. */
  get logBytes(): number {
    return this.member.disk.entries.reduce((bytes, { data }) => bytes + data.length + 16, 0);
  }

  /** Loses power: everything that was not durable is lost. */
  crash(): void {
    this.#options.trace.note(this.id, "crashes");
    this.up = false;
    this.#generation++;
    this.#options.changed(this);
  }

  /** Restarts with the state of its disk. */
  restart(): void {
    this.member.crash();
    this.up = true;
    this.#options.trace.note(this.id, "restarts");
    this.#options.changed(this);
    this.#startClock();
    this.wake();
  }

  /** Executes the core's `ready()` at the end of this instant. */
  wake(): void {
    if (this.#awake) return;
    this.#awake = true;
    this.#later(
      0,
      () => this.#work(),
      () => (this.#awake = false),
    );
  }

  #work(): void {
    for (let ready = this.member.process(); ready; ready = this.member.process()) {
      for (const message of ready.messages) this.#options.send(message);
      if (ready.write) this.#later(DISK_MS, () => this.#sync());
    }
    this.#traceRole();
    this.#compactIfDue();
    this.#options.changed(this);
    this.#options.stepped(this);
  }

  #sync(): void {
    for (const message of this.member.sync()) this.#options.send(message);
    this.wake();
  }

  #compactIfDue(): void {
    const { snapshotEvery } = this.#options;
    if (snapshotEvery === undefined) return;
    const { applied, disk } = this.member;
    if (applied.length - disk.mark.index >= snapshotEvery) this.member.compact(0);
  }

  #startClock(): void {
    const tick = () => {
      this.member.raft.tick();
      this.wake();
      this.#later(TICK_MS, tick);
    };
    // Members' clocks do not tick together.
    this.#later(this.#options.random.next() * TICK_MS, tick);
  }

  /** Acts after a delay, unless the power was lost before. `always` is called in any case. */
  #later(delay_ms: number, act: () => void, always: () => void = () => undefined): void {
    const generation = this.#generation;
    this.#options.timeline.after(delay_ms, () => {
      always();
      if (generation === this.#generation && this.up) act();
    });
  }

  #traceRole(): void {
    const { role, term } = this.member.raft.state;
    const described = `is ${role} in term ${term}`;
    if (described !== this.#role) this.#options.trace.note(this.id, described);
    this.#role = described;
  }
}
