import { pick, seededRandom } from "@raft2kube/std/random.ts";
import { kvLinearizable } from "./check/history.ts";
import { leasesEnd, leasesKept } from "./check/leases.ts";
import { digestOf } from "./check/state-digest.ts";
import { Violation, require } from "./check/violation.ts";
import { watchKept } from "./check/watches.ts";
import { BIRTH, Cluster, DRIFT_MAX } from "./cluster/cluster.ts";
import { Operator } from "./cluster/operator.ts";
import type { Seams } from "./cluster/seams.ts";
import { Witness } from "./cluster/witness.ts";
import { Injector } from "./faults/inject.ts";
import { drawFault } from "./faults/plan.ts";
import * as limits from "./limits.ts";
import { Story } from "./story.ts";
import { SimClient } from "./workload/client.ts";
import { LeaseBook } from "./workload/lease-book.ts";
import { Recorder } from "./workload/recorder.ts";
import { Watchers } from "./workload/watching.ts";
import { Tally } from "./world/tally.ts";
import { Timeline } from "./world/timeline.ts";

export interface RunOptions {
  seed: number;
  /** Keeps a story to print. */
  story?: boolean;
  seams?: Seams;
}

export interface RunResult {
  seed: number;
  tally: Tally;
  story: Story;
  violation: Violation | undefined;
}

/** One whole run: a function of its seed. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  const run = new Run(options);
  let violation: Violation | undefined;
  try {
    await run.play();
  } catch (thrown) {
    if (!(thrown instanceof Violation)) {
      const { stack } = thrown as { stack?: string };
      violation = new Violation("store's own", stack ?? String(thrown));
    } else {
      violation = thrown;
    }
  }
  const { tally, story } = run;
  return { seed: options.seed, tally, story, violation };
}

class Run {
  readonly tally = new Tally();
  readonly timeline = new Timeline();
  readonly story: Story;
  readonly #random;
  readonly #witness: Witness;
  readonly #cluster: Cluster;
  readonly #operator: Operator;
  readonly #injector: Injector;
  readonly #recorder = new Recorder();
  readonly #leases: LeaseBook;
  readonly #watchers: Watchers;
  readonly #clients: SimClient[];
  #faulty = true;
  /** Nobody asks for anything any more. */
  #quiet = false;
  /** What clients' loops could not handle. */
  #failed: unknown;

  constructor({ seed, story = false, seams = {} }: RunOptions) {
    const { timeline, tally } = this;
    const random = seededRandom(seed);
    this.#random = random;
    this.story = new Story(story, () => timeline.now_ms);
    this.#witness = new Witness(this.story, tally, BIRTH.index + 1);
    this.#leases = new LeaseBook(timeline);
    this.#witness.onApplied = (applied) => this.#leases.applied(applied);
    const size = pick(random, [3, 3, 3, 4, 5, 5, 6, 7]);
    const keep = pick(random, [0, 20, 200, 1_000]);
    const { life } = seams;
    this.#cluster = new Cluster({
      size,
      keep,
      timeline,
      random,
      tally,
      story: this.story,
      witness: this.#witness,
      seams: {
        ...seams,
        life: (born) => {
          this.#recorder.listen(born);
          life?.(born);
        },
      },
    });
    tally.note("clock drifts", size);
    this.#operator = new Operator(this.#cluster, timeline, random, tally);
    const cluster = this.#cluster;
    this.#injector = new Injector({ cluster, timeline, random, tally, story: this.story });
    const lives = () => this.#cluster.lives;
    this.#watchers = new Watchers({ timeline, random, tally, story: this.story, lives });
    const leases = this.#leases;
    const world = { timeline, random, tally, recorder: this.#recorder, leases, lives };
    this.#clients = Array.from(
      { length: limits.CLIENTS },
      (_, i) => new SimClient(`c${i}`, i < limits.LEASE_KEEPERS, world),
    );
    cluster.network.loss = random.next() < 0.3 ? 0 : random.next() * limits.LOSS_MAX;
    cluster.network.replay = random.next() * limits.REPLAY_MAX;
  }

  async play(): Promise<void> {
    for (const client of this.#clients) {
      client.work(limits.THINK_MS).catch((thrown: unknown) => {
        this.#failed ??= thrown;
      });
    }
    this.#faultLater();
    this.#watchLater();
    this.#noticeProgressLater();
    await this.#until(limits.FAULTY_MS);
    await this.#heal();
    await this.#progress();
    await this.#settle();
    this.#checkHistories();
  }

  #faultLater(): void {
    this.timeline.after(this.#random.next() * 2 * limits.FAULT_INTERVAL_MS, () => {
      if (!this.#faulty) return;
      this.tally.note("faults");
      this.#injector.inject(drawFault(this.#random));
      this.#faultLater();
    });
  }

  #watchLater(): void {
    this.timeline.after(this.#random.next() * 400, () => {
      if (this.#quiet) return;
      this.#watchers.open(this.#random.next() < 0.7 ? this.#random.next() * 5_000 : undefined);
      this.#watchLater();
    });
  }

  #noticeProgressLater(): void {
    this.timeline.after(700, () => {
      for (const { watches } of this.#cluster.lives) watches.notifyProgress();
      this.#noticeProgressLater();
    });
  }

  /** Lets everything happen up to a time, or until `done`. */
  async #until(end_ms: number, done: () => boolean = () => false): Promise<void> {
    while (this.timeline.now_ms < end_ms && !done()) {
      this.timeline.step();
      // All that this has set going runs before time goes on.
      await new Promise<void>((resolve) => void setImmediate(resolve));
      if (this.#witness.broken) throw this.#witness.broken;
      if (this.#failed) throw this.#failed;
    }
  }

  /** The faults end: the cluster must be whole again, with a leader, in bounded time. */
  async #heal(): Promise<void> {
    this.#faulty = false;
    this.story.tell(undefined, () => "HEAL");
    this.#cluster.network.heal();
    this.#operator.hurries = true;
    for (const { host, disk } of this.#cluster.all) {
      if (host.paused) host.resume();
      disk.armed = undefined;
      disk.interrupt = undefined;
    }
    const whole = () => this.#operator.content && this.#cluster.leader !== undefined;
    await this.#until(this.timeline.now_ms + limits.RECOVERY_MS, whole);
    const standings = this.#cluster.all.map(({ id, standing, lost }) => {
      return `${id} ${standing}${lost ? ", lost" : ""}`;
    });
    require(whole(), "recovery", `not whole after the faults: ${standings.join("; ")}`);
  }

  /** Healed, the cluster answers: never nothing for a whole second. */
  async #progress(): Promise<void> {
    await this.#until(this.timeline.now_ms + 3_000);
    const end_ms = this.timeline.now_ms + limits.HEALED_MS;
    while (this.timeline.now_ms < end_ms) {
      const before = this.#answered();
      await this.#until(this.timeline.now_ms + 1_000);
      require(this.#answered() > before, "progress", "no request answered for a second");
    }
  }

  #answered(): number {
    return this.#recorder.all.reduce((sum, { ended }) => sum + (ended < Infinity ? 1 : 0), 0);
  }

  /** Everyone stops asking: all members must come to the same state. */
  async #settle(): Promise<void> {
    this.#quiet = true;
    for (const client of this.#clients) client.stop();
    await this.#until(this.timeline.now_ms + limits.SETTLE_MS);
    const { reference } = this.#witness;
    for (const { id, life } of this.#cluster.all) {
      const has = life ? digestOf(life.state) : "nothing: it does not run";
      const message = `${id} has\n  ${has}\nnot\n  ${reference.digest}`;
      require(has === reference.digest, "convergence", message);
    }
  }

  #checkHistories(): void {
    const { reference, elections, agreement } = this.#witness;
    const history = this.#recorder.history(reference);
    kvLinearizable(history);
    this.tally.note("requests checked", history.length);
    let events = 0;
    for (const watch of this.#watchers.all) events += watchKept(watch, reference.revisions);
    this.tally.note("watches checked", this.#watchers.all.length);
    this.tally.note("watch events checked", events);
    this.tally.note("states compared", agreement.compared);
    this.tally.note("terms with a leader", elections.terms);
    const leases = [...this.#leases.all.values()];
    this.tally.note("lease expired", leasesKept(leases, 1 + DRIFT_MAX));
    leasesEnd(leases, limits.LEASE_SLACK_MS, this.timeline.now_ms);
    this.tally.note("virtual seconds", Math.round(this.timeline.now_ms / 1000));
  }
}
