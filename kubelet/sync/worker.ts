import type { Pod, PodStatus } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { type Pauses, pauseAfter } from "@raft2kube/reconcile/backoff.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Timer } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { ResizeVerdict } from "../allocation/resize-state.ts";
import type { WaitingReason } from "../status/container-status.ts";
import { AdmissionError } from "../pods/reason-error.ts";
import { RESYNC_MS, SYNC_BACK_OFF_MS_MAX, SYNC_BACK_OFF_MS } from "../limits.ts";
import { PodProbes } from "../probes/pod-probes.ts";
import { fullNameOf, gracePeriodOf, uidOf } from "../pods/pod-identity.ts";
import type { PodVerdict } from "../status/pod-status.ts";
import { VolumesNotReady } from "../volumes/pod-volumes.ts";
import { applyPlan } from "./apply-plan.ts";
import { anyRunning, type ObservedPod } from "../cri/observed.ts";
import { planPod } from "./plan.ts";
import type { PodDeps } from "./pod-deps.ts";
import { PodResize } from "./pod-resize.ts";
import { isTerminal, PodView } from "./pod-view.ts";
import { reclaimPod, removePodRemains } from "./reclaim-pod.ts";
import { makePodDirs, writeHostsFile } from "./start-sandbox.ts";
import { stopPod } from "./stop-pod.ts";

/**
 * syncing: the pod runs or is being started. terminating: it is being stopped. terminated: nothing
 * runs, its resources are being released, and the API may report its end. gone: nothing is left on
 * the node.
 */
export type WorkerState = "syncing" | "terminating" | "terminated" | "gone";

export interface WorkerHooks {
  /**
   * Rejects with AdmissionError for a pod that this node cannot run. Called once, before anything
   * is started.
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

const log = logger("kubelet-pod");
const PAUSES: Pauses = { first_ms: SYNC_BACK_OFF_MS, most_ms: SYNC_BACK_OFF_MS_MAX };

/**
 * State machine of one pod on the node. A step observes the runtime, publishes the status, plans
 * and applies. Events only trigger another step. Invariant: at most one step of a pod runs at a
 * time; a failed step is repeated with back-off.
 */
export class PodWorker {
  readonly uid: string;
  readonly #deps: PodDeps;
  readonly #hooks: WorkerHooks;
  readonly #probes: PodProbes;
  readonly #view: PodView;
  readonly #resize: PodResize;
  readonly #waiting = new Map<string, WaitingReason>();
  readonly #restarting = new Set<string>();
  #pod: Pod;
  #state: WorkerState = "syncing";
  #admitted = false;
  #verdict: PodVerdict | undefined;
  #grace_s: number | undefined;
  #shorten = new AbortController();
  /** Cancels what a sync waits for (an image pull) when the pod is to be stopped. */
  readonly #stop = new AbortController();
  /** The source no longer has the pod. */
  #forgotten = false;
  #reclaimed = false;
  #failures = 0;
  #dirty = true;
  #running = false;
  #closed = false;
  #timer: Timer | undefined;

  constructor(deps: PodDeps, hooks: WorkerHooks, pod: Pod) {
    this.uid = uidOf(pod);
    this.#deps = deps;
    this.#hooks = hooks;
    this.#pod = pod;
    this.#resize = new PodResize(deps);
    this.#probes = new PodProbes({
      clock: deps.clock,
      runtime: deps.runtime,
      events: deps.events,
      pod: () => this.#pod,
      podIP: () => this.#view.podIPs[0] ?? "",
      changed: () => this.trigger(),
      wasReady: (observed) => this.#view.before(observed)?.ready ?? false,
      wasStarted: (observed) => this.#view.before(observed)?.started ?? false,
    });
    this.#view = new PodView(deps, this.#probes, pod.status?.startTime ? pod.status : undefined);
    // A pod that ended before the kubelet started is not run again, but reclaimed.
    if (isTerminal(this.#view.status)) this.#order(0);
  }

  get pod(): Pod {
    return this.#pod;
  }

  /** The pod with the resources that the node has allocated to it. */
  get allocated(): Pod {
    return this.#deps.allocations.allocated(this.#pod);
  }

  /** Time since which a resize waits for other pods, in milliseconds since 1970. */
  get resizeDeferred_ms(): number | undefined {
    return this.#state === "syncing" ? this.#resize.deferred_ms : undefined;
  }

  get state(): WorkerState {
    return this.#state;
  }

  /**
   * Whether the source has removed the pod; a pod that it adds again under this UID is a new one.
   */
  get forgotten(): boolean {
    return this.#forgotten;
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
    this.#forgotten = true;
    this.#order(gracePeriodOf(this.#pod));
    this.trigger();
  }

  /** Stops the pod with a verdict of the node: it becomes Failed. */
  end(verdict: PodVerdict, grace_s: number): void {
    if (this.#state !== "syncing") return;
    this.#verdict = verdict;
    this.#order(grace_s);
    this.trigger();
  }

  /** Takes a step soon. Call it when something may have changed. */
  trigger(): void {
    this.#dirty = true;
    if (!this.#running && !this.#closed) void this.#run();
  }

  /** Stops the worker; the containers keep running. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#probes.close();
    this.#shorten.abort();
    this.#stop.abort();
  }

  #order(grace_s: number): void {
    if (this.#grace_s !== undefined && this.#grace_s <= grace_s) return;
    const shortened = this.#grace_s !== undefined;
    this.#grace_s = grace_s;
    if (this.#state === "syncing") this.#state = "terminating";
    this.#stop.abort();
    if (shortened) this.#shorten.abort();
  }

  async #run(): Promise<void> {
    this.#running = true;
    this.#timer?.cancel();
    let pause_ms = RESYNC_MS;
    while (this.#dirty && !this.#closed && this.#state !== "gone") {
      this.#dirty = false;
      try {
        const failures = this.#failures;
        pause_ms = await this.#step();
        if (this.#failures === failures) this.#failures = 0;
      } catch (thrown) {
        this.#report(thrown);
        pause_ms = this.#backOff();
      }
    }
    this.#running = false;
    if (this.#closed || this.#state === "gone") return;
    this.#timer = this.#deps.clock.after(pause_ms, () => this.trigger());
  }

  /** Counts one more failure; returns how long to wait after it, in milliseconds. */
  #backOff(): number {
    return pauseAfter(++this.#failures, PAUSES);
  }

  #report(thrown: unknown): void {
    if (this.#closed) return;
    const { events } = this.#deps;
    const error = messageOf(thrown);
    log.warn("pod step failed", { pod: fullNameOf(this.#pod), state: this.#state, error });
    if (!(thrown instanceof VolumesNotReady)) return;
    const reason = this.#state === "syncing" ? "FailedMount" : "FailedUnMount";
    for (const { message } of thrown.failures) {
      events.record(this.#pod, "Warning", reason, message);
    }
  }

  /** Takes one step. Returns the milliseconds until the next step without an event. */
  async #step(): Promise<number> {
    switch (this.#state) {
      case "syncing":
        return this.#sync();
      case "terminating":
        return this.#terminate();
      case "terminated":
        return this.#reclaim();
      case "gone":
        return RESYNC_MS;
    }
  }

  async #sync(): Promise<number> {
    if (!this.#admitted && !(await this.#admit())) return 0;
    if (await this.#resize.review(this.#pod, this.#hooks.admitResize)) this.#hooks.freed();
    const pod = this.allocated;
    const observed = await this.#observe();
    const resizing = this.#resize.plan(pod, observed, this.#restarting);
    this.#publish(observed, false);
    const left_ms = this.#deadlineLeft();
    if (left_ms <= 0) return this.#exceeded();
    await makePodDirs(this.#deps, pod);
    const resized = await this.#resize.apply(pod, observed, resizing);
    if (resized === "resized") this.#dirty = true;
    if (resized === "failed") this.#publish(observed, false);
    const plan = planPod({
      pod,
      observed,
      health: (one) => this.#probes.health(one),
      resourcesBefore: (name) => this.#deps.allocations.before(this.uid, name),
      restarting: this.#restarting,
    });
    if (plan.stop && plan.createSandbox === undefined) {
      this.#order(gracePeriodOf(pod));
      this.#dirty = true;
      return 0;
    }
    const volumes = await this.#deps.volumes.setUp(pod);
    const { podIPs } = this.#view;
    if (podIPs.length > 0) await writeHostsFile(this.#deps, pod, podIPs);
    const result = await applyPlan(this.#deps, pod, observed, plan, {
      volumes,
      podIPs,
      waiting: this.#waiting,
      restarting: this.#restarting,
      signal: this.#stop.signal,
    });
    if (result.changed) this.#dirty = true;
    else if (result.waitingChanged) this.#publish(observed, false);
    const failed = result.failed || resized === "failed";
    const failed_ms = failed ? this.#backOff() : RESYNC_MS;
    return Math.min(result.retry_ms ?? RESYNC_MS, failed_ms, left_ms);
  }

  async #admit(): Promise<boolean> {
    try {
      await this.#hooks.admit(this.allocated);
      await this.#deps.allocations.admit(this.#pod);
      this.#admitted = true;
      return true;
    } catch (thrown) {
      if (!(thrown instanceof AdmissionError)) throw thrown;
      const { reason, message } = thrown;
      this.#deps.events.record(this.#pod, "Warning", reason, message);
      this.#verdict = { reason, message: `Pod was rejected: ${message}` };
      this.#order(0);
      this.#dirty = true;
      return false;
    }
  }

  /** Returns the milliseconds left of activeDeadlineSeconds; Infinity without one. */
  #deadlineLeft(): number {
    const { activeDeadlineSeconds } = this.#pod.spec;
    const start_ms = timeOf(this.#view.status?.startTime);
    if (activeDeadlineSeconds === undefined || start_ms === undefined) return Infinity;
    return start_ms + activeDeadlineSeconds * 1_000 - this.#deps.clock.now();
  }

  #exceeded(): number {
    const message = "Pod was active on the node longer than the specified deadline";
    this.#deps.events.record(this.#pod, "Normal", "DeadlineExceeded", message);
    this.#verdict = { reason: "DeadlineExceeded", message };
    this.#order(gracePeriodOf(this.#pod));
    this.#dirty = true;
    return 0;
  }

  /** Stops the pod, and publishes each container's end as it happens. */
  async #terminate(): Promise<number> {
    const observed = await this.#observe();
    this.#publish(observed, false);
    if (anyRunning(observed)) {
      this.#shorten = new AbortController();
      const { signal } = this.#shorten;
      const grace_s = this.#grace_s ?? gracePeriodOf(this.#pod);
      let stopping = true;
      const stopped = stopPod(this.#deps, this.#pod, observed, { grace_s, signal }).finally(() => {
        stopping = false;
      });
      const watched = this.#publishWhile(() => stopping, stopped);
      try {
        await stopped;
      } catch (thrown) {
        if (!signal.aborted) throw thrown;
        this.#dirty = true;
      } finally {
        await watched;
      }
      if (signal.aborted || anyRunning(await this.#observe())) {
        this.#dirty = true;
        return 0;
      }
    }
    this.#probes.close();
    this.#publish(await this.#observe(), true);
    this.#state = "terminated";
    this.#hooks.freed();
    this.#dirty = true;
    return 0;
  }

  async #publishWhile(stopping: () => boolean, stopped: Promise<void>): Promise<void> {
    const ended = stopped.catch(() => undefined);
    while (stopping() && !this.#closed) {
      await Promise.race([ended, delay(this.#deps.clock, POLL_WHILE_STOPPING_MS)]);
      if (!stopping() || !this.#dirty) continue;
      this.#dirty = false;
      try {
        this.#publish(await this.#observe(), false);
      } catch (thrown) {
        log.debug("no status while stopping", { error: messageOf(thrown) });
      }
    }
  }

  /**
   * Releases volumes, cgroup and devices; then the API object may be deleted, then the pod's
   * remains.
   */
  async #reclaim(): Promise<number> {
    if (!this.#reclaimed) await reclaimPod(this.#deps, this.#pod);
    this.#reclaimed = true;
    const { status } = this.#view;
    if (this.#pod.metadata.deletionTimestamp && status) this.#hooks.reclaimed(this.#pod, status);
    if (!this.#forgotten) return RESYNC_MS;
    await removePodRemains(this.#deps, this.#pod, await this.#observe());
    this.#state = "gone";
    this.#hooks.gone(this.uid);
    return RESYNC_MS;
  }

  async #observe(): Promise<ObservedPod> {
    const observed = await this.#view.observe(this.#pod);
    const running = observed.containers.filter(({ state }) => state === "running");
    if (this.#state === "syncing") this.#probes.sync(running);
    else this.#probes.keepReadinessOnly(running);
    return observed;
  }

  #publish(observed: ObservedPod, ended: boolean): void {
    // A pod found by the sweep has no object in the API.
    if (this.#closed || this.#pod.spec.containers.length === 0) return;
    const { state: resize } = this.#resize;
    const input = { verdict: this.#verdict, ended, waiting: this.#waiting, resize };
    this.#hooks.publish(this.#pod, this.#view.statusOf(this.allocated, observed, input));
  }
}

/** Interval of status updates while a pod is being stopped. */
const POLL_WHILE_STOPPING_MS = 100;
