import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { asError } from "@raft2kube/std/errors.ts";
import { pick, type Random } from "@raft2kube/std/random.ts";
import { everyMember, initialMembership } from "@raft2kube/store/core/membership.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import type { MemberId, Membership } from "@raft2kube/store/core/types.ts";
import { answerAsLeader } from "@raft2kube/store/etcd/request/on-leader.ts";
import { LEADER_VERBS } from "@raft2kube/store/etcd/serve/leader-verbs.ts";
import type { Timeline } from "../../../testing/timeline.ts";
import type { Transcript } from "../transcript.ts";
import type { Counters } from "../world/counters.ts";
import { Network, type Parcel } from "../world/network.ts";
import type { Streams } from "../world/streams.ts";
import type { Generation } from "./generation.ts";
import { Member } from "./member.ts";
import { type Release, translate, unheardOf } from "./release.ts";
import type { Seams } from "./seams.ts";
import type { Setting } from "./setting.ts";
import { markOf } from "./snapshot.ts";
import type { Witness } from "./witness.ts";

export interface ClusterOptions {
  setting: Setting;
  timeline: Timeline;
  streams: Streams;
  counters: Counters;
  transcript: Transcript;
  witness: Witness;
  seams: Seams;
}

/** Clocks run at most this much faster or slower than true time. */
export const DRIFT_MAX = 0.05;

/** Longer than a member is paused, or takes for an answer. */
const CALL_MS_MAX = 5_000;

/** How soon a sender notices that a stream is broken. */
const BREAK_MS = 20;

/** The log starts after this index, so that no member can join by the log alone. */
export const BIRTH = { index: 1, term: 1 };
const NOTHING = { index: 0, term: 0 };
const NOBODY: Membership = {
  voters: [],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

/** Returns the initial membership. */
export function membershipAtBirth({ size, learners }: Pick<Setting, "size" | "learners">) {
  const ids = Array.from({ length: size + learners }, (_, i) => BigInt(i + 1));
  return { ...initialMembership(ids.slice(0, size)), learners: ids.slice(size) };
}

/** The members that there are, and the network between them. */
export class Cluster {
  readonly members = new Map<MemberId, Member>();
  readonly network: Network;
  readonly #options: ClusterOptions;
  readonly #sent = new WeakMap<Parcel, number>();
  readonly #random: Random;
  /** The next member that installs a snapshot becomes leader while it installs. */
  successorInstalls = false;
  /** The release of new members. */
  release: Release;
  /** Disks have paces of their own. */
  #slow = true;
  #nextId = 1n;

  constructor(options: ClusterOptions) {
    this.#options = options;
    const { timeline, streams, counters, setting } = options;
    this.#random = streams("clocks");
    this.release = setting.release;
    const random = streams("network");
    this.network = new Network({
      timeline,
      random,
      counters,
      latency_ms: setting.latency_ms,
      deliver: (parcel) => this.#deliver(parcel),
      lost: (parcel) => this.#lost(parcel),
    });
    const membership = membershipAtBirth(setting);
    for (const id of everyMember(membership)) this.#add(id, membership, BIRTH);
  }

  get all(): Member[] {
    return [...this.members.values()];
  }

  /** Members that run and are not paused. */
  get generations(): Generation[] {
    return this.all.flatMap(({ generation, host }) => {
      return generation && !host.paused ? [generation] : [];
    });
  }

  /** The leader of the newest term. */
  get leader(): Generation | undefined {
    const leaders = this.generations.filter(({ raft }) => raft.isLeader);
    return leaders.sort((a, b) => b.raft.state.term - a.raft.state.term)[0];
  }

  /** The member whose generation is the leader. */
  get leadingMember(): Member | undefined {
    const { leader } = this;
    return leader && this.all.find(({ generation }) => generation === leader);
  }

  /** The voters of the newest configuration, and those of them that have durably applied it. */
  get newestVoters(): { voters: Member[]; inStep: Member[] } {
    const { index, membership } = this.#options.witness.configurations.newest;
    const voters = this.all.filter(({ id }) => membership.voters.includes(id));
    const inStep = voters.filter(({ backend }) => (markOf(backend.pairs)?.index ?? 0) >= index);
    return { voters, inStep };
  }

  /** A member that will join: it knows nothing yet. */
  join(): Member {
    return this.#add(this.#nextId, NOBODY, NOTHING);
  }

  #add(id: MemberId, membership: Membership, base: { index: number; term: number }): Member {
    const { timeline, streams, counters, transcript, witness, seams, setting } = this.#options;
    const { release } = this;
    this.#nextId = id + 1n;
    const rate = 1 + (this.#random.next() * 2 - 1) * DRIFT_MAX;
    const random = streams(`member ${id}`);
    const send = (parcel: Parcel) => {
      if (transcript.wanted) this.#sent.set(parcel, timeline.now_ms);
      this.network.send(parcel);
    };
    const ask = (to: MemberId, kind: string, body: Buffer) => this.#ask(member, to, kind, body);
    const installs = () => timeline.after(0, () => this.#installs(id));
    const shared = { timeline, random, counters, witness, seams, setting, release };
    const member: Member = new Member({
      ...{ id, membership, base, rate, ...shared },
      ...{ send, ask, installs },
    });
    this.members.set(id, member);
    member.slow = this.#slow;
    member.start();
    return member;
  }

  #installs(id: MemberId): void {
    const { leader } = this;
    if (!this.successorInstalls || !leader?.raft.state.membership.voters.includes(id)) return;
    this.successorInstalls = false;
    this.#options.counters.note("leadership handed over to one that installs");
    leader.replica.transferLeadership(id);
  }

  /** All disks are alike from now on, those of members to come too, and no write goes on slowly. */
  evenDisks(): void {
    this.#slow = false;
    for (const member of this.all) {
      member.slow = false;
      member.host.endOperations();
    }
  }

  /** A member leaves for good. */
  remove(id: MemberId): void {
    this.members.get(id)?.crash();
    this.members.delete(id);
  }

  #deliver(parcel: Parcel): void {
    const member = this.members.get(parcel.message.to);
    if (!member?.generation) return this.#lost(parcel);
    const message = this.#read(parcel.message, member.release);
    if (!message) return this.#options.counters.note("message of another release passed over");
    if (member.host.paused) this.#breakWithGeneration(member, () => this.#lost(parcel));
    member.host.awake(() => {
      this.#options.transcript.arrived(message, this.#sent.get(parcel) ?? 0);
      member.receive({ ...parcel, message });
      if (message.kind === "snapshot") this.#reportSnapshot(parcel, true);
    });
  }

  /** A member asks another, as by the peers' unary call; without an answer it is UNAVAILABLE. */
  #ask(from: Member, to: MemberId, kind: string, body: Buffer): Promise<Buffer> {
    const { host } = from;
    const { generation } = host;
    return new Promise((resolve, reject) => {
      const own = (act: () => void) => host.awake(() => host.generation === generation && act());
      const broken = () => {
        own(() => reject(new RpcError(Status.UNAVAILABLE, `no way to member ${to}`)));
      };
      const back = (act: () => void) => this.network.call(to, from.id, () => own(act), broken);
      const arrived = () => {
        const asked = this.members.get(to);
        if (!asked?.generation) return broken();
        asked.host.awake(() => {
          if (!asked.generation) return broken();
          this.#options.counters.note(`asked for ${kind}`);
          this.#breakWithGeneration(asked, broken);
          answerAsLeader(asked.generation.context, LEADER_VERBS, kind, body).then(
            (answer) => back(() => resolve(answer)),
            (thrown: unknown) => back(() => reject(asError(thrown))),
          );
        });
      };
      this.network.call(from.id, to, arrived, broken);
    });
  }

  /** Fails a call to a member some time after the member's generation ended. */
  #breakWithGeneration(asked: Member, broken: () => void): void {
    const { generation } = asked;
    this.#options.timeline.after(CALL_MS_MAX, () => {
      if (asked.generation !== generation) broken();
    });
  }

  /** The message as the receiver's release understands it. */
  #read(message: Message, to: Release): Message | undefined {
    const from = this.members.get(message.from)?.release ?? to;
    if (from === to) return message;
    this.#options.counters.note("message between releases");
    if (from === "next" && message.kind === "heartbeat") unheardOf(message.from, message.to);
    return translate(message, from, to);
  }

  #lost(parcel: Parcel): void {
    const { from, to, kind } = parcel.message;
    if (kind === "snapshot") return this.#reportSnapshot(parcel, false);
    if (kind !== "append" || !this.#options.setting.noticesLoss) return;
    const sender = this.members.get(from);
    sender?.host.after(BREAK_MS, () => sender.generation?.replica.unreachable(to));
  }

  #reportSnapshot({ message }: Parcel, delivered: boolean): void {
    const sender = this.members.get(message.from);
    // The sender is notified in its own time.
    sender?.host.after(5, () => sender.generation?.replica.snapshotSent(message.to, delivered));
  }

  /** Any member that is up, by chance. */
  anyUp(random: Random): Member | undefined {
    const up = this.all.filter(({ generation }) => generation);
    return up.length > 0 ? pick(random, up) : undefined;
  }
}
