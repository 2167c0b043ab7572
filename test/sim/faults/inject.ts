import { unreachable } from "@raft2kube/std/assert.ts";
import { pick, type Random } from "@raft2kube/std/random.ts";
import type { Timeline } from "../../../testing/timeline.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { Member } from "../cluster/member.ts";
import type { Operator } from "../cluster/operator.ts";
import type { Transcript } from "../transcript.ts";
import type { BackendFault } from "../world/backend.ts";
import type { Counters } from "../world/counters.ts";
import type { DiskFault } from "../world/disk.ts";
import { link } from "../world/partition.ts";
import { RARE_MOMENTS } from "../world/power.ts";
import { betweenLeaders } from "./between-leaders.ts";
import type { Fault } from "./faults.ts";
import { leaderReturns } from "./leader-returns.ts";

export interface FaultWorld {
  cluster: Cluster;
  operator: Operator;
  timeline: Timeline;
  counters: Counters;
  transcript: Transcript;
}

type Between = Extract<Fault, { kind: "member between two leaders" }>;

/**
 * Injects faults into a cluster, never to more disks than it can lose. Each comes with a source of
 * chance of its own, and says whether there was anyone to do it to.
 */
export class Injector {
  readonly #world: FaultWorld;
  #partitions = 0;
  #between: { readonly ended: boolean } | undefined;
  #returning: { readonly ended: boolean } | undefined;
  /** The member that a fault is to meet, where it meets one. */
  #target: Member | undefined;

  constructor(world: FaultWorld) {
    this.#world = world;
  }

  /** Injects a fault into `target`, if it is one of a member, or into any. */
  inject(fault: Fault, random: Random, target?: Member): boolean {
    this.#target = target;
    return this.#inject(fault, random);
  }

  #inject(fault: Fault, random: Random): boolean {
    switch (fault.kind) {
      case "crash":
        return this.#onOne(random, fault.kind, (member) => member.crash());
      case "leader crash":
        return this.#crashLeader();
      case "power cut everywhere":
        this.#world.cluster.all.forEach((member) => member.generation && member.crash());
        return this.#done(fault.kind);
      case "power cut":
        return this.#appoint(random, fault);
      case "power cut between writes":
        return this.#countDown(random, fault.after);
      case "pause":
      case "event loop stalled":
        return this.#pause(random, fault.kind, fault.for_ms);
      case "wall clock stepped":
        return this.#onOne(random, fault.kind, ({ host }) => host.stepWallClock(fault.by_ms));
      case "partition":
        return this.#partition(random, fault);
      case "link clogged":
        return this.#clog(random, fault.for_ms);
      case "leader cut off":
        return this.#cutOff(random, fault);
      case "leader held up":
        return this.#holdUp(fault);
      case "member between two leaders":
        return this.#betweenLeaders(random, fault);
      case "leader returns":
        return this.#leaderReturns();
      case "leadership handed over":
        return fault.to === "anyone" ? this.#handOver(random) : this.#handOverLater();
      case "disk":
        return this.#onDisk(random, fault.fault);
      case "backend":
        return this.#onBackend(random, fault.fault);
      case "disk goes bad":
        return this.#goBad(random, fault.chance);
      case "byte flipped at rest":
      case "byte misread":
      case "backend damaged":
      case "disk blank":
        return this.#damage(random, fault.kind);
      case "rolling upgrade":
        return this.#upgrade();
      default:
        return unreachable(fault, "fault");
    }
  }

  #done(name: string): true {
    this.#world.counters.note(name);
    return true;
  }

  #onOne(random: Random, name: string, act: (member: Member) => void): boolean {
    const { cluster } = this.#world;
    const suspects = cluster.all.filter(({ generation, suspect }) => generation && suspect);
    const seeksDamage = name === "crash" && suspects.length > 0 && random.next() < 0.3;
    const member = seeksDamage ? pick(random, suspects) : this.#victim(random);
    if (!member) return false;
    act(member);
    return this.#done(name);
  }

  /** The one that a fault is to meet, else the leader. */
  get #leading(): Member | undefined {
    const { cluster } = this.#world;
    return this.#target ?? cluster.leadingMember;
  }

  #crashLeader(): boolean {
    const leader = this.#leading;
    leader?.crash();
    return leader !== undefined && this.#done("crash");
  }

  /** Any member that is up, the leader more often. */
  #victim(random: Random): Member | undefined {
    const { cluster } = this.#world;
    if (this.#target?.generation) return this.#target;
    const leader = cluster.leadingMember;
    return leader && random.next() < 0.4 ? leader : cluster.anyUp(random);
  }

  /** Picks the victim; for a rare moment, the first member to reach it. */
  #appoint(random: Random, { side, moment }: Extract<Fault, { kind: "power cut" }>): boolean {
    const one = this.#victim(random);
    const rare = RARE_MOMENTS.includes(moment);
    const waiting = this.#world.cluster.all.filter(({ generation, power }) => {
      return generation && !power.appointed;
    });
    const victims = rare ? waiting : one ? [one] : [];
    const cut = (member: Member) => {
      for (const { power } of victims) power.appointed = undefined;
      this.#done(`power cut ${side} ${moment}`);
      member.crash();
    };
    for (const member of victims) member.power.appointed = { side, moment, act: () => cut(member) };
    return victims.length > 0;
  }

  /** Power is lost some moments from now, whichever they are. */
  #countDown(random: Random, after: number): boolean {
    const member = this.#victim(random);
    if (!member || member.power.appointed) return false;
    const act = () => {
      this.#done("power cut between writes");
      member.crash();
    };
    member.power.appointed = { after, act };
    return true;
  }

  #pause(random: Random, name: string, for_ms: number): boolean {
    return this.#onOne(random, name, ({ host }) => {
      if (host.paused) return;
      host.pause();
      const generation = host.generation;
      this.#world.timeline.after(for_ms, () => {
        if (host.generation === generation) host.resume();
      });
    });
  }

  #partition(random: Random, { shape, for_ms }: Extract<Fault, { kind: "partition" }>): boolean {
    const { cluster } = this.#world;
    const ids = cluster.all.map(({ id }) => id);
    cluster.network.partition(shape, ids, random);
    this.#joinAfter(for_ms);
    return this.#done(`partition ${shape}`);
  }

  /** The partition of now ends, unless another has taken its place. */
  #joinAfter(for_ms: number): void {
    const { cluster, timeline } = this.#world;
    const number = ++this.#partitions;
    timeline.after(for_ms, () => {
      if (this.#partitions === number) cluster.network.join();
    });
  }

  /**
   * Cuts the leader off, with some others: it does not reach the rest, or does not receive their
   * messages.
   */
  #cutOff(random: Random, { way, beside, for_ms }: Extract<Fault, { kind: "leader cut off" }>) {
    const { cluster } = this.#world;
    const leader = this.#leading;
    if (!leader) return false;
    const others = cluster.all.filter((member) => member !== leader);
    const near = [leader, ...others.filter(() => random.next() * others.length < beside)];
    const far = others.filter((member) => !near.includes(member));
    const links = near.flatMap(({ id: a }) =>
      far.flatMap(({ id: b }) => [
        ...(way === "in" ? [] : [link(a, b)]),
        ...(way === "out" ? [] : [link(b, a)]),
      ]),
    );
    cluster.network.cut(links);
    this.#joinAfter(for_ms);
    return this.#done("leader cut off");
  }

  #holdUp({ way, for_ms }: Extract<Fault, { kind: "leader held up" }>): boolean {
    const { cluster } = this.#world;
    const leader = this.#leading;
    if (!leader) return false;
    for (const { id } of cluster.all) {
      if (way !== "out") cluster.network.clog(id, leader.id, for_ms);
      if (way !== "in") cluster.network.clog(leader.id, id, for_ms);
    }
    return this.#done("leader held up");
  }

  /** Injects such faults one after the other. */
  #betweenLeaders(random: Random, { behind_ms, apart_ms }: Between): boolean {
    if (this.#between && !this.#between.ended) return false;
    const between = betweenLeaders(this.#world, random, { behind_ms, apart_ms });
    this.#between = between;
    return between !== undefined && this.#done("member between two leaders");
  }

  #leaderReturns(): boolean {
    if (this.#returning && !this.#returning.ended) return false;
    const returned = () => this.#world.counters.note("leader returned");
    this.#returning = leaderReturns(this.#world, returned);
    return this.#returning !== undefined && this.#done("leader returns");
  }

  #clog(random: Random, for_ms: number): boolean {
    const { cluster } = this.#world;
    const ids = cluster.all.map(({ id }) => id);
    cluster.network.clog(pick(random, ids), pick(random, ids), for_ms);
    return this.#done("link clogged");
  }

  #handOver(random: Random): boolean {
    const { leader, generations } = this.#world.cluster;
    if (!leader) return false;
    // A follower forwards the request to the leader.
    const asked = random.next() < 0.5 ? leader : pick(random, generations);
    asked.replica.transferLeadership(pick(random, leader.raft.state.membership.voters));
    return this.#done("leadership handed over");
  }

  /** The next that is sent a snapshot gets the office while it installs that. */
  #handOverLater(): boolean {
    this.#world.cluster.successorInstalls = true;
    return true;
  }

  #onDisk(random: Random, fault: DiskFault): boolean {
    const damages = fault === "write corrupted" || fault === "write misdirected";
    const member = damages ? this.#mayLose(random) : this.#world.cluster.anyUp(random);
    if (!member) return false;
    if (damages) member.suspect = true;
    member.disk.armed = fault;
    // Reading happens at a start.
    if (fault === "EIO on read") member.crash();
    return true;
  }

  #onBackend(random: Random, fault: BackendFault): boolean {
    const member = this.#victim(random);
    if (member) member.backend.armed = fault;
    return member !== undefined;
  }

  #goBad(random: Random, chance: number): boolean {
    const member = this.#mayLose(random);
    if (!member) return false;
    member.suspect = true;
    member.disk.badness = chance;
    return this.#done("disk goes bad");
  }

  #damage(random: Random, kind: DamageKind): boolean {
    const member = this.#mayLose(random);
    if (!member || !damageOne(member, kind, random)) return false;
    if (kind === "byte misread") member.misreads = true;
    else member.suspect = true;
    return this.#done(kind);
  }

  #upgrade(): boolean {
    const { operator, cluster } = this.#world;
    return operator.upgrade(cluster.release === "previous" ? "this" : "next");
  }

  /**
   * A member whose disk the cluster can do without: a majority of sound ones stays, and a majority
   * that durably applied the newest configuration. The others may still need the vote of a member
   * that has been removed by it.
   */
  #mayLose(random: Random): Member | undefined {
    const { cluster } = this.#world;
    const leader = cluster.leader;
    if (!leader) return undefined;
    const { voters, outgoing } = leader.raft.state.membership;
    if (outgoing.length > 0) return undefined;
    const unsound = cluster.all.filter(
      ({ lost, standing, suspect }) => lost || standing === "damaged" || suspect,
    );
    if (unsound.length >= Math.floor((voters.length - 1) / 2)) return undefined;
    const sound = cluster.all.filter((each) => each.generation && !unsound.includes(each));
    const { inStep } = cluster.newestVoters;
    const majority = Math.floor(voters.length / 2) + 1;
    const voting = sound.filter((each) => {
      const others = inStep.filter((other) => other !== each && !unsound.includes(other));
      return voters.includes(each.id) && others.length >= majority;
    });
    return voting.length > 0 ? pick(random, voting) : undefined;
  }
}

type DamageKind = "byte flipped at rest" | "byte misread" | "backend damaged" | "disk blank";

/** Damages one file; returns false when there is none. */
function damageOne(member: Member, kind: DamageKind, random: Random): boolean {
  switch (kind) {
    case "byte flipped at rest":
      return member.disk.flipBit();
    case "byte misread": {
      // A misreading shows at a start.
      const armed = member.disk.misread();
      if (armed) member.crash();
      return armed;
    }
    case "backend damaged":
      return member.backend.damage(random);
    case "disk blank":
      member.lost = true;
      member.crash();
      return true;
  }
}
