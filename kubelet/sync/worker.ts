import type { Pod, PodStatus } from "@raft2kube/api/gen/core/v1.ts";
import { podAttributes } from "@raft2kube/client-kube/object/pod-state.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { type Tracer, traced } from "@raft2kube/observe/trace/tracer.ts";
import { Backoff } from "@raft2kube/reconcile/backoff.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import { unreachable } from "@raft2kube/std/assert.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Allocations } from "../allocation/allocations.ts";
import type { ResizeVerdict } from "../allocation/resize-state.ts";
import { anyRunning, type ObservedPod } from "../cri/observed.ts";
import { RESYNC_MS, SYNC_BACK_OFF_MS, SYNC_BACK_OFF_MS_MAX } from "../limits.ts";
import { fullNameOf, gracePeriodOf, uidOf } from "../pods/pod-identity.ts";
import { AdmissionError, PreemptionError } from "../pods/reason-error.ts";
import { PodProbes } from "../probes/pod-probes.ts";
import type { ProbeMetrics } from "../probes/probe-metrics.ts";
import type { ProbeTurns } from "../probes/probe-turns.ts";
import type { WaitingReason } from "../status/container-status.ts";
import type { PodVerdict } from "../status/pod-status.ts";
import { type PodVolumes, VolumesNotReady } from "../volumes/pod-volumes.ts";
import { type ApplyPorts, applyPlan } from "./apply-plan.ts";
import { planRuns } from "./plan-runs.ts";
import { PodResize, type ResizePorts } from "./pod-resize.ts";
import { isTerminal, PodView, type ViewPorts } from "./pod-view.ts";
import {
  type ReclaimPorts,
  type RemovePorts,
  reclaimPod,
  removePodRemains,
} from "./reclaim-pod.ts";
import { makePodDirs } from "./start-sandbox.ts";
import { stopPod } from "./stop-pod.ts";
import { nextState, type WorkerEvent, type WorkerState } from "./worker-state.ts";

export interface WorkerHooks {
  /**
   * Throws AdmissionError, or rejects with it, for a pod that this node cannot run; others count
   * the pod from the return until the promise settles. Called before anything is started, and again
   * after any other error.
   */
  admit(pod: Pod): Promise<void>;
  /** Decides whether the node has the resources of the pod's spec. */
  admitResize(desired: Pod): ResizeVerdict;
  /** Resources of the node may have become free: a deferred resize may fit now. */
  freed(): void;
  /** Publishes a status. Called for every change. */
  publish(pod: Pod, status: PodStatus): void;
  /**
   * Called when a pod that is being deleted has no resources left on the node: its object may be
   * deleted.
   */
  reclaimed(pod: Pod, status: PodStatus): void;
  /** Nothing of the pod is left on the node. */
  gone(podUid: string): void;
}

/** The ports of all steps of a worker. */
export type WorkerPorts = ApplyPorts &
  ResizePorts &
  ViewPorts &
  ReclaimPorts &
  RemovePorts & {
    readonly tracer?: Tracer | undefined;
    readonly allocations: Allocations;
    readonly probeTurns: ProbeTurns;
    readonly probeMetrics: ProbeMetrics;
    readonly volumes: Pick<PodVolumes, "setUp">;
  };

const log = logger("kubelet-pod");

/** When the next step is due without an event, in milliseconds, and whether this one failed. */
type StepResult = { readonly next_ms: number; readonly failed?: boolean };

type StateOf<Kind> = Extract<WorkerState, { kind: Kind }>;

/**
 * State machine of one pod on the node. A step observes the runtime, publishes the status, plans
 * and applies. Events only trigger another step. Invariant: at most one step of a pod runs at a
 * time; a failed step is repeated with back-off. The pod's events are in `worker-state.ts`.
 */
export class PodWorker {
  readonly uid: string;
  readonly #ports: WorkerPorts;
  readonly #hooks: WorkerHooks;
  readonly #probes: PodProbes;
  readonly #view: PodView;
  readonly #resize: PodResize;
  readonly #waiting = new Map<string, WaitingReason>();
  readonly #restarting = new Set<string>();
  readonly #backoff = new Backoff({ first_ms: SYNC_BACK_OFF_MS, most_ms: SYNC_BACK_OFF_MS_MAX });
  readonly #steps: Runner;
  readonly #arrived_ms: number;
  #pod: Pod;
  /** Whether its admission is under way, in which the pods after it count it. */
  #isEntering = false;
  /** Whether the ended pod's remains are removed while its object stays. */
  #isBare = false;
  /** The wish that a step removes them, while there is one. */
  #baring: PromiseWithResolvers<void> | undefined;
  #state: WorkerState = { kind: "syncing", admitted: false };
  /**
   * Whether its sandboxes were stopped, as also one is that is down, by a container that has ended
   * it: until then it keeps its address on the node's network.
   */
  #isStopped: boolean;
  /** Cancels what a sync waits for (a pull, a stop, a hook). Aborted unless it is `syncing`. */
  readonly #leaveSync = new AbortController();
  /** The stop under way, if any: `shorter` cancels it, to be started with less grace. */
  #stopping: { readonly shorter: AbortController; readonly shows: Runner } | undefined;

  constructor(ports: WorkerPorts, hooks: WorkerHooks, pod: Pod) {
    this.uid = uidOf(pod);
    this.#ports = ports;
    this.#hooks = hooks;
    this.#pod = pod;
    this.#arrived_ms = ports.clock.monotonic();
    this.#resize = new PodResize(ports);
    this.#probes = new PodProbes({
      clock: ports.clock,
      runtime: ports.runtime,
      events: ports.events,
      turns: ports.probeTurns,
      metrics: ports.probeMetrics,
      pod: () => this.#pod,
      podIP: () => this.#view.podIPs[0] ?? "",
      changed: () => this.trigger(),
      wasReady: (observed) => this.#view.before(observed)?.ready ?? false,
      wasStarted: (observed) => this.#view.before(observed)?.started ?? false,
    });
    this.#view = new PodView(ports, this.#probes, pod.status?.startTime ? pod.status : undefined);
    // A pod that ended before the kubelet started is not run again, but reclaimed.
    this.#isStopped = isTerminal(this.#view.status);
    if (this.#isStopped) this.#order(0);
    this.#steps = new Runner({
      clock: ports.clock,
      run: () => this.#pass(),
      report: () => undefined, // a failed step is an outcome of its pass
    });
  }

  get pod(): Pod {
    return this.#pod;
  }

  /** The pod with the resources that the node has allocated to it. */
  get allocated(): Pod {
    return this.#ports.allocations.allocated(this.#pod);
  }

  /** Whether the node counts its resources: since its admission, by an earlier process too. */
  get isAdmitted(): boolean {
    return this.#isEntering || this.#ports.allocations.has(this.uid);
  }

  /** Time since which a resize waits for other pods, in milliseconds since 1970. */
  get resizeDeferred_ms(): number | undefined {
    return this.#state.kind === "syncing" ? this.#resize.deferred_ms : undefined;
  }

  get state(): WorkerState["kind"] {
    return this.#state.kind;
  }

  /** Seconds that a pod has to end which is being stopped; undefined for any other. */
  get grace_s(): number | undefined {
    return this.#state.kind === "terminating" ? this.#state.end.grace_s : undefined;
  }

  /**
   * Whether the source has removed the pod; a pod that it adds again under this UID is a new one.
   */
  get forgotten(): boolean {
    const state = this.#state;
    return "end" in state && state.end.forgotten;
  }

  /** Whether the pod has ended and its volumes, cgroup and devices are released. */
  get reclaimed(): boolean {
    return this.#state.kind === "terminated" && this.#state.reclaimed;
  }

  get status(): PodStatus | undefined {
    return this.#view.status;
  }

  /** Updates the pod to the source's newer version. */
  update(pod: Pod): void {
    this.#pod = pod;
    if (pod.metadata.deletionTimestamp) this.#order(gracePeriodOf(pod));
    this.trigger();
  }

  /** Stops the pod and removes its remains: its source no longer has it. */
  forget(): void {
    this.#order(gracePeriodOf(this.#pod), { forgotten: true });
    this.trigger();
  }

  /**
   * Stops the pod with a verdict of the node: it becomes Failed. One that is being stopped has no
   * more time than this, and becomes what it would.
   */
  end(verdict: PodVerdict, grace_s: number): void {
    const { kind } = this.#state;
    if (kind !== "syncing" && kind !== "terminating") return;
    this.#order(grace_s, kind === "syncing" ? { verdict } : {});
    this.trigger();
  }

  /**
   * Removes what an ended pod still has on the node's disk: its containers with their layers, its
   * logs and messages. Its status stays. No effect on any other pod. Rejects when the step that
   * removes them fails.
   */
  async removeRemains(): Promise<void> {
    if (!this.reclaimed || this.#isBare) return;
    this.#baring ??= Promise.withResolvers();
    this.trigger();
    await this.#baring.promise;
  }

  /** Takes a step soon. Call it when something may have changed. */
  trigger(): void {
    this.#steps.request();
    this.#stopping?.shows.request();
  }

  /** Stops the worker; the containers keep running. */
  close(): void {
    this.#advance({ kind: "close" });
    void this.#steps.close();
    this.#probes.close();
    this.#stopping?.shorter.abort();
    this.#baring?.resolve();
  }

  /** Every pod gets the time in which a preStop hook starts, an evicted one too (upstream). */
  #order(grace_s: number, why: { verdict?: PodVerdict; forgotten?: boolean } = {}): void {
    const end = { grace_s: Math.max(1, grace_s), forgotten: false, ...why };
    this.#advance({ kind: "end", end });
  }

  #advance(event: WorkerEvent): void {
    const before = this.#state;
    const state = nextState(before, event);
    this.#state = state;
    if (state.kind !== "syncing") this.#leaveSync.abort();
    const isEnding = before.kind === "terminating" && state.kind === "terminating";
    if (isEnding && state.end.grace_s < before.end.grace_s) this.#stopping?.shorter.abort();
  }

  /** Takes one step. Returns the milliseconds until the next one without an event. */
  async #pass(): Promise<number> {
    const { kind } = this.#state;
    try {
      const { next_ms, failed = false } = await this.#step();
      if (failed) return Math.min(next_ms, this.#backoff.next());
      this.#backoff.reset();
      return next_ms;
    } catch (thrown) {
      // A sync that the pod's end has cancelled did not fail.
      if (kind === "syncing" && this.#leaveSync.signal.aborted) return 0;
      this.#report(thrown);
      return this.#backoff.next();
    }
  }

  /** Takes a step, as a trace of its own if steps are traced. */
  #step(): Promise<StepResult> {
    const name = SPANS[this.#state.kind];
    const { tracer } = this.#ports;
    if (!tracer || name === undefined) return this.#stepNow();
    const step = () => this.#stepNow();
    return tracer.trace(name, step, () => podAttributes(this.#pod));
  }

  async #stepNow(): Promise<StepResult> {
    const state = this.#state;
    switch (state.kind) {
      case "syncing":
        return this.#sync(state);
      case "terminating":
        return this.#terminate();
      case "terminated":
        return this.#reclaim(state);
      case "gone":
      case "closed":
        return { next_ms: Infinity };
      default:
        return unreachable(state);
    }
  }

  #report(thrown: unknown): void {
    const { kind: state } = this.#state;
    if (state === "closed") return;
    const { events } = this.#ports;
    const error = messageOf(thrown);
    log.warn("pod step failed", { pod: fullNameOf(this.#pod), state, error });
    if (thrown instanceof PreemptionError) {
      return events.record(this.#pod, "Normal", "WaitingForPreemption", error);
    }
    if (!(thrown instanceof VolumesNotReady)) return;
    const reason = state === "syncing" ? "FailedMount" : "FailedUnMount";
    for (const { message } of thrown.failures) events.record(this.#pod, "Warning", reason, message);
  }

  async #sync({ admitted }: StateOf<"syncing">): Promise<StepResult> {
    if (!admitted && !(await this.#admit())) return { next_ms: 0 };
    if (await this.#resize.review(this.#pod, this.#hooks.admitResize)) this.#hooks.freed();
    const pod = this.allocated;
    const observed = await this.#observe();
    const resizing = this.#resize.plan(pod, observed, this.#restarting);
    this.#publish(observed, false);
    const left_ms = this.#deadlineLeft();
    if (left_ms <= 0) return this.#exceeded();
    await makePodDirs(this.#ports, pod);
    const resized = await this.#resize.apply(pod, observed, resizing);
    if (resized === "failed") this.#publish(observed, false);
    const plan = planRuns({
      pod,
      observed,
      health: (one) => this.#probes.health(one),
      resourcesBefore: (name) => this.#ports.allocations.before(this.uid, name),
      restarting: this.#restarting,
    });
    if (plan.stop && plan.createSandbox === undefined) {
      this.#order(gracePeriodOf(pod));
      return { next_ms: 0 };
    }
    const setUp = () => this.#ports.volumes.setUp(pod, this.#arrived_ms);
    const { volumes, refreshed } = await traced("setUpVolumes", setUp);
    const { podIPs } = this.#view;
    const result = await applyPlan(this.#ports, pod, observed, plan, {
      volumes,
      podIPs,
      waiting: this.#waiting,
      restarting: this.#restarting,
      signal: this.#leaveSync.signal,
    });
    if (!result.changed && result.waitingChanged) this.#publish(observed, false);
    const failed = result.failed || resized === "failed" || !refreshed;
    if (result.changed || resized === "resized") return { next_ms: 0, failed };
    return { next_ms: Math.min(result.retry_ms ?? RESYNC_MS, RESYNC_MS, left_ms), failed };
  }

  async #admit(): Promise<boolean> {
    try {
      const admission = this.#hooks.admit(this.allocated);
      this.#isEntering = true;
      await admission;
      await this.#ports.allocations.admit(this.#pod);
      this.#advance({ kind: "admitted" });
      return true;
    } catch (thrown) {
      if (!(thrown instanceof AdmissionError)) throw thrown;
      const { reason, message } = thrown;
      this.#ports.events.record(this.#pod, "Warning", reason, message);
      const verdict = { reason, message: `Pod was rejected: ${message}`, refused: true };
      this.#order(0, { verdict });
      return false;
    } finally {
      this.#isEntering = false;
    }
  }

  /** Returns the milliseconds left of activeDeadlineSeconds; Infinity without one. */
  #deadlineLeft(): number {
    const { activeDeadlineSeconds } = this.#pod.spec;
    const start_ms = timeOf(this.#view.status?.startTime);
    if (activeDeadlineSeconds === undefined || start_ms === undefined) return Infinity;
    return start_ms + activeDeadlineSeconds * 1_000 - this.#ports.clock.now();
  }

  #exceeded(): StepResult {
    const message = "Pod was active on the node longer than the specified deadline";
    this.#ports.events.record(this.#pod, "Normal", "DeadlineExceeded", message);
    this.#order(gracePeriodOf(this.#pod), { verdict: { reason: "DeadlineExceeded", message } });
    return { next_ms: 0 };
  }

  async #terminate(): Promise<StepResult> {
    const observed = await this.#observe();
    this.#publish(observed, false);
    // The grace period may have been shortened meanwhile.
    const state = this.#state;
    if (state.kind !== "terminating") return { next_ms: 0 };
    if (anyRunning(observed) || !this.#isStopped) {
      const stopped = await this.#stop(observed, state.end.grace_s);
      if (!stopped || anyRunning(await this.#observe())) return { next_ms: 0 };
      this.#isStopped = true;
    }
    this.#probes.close();
    this.#publish(await this.#observe(), true);
    this.#advance({ kind: "stopped" });
    this.#hooks.freed();
    return { next_ms: 0 };
  }

  /**
   * Stops the pod, and publishes each container's end as it happens. Returns false when it was
   * cancelled for a shorter grace period.
   */
  async #stop(observed: ObservedPod, grace_s: number): Promise<boolean> {
    const shorter = new AbortController();
    const shows = new Runner({
      clock: this.#ports.clock,
      min_ms: SHOW_WHILE_STOPPING_MS,
      run: async () => this.#publish(await this.#observe(), false),
      report: failureLog(log, `pod ${fullNameOf(this.#pod)} is stopped without being observed`),
    });
    this.#stopping = { shorter, shows };
    const { signal } = shorter;
    try {
      await stopPod(this.#ports, this.#pod, observed, { grace_s, signal });
    } catch (thrown) {
      if (!signal.aborted) throw thrown;
    } finally {
      this.#stopping = undefined;
      await shows.close();
    }
    return !signal.aborted;
  }

  /**
   * Releases volumes, cgroup and devices; then the API object may be deleted, then the pod's
   * remains.
   */
  async #reclaim({ reclaimed }: StateOf<"terminated">): Promise<StepResult> {
    if (!reclaimed) await reclaimPod(this.#ports, this.#pod);
    this.#advance({ kind: "reclaimed" });
    const { status } = this.#view;
    if (this.#pod.metadata.deletionTimestamp && status) this.#hooks.reclaimed(this.#pod, status);
    if (this.forgotten || this.#baring) await this.#removeRemains();
    if (this.forgotten && this.#isBare) {
      this.#advance({ kind: "removed" });
      this.#hooks.gone(this.uid);
    }
    return { next_ms: RESYNC_MS };
  }

  async #removeRemains(): Promise<void> {
    try {
      await removePodRemains(this.#ports, this.#pod, await this.#observe());
      this.#isBare = true;
      this.#baring?.resolve();
    } catch (thrown) {
      this.#baring?.reject(thrown);
      throw thrown;
    } finally {
      this.#baring = undefined;
    }
  }

  async #observe(): Promise<ObservedPod> {
    const observed = await this.#view.observe(this.#pod);
    const running = observed.containers.filter(({ state }) => state === "running");
    if (this.#state.kind === "syncing") this.#probes.sync(running);
    else this.#probes.keepReadinessOnly(running);
    return observed;
  }

  #publish(observed: ObservedPod, ended: boolean): void {
    const state = this.#state;
    // A pod found by the sweep has no object in the API.
    if (state.kind === "closed" || this.#pod.spec.containers.length === 0) return;
    const verdict = "end" in state ? state.end.verdict : undefined;
    const own = { waiting: this.#waiting, restarting: this.#restarting };
    const input = { verdict, ending: "end" in state, ended, ...own, resize: this.#resize.state };
    this.#hooks.publish(this.#pod, this.#view.statusOf(this.allocated, observed, input));
  }
}

/** Upstream's names of the spans of steps. */
const SPANS: Readonly<Partial<Record<WorkerState["kind"], string>>> = {
  syncing: "syncPod",
  terminating: "syncTerminatingPod",
  terminated: "syncTerminatedPod",
};

/** Pause before the status is published again while a pod is being stopped. */
const SHOW_WHILE_STOPPING_MS = 100;
