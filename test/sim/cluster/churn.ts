import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import { hasCommittedInTerm } from "@raft2kube/store/core/commit.ts";
import { everyMember } from "@raft2kube/store/core/membership.ts";
import type {
  MemberId,
  Membership,
  MembershipChange,
  MembershipStep,
} from "@raft2kube/store/core/types.ts";
import type { Timeline } from "../../../testing/timeline.ts";
import type { Counters } from "../world/counters.ts";
import type { Cluster } from "./cluster.ts";
import type { Generation } from "./generation.ts";
import type { Member } from "./member.ts";
import type { Churn as ChurnSetting } from "./setting.ts";

const ROUND_MS = 200;
/** How soon a leader is asked again for the next change of a burst, at most, and how often. */
const RETRY_MS = 25;
const TRIES_MAX = 12;
const MEMBERS_MAX = 7;
/** A change of more than one step in so many cases, and one to be left explicitly. */
const JOINT_CHANCE = 0.35;
const EXPLICIT_CHANCE = 0.3;

/**
 * Changes the membership again and again: members join, are promoted, demoted and removed, one by
 * one or jointly, several changes close together, by any member that is leader of a term.
 */
export class Churn {
  readonly #cluster: Cluster;
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #counters: Counters;
  readonly #setting: ChurnSetting;
  /** Runs, and is in no configuration yet. */
  #spare: Member | undefined;
  #ended = false;

  constructor(
    cluster: Cluster,
    timeline: Timeline,
    random: Random,
    counters: Counters,
    setting: ChurnSetting,
  ) {
    this.#cluster = cluster;
    this.#timeline = timeline;
    this.#random = random;
    this.#counters = counters;
    this.#setting = setting;
    this.#burstLater();
    this.#round();
  }

  /** No change is started any more; what was started is brought to an end. */
  end(): void {
    this.#ended = true;
  }

  /** The configuration is simple, and those that run are those that it names. */
  get content(): boolean {
    const { leader, members } = this.#cluster;
    if (!leader || !isSettled(leader)) return false;
    const { membership } = leader.raft.state;
    const named = everyMember(membership);
    const same = named.length === members.size && named.every((id) => members.has(id));
    return same && membership.outgoing.length === 0;
  }

  #burstLater(): void {
    const delay_ms = this.#random.next() * 2 * this.#setting.interval_ms;
    this.#timeline.after(delay_ms, () => {
      if (this.#ended) return;
      const changes = randomInteger(this.#random, 1, this.#setting.changes_max + 1);
      this.#burst(changes, TRIES_MAX, 0);
      this.#burstLater();
    });
  }

  #burst(changes: number, tries: number, made: number): void {
    if (made === 2) this.#counters.note("changes close together");
    if (made === changes || tries === 0 || this.#ended) return;
    const leaders = this.#cluster.generations.filter(({ raft }) => raft.isLeader);
    const change = leaders.length > 0 ? this.#propose(pick(this.#random, leaders)) : false;
    this.#timeline.after(this.#random.next() * RETRY_MS, () => {
      this.#burst(changes, tries - 1, made + (change ? 1 : 0));
    });
  }

  /** Whether the leader took a change. */
  #propose(leader: Generation): boolean {
    const { membership } = leader.raft.state;
    const change = membership.outgoing.length > 0 ? this.#leave() : this.#draw(membership);
    return change !== undefined && this.#ask(leader, change);
  }

  #ask({ raft, replica }: Generation, change: MembershipChange): boolean {
    const { voters, learners } = raft.state.membership;
    const proposed = raft.proposeChange(change);
    replica.schedule();
    if (typeof proposed === "string" || "refused" in proposed) return false;
    for (const step of change.steps) this.#counters.note(nameOf(step, voters, learners));
    if (change.steps.length > 1) this.#counters.note("joint change");
    if (change.transition === "explicit") this.#counters.note("explicit joint change");
    return true;
  }

  #leave(): MembershipChange | undefined {
    return this.#random.next() < 0.3 ? changeOf([], "auto") : undefined;
  }

  #draw(membership: Membership): MembershipChange | undefined {
    const random = this.#random;
    const count = random.next() < JOINT_CHANCE ? 2 : 1;
    const steps = Array.from({ length: count }, () => this.#step(membership)).filter(
      (step) => step !== undefined,
    );
    const once = steps.filter(({ member }, i) => {
      return steps.findIndex((step) => step.member === member) === i;
    });
    const explicit = random.next() < EXPLICIT_CHANCE && once.length > 1;
    return once.length > 0 ? changeOf(once, explicit ? "explicit" : "auto") : undefined;
  }

  #step({ voters, learners }: Membership): MembershipStep | undefined {
    const random = this.#random;
    const die = random.next();
    if (die < 0.4) return this.#newcomer(die < 0.3 ? "add-learner" : "add-voter");
    if (die < 0.65 && learners.length > 0) {
      return { action: "add-voter", member: pick(random, learners) };
    }
    if (voters.length < 2) return undefined;
    if (die < 0.75) return { action: "add-learner", member: pick(random, voters) };
    return { action: "remove", member: pick(random, [...voters, ...learners]) };
  }

  #newcomer(action: "add-learner" | "add-voter"): MembershipStep | undefined {
    if (!this.#spare && this.#cluster.members.size >= MEMBERS_MAX) return undefined;
    this.#spare ??= this.#cluster.join();
    return { action, member: this.#spare.id };
  }

  #round(): void {
    const { leader } = this.#cluster;
    if (leader && this.#isOnlyLeader(leader)) this.#reconcile(leader);
    this.#timeline.after(ROUND_MS, () => this.#round());
  }

  /**
   * No other member can lead now: no term is newer, and no member sleeps. At the end a member that
   * has no vote in the newest configuration may be in a newer term: it campaigns in vain.
   */
  #isOnlyLeader({ raft }: Generation): boolean {
    const { all, newestVoters } = this.#cluster;
    return all.every((member) => {
      const { generation, host } = member;
      if (!generation || host.paused) return false;
      const isRemoved = this.#ended && !newestVoters.voters.includes(member);
      return isRemoved || generation.raft.state.term <= raft.state.term;
    });
  }

  /**
   * Removes members that are not in the configuration, and proposes to remove those in it that do
   * not exist.
   */
  #reconcile(leader: Generation): void {
    if (!isSettled(leader)) return;
    const { membership, id: self } = leader.raft.state;
    if (membership.outgoing.length > 0) {
      if (this.#ended) this.#ask(leader, changeOf([], "auto"));
      return;
    }
    // A leader that is removed is needed until the others have elected one of their own.
    if (!membership.voters.includes(self)) return;
    const named = everyMember(membership);
    if (this.#spare && (named.includes(this.#spare.id) || this.#ended)) this.#spare = undefined;
    for (const { id } of this.#cluster.all) {
      const stays = named.includes(id) || id === this.#spare?.id;
      if (!stays && this.#random.next() < 0.5) this.#cluster.remove(id);
    }
    const gone = named.find((id) => !this.#cluster.members.has(id));
    if (gone === undefined) return;
    this.#ask(leader, changeOf([{ action: "remove", member: gone }], "auto"));
  }
}

/** Nothing is open in its log that could still change the configuration. */
function isSettled({ raft: { leading } }: Generation): boolean {
  if (!leading) return false;
  return hasCommittedInTerm(leading) && leading.pendingChangeIndex <= leading.applied;
}

function changeOf(
  steps: MembershipStep[],
  transition: MembershipChange["transition"],
): MembershipChange {
  return { steps, transition, context: Buffer.alloc(0) };
}

function nameOf(
  { action, member }: MembershipStep,
  voters: readonly MemberId[],
  learners: readonly MemberId[],
): string {
  if (action === "remove") return "member removed";
  if (action === "add-learner") return voters.includes(member) ? "voter demoted" : "learner added";
  return learners.includes(member) ? "learner promoted" : "voter added";
}
