import { unreachable } from "@raft2kube/std/assert.ts";
import { type Random, pick } from "@raft2kube/std/random.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { Member } from "../cluster/member.ts";
import type { Story } from "../story.ts";
import type { DiskFault, DiskOperation } from "../world/disk.ts";
import type { Tally } from "../world/tally.ts";
import type { Timeline } from "../world/timeline.ts";
import type { Fault } from "./faults.ts";

export interface FaultWorld {
  cluster: Cluster;
  timeline: Timeline;
  random: Random;
  tally: Tally;
  story: Story;
}

/** Does faults to a cluster, never to more disks than it can lose. */
export class Injector {
  readonly #world: FaultWorld;
  /** Members whose log may be wrong. They are as good as lost until they are replaced. */
  readonly #suspects = new Set<bigint>();
  #partitions = 0;

  constructor(world: FaultWorld) {
    this.#world = world;
  }

  inject(fault: Fault): void {
    this.#world.story.tell(undefined, () => `FAULT ${JSON.stringify(fault)}`);
    switch (fault.kind) {
      case "crash":
        return this.#onOne(fault.kind, (member) => member.crash());
      case "power cut everywhere":
        this.#note(fault.kind);
        return this.#world.cluster.all.forEach((member) => member.life && member.crash());
      case "power cut at the disk":
        return this.#interrupt(fault.at);
      case "pause":
      case "event loop stalled":
        return this.#pause(fault.kind, fault.for_ms);
      case "wall clock stepped":
        return this.#onOne(fault.kind, ({ host }) => host.stepWallClock(fault.by_ms));
      case "partition":
        return this.#partition(fault);
      case "link clogged":
        return this.#clog(fault.for_ms);
      case "leadership handed over":
        return this.#handOver();
      case "disk":
        return this.#onDisk(fault.fault);
      case "byte flipped at rest":
        return this.#flip();
      case "byte misread":
        return this.#misread();
      case "disk blank":
        return this.#blank();
      default:
        return unreachable(fault, "fault");
    }
  }

  #note(name: string): void {
    this.#world.tally.note(name);
  }

  #onOne(name: string, act: (member: Member) => void): void {
    const { cluster, random } = this.#world;
    const suspects = cluster.all.filter(({ id, life }) => life && this.#suspects.has(id));
    const seeksDamage = name === "crash" && suspects.length > 0 && random.next() < 0.3;
    const member = seeksDamage ? pick(random, suspects) : this.#victim();
    if (!member) return;
    this.#note(name);
    act(member);
  }

  #interrupt(at: DiskOperation): void {
    const member = this.#victim();
    if (!member) return;
    const act = () => {
      this.#note(`power cut at ${at}`);
      member.crash();
    };
    member.disk.interrupt = { at, act };
  }

  /** Any member that is up, the leader more often. */
  #victim(): Member | undefined {
    const { cluster, random } = this.#world;
    const leader = cluster.all.find(({ life }) => life && life === cluster.leader);
    return leader && random.next() < 0.4 ? leader : cluster.anyUp(random);
  }

  #pause(name: string, for_ms: number): void {
    this.#onOne(name, ({ host }) => {
      if (host.paused) return;
      host.pause();
      const life = host.life;
      this.#world.timeline.after(for_ms, () => {
        if (host.life === life) host.resume();
      });
    });
  }

  #partition({ shape, for_ms }: Extract<Fault, { kind: "partition" }>): void {
    const { cluster, timeline } = this.#world;
    this.#note(`partition ${shape}`);
    cluster.network.partition(
      shape,
      cluster.all.map(({ id }) => id),
    );
    const number = ++this.#partitions;
    timeline.after(for_ms, () => {
      if (this.#partitions === number) cluster.network.join();
    });
  }

  #clog(for_ms: number): void {
    const { cluster, random } = this.#world;
    const ids = cluster.all.map(({ id }) => id);
    this.#note("link clogged");
    cluster.network.clog(pick(random, ids), pick(random, ids), for_ms);
  }

  #handOver(): void {
    const { cluster, random } = this.#world;
    const leader = cluster.leader;
    if (!leader) return;
    this.#note("leadership handed over");
    leader.replica.transferLeadership(pick(random, leader.raft.state.membership.voters));
  }

  #onDisk(fault: DiskFault): void {
    const damages = fault === "write corrupted" || fault === "write misdirected";
    const member = damages ? this.#mayLose() : this.#world.cluster.anyUp(this.#world.random);
    if (!member) return;
    if (damages) this.#suspects.add(member.id);
    member.disk.armed = fault;
  }

  #flip(): void {
    const member = this.#mayLose();
    if (!member?.disk.flipBit()) return;
    this.#suspects.add(member.id);
    this.#note("byte flipped at rest");
  }

  /** A misreading shows at a start. */
  #misread(): void {
    const member = this.#mayLose();
    if (!member?.disk.misread()) return;
    this.#note("byte misread");
    member.crash();
  }

  #blank(): void {
    const member = this.#mayLose();
    if (!member) return;
    this.#note("disk blank");
    member.lost = true;
    member.crash();
  }

  /** A member whose disk the cluster can do without: a majority of sound ones stays. */
  #mayLose(): Member | undefined {
    const { cluster, random } = this.#world;
    const leader = cluster.leader;
    if (!leader) return undefined;
    const { voters, outgoing } = leader.raft.state.membership;
    if (outgoing.length > 0) return undefined;
    const unsound = cluster.all.filter(
      ({ id, lost, standing }) => lost || standing === "damaged" || this.#suspects.has(id),
    );
    if (unsound.length >= Math.floor((voters.length - 1) / 2)) return undefined;
    const sound = cluster.all.filter((each) => each.life && !unsound.includes(each));
    const voting = sound.filter(({ id }) => voters.includes(id));
    return voting.length > 0 ? pick(random, voting) : undefined;
  }
}
