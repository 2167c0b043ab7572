import type { Random } from "@raft2kube/std/random.ts";
import type { MemberId, Membership, MembershipStep } from "@raft2kube/store/core/types.ts";
import type { Timeline } from "../../../testing/timeline.ts";
import type { Counters } from "../world/counters.ts";
import type { Cluster } from "./cluster.ts";
import type { Generation } from "./generation.ts";
import type { Member } from "./member.ts";
import type { Release } from "./release.ts";

const ROUND_MS = 200;
/** A member behind by more than this is not made a voter yet. */
const BEHIND_MAX = 50;

/**
 * Looks after the cluster as a good administrator would: starts what has ended, replaces a member
 * whose disk is lost by a new one under a new id, first listening, then voting, and brings the
 * members to a new release one after the other.
 */
export class Operator {
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #timeline: Timeline;
  readonly #counters: Counters;
  /** Starts in a row that found damage. */
  readonly #tries = new Map<MemberId, number>();
  #replacement: { old: MemberId; young: Member; jointly: boolean } | undefined;
  #upgrade: Release | undefined;
  /** Whether members are started immediately; during faults the operator takes its time. */
  hurries = false;

  constructor(cluster: Cluster, timeline: Timeline, random: Random, counters: Counters) {
    this.#cluster = cluster;
    this.#timeline = timeline;
    this.#random = random;
    this.#counters = counters;
    this.#round();
  }

  /** No member is missing, replaced or of an old release. */
  get content(): boolean {
    const well = this.#cluster.all.every(({ standing, lost }) => standing === "up" && !lost);
    return well && !this.#replacement && !this.#upgrade;
  }

  /** Starts to bring all members to a release. False when they have it, or another is under way. */
  upgrade(to: Release): boolean {
    if (this.#upgrade || this.#cluster.release === to) return false;
    this.#upgrade = to;
    this.#cluster.release = to;
    return true;
  }

  #round(): void {
    for (const member of this.#cluster.all) this.#lookAfter(member);
    this.#replace();
    this.#restartOld();
    this.#timeline.after(ROUND_MS, () => this.#round());
  }

  #lookAfter(member: Member): void {
    if (this.hurries && member.standing === "up" && !member.backend.isWhole) member.crash();
    if (member.standing === "up") this.#tries.delete(member.id);
    if (member.lost || member.standing === "up" || member.standing === "starting") return;
    if (!this.hurries && this.#random.next() > 0.2) return;
    if (member.standing === "damaged") {
      // Once more: it may have been a misreading.
      const tries = (this.#tries.get(member.id) ?? 0) + 1;
      this.#tries.set(member.id, tries);
      if (tries > 1) {
        member.lost = true;
        return;
      }
      member.crash();
    }
    member.start();
  }

  /** One at a time, and only while all others are up, as documented. */
  #restartOld(): void {
    if (!this.#upgrade || this.#random.next() > 0.5) return;
    const { all, leader } = this.#cluster;
    const old = all.find(({ release }) => release !== this.#upgrade);
    if (!old) {
      this.#upgrade = undefined;
      this.#counters.note("rolling upgrade done");
      return;
    }
    if (!leader || all.some((member) => member !== old && !member.generation)) return;
    const successor = all.find((member) => member !== old && member.generation);
    if (old.generation === leader && successor && this.#random.next() < 0.5) {
      leader.replica.transferLeadership(successor.id);
      return;
    }
    old.release = this.#upgrade;
    this.#counters.note("member upgraded");
    if (old.generation) old.crash();
    if (old.standing === "down" && !old.lost) old.start();
  }

  #replace(): void {
    const leader = this.#cluster.leader;
    if (!leader) return;
    const { membership } = leader.raft.state;
    if (!this.#replacement) {
      const lost = this.#cluster.all.find((member) => member.lost);
      if (!lost) return;
      this.#replaceBy(lost.id, this.#random.next() < 0.5);
    }
    this.#forgetLostNewcomer(membership);
    const { old, young } = this.#replacement!;
    const steps = this.#nextSteps(leader, membership);
    if (steps === undefined) return;
    if (steps.length > 0) return this.#propose(leader, steps);
    this.#counters.note("member replaced");
    this.#cluster.remove(old);
    this.#replacement = undefined;
    if (young.lost) this.#replaceBy(young.id, false);
  }

  /** A newcomer that lost its disk before it was anything is replaced by another newcomer. */
  #forgetLostNewcomer({ voters, outgoing, learners }: Membership): void {
    const { old, young, jointly } = this.#replacement!;
    if (!young.lost || outgoing.length > 0) return;
    if (voters.includes(young.id) || learners.includes(young.id)) return;
    this.#cluster.remove(young.id);
    this.#replaceBy(old, jointly);
  }

  #replaceBy(old: MemberId, jointly: boolean): void {
    this.#replacement = { old, young: this.#cluster.join(), jointly };
  }

  /**
   * Returns the steps to propose next: none when the replacement is complete, undefined to wait.
   */
  #nextSteps(leader: Generation, membership: Membership): MembershipStep[] | undefined {
    const { old, young, jointly } = this.#replacement!;
    const { voters, outgoing, learners } = membership;
    if (outgoing.length > 0) return undefined;
    const listens = learners.includes(young.id);
    const votes = voters.includes(young.id);
    if (young.lost && listens) return [{ action: "remove", member: young.id }];
    if (!listens && !votes) return [{ action: "add-learner", member: young.id }];
    const progress = leader.raft.leading?.progress.get(young.id);
    const behind = leader.raft.state.log.lastIndex - (progress?.match ?? 0);
    const removal = { action: "remove", member: old } as const;
    const promotion = { action: "add-voter", member: young.id } as const;
    if (listens && behind > BEHIND_MAX) return undefined;
    if (listens && voters.includes(old)) return jointly ? [promotion, removal] : [removal];
    if (listens) return [promotion];
    return voters.includes(old) ? [removal] : [];
  }

  #propose({ raft, replica }: Generation, steps: MembershipStep[]): void {
    raft.proposeChange({ steps, transition: "auto", context: Buffer.alloc(0) });
    replica.schedule();
  }
}
