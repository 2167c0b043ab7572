import type { Random } from "@raft2kube/std/random.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import type { Entry, MemberId, Membership } from "@raft2kube/store/core/types.ts";
import type { TestMember } from "../../testing/raft/member.ts";
import type { Timeline } from "../../testing/timeline.ts";
import { Acknowledged } from "./acknowledged.ts";
import { asJudged } from "./as-judged.ts";
import { entry } from "./core.ts";
import { DISK_MS, TICK_MS } from "./limits.ts";
import type { Trace } from "./trace.ts";

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

/** The state that a member has on its disk. Of an entry often only the term matters. */
export interface DiskState {
  readonly term: number;
  readonly vote?: MemberId;
  readonly commit?: number;
  readonly log: readonly (number | Omit<Entry, "index">)[];
  readonly membership?: Membership;
}

/** A member on the virtual clock: the core, a disk with latency, and a power switch. */
export class Server {
  readonly id: MemberId;
  readonly member: TestMember;
  readonly #options: ServerOptions;
  /** How long a write takes to become durable. */
  disk_ms = DISK_MS;
  up = true;
  connected = true;
  #generation = 0;
  #awake = false;
  #role = "";
  readonly #acknowledged: Acknowledged;

  constructor(member: TestMember, options: ServerOptions) {
    this.id = member.id;
    this.member = member;
    this.#options = options;
    this.#acknowledged = new Acknowledged(this.id);
    this.#startClock();
  }

  /** Starts with this on its disk, as if it had come to it in an earlier run. */
  startWith(disk: DiskState): void {
    const { term, vote = 0n, commit = 0, log } = disk;
    const entries = log.map((item, i) => {
      return typeof item === "number" ? entry(i + 1, item) : { ...item, index: i + 1 };
    });
    Object.assign(this.member.disk, { hardState: { term, vote, commit }, entries });
    if (disk.membership) this.member.disk.mark = { index: 0, term: 0, membership: disk.membership };
    const described = entries.map((item) => item.term).join(" ");
    this.#options.trace.note(this.id, `starts in term ${term}, log ${described}, c${commit}`);
    this.#generation++;
    this.up = true;
    this.member.crash();
    this.#startClock();
    this.wake();
  }

  /** The term of the last vote that it has sent, 0 before the first. */
  get votedTerm(): number {
    return this.#acknowledged.votedTerm;
  }

  /** The last entry that it has acknowledged to a leader, 0 before the first. */
  get acknowledgedIndex(): number {
    return this.#acknowledged.index;
  }

  /** Campaigns immediately, as if its timer had run out. */
  campaign(): void {
    this.#options.trace.note(this.id, "times out");
    this.member.raft.campaign();
    this.wake();
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
    this.#options.trace.promisesInFlight(this.id);
    this.#options.trace.note(this.id, "crashes");
    this.up = false;
    this.#generation++;
    this.#options.changed(this);
  }

  /** Restarts with the state of its disk. */
  restart(): void {
    this.#acknowledged.checkRestart(this.member.disk);
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
    const process = () => asJudged(this.member, "executing ready()", () => this.member.process());
    for (let ready = process(); ready; ready = process()) {
      for (const message of ready.messages) this.#send(message);
      if (ready.write) this.#later(this.disk_ms, () => this.#sync());
    }
    this.#traceRole();
    this.#compactIfDue();
    this.#options.changed(this);
    this.#options.stepped(this);
  }

  #send(message: Message): void {
    this.#acknowledged.sent(message);
    this.#options.send(message);
  }

  #sync(): void {
    // A member's message to itself takes effect with the write that it waited for.
    for (const message of this.member.pending[0]?.after ?? []) {
      if (message.to === this.id) this.#options.trace.message(message, false);
    }
    const sync = () => this.member.sync();
    const messages = asJudged(this.member, "with a write that became durable", sync);
    for (const message of messages) this.#send(message);
    this.wake();
  }

  #compactIfDue(): void {
    const { snapshotEvery } = this.#options;
    if (snapshotEvery === undefined) return;
    const { applied, disk } = this.member;
    if (applied.length - disk.mark.index >= snapshotEvery) this.member.compact(0);
  }

  #tick(): void {
    const { role, term, electionElapsed } = this.member.raft.state;
    asJudged(this.member, "at a tick of its clock", () => this.member.raft.tick());
    const { state } = this.member.raft;
    if (state.role === role && state.term === term && role !== "pre-candidate") return;
    if (state.electionElapsed > electionElapsed || role === "leader") return;
    const waited_ms = (electionElapsed + 1) * TICK_MS;
    this.#options.trace.note(this.id, `times out: its timer of ${waited_ms} ms has run out`);
  }

  #startClock(): void {
    const tick = () => {
      this.#tick();
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
