import { type Random, pick } from "@raft2kube/std/random.ts";
import { initialMembership } from "@raft2kube/store/core/membership.ts";
import type { MemberId, Membership } from "@raft2kube/store/core/types.ts";
import type { Story } from "../story.ts";
import { Network, type Parcel } from "../world/network.ts";
import type { Tally } from "../world/tally.ts";
import type { Timeline } from "../world/timeline.ts";
import type { Life } from "./life.ts";
import { Member } from "./member.ts";
import type { Seams } from "./seams.ts";
import type { Witness } from "./witness.ts";

export interface ClusterOptions {
  size: number;
  /** Slots that members keep in their log for slow followers. */
  keep: number;
  timeline: Timeline;
  random: Random;
  tally: Tally;
  story: Story;
  witness: Witness;
  seams: Seams;
}

/** Clocks run at most this much faster or slower than true time. */
export const DRIFT_MAX = 0.05;

/** A cluster is born behind this slot, so that nobody can join by the log alone. */
export const BIRTH = { index: 1, term: 1 };
const NOTHING = { index: 0, term: 0 };
const NOBODY: Membership = {
  voters: [],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

/** The members that there are, and the network between them. */
export class Cluster {
  readonly members = new Map<MemberId, Member>();
  readonly network: Network;
  readonly #options: ClusterOptions;
  readonly #sent = new WeakMap<Parcel, number>();
  #nextId = 1n;

  constructor(options: ClusterOptions) {
    this.#options = options;
    const { timeline, random, tally } = options;
    this.network = new Network({
      timeline,
      random,
      tally,
      deliver: (parcel) => this.#deliver(parcel),
      lost: (parcel) => this.#lost(parcel),
    });
    const ids = Array.from({ length: options.size }, (_, i) => BigInt(i + 1));
    for (const id of ids) this.#add(id, initialMembership(ids), BIRTH);
  }

  get all(): Member[] {
    return [...this.members.values()];
  }

  /** Members that run and are not paused. */
  get lives(): Life[] {
    return this.all.flatMap(({ life, host }) => (life && !host.paused ? [life] : []));
  }

  /** The leader of the newest term. */
  get leader(): Life | undefined {
    const leaders = this.lives.filter(({ raft }) => raft.isLeader);
    return leaders.sort((a, b) => b.raft.state.term - a.raft.state.term)[0];
  }

  /** A member that will join: it knows nothing yet. */
  join(): Member {
    return this.#add(this.#nextId, NOBODY, NOTHING);
  }

  #add(id: MemberId, membership: Membership, base: { index: number; term: number }): Member {
    const { timeline, random, tally, witness, seams, keep } = this.#options;
    this.#nextId = id + 1n;
    const rate = 1 + (random.next() * 2 - 1) * DRIFT_MAX;
    const send = (parcel: Parcel) => {
      this.#sent.set(parcel, timeline.now_ms);
      this.network.send(parcel);
    };
    const shared = { timeline, random, tally, witness, seams, keep, send };
    const member = new Member({ id, membership, base, rate, ...shared });
    this.members.set(id, member);
    member.start();
    return member;
  }

  /** A member leaves for good. */
  remove(id: MemberId): void {
    this.members.get(id)?.crash();
    this.members.delete(id);
  }

  #deliver(parcel: Parcel): void {
    const { message } = parcel;
    const member = this.members.get(message.to);
    if (!member?.life) return this.#lost(parcel);
    this.#options.story.arrived(message, this.#sent.get(parcel) ?? 0);
    member.receive(parcel);
    if (message.kind === "snapshot") this.#reportSnapshot(parcel, true);
  }

  #lost(parcel: Parcel): void {
    if (parcel.message.kind === "snapshot") this.#reportSnapshot(parcel, false);
  }

  #reportSnapshot({ message }: Parcel, delivered: boolean): void {
    const sender = this.members.get(message.from);
    // The sender hears of it in its own time.
    sender?.host.after(5, () => sender.life?.replica.snapshotSent(message.to, delivered));
  }

  /** Any member that is up, by chance. */
  anyUp(random: Random): Member | undefined {
    const up = this.all.filter(({ life }) => life);
    return up.length > 0 ? pick(random, up) : undefined;
  }
}
