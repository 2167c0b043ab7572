import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Random } from "@raft2kube/std/random.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events.ts";
import { keyOf } from "@raft2kube/client-kube/object.ts";
import type { ResourceClient } from "@raft2kube/client-kube/resource-client.ts";
import { bindPod, tellUnschedulable } from "./bind.ts";
import type { SchedulerCache } from "./cache.ts";
import { type Placement, schedule, type Unfit } from "./cycle.ts";
import type { Plugin, Reservation } from "./framework.ts";
import { podInfo, type PodInfo } from "./node-info.ts";
import { Nominations } from "./nominations.ts";
import { preempt } from "./preempt.ts";
import { findCandidate } from "./preemption.ts";
import type { QueuedPod, SchedulingQueue } from "./queue.ts";

export interface SchedulerParts {
  pods: ResourceClient<Pod>;
  cache: SchedulerCache;
  queue: SchedulingQueue;
  recorder: EventRecorder;
  clock: Clock;
  random: Random;
  /** The plugins of each profile, by schedulerName. */
  profiles: ReadonlyMap<string, readonly Plugin[]>;
  /** The pod as the informer has it now; undefined when it is gone. */
  current(pod: Pod): Pod | undefined;
}

const log = logger("scheduler");

/**
 * Takes pods from the queue one by one, decides for each at once, and binds in the background: a
 * slow volume does not hold up the pods behind.
 */
export class Scheduler {
  readonly #parts: SchedulerParts;
  readonly #nominations = new Nominations();
  readonly #end = new AbortController();
  readonly #background = new Set<Promise<void>>();
  #start = 0;
  #running: Promise<void> | undefined;

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  /** Stops after the decision under way; bindings that wait for volumes are given up. */
  async close(): Promise<void> {
    this.#end.abort();
    this.#parts.queue.close();
    await this.#running;
    await Promise.all(this.#background);
  }

  async #loop(): Promise<void> {
    for (;;) {
      const queued = await this.#parts.queue.pop();
      if (!queued || this.#end.signal.aborted) return;
      const pod = this.#parts.current(queued.pod);
      if (!pod || pod.spec.nodeName || pod.metadata.deletionTimestamp) continue;
      if (this.#parts.cache.isAssumed(pod)) continue;
      this.#decide({ ...queued, pod });
    }
  }

  #decide(queued: QueuedPod): void {
    const { cache, random, profiles } = this.#parts;
    const plugins = profiles.get(queued.pod.spec.schedulerName ?? "") ?? [];
    const info = podInfo(queued.pod);
    const decision = schedule({
      info,
      snapshot: cache,
      plugins,
      random,
      nominations: this.#nominations,
      start: this.#start,
    });
    const total = Math.max(1, cache.nodes.length);
    this.#start = (this.#start + decision.looked) % total;
    if (decision.kind === "unfit") return this.#unfit(queued, info, plugins, decision);
    this.#nominations.remove(queued.pod);
    this.#run(this.#place(queued, info, decision));
  }

  /** The pod waits for an event, or for the pods that it drives away. */
  #unfit(
    queued: QueuedPod,
    info: PodInfo,
    plugins: readonly Plugin[],
    { message, plugins: refusing, rejections }: Unfit,
  ): void {
    const { cache, queue } = this.#parts;
    queue.addUnschedulable(queued, refusing);
    if (cache.nodes.length === 0) return this.#tell(queued.pod, "Unschedulable", message);
    const preemption = findCandidate({ info, snapshot: cache, plugins, rejections });
    const { candidate } = preemption;
    const whole = candidate ? message : `${message} ${preemption.why}`;
    this.#tell(queued.pod, "Unschedulable", whole);
    if (!candidate) return;
    this.#nominations.add(info, candidate.node);
    const preempting = preempt(this.#parts, queued.pod, candidate).catch((thrown: unknown) => {
      this.#nominations.remove(queued.pod);
      log.warn("preemption failed", { pod: keyOf(queued.pod), error: messageOf(thrown) });
    });
    this.#run(preempting);
  }

  /** The pod is gone: nothing is promised to it any more. */
  forget(pod: Pod): void {
    this.#nominations.remove(pod);
  }

  /** Work in the background, awaited at the end. */
  #run(work: Promise<void>): void {
    const running = work.finally(() => this.#background.delete(running));
    this.#background.add(running);
  }

  async #place(queued: QueuedPod, info: PodInfo, placement: Placement): Promise<void> {
    const { cache, pods, queue, recorder } = this.#parts;
    const { pod } = queued;
    const node = placement.node.name;
    cache.assume(info, node);
    let reservations: Reservation[] = [];
    try {
      reservations = placement.reserve();
      for (const reservation of reservations) await reservation.bind(this.#end.signal);
      await bindPod(pods, pod, node);
      const message = `Successfully assigned ${keyOf(pod)} to ${node}`;
      recorder.record(pod, "Normal", "Scheduled", message);
    } catch (thrown) {
      for (const reservation of reservations) reservation.release();
      cache.forget(pod);
      if (this.#end.signal.aborted || isNotFound(thrown) || !this.#parts.current(pod)) return;
      log.warn("binding failed", { pod: keyOf(pod), node, error: messageOf(thrown) });
      queue.addBackoff(queued);
      this.#tell(pod, "SchedulerError", `binding to ${node}: ${messageOf(thrown)}`);
    }
  }

  #tell(pod: Pod, reason: "Unschedulable" | "SchedulerError", message: string): void {
    const { pods, recorder, clock } = this.#parts;
    recorder.record(pod, "Warning", "FailedScheduling", message);
    const telling = tellUnschedulable(pods, pod, reason, message, clock.now());
    this.#run(telling.catch((thrown: unknown) => {
      // The event says the same; the next attempt writes the condition again.
      log.debug("condition not written", { pod: keyOf(pod), error: messageOf(thrown) });
    }));
  }
}
