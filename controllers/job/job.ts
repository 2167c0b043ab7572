import { isDeepStrictEqual } from "node:util";
import type { Job, JobCondition, JobStatus } from "@raft2kube/api/gen/batch/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { JOBS, NAMESPACES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { claim } from "../claim.ts";
import type { ControllerContext, Running } from "../context.ts";
import { Expectations } from "../expectations.ts";
import { byController, byNamespace, CONTROLLER_INDEX, NAMESPACE_INDEX } from "../indexes.ts";
import { finishedCondition } from "../job-state.ts";
import { JOB_LOOK_MS, UNSEEN_MS } from "../limits.ts";
import { closeAll, startLoop } from "../loop.ts";
import type { JobAction } from "../metrics/workloads.ts";
import { WriteTracker } from "../write-tracker.ts";
import { applyPodsPlan, clearPods, type JobControl, outcomeOf, releasePods } from "./apply.ts";
import { type Evaluation, evaluate } from "./evaluate.ts";
import { TRACKING, withTracking } from "./job-pods.ts";
import { startOrphans } from "./orphans.ts";
import { JOB_TYPE } from "./pod-of.ts";
import { type PodsPlan, planPods } from "./pods-plan.ts";
import { type Backoff, NO_FAILURES } from "./retry-delay.ts";
import { type Outcome, type Settled, settle } from "./settle.ts";
import { canFinish, countReleased, track } from "./tracking.ts";
import { isEnding, isManagedHere, watchJobPods, watchJobs, watchNamespaces } from "./watch.ts";

const ACCOUNT = "job-controller";

/** Runs the pods of each Job to its end, and counts each of them once. */
export function startJobs(context: ControllerContext): Running {
  const jobs = context.informers.of(JOBS);
  const pods = context.informers.of(PODS);
  const namespaces = context.informers.of(NAMESPACES);
  jobs.index(NAMESPACE_INDEX, byNamespace);
  pods.index(CONTROLLER_INDEX, byController);
  const client = context.client(ACCOUNT);
  const recorder = context.recorder(ACCOUNT, ACCOUNT);
  const expectations = new Expectations(context.clock);
  const control: JobControl = {
    jobs: client.resource(JOBS),
    pods: client.resource(PODS),
    recorder,
    expectations,
    metrics: context.metrics.jobs,
  };
  const written = new WriteTracker(context.clock);
  const memory = new Map<string, Memory>();
  const forget = (key: string) => {
    memory.delete(key);
    written.forget(key);
    expectations.forget(key);
  };

  const reconcile = async (key: string) => {
    const job = jobs.store.get(key);
    if (!job || finishedCondition(job)) return forget(key);
    if (!isManagedHere(job)) return;
    if (!written.isSeen(key, jobs.store)) return { again_ms: UNSEEN_MS };
    const trusted = expectations.satisfied(job);
    const known = memory.get(key) ?? { backoff: NO_FAILURES, released: new Set() };
    memory.set(key, known);
    const own = await ownPods(control, job, pods.store);
    const step = new JobStep(control, job, known, context.clock.now());
    step.isLast = isEnding(namespaces.store.get(job.metadata.namespace ?? ""));
    const begun_ms = context.clock.monotonic();
    const synced = (result: "success" | "error") =>
      control.metrics.synced(
        job,
        step.action,
        result,
        (context.clock.monotonic() - begun_ms) / 1_000,
      );
    let again_ms: number | undefined;
    try {
      again_ms = await step.run(own, trusted, (object) => written.wrote(key, object));
    } catch (thrown) {
      synced("error");
      throw thrown;
    }
    synced("success");
    return expectations.lookAgain(job, again_ms && Math.min(again_ms, JOB_LOOK_MS));
  };

  const loop = startLoop(context, {
    queue: "job",
    name: ACCOUNT,
    reads: [jobs, pods, namespaces],
    reconcile,
  });
  watchJobs(jobs, loop.queue, forget);
  watchJobPods(pods, jobs, expectations, loop.queue);
  watchNamespaces(namespaces, jobs, loop.queue);
  return closeAll(loop, startOrphans(context, control), recorder);
}

/** In-memory state of a job, which may be lost. */
interface Memory {
  backoff: Backoff;
  /** Uids of pods whose finalizer was removed, which the informer may not show yet. */
  released: Set<string>;
}

/** Lists the job's pods, adopted if need be: an adopted pod is tracked from then on. */
async function ownPods(control: JobControl, job: Job, store: ReadStore<Pod>): Promise<Pod[]> {
  const { uid } = job.metadata;
  const own = await claim({
    controller: job,
    type: JOB_TYPE,
    store,
    matches: (pod) => matchesSelector(job.spec.selector, pod.metadata.labels),
    fresh: () => control.jobs.get(nameOf(job)),
    dependents: control.pods,
    finalizer: TRACKING,
  });
  return own.map((pod) => (controllerOf(pod)?.uid === uid ? pod : withTracking(pod, true)));
}

/** One look at one job. */
class JobStep {
  readonly #control: JobControl;
  readonly #memory: Memory;
  readonly #now_ms: number;
  /** The result of this sync so far. */
  action: JobAction = "tracking";
  /** Whether no pod follows: none of an index waits for the next to take over its count. */
  isLast = false;
  /** The job, with the status of this reconciliation. */
  #job: Job;
  /** The status as the server has it. */
  #stored: JobStatus | undefined;

  constructor(control: JobControl, job: Job, memory: Memory, now_ms: number) {
    this.#control = control;
    this.#memory = memory;
    this.#now_ms = now_ms;
    const status: JobStatus = { uncountedTerminatedPods: {}, ...job.status };
    if (status.startTime === undefined && job.spec.suspend !== true) {
      status.startTime = timeText(now_ms);
    }
    this.#job = { ...job, status };
    this.#stored = job.status;
  }

  /** Acts, writes the status in upstream's two steps, and says when to look again. */
  async run(
    own: readonly Pod[],
    trusted: boolean,
    wrote: (job: Job) => void,
  ): Promise<number | undefined> {
    const { recorder } = this.#control;
    const pods = this.#withoutReleased(own);
    const evaluation = evaluate(this.#job, pods, this.#memory.backoff, this.#now_ms);
    if (this.isLast && evaluation.indexes) evaluation.indexes.awaited = new Map();
    if (!trusted) this.action = "reconciling";
    const { outcome, plan } = await this.#act(evaluation, trusted);
    if (plan.do === "create") this.action = "pods_created";
    if (plan.do === "delete") this.action = "pods_deleted";
    const settled = settle(this.#job, evaluation, outcome, this.#now_ms);
    for (const { reason, message } of settled.events) {
      recorder.record(this.#job, "Normal", reason, message);
    }
    await this.#count(evaluation, settled, wrote);
    if (outcome.error !== undefined) throw outcome.error;
    const wait_ms = plan.do === "wait" ? plan.again_ms : Infinity;
    const deadline_ms = (evaluation.deadline_ms ?? Infinity) - this.#now_ms;
    const again_ms = Math.min(wait_ms, deadline_ms);
    return again_ms === Infinity || evaluation.ending ? undefined : Math.max(1, again_ms);
  }

  /**
   * Removes pods whose finalizer is gone on the server, and forgets those that the informer shows
   * so by now.
   */
  #withoutReleased(own: readonly Pod[]): Pod[] {
    const { released } = this.#memory;
    const pods = own.map((pod) =>
      released.has(pod.metadata.uid ?? "") ? withTracking(pod, false) : pod,
    );
    const shown = new Set(
      own.filter((pod, place) => pod !== pods[place]).map(({ metadata }) => metadata.uid),
    );
    for (const uid of released) if (!shown.has(uid)) released.delete(uid);
    return pods;
  }

  async #act(
    evaluation: Evaluation,
    trusted: boolean,
  ): Promise<{ outcome: Outcome; plan: PodsPlan }> {
    const nothing: PodsPlan = { do: "nothing" };
    const job = this.#job;
    if (evaluation.ending) {
      const outcome = await clearPods(this.#control, job, evaluation, trusted);
      return { outcome, plan: nothing };
    }
    if (!trusted || job.metadata.deletionTimestamp !== undefined) {
      return { outcome: outcomeOf(evaluation, [], trusted), plan: nothing };
    }
    const plan = planPods(job, evaluation, this.#now_ms);
    return { outcome: await applyPodsPlan(this.#control, job, evaluation, plan), plan };
  }

  /** Status with uids, finalizers, status with counts: in this order. */
  async #count(
    evaluation: Evaluation,
    { status: counted, ending }: Settled,
    wrote: (job: Job) => void,
  ): Promise<void> {
    const before = this.#job;
    const job = { ...before, status: counted };
    const { status, release, final } = track(job, evaluation, ending, this.#now_ms);
    await this.#write(status, wrote);
    const { metrics } = this.#control;
    this.#memory.backoff = evaluation.backoff;
    const { released, error } = await releasePods(this.#control, release);
    for (const { metadata } of released) this.#memory.released.add(metadata.uid ?? "");
    const pods = evaluation.pods.map((pod) =>
      released.includes(pod) ? withTracking(pod, false) : pod,
    );
    const after = countReleased(this.#job.status ?? {}, pods);
    const finished = error === undefined && final && canFinish(after) ? final : undefined;
    await this.#write(finished ? withEnd(after, finished) : after, wrote);
    for (const result of ["succeeded", "failed"] as const) {
      metrics.podsFinished(job, result, (after[result] ?? 0) - (before.status?.[result] ?? 0));
    }
    if (finished) {
      metrics.finished(job, finished);
      this.#recordFinished(finished);
    }
    if (error !== undefined) throw error;
  }

  async #write(status: JobStatus, wrote: (job: Job) => void): Promise<void> {
    this.#job = { ...this.#job, status };
    if (isDeepStrictEqual(withoutAbsent(status), withoutAbsent(this.#stored))) return;
    const job = await this.#control.jobs.updateStatus(this.#job);
    wrote(job);
    this.#job = { ...this.#job, ...job };
    this.#stored = job.status;
  }

  #recordFinished({ type, reason = "", message = "" }: JobCondition): void {
    const { recorder } = this.#control;
    const { spec, status } = this.#job;
    if (type !== "Complete") return recorder.record(this.#job, "Warning", reason, message);
    if ((status?.succeeded ?? 0) > (spec.completions ?? Infinity)) {
      const text = "Too many succeeded pods running after completion count reached";
      recorder.record(this.#job, "Warning", "TooManySucceededPods", text);
    }
    recorder.record(this.#job, "Normal", "Completed", "Job completed");
  }
}

/** The status at the end of the job. */
function withEnd(status: JobStatus, end: JobCondition): JobStatus {
  const others = (status.conditions ?? []).filter(({ type }) => type !== end.type);
  const completed = end.type === "Complete" && { completionTime: end.lastTransitionTime };
  return { ...status, conditions: [...others, end], ...completed };
}

function withoutAbsent(status: JobStatus | undefined): unknown {
  return JSON.parse(JSON.stringify(status ?? {}));
}
