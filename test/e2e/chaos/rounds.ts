import { systemClock } from "@raft2kube/std/clock.ts";
import { pick, type Random, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { require, Violation } from "../../../testing/violation.ts";
import { waitFor } from "../../../testing/wait.ts";
import { leasesKept } from "../../sim/check/leases.ts";
import { watchKept } from "../../sim/check/watches.ts";
import { Counters } from "../../sim/world/counters.ts";
import { ChaosCluster } from "./cluster.ts";
import { EventLog } from "./event-log.ts";
import { CHAOS_FAULTS, type ChaosFault } from "./faults.ts";
import { Recorder } from "./recorder.ts";
import { Replay } from "./replay.ts";
import { Workload } from "./workload.ts";

const FAULTS_PER_ROUND = 4;
const FIRST_FAULT_MS = 500;
/** How long faults that may overlap go on before the next one starts. */
const HOLD_MS = [300, 2_500] as const;
const CATCH_UP_MS = 120_000;
/** How early a lease's end may be reported: clocks of one machine, no drift. */
const CLOCK_RATE_MAX = 1.01;

export interface ChaosOptions {
  readonly folder: string;
  readonly seed: number;
  /** The root of the release that members are of at first. */
  readonly release: string;
  readonly say: (line: string) => void;
}

/**
 * Chaos in rounds: faults upon faults while clients work; then all is mended, everyone comes to
 * rest, and what was recorded is judged. The next round goes on from there.
 */
export class Chaos {
  readonly counters = new Counters();
  readonly #random: Random;
  readonly #cluster: ChaosCluster;
  readonly #log = new EventLog();
  readonly #replay = new Replay();
  readonly #recorder = new Recorder();
  readonly #workload: Workload;
  readonly #say: (line: string) => void;
  #due: ChaosFault[] = [];
  #taken = 0;

  private constructor(cluster: ChaosCluster, seed: number, say: (line: string) => void) {
    this.#cluster = cluster;
    this.#say = say;
    this.#random = seededRandom(seed);
    const { members } = cluster;
    this.#workload = new Workload({ members, random: this.#random, recorder: this.#recorder });
    for (const member of members) this.#log.follow(member);
  }

  /** `say` is called for each fault, with its members and time. */
  static async open({ folder, seed, release, say }: ChaosOptions): Promise<Chaos> {
    return new Chaos(await ChaosCluster.open(folder, release), seed, say);
  }

  /** A round of faults. Throws a Violation when a property does not hold. */
  round(): Promise<void> {
    return this.#underLoad(async () => {
      for (let i = 0; i < FAULTS_PER_ROUND; i++) await this.#fault();
    });
  }

  /**
   * A round in which something is done to the cluster while clients work. Throws a Violation when
   * a property does not hold.
   */
  act(what: (cluster: ChaosCluster) => Promise<void>): Promise<void> {
    return this.#underLoad(() => what(this.#cluster));
  }

  /** Waits until clients are answered repeatedly, by any member. */
  async answers(): Promise<void> {
    const before = this.#recorder.answered;
    const enough = () => this.#recorder.answered > before + CLIENT_ANSWERS;
    await this.#within("clients to be answered", enough, "progress");
  }

  async #underLoad(work: () => Promise<void>): Promise<void> {
    await this.#workload.prepare();
    this.#workload.start();
    await delay(systemClock(), FIRST_FAULT_MS);
    await work();
    await this.#cluster.heal();
    // Well again, it must answer: a round without an answer would judge nothing.
    await this.answers();
    await this.#workload.stop();
    await this.#judge();
    this.counters.note("rounds");
  }

  async #fault(): Promise<void> {
    const fault = this.#nextFault();
    const { members } = this.#cluster;
    if (fault.alone) await this.#cluster.heal();
    const victim = pick(this.#random, members);
    const done = await fault.begin(this.#cluster, victim, this.#random);
    const at_s = (performance.now() / 1000).toFixed(1).padStart(7);
    this.#say(`${at_s} s  ${victim.name}  ${fault.name}${done ? "" : ": not possible"}`);
    this.counters.note(done ? `fault: ${fault.name}` : `not possible here: ${fault.name}`);
    await delay(systemClock(), randomInteger(this.#random, ...HOLD_MS));
    this.#log.throwIfBroken();
    // Some go on under the next fault; what takes data does not.
    if (fault.alone || this.#random.next() < 0.5) await this.#cluster.heal();
  }

  /** Every fault once, in an order by chance, then again: a short run has most of them. */
  #nextFault(): ChaosFault {
    if (this.#due.length === 0) {
      const dice = CHAOS_FAULTS.map((fault) => ({ fault, die: this.#random.next() }));
      this.#due = dice.sort((a, b) => a.die - b.die).map(({ fault }) => fault);
    }
    return this.#due.pop()!;
  }

  async #judge(): Promise<void> {
    const { members } = this.#cluster;
    const newest = Math.max(this.#workload.revision, this.#log.newest);
    const all = () => {
      this.#log.throwIfBroken();
      return members.every((member) => this.#log.receivedFrom(member) >= newest);
    };
    await this.#within("all members to report all revisions", all, "watch of everything");
    const log = this.#log.revisions.slice(this.#taken);
    this.#taken = this.#log.revisions.length;
    const { known, open } = this.#recorder.take();
    this.#replay.round(log, known, open);
    await this.#judgeWatches();
    this.#judgeLeases();
    this.counters.note("requests answered", known.length);
    this.counters.note("requests without an answer", open.length);
    this.counters.note("revisions replayed", log.length);
  }

  /** A watch that is still open must have been sent all events, now or soon. */
  async #judgeWatches(): Promise<void> {
    const { revisions } = this.#replay;
    for (const watch of this.#workload.watches) {
      let events = 0;
      const kept = () => {
        events = watchKept(watch, revisions);
        return true;
      };
      await this.#within(`${watch.name} to be right`, kept, "watch");
      this.counters.note("watch events checked", events);
      this.counters.note("watches checked");
    }
    this.#workload.closeWatches();
  }

  #judgeLeases(): void {
    for (const lease of this.#workload.leases) {
      lease.ended_ms = this.#replay.ended.get(lease.id);
      lease.expired_ms = lease.ended_ms;
    }
    this.counters.note("leases checked", this.#workload.leases.length);
    leasesKept(this.#workload.leases, CLOCK_RATE_MAX);
  }

  async #within(what: string, done: () => boolean, checker: string): Promise<void> {
    const options = { clock: systemClock(), timeout_ms: CATCH_UP_MS };
    await waitFor(what, done, options).catch((thrown: unknown) => {
      if (thrown instanceof Violation) throw thrown;
      require(false, checker, String(thrown));
    });
  }

  async close(): Promise<void> {
    this.#log.stop();
    await this.#workload.stop();
    const { replaced, endedByDamage, endedByFullDisk } = this.#cluster;
    this.counters.note("members replaced", replaced);
    this.counters.note("members that ended themselves: damage found", endedByDamage);
    this.counters.note("members that ended themselves: disk full", endedByFullDisk);
    await this.#cluster.close();
  }
}

/** How many requests a cluster must answer to count as well. */
const CLIENT_ANSWERS = 20;
