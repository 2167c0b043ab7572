import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { podAttributes } from "@raft2kube/client-kube/object/pod-state.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Span, Tracer } from "@raft2kube/observe/trace/tracer.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Random } from "@raft2kube/std/random.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import type { SchedulerCache } from "./cache.ts";
import { type FitError, type ScheduleResult, schedulePod } from "./cycle.ts";
import type { Framework } from "./framework/framework.ts";
import type { PostFilterResult } from "./framework/plugin.ts";
import type { AttemptResult, SchedulerMetrics } from "./metrics.ts";
import { type PodInfo, podInfo } from "./node-info.ts";
import type { Nominator } from "./nominator.ts";
import { PodConditions } from "./pod-condition.ts";
import type { QueuedPod, SchedulingQueue } from "./queue.ts";

export interface SchedulerOptions {
  pods: Pick<ResourceClient<Pod>, "patch">;
  cache: SchedulerCache;
  queue: SchedulingQueue;
  nominator: Nominator;
  recorder: Pick<EventRecorder, "record">;
  clock: Clock;
  random: Random;
  /** Measures attempts. */
  metrics?: Pick<SchedulerMetrics, "attempt">;
  /** Traces scheduling; its creator closes it. Default not. */
  tracer?: Tracer | undefined;
  /** The framework of each profile, by schedulerName. */
  profiles: ReadonlyMap<string, Framework>;
  /** Returns the pod as the informer has it; undefined when it is deleted. */
  current(pod: Pod): Pod | undefined;
}

const log = logger("scheduler");

/**
 * Takes pods from the queue one by one. The scheduling cycle of each (PreFilter to Reserve) is
 * synchronous, and others use the event loop between slices of cycles and of PostFilter. The
 * binding cycle (Permit, PreBind, Bind) runs in the background, so that a slow volume does not
 * delay the pods after it.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #end = new AbortController();
  readonly #background = new Set<Promise<void>>();
  readonly #conditions: PodConditions;
  #nextStartNodeIndex = 0;
  #running: Promise<void> | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#conditions = new PodConditions(options);
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  /** Stops after the scheduling cycle in progress; aborts bindings that wait for volumes. */
  async close(): Promise<void> {
    this.#end.abort();
    this.#options.queue.close();
    await this.#running;
    await Promise.all(this.#background);
    await this.#conditions.close();
  }

  async #loop(): Promise<void> {
    const slices = new Slices();
    for (;;) {
      if (slices.due) await slices.pause();
      const queued = await this.#options.queue.pop();
      if (!queued || this.#end.signal.aborted) return;
      const pod = this.#options.current(queued.pod);
      if (!pod || pod.spec.nodeName || pod.metadata.deletionTimestamp) continue;
      if (this.#options.cache.isAssumed(pod)) continue;
      const framework = this.#options.profiles.get(pod.spec.schedulerName ?? "");
      if (framework) await this.#attempt({ ...queued, pod }, framework);
    }
  }

  /** Attempts a pod. A plugin that throws fails for this pod alone, which is tried again. */
  async #attempt(queued: QueuedPod, framework: Framework): Promise<void> {
    const { queue } = this.#options;
    try {
      await this.#traced(queued, framework);
    } catch (thrown) {
      log.error("scheduling failed", { pod: keyOf(queued.pod), error: messageOf(thrown) });
      queue.remove(queued.pod);
      queue.addBackoff(queued);
      this.#recordFailure(queued.pod, "SchedulerError", messageOf(thrown));
    }
  }

  /** Makes the attempt, binding included, a trace of its own if attempts are traced. */
  #traced(queued: QueuedPod, framework: Framework): Promise<void> {
    // The name of upstream's log of slow ones.
    const span = this.#options.tracer?.start("Scheduling");
    if (!span) return this.#schedulingCycle(queued, framework);
    if (span.isSampled) span.set(podAttributes(queued.pod));
    return span.run(() => this.#schedulingCycle(queued, framework, span));
  }

  /** PreFilter, Filter, PreScore and Score; then Reserve, or PostFilter if no node passed. */
  async #schedulingCycle(queued: QueuedPod, framework: Framework, span?: Span): Promise<void> {
    const { cache, nominator, random, metrics } = this.#options;
    const profile = queued.pod.spec.schedulerName ?? "";
    const measured = metrics?.attempt(profile, queued.attempts + 1);
    const ended = (result: AttemptResult) => {
      measured?.(result);
      span?.set({ result });
      span?.end();
    };
    const info = podInfo(queued.pod);
    const result = schedulePod({
      info,
      snapshot: cache,
      framework,
      random,
      nominator,
      nextStartNodeIndex: this.#nextStartNodeIndex,
    });
    const total = Math.max(1, cache.nodes.length);
    this.#nextStartNodeIndex = (this.#nextStartNodeIndex + result.evaluatedNodes) % total;
    if (result.kind === "unschedulable") {
      span?.fail(result.message);
      await this.#handleFitError(queued, info, framework, result);
      return ended("unschedulable");
    }
    nominator.remove(queued.pod);
    span?.set({ "k8s.node.name": result.suggestedHost.name });
    this.#run(this.#bindingCycle(queued, info, framework, result).then(ended));
  }

  /** Queues the pod until an event, and preempts for it if PostFilter finds a candidate. */
  async #handleFitError(
    queued: QueuedPod,
    info: PodInfo,
    framework: Framework,
    { message, state, unschedulablePlugins, nodeToStatus }: FitError,
  ): Promise<void> {
    const { cache, queue } = this.#options;
    const { pod } = queued;
    queue.addUnschedulable(queued, unschedulablePlugins);
    if (cache.nodes.length === 0) return this.#recordFailure(pod, "Unschedulable", message);
    // Another attempt before the victims are deleted would preempt on a second node.
    const release = queue.hold(pod);
    let preparing: Promise<void> | undefined;
    try {
      const result = await framework.runPostFilterPlugins(state, info, nodeToStatus);
      preparing = this.#nominate(info, message, result);
    } finally {
      if (preparing) this.#run(preparing.finally(release));
      else release();
    }
  }

  /** Records the outcome of PostFilter; returns the deletion of victims, if there are any. */
  #nominate(
    info: PodInfo,
    message: string,
    result: PostFilterResult | undefined,
  ): Promise<void> | undefined {
    const { queue, nominator } = this.#options;
    const { pod } = info;
    const now = this.#options.current(pod);
    if (!now || now.spec.nodeName || now.metadata.deletionTimestamp) return undefined;
    if (result?.nominatedNodeName === undefined) {
      if (result && !result.keepsNomination) this.#takeBack(now);
      const whole = result ? `${message} ${result.message}` : message;
      return void this.#recordFailure(pod, "Unschedulable", whole);
    }
    this.#recordFailure(pod, "Unschedulable", message);
    nominator.add(info, result.nominatedNodeName);
    const lower = nominator.removeLower(pod, result.nominatedNodeName);
    for (const other of lower) this.#takeBack(this.#options.current(other) ?? other);
    return result.prepareCandidate().catch((thrown: unknown) => {
      // It stays nominated: victims may be ending for it.
      queue.retry(pod);
      log.warn("preemption failed", { pod: keyOf(pod), error: messageOf(thrown) });
    });
  }

  /** Removes a nomination, and the node from the pod's status. */
  #takeBack(pod: Pod): void {
    const { pods, nominator } = this.#options;
    nominator.remove(pod);
    if (!pod.status?.nominatedNodeName) return;
    const patch = { metadata: { uid: pod.metadata.uid }, status: { nominatedNodeName: null } };
    const writing = pods.patch({ ...nameOf(pod), subresource: "status" }, "strategic", patch);
    this.#run(
      writing.then(
        () => undefined,
        (thrown: unknown) => {
          // The scheduler before the next one may read it; the next failed attempt writes again.
          log.debug("nomination not removed", { pod: keyOf(pod), error: messageOf(thrown) });
        },
      ),
    );
  }

  /** Registers work that `close` awaits. */
  #run(work: Promise<void>): void {
    const running = work.finally(() => this.#background.delete(running));
    this.#background.add(running);
  }

  /**
   * Assumes the pod on its node and runs Reserve before the first await, so that the next
   * scheduling cycle counts both; then Permit, PreBind and Bind.
   */
  async #bindingCycle(
    queued: QueuedPod,
    info: PodInfo,
    framework: Framework,
    { suggestedHost: host, state }: ScheduleResult,
  ): Promise<AttemptResult> {
    const { cache, queue, recorder } = this.#options;
    const { pod } = queued;
    const { signal } = this.#end;
    cache.assume(info, host.name);
    try {
      framework.runReservePlugins(state, info, host);
      await framework.runPermitPlugins(state, info, host, signal);
      await framework.runPreBindPlugins(state, info, host, signal);
      await this.#conditions.withdraw(pod);
      await framework.runBindPlugins(state, info, host);
      const message = `Successfully assigned ${keyOf(pod)} to ${host.name}`;
      recorder.record(pod, "Normal", "Scheduled", message);
      return "scheduled";
    } catch (thrown) {
      framework.runUnreservePlugins(state, info, host);
      cache.forget(pod);
      // Pods that were rejected because of its place may fit now.
      queue.moveAllToActiveOrBackoff("AssignedPodDelete");
      const now = this.#options.current(pod);
      if (signal.aborted || !now) return "error";
      // Its place on the node is free for others: a nomination would say that it is kept.
      this.#takeBack(now);
      log.warn("binding failed", { pod: keyOf(pod), node: host.name, error: messageOf(thrown) });
      queue.addBackoff(queued);
      const message = `binding to ${host.name}: ${messageOf(thrown)}`;
      this.#recordFailure(pod, "SchedulerError", message);
      return "error";
    }
  }

  /** Records an event and writes the pod's condition. */
  #recordFailure(pod: Pod, reason: "Unschedulable" | "SchedulerError", message: string): void {
    this.#options.recorder.record(pod, "Warning", "FailedScheduling", message);
    this.#conditions.notScheduled(pod, reason, message);
  }
}
