import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { type Pauses, pauseAfter } from "@raft2kube/reconcile/backoff.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { type ClusterEvent, type Plugin, priorityOf } from "./framework/plugin.ts";
import { Heap } from "./heap.ts";
import {
  POD_BACKOFF_MS,
  POD_BACKOFF_MS_MAX,
  UNSCHEDULABLE_FLUSH_INTERVAL_MS,
  UNSCHEDULABLE_FLUSH_MS,
} from "./limits.ts";
import { NamespaceTurns } from "./namespace-turns.ts";

const PAUSES: Pauses = { first_ms: POD_BACKOFF_MS, most_ms: POD_BACKOFF_MS_MAX };

/** A pod without a node, and the result of its earlier attempts. */
export interface QueuedPod {
  pod: Pod;
  attempts: number;
  /** When it entered the active queue. */
  queued_ms: number;
  /** The turn of its namespace there; among equal priorities the lowest is popped first. */
  turn: number;
  /** When its back-off ends. */
  ready_ms: number;
  /** The plugins that rejected it in the last attempt. */
  plugins: ReadonlySet<string>;
}

/** A pod enters a queue because of an event. */
export type Incoming = (event: string, queue: "active" | "backoff" | "unschedulable") => void;

type QueueOptions = { clock: Clock; plugins: readonly Plugin[]; incoming?: Incoming };

/**
 * Pods without a node, in upstream's three queues: active (highest priority first, of equal ones
 * each namespace in turn, since one may have thousands of pods that take long), backoff (each
 * failure doubles the pause) and unschedulable (until an event of a plugin that rejected the pod).
 * A scheduler that has no active pod takes those of the backoff queue early, but for those whose
 * attempt ended with an error (upstream's SchedulerPopFromBackoffQ).
 */
export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #plugins: readonly Plugin[];
  readonly #active: Heap<QueuedPod>;
  readonly #turns = new NamespaceTurns();
  readonly #backoff = new Heap(uidOf, isReadyEarlier);
  /** The part of the backoff queue whose attempts ended with an error. */
  readonly #errors = new Heap(uidOf, isReadyEarlier);
  readonly #unschedulable = new Map<string, QueuedPod>();
  /** Unschedulable pods that no event moves yet, with the last event that each missed. */
  readonly #held = new Map<string, string | undefined>();
  #poppers: ((queued: QueuedPod | undefined) => void)[] = [];
  /** Activates the pods whose back-off has ended. */
  readonly #wakes: Runner;
  /** Retries pods after UNSCHEDULABLE_FLUSH_MS without an event, in case an event was missed. */
  readonly #flushes: Runner;
  readonly #incoming: Incoming;
  #closed = false;

  constructor(options: QueueOptions) {
    this.#incoming = options.incoming ?? (() => undefined);
    this.#clock = options.clock;
    this.#plugins = options.plugins;
    this.#active = new Heap(uidOf, (a, b) => {
      const difference = priorityOf(b.pod) - priorityOf(a.pod);
      if (difference !== 0) return difference < 0;
      return a.turn === b.turn ? a.queued_ms < b.queued_ms : a.turn < b.turn;
    });
    const { clock } = options;
    const report = failureLog(logger("scheduler"), "pods that wait are not tried again");
    this.#wakes = new Runner({ clock, run: () => this.#wake(), report });
    const max_ms = UNSCHEDULABLE_FLUSH_INTERVAL_MS;
    this.#flushes = new Runner({ clock, max_ms, run: () => this.#flush(), report });
    this.#flushes.request(max_ms);
  }

  /** Returns the number of pods in each queue. */
  sizes(): { active: number; backoff: number; unschedulable: number } {
    const [active, backoff] = [this.#active.size, this.#backoff.size + this.#errors.size];
    return { active, backoff, unschedulable: this.#unschedulable.size };
  }

  /**
   * Adds a new pod to the active queue. One with a change that may let it fit is retried, after its
   * pause.
   */
  add(pod: Pod): void {
    if (this.#closed) return;
    const uid = pod.metadata.uid ?? "";
    const known = this.#removeFromAll(uid);
    if (known) return this.#retry({ ...known, pod }, "UnscheduledPodUpdate");
    this.#incoming("UnscheduledPodAdd", "active");
    const queued_ms = this.#clock.monotonic();
    this.#activate({ pod, queued_ms, attempts: 0, ready_ms: 0, turn: 0, plugins: new Set() });
  }

  /** Replaces a pod whose change does not affect where it fits. */
  update(pod: Pod): void {
    const uid = pod.metadata.uid ?? "";
    const heaps = [this.#active, this.#backoff, this.#errors];
    for (const known of [...heaps.map((heap) => heap.get(uid)), this.#unschedulable.get(uid)]) {
      if (known) known.pod = pod;
    }
  }

  remove(pod: Pod): void {
    this.#removeFromAll(pod.metadata.uid ?? "");
  }

  /** Keeps a pod that fits on no node until an event of one of `plugins`. */
  addUnschedulable(queued: QueuedPod, plugins: ReadonlySet<string>): void {
    if (this.#closed) return;
    this.#incoming("ScheduleAttemptFailure", "unschedulable");
    this.#unschedulable.set(uidOf(queued), this.#failed(queued, plugins));
  }

  /** Retries a pod after its pause: its attempt failed for another reason than the filters. */
  addBackoff(queued: QueuedPod): void {
    if (this.#closed) return;
    this.#incoming("ScheduleAttemptFailure", "backoff");
    this.#pause(this.#failed(queued, queued.plugins), this.#errors);
  }

  /** Retries a pod after its pause if it waits for an event: what it waits for will not come. */
  retry(pod: Pod): void {
    const waiting = this.#unschedulable.get(pod.metadata.uid ?? "");
    if (waiting === undefined) return;
    this.#unschedulable.delete(uidOf(waiting));
    this.#incoming("ScheduleAttemptFailure", "backoff");
    this.#pause(waiting, this.#errors);
  }

  /**
   * Keeps an unschedulable pod from events until the returned function is called, which retries it
   * if there was one: preemption for it is under way (upstream's gate of SchedulerAsyncPreemption).
   */
  hold(pod: Pod): () => void {
    const { uid = "" } = pod.metadata;
    this.#held.set(uid, undefined);
    return () => {
      const missed = this.#held.get(uid);
      this.#held.delete(uid);
      const waiting = this.#unschedulable.get(uid);
      if (waiting && missed !== undefined) this.#retry(waiting, missed);
    };
  }

  /** Retries, after their pause, the pods rejected by a plugin that registered the event. */
  moveAllToActiveOrBackoff(event: ClusterEvent): void {
    const registered = this.#plugins.filter((plugin) => plugin.events.includes(event));
    for (const queued of this.#unschedulable.values()) {
      if (!registered.some((plugin) => queued.plugins.has(plugin.name))) continue;
      this.#retry(queued, event);
    }
  }

  /** Removes and returns the next active pod; waits for one. Undefined once closed. */
  pop(): Promise<QueuedPod | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    const next = this.#popActive() ?? this.#backoff.pop();
    if (next) return Promise.resolve(next);
    return new Promise((resolve) => this.#poppers.push(resolve));
  }

  close(): void {
    this.#closed = true;
    void this.#wakes.close();
    void this.#flushes.close();
    for (const popper of this.#poppers.splice(0)) popper(undefined);
  }

  #failed(queued: QueuedPod, plugins: ReadonlySet<string>): QueuedPod {
    const attempts = queued.attempts + 1;
    const ready_ms = this.#clock.monotonic() + pauseAfter(attempts, PAUSES);
    return { ...queued, attempts, ready_ms, plugins };
  }

  #removeFromAll(uid: string): QueuedPod | undefined {
    const waiting = this.#unschedulable.get(uid);
    this.#unschedulable.delete(uid);
    const paused = this.#backoff.remove(uid) ?? this.#errors.remove(uid);
    const active = this.#active.remove(uid);
    if (active) this.#turns.leave(active.pod);
    return active ?? paused ?? waiting;
  }

  #activate(queued: QueuedPod): void {
    const popper = this.#poppers.shift();
    if (popper) return popper(queued);
    this.#active.push({ ...queued, turn: this.#turns.enter(queued.pod) });
  }

  #popActive(): QueuedPod | undefined {
    const next = this.#active.pop();
    if (next) this.#turns.pop(next.pod, next.turn);
    return next;
  }

  /** Retries an unschedulable pod because of an event, now or when it is not held any more. */
  #retry(queued: QueuedPod, event: string): void {
    const uid = uidOf(queued);
    if (this.#held.has(uid)) {
      this.#held.set(uid, event);
      this.#unschedulable.set(uid, queued);
      return;
    }
    this.#unschedulable.delete(uid);
    const isReady = queued.ready_ms <= this.#clock.monotonic();
    this.#incoming(event, isReady ? "active" : "backoff");
    if (isReady || this.#poppers.length > 0) {
      return this.#activate({ ...queued, queued_ms: this.#clock.monotonic() });
    }
    this.#pause(queued, this.#backoff);
  }

  #pause(queued: QueuedPod, heap: Heap<QueuedPod>): void {
    heap.push(queued);
    this.#wakes.request(queued.ready_ms - this.#clock.monotonic());
  }

  /** Returns the pause until the next back-off ends. */
  #wake(): number {
    const now_ms = this.#clock.monotonic();
    let pause_ms = Infinity;
    for (const heap of [this.#backoff, this.#errors]) {
      for (let next = heap.peek(); next; next = heap.peek()) {
        if (next.ready_ms > now_ms) {
          pause_ms = Math.min(pause_ms, next.ready_ms - now_ms);
          break;
        }
        heap.pop();
        this.#incoming("BackoffComplete", "active");
        this.#activate({ ...next, queued_ms: now_ms });
      }
    }
    return pause_ms;
  }

  #flush(): void {
    const limit_ms = this.#clock.monotonic() - UNSCHEDULABLE_FLUSH_MS;
    for (const queued of this.#unschedulable.values()) {
      if (queued.queued_ms <= limit_ms) this.#retry(queued, "UnschedulableTimeout");
    }
  }
}

const isReadyEarlier = (a: QueuedPod, b: QueuedPod): boolean => a.ready_ms < b.ready_ms;

const uidOf = (queued: QueuedPod): string => queued.pod.metadata.uid ?? "";
