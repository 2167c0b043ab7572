import { configureLog } from "@raft2kube/observe/log.ts";
import { pick, type Random } from "@raft2kube/std/random.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import { kvLinearizable } from "../../testing/history/history.ts";
import { describeKeys, stateAt } from "../../testing/history/kv-state.ts";
import { describeMembership } from "../../testing/raft/describe.ts";
import { Timeline } from "../../testing/timeline.ts";
import { require, thrownBy, Violation } from "../../testing/violation.ts";
import { hashKept } from "./check/kv-hash.ts";
import { leasesKept } from "./check/leases.ts";
import { digestOf } from "./check/state-digest.ts";
import { watchKept } from "./check/watches.ts";
import { Churn } from "./cluster/churn.ts";
import { BIRTH, Cluster, DRIFT_MAX, membershipAtBirth } from "./cluster/cluster.ts";
import type { Generation } from "./cluster/generation.ts";
import { Leaderships } from "./cluster/leaderships.ts";
import { Operator } from "./cluster/operator.ts";
import type { Seams } from "./cluster/seams.ts";
import { drawSetting, type Setting } from "./cluster/setting.ts";
import { drawSwarm } from "./cluster/swarm.ts";
import { Witness } from "./cluster/witness.ts";
import type { Fault } from "./faults/faults.ts";
import { Injector } from "./faults/inject.ts";
import { drawFault } from "./faults/plan.ts";
import * as limits from "./limits.ts";
import { isWhole, type Script } from "./script.ts";
import { Transcript } from "./transcript.ts";
import { type EndedCall, SimClient } from "./workload/client.ts";
import { Informer } from "./workload/informer.ts";
import { LeaseBook } from "./workload/lease-book.ts";
import { Recorder } from "./workload/recorder.ts";
import { Watchers } from "./workload/watching.ts";
import { Counters } from "./world/counters.ts";
import { Loop } from "./world/loop.ts";
import { type Streams, streamsOf } from "./world/streams.ts";

export interface RunOptions {
  script: Script;
  /** Keeps a story to print. */
  transcript?: boolean;
  seams?: Seams;
}

export interface RunResult {
  script: Script;
  counters: Counters;
  transcript: Transcript;
  violation: Violation | undefined;
  clients: string[];
  /** Numbers of the faults that came up, and when. */
  faults: number[];
  faultTimes: number[];
  /** When the faults ended, or would have, and when the run did. */
  faulty_ms: number;
  ended_ms: number;
}

/** One whole run: a function of its script, which is but a seed unless parts are left out. */
export async function runScript(options: RunOptions): Promise<RunResult> {
  // The transcript already has the events that each member would log.
  configureLog({ level: "silent" });
  // Most errors are a client's bad luck; a long trace of each would cost more than the run.
  Error.stackTraceLimit = TRACE_LINES;
  const loop = new Loop();
  loop.begin();
  const run = new Run(options, loop);
  let violation: Violation | undefined;
  try {
    await run.play();
  } catch (thrown) {
    const { stack = String(thrown) } = thrown as { stack?: string };
    violation = thrown instanceof Violation ? thrown : thrownBy(thrown, stack);
  } finally {
    loop.end();
  }
  const { counters, transcript, faultTimes, healed_ms } = run;
  return {
    script: options.script,
    counters,
    transcript,
    violation,
    clients: run.clients,
    faults: faultTimes.map((_, number) => number),
    faultTimes,
    faulty_ms: healed_ms,
    ended_ms: run.timeline.now_ms,
  };
}

const TRACE_LINES = 6;
/** How soon after a rare state its fault comes, at most. */
const GUIDED_MS = 5;

class Run {
  readonly counters = new Counters();
  readonly timeline = new Timeline();
  readonly transcript: Transcript;
  readonly #loop: Loop;
  readonly #script: Script;
  readonly #streams: Streams;
  readonly #witness: Witness;
  readonly #cluster: Cluster;
  readonly #operator: Operator;
  readonly #churn: Churn | undefined;
  readonly #injector: Injector;
  readonly #recorder = new Recorder(this.counters);
  readonly #leases: LeaseBook;
  readonly #watchers: Watchers;
  readonly #clients: SimClient[];
  readonly #informers: Informer[];
  readonly #setting: Setting;
  readonly #faultTimes: Random;
  readonly #watchTimes: Random;
  /** When each fault came up, whether it was to happen or not. */
  readonly faultTimes: number[] = [];
  healed_ms = Infinity;
  #faulty = true;
  /** The clients have stopped: no more requests are sent. */
  #quiet = false;
  /** An error that the clients' loops did not handle. */
  #failed: unknown;
  /** Requests made after this time must be answered soon. */
  #answersFrom_ms = Infinity;

  constructor({ script, transcript = false, seams = {} }: RunOptions, loop: Loop) {
    this.#loop = loop;
    const { timeline, counters } = this;
    const streams = streamsOf(script.seed);
    this.#script = script;
    this.#streams = streams;
    this.#faultTimes = streams("times of faults");
    this.#watchTimes = streams("times of watches");
    this.transcript = new Transcript(transcript, () => timeline.now_ms);
    const setting = script.swarm ? drawSwarm(streams) : drawSetting(streams("setting"));
    this.#setting = setting;
    this.transcript.record(undefined, () => `SETTING ${JSON.stringify(setting)}`);
    this.#witness = new Witness(
      this.transcript,
      counters,
      BIRTH,
      membershipAtBirth(setting),
      seams.silent,
    );
    const witness = this.#witness;
    const { reference } = witness;
    this.#leases = new LeaseBook(timeline, reference, DRIFT_MAX);
    const guard = (check: () => void) => witness.guard(check);
    const leaderships = new Leaderships({ timeline, reference, leases: this.#leases, guard });
    witness.onApplied = (applied) => this.#leases.applied(applied);
    witness.onBegan = (generation) => leaderships.listen(generation);
    witness.onMemberApplied = (state) => leaderships.applied(state);
    const shared = { timeline, counters, transcript: this.transcript };
    const received = this.#received(seams);
    const world = { ...shared, streams, witness, seams: received };
    const cluster = new Cluster({ ...world, setting });
    this.#cluster = cluster;
    counters.note("clock drifts", cluster.members.size);
    const operator = new Operator(cluster, timeline, streams("operator"), counters);
    this.#operator = operator;
    const { churn } = setting;
    this.#churn = churn && new Churn(cluster, timeline, streams("churn"), counters, churn);
    this.#injector = new Injector({ ...shared, cluster, operator });
    const generations = () => cluster.generations;
    this.#watchers = new Watchers({ ...shared, random: streams("watches"), generations });
    this.#clients = this.#makeClients();
    this.#informers = Array.from({ length: setting.informers }, (_, i) => {
      return new Informer({ timeline, random: streams(`informer ${i}`), counters, generations });
    });
    cluster.network.loss = setting.loss;
    cluster.network.replay = setting.replay;
    cluster.network.stragglers = setting.stragglers;
    this.#guide(streams("guide"));
  }

  /** Lets the recorder see every generation's proposals, beside other seams. */
  #received(seams: Seams): Seams {
    const generation = (born: Generation) => {
      this.#recorder.listen(born);
      seams.generation?.(born);
      this.#watchers.openAfterStart(born);
    };
    return { ...seams, generation };
  }

  #makeClients(): SimClient[] {
    const { timeline, counters } = this;
    const generations = () => this.#cluster.generations;
    const leases = this.#leases;
    const all = this.#setting.clients.map((role, i) => {
      const name = `c${i}`;
      const random = this.#streams(`client ${name}`);
      const shared = { timeline, random, counters, recorder: this.#recorder, leases, generations };
      const world = { ...shared, onEnded: (call: EndedCall) => this.#mustAnswer(call) };
      return new SimClient(name, role, world);
    });
    const { clients } = this.#script;
    return all.filter(({ name }) => clients?.includes(name) ?? true);
  }

  /** Clients that work. */
  get clients(): string[] {
    return this.#clients.map(({ name }) => name);
  }

  async play(): Promise<void> {
    const think_ms = () => (this.#faulty ? this.#setting.think_ms : limits.THINK_WELL_MS);
    const working = [
      ...this.#clients.map((client) => client.work(think_ms)),
      ...this.#informers.map((informer) => informer.work()),
    ];
    for (const work of working) {
      work.catch((thrown: unknown) => {
        this.#failed ??= thrown;
      });
    }
    this.#faultLater();
    if (this.#setting.watches) this.#watchLater();
    this.#noticeProgressLater();
    await this.#everythingGoesWrong();
    await this.#healPartly();
    await this.#heal();
    await this.#progress();
    await this.#settle();
    this.#checkHistories();
  }

  async #everythingGoesWrong(): Promise<void> {
    const { faulty_ms } = this.#script;
    if (faulty_ms !== undefined) return this.#until(faulty_ms);
    await this.#until(limits.FAULTY_MS);
    await this.#until(limits.FAULTY_MS_MAX, () => this.#lacking().length === 0);
  }

  /** Returns the required counters that the run has not reached yet. */
  #lacking(): string[] {
    const { counters } = this;
    const lacking: string[] = [];
    if (counters.get("operations") < limits.OPERATIONS_MIN) lacking.push("operations");
    if (counters.get("faults") < limits.FAULTS_MIN) lacking.push("faults");
    const changes = this.#witness.safety.terms - 1;
    if (changes < limits.LEADER_CHANGES_MIN) lacking.push("leader changes");
    return lacking;
  }

  #faultLater(): void {
    const rarer = this.timeline.now_ms > limits.FAULTY_MS ? limits.LATE_FAULTS : 1;
    const delay_ms = this.#faultTimes.next() * 2 * this.#setting.faultInterval_ms * rarer;
    this.timeline.after(delay_ms, () => {
      if (!this.#faulty) return;
      const number = this.faultTimes.push(this.timeline.now_ms) - 1;
      const random = this.#streams(`fault ${number}`);
      if (this.#script.faults?.includes(number) ?? true) this.#fault(number, random);
      this.#faultLater();
    });
  }

  #fault(number: number, random: Random): void {
    const late = this.timeline.now_ms > limits.FAULTY_MS;
    const leads = this.#cluster.leader !== undefined;
    const seekChange = late && leads && this.#lacking().includes("leader changes");
    const drawn = () => drawFault(random, this.#setting.faults);
    const fault: Fault = seekChange ? { kind: "leader crash" } : drawn();
    this.transcript.record(undefined, () => `FAULT ${number} ${JSON.stringify(fault)}`);
    if (this.#injector.inject(fault, random)) this.counters.note("faults");
  }

  /** Where the run has hardly been, something goes wrong more often. */
  #guide(random: Random): void {
    const { guidance, faults } = this.#setting;
    if (guidance === 0 || this.#script.unguided) return;
    this.#witness.onRare = (id) => {
      if (!this.#faulty || random.next() >= guidance) return;
      this.timeline.after(random.next() * GUIDED_MS, () => {
        const member = this.#cluster.members.get(id);
        if (!this.#faulty || !member?.generation) return;
        const fault = drawFault(random, faults);
        this.transcript.record(id, () => `FAULT where it had not been ${JSON.stringify(fault)}`);
        if (!this.#injector.inject(fault, random, member)) return;
        this.counters.note("faults");
        this.counters.note("fault where the run had not been");
      });
    };
  }

  #watchLater(): void {
    const random = this.#watchTimes;
    this.timeline.after(random.next() * 600, () => {
      if (this.#quiet) return;
      this.#watchers.open(random.next() < 0.7 ? random.next() * 5_000 : undefined);
      this.#watchLater();
    });
  }

  #noticeProgressLater(): void {
    this.timeline.after(700, () => {
      for (const { watches } of this.#cluster.generations) watches.notifyProgress();
      this.#noticeProgressLater();
    });
  }

  /** Lets everything happen up to a time, or until `done`. */
  #until(end_ms: number, done: () => boolean = () => false): Promise<void> {
    return this.#loop.run(() => {
      if (this.#witness.broken) throw this.#witness.broken;
      if (this.#failed) throw this.#failed;
      if (this.timeline.now_ms >= end_ms || done()) return true;
      this.timeline.step();
      return false;
    });
  }

  /**
   * The faults end, but for links between some voters: a majority that is left together must go on
   * (S9). Learners reach all: one of them as a bridge would leave four or six voters in two equal
   * halves, neither of them a majority.
   */
  async #healPartly(): Promise<void> {
    this.#faulty = false;
    this.healed_ms = this.timeline.now_ms;
    this.#churn?.end();
    const { network, all } = this.#cluster;
    const random = this.#streams("partial partition");
    const shape = pick(random, ["isolate one", "bridge"] as const);
    if (this.#clients.length === 0 || all.some(({ lost, backend }) => lost || !backend.isWhole)) {
      return;
    }
    if (this.#churn) return;
    const voters = this.#votersInStep();
    if (!voters) return;
    this.transcript.record(undefined, () => `HEAL but for ${shape}`);
    this.#endFaults();
    network.partition(shape, voters, random);
    const before = this.#recorder.answered;
    // A single client, one that compacts, may wait for those that are cut off most of the time.
    const more = isWhole(this.#script) ? limits.PARTIAL_ANSWERS : 0;
    const goesOn = () => this.#recorder.answered > before + more;
    // Damage may show only now, and take a member: then there may be no majority to ask for.
    const hurt = () => all.some(({ lost, standing }) => lost || standing === "damaged");
    await this.#until(this.timeline.now_ms + limits.RECOVERY_MS, () => goesOn() || hurt());
    require(goesOn() || hurt(), "partial partition", `no request was answered under ${shape}`);
    if (goesOn()) this.counters.note("went on under a partial partition");
  }

  /**
   * The voters of the newest configuration; undefined while one of them may not know of it. Such a
   * member stands for election by an earlier one, in which a member that is gone still votes: then
   * what is a majority now need not be one for it.
   */
  #votersInStep(): MemberId[] | undefined {
    const { voters, inStep } = this.#cluster.newestVoters;
    return inStep.length === voters.length ? voters.map(({ id }) => id) : undefined;
  }

  /** Nothing new goes wrong. */
  #endFaults(): void {
    this.#cluster.network.heal();
    this.#cluster.evenDisks();
    this.#operator.hurries = true;
    for (const member of this.#cluster.all) {
      const { host, disk, backend, power } = member;
      if (host.paused) host.resume();
      disk.armed = undefined;
      disk.badness = 0;
      backend.armed = undefined;
      power.appointed = undefined;
    }
  }

  /** The cluster must be whole again, with a leader, in bounded time. */
  async #heal(): Promise<void> {
    this.transcript.record(undefined, () => "HEAL");
    this.#endFaults();
    const settled = () => this.#operator.content && (this.#churn?.content ?? true);
    const whole = () => settled() && this.#cluster.leader !== undefined;
    await this.#until(this.timeline.now_ms + limits.RECOVERY_MS, whole);
    const standings = () =>
      this.#cluster.all.map(({ id, standing, lost, generation }) => {
        const term = generation ? ` in term ${generation.raft.state.term}` : "";
        return `${id} ${standing}${lost ? ", lost" : ""}${term}`;
      });
    const leads = () => {
      const { leader } = this.#cluster;
      if (!leader) return "none leads";
      const { id, membership } = leader.raft.state;
      return `${id} leads ${describeMembership(membership)}`;
    };
    const message = () => `not whole after the faults: ${standings().join("; ")}; ${leads()}`;
    require(whole(), "recovery", message);
    // Elections that faults have prevented are held now.
    while (isWhole(this.#script) && this.#lacking().includes("leader changes")) {
      this.#cluster.leadingMember?.crash();
      await this.#until(this.timeline.now_ms + limits.RECOVERY_MS, whole);
      require(whole(), "recovery", message);
    }
  }

  /** Each member of a healed cluster answers each call, and soon. */
  #mustAnswer({ client, kind, member, asked_ms, failed }: EndedCall): void {
    if (asked_ms < this.#answersFrom_ms) return;
    const took_ms = this.timeline.now_ms - asked_ms;
    if (failed === undefined && took_ms <= limits.ANSWER_MS) return;
    const what = `${kind} that ${client} asked of ${member} at ${asked_ms.toFixed(2)}`;
    const message = `${what}: ${failed ?? "answered"} after ${took_ms.toFixed(0)} ms`;
    this.#failed ??= new Violation("progress", message);
  }

  /** Checks that the healed cluster answers each call, with no second without an answer. */
  async #progress(): Promise<void> {
    if (this.#clients.length === 0) return;
    await this.#until(this.timeline.now_ms + 2_000);
    this.#answersFrom_ms = this.timeline.now_ms;
    let end_ms = this.timeline.now_ms + limits.HEALED_MS;
    while (this.timeline.now_ms < end_ms) {
      const before = this.#recorder.answered;
      await this.#until(this.timeline.now_ms + 1_000);
      require(this.#recorder.answered > before, "progress", "no request answered for a second");
      // Clients now make the operations that faults have prevented.
      if (isWhole(this.#script) && this.#lacking().includes("operations")) end_ms += 1_000;
    }
  }

  /** Everyone stops asking: all members must come to the same state. */
  async #settle(): Promise<void> {
    this.#quiet = true;
    this.#watchers.hurry();
    for (const client of this.#clients) client.stop();
    for (const informer of this.#informers) informer.settle();
    await this.#until(this.timeline.now_ms + limits.SETTLE_MS);
    // A lease may end at this very moment: then all are notified of that first.
    const applied = () => this.#cluster.all.map(({ generation }) => generation?.state.appliedIndex);
    const level = () => new Set([...applied(), this.#witness.safety.lastApplied]).size === 1;
    await this.#until(this.timeline.now_ms + limits.SETTLE_MS, level);
    const due = this.#witness.reference.digest();
    for (const { id, generation } of this.#cluster.all) {
      const has = generation ? digestOf(generation.state) : "nothing: it does not run";
      const message = `${id} has\n  ${has}\nnot\n  ${due}`;
      require(has === due, "convergence", message);
    }
    const keys = describeKeys(this.#witness.reference.state.keys);
    for (const { knowledge } of this.#informers) {
      require(knowledge === keys, "informer", `one knows\n  ${knowledge}\nnot\n  ${keys}`);
    }
  }

  #checkHistories(): void {
    const { reference, safety, agreement, configurations, coverage } = this.#witness;
    const history = this.#recorder.history(reference);
    kvLinearizable(history);
    this.counters.note("requests checked", history.length);
    let events = 0;
    for (const watch of this.#watchers.all) events += watchKept(watch, reference.revisions);
    this.counters.note("watches checked", this.#watchers.all.length);
    this.counters.note("watch events checked", events);
    this.counters.note("states compared", agreement.compared);
    this.counters.note("pairs of state and event", coverage.size);
    this.counters.note("terms with a leader", safety.terms);
    this.counters.note("configurations compared", configurations.compared);
    const leases = [...this.#leases.all.values()];
    this.counters.note("lease expired", leasesKept(leases, 1 + DRIFT_MAX));
    const alive = reference.state.leases.keys();
    this.#leases.bounds.alive(alive, limits.LEASE_SLACK_MS, this.timeline.now_ms);
    this.#checkHashes();
    this.counters.add(reference.compares);
    this.counters.note("virtual seconds", Math.round(this.timeline.now_ms / 1000));
    const lacking = isWhole(this.#script) ? this.#lacking() : [];
    require(lacking.length === 0, "volume", `too few ${lacking.join(" and ")}`);
  }

  #checkHashes(): void {
    const { reference } = this.#witness;
    for (const seen of this.#recorder.hashes) {
      hashKept(seen, reference.revisions, reference.state);
      const { revision, compactRevision } = seen;
      this.counters.note("hash compared");
      if (revision === compactRevision) this.counters.note("hash of the compacted revision");
      const { keys } = stateAt(reference.state, revision);
      if (keys.size === 0) this.counters.note("hash where no key lives");
    }
  }
}
