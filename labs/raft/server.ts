import type { Message } from "@raft2kube/store/core/message.ts";
import { initialMembership } from "@raft2kube/store/core/membership.ts";
import { TestMember, type TestOptions } from "@raft2kube/store/core/testing/member.ts";
import type { MemberId, Membership } from "@raft2kube/store/core/types.ts";
import type { Timeline } from "../../test/sim/world/timeline.ts";
import type { Chronicle } from "./chronicle.ts";
import { DISK_MS, TICK_MS } from "./limits.ts";

export interface ServerOptions {
  readonly timeline: Timeline;
  readonly chronicle: Chronicle;
  readonly core: TestOptions;
  readonly send: (message: Message) => void;
  /** Called after every step. */
  readonly stepped: (server: Server) => void;
  /** How many applied entries make a snapshot; none without. */
  readonly snapshotEvery: number | undefined;
}

/** A member on the virtual clock: the core, a disk that takes its time, and a power switch. */
export class Server {
  readonly id: MemberId;
  readonly member: TestMember;
  readonly #options: ServerOptions;
  up = true;
  connected = true;
  /** How far its applied entries were compared with the others'. */
  checkedTo = 0;
  /** What was seen of it in this life. */
  seen = { committed: 0, term: 0 };
  #life = 0;
  #awake = false;
  #standing = "";

  constructor(id: MemberId, membership: Membership | MemberId[], options: ServerOptions) {
    this.id = id;
    this.#options = options;
    const voters = Array.isArray(membership) ? initialMembership(membership) : membership;
    this.member = new TestMember(id, voters, options.core);
    this.#startClock();
  }

  get isLeader(): boolean {
    return this.up && this.member.raft.isLeader;
  }

  get term(): number {
    return this.member.raft.state.term;
  }

  /** Bytes of log on the disk: what a snapshot must keep small. */
  get logBytes(): number {
    return this.member.disk.entries.reduce((bytes, { data }) => bytes + data.length + 16, 0);
  }

  /** Loses power: what was not durable is gone. */
  crash(): void {
    this.#options.chronicle.note(this.id, "crashes");
    this.up = false;
    this.#life++;
  }

  /** Comes back with what its disk has. */
  restart(): void {
    this.member.crash();
    this.up = true;
    this.checkedTo = Math.min(this.checkedTo, this.member.applied.length);
    this.seen = { committed: 0, term: 0 };
    this.#options.chronicle.note(this.id, "is back");
    this.#startClock();
    this.wake();
  }

  receive(message: Message): void {
    this.#options.chronicle.message(message, false);
    this.member.raft.step(message);
    this.wake();
  }

  /** Does, at the end of this instant, what the core asks for. */
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
    this.#tellStanding();
    this.#compactIfDue();
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
    this.#later(this.#options.core.random.next() * TICK_MS, tick);
  }

  /** Acts after a while, unless the power went in between. `always` is done in any case. */
  #later(delay_ms: number, act: () => void, always: () => void = () => undefined): void {
    const life = this.#life;
    this.#options.timeline.after(delay_ms, () => {
      always();
      if (life === this.#life && this.up) act();
    });
  }

  #tellStanding(): void {
    const { role, term } = this.member.raft.state;
    const standing = `is ${role} in term ${term}`;
    if (standing !== this.#standing) this.#options.chronicle.note(this.id, standing);
    this.#standing = standing;
  }
}
