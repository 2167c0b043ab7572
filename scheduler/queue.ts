import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { type ClusterEvent, type Plugin, priorityOf } from "./framework.ts";
import { Heap } from "./heap.ts";
import {
  POD_BACKOFF_MAX_MS,
  POD_BACKOFF_MS,
  UNSCHEDULABLE_FLUSH_MS,
  UNSCHEDULABLE_LOOK_MS,
} from "./limits.ts";

/** A pod without a node, and how it fared so far. */
export interface QueuedPod {
  pod: Pod;
  attempts: number;
  /** When it came into the active queue; of equal priority the earlier goes first. */
  queued_ms: number;
  /** When its back-off ends. */
  ready_ms: number;
  /** The plugins that turned it down last. */
  plugins: ReadonlySet<string>;
}

/**
 * Pods waiting for a node: active (highest priority first), backing off (each failure doubles the
 * pause), and unschedulable (waiting for a change that one of the plugins which refused it names).
 */
export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #plugins: readonly Plugin[];
  readonly #active: Heap<QueuedPod>;
  readonly #backoff: Heap<QueuedPod>;
  readonly #unschedulable = new Map<string, QueuedPod>();
  #takers: ((queued: QueuedPod | undefined) => void)[] = [];
  #wake: Timer | undefined;
  #look: Timer | undefined;
  #closed = false;

  constructor(options: { clock: Clock; plugins: readonly Plugin[] }) {
    this.#clock = options.clock;
    this.#plugins = options.plugins;
    this.#active = new Heap(uidOf, (a, b) => {
      const difference = priorityOf(b.pod) - priorityOf(a.pod);
      return difference === 0 ? a.queued_ms < b.queued_ms : difference < 0;
    });
    this.#backoff = new Heap(uidOf, (a, b) => a.ready_ms < b.ready_ms);
    this.#lookLater();
  }

  /** Pods in each of the three places. */
  sizes(): { active: number; backoff: number; unschedulable: number } {
    const [active, backoff] = [this.#active.size, this.#backoff.size];
    return { active, backoff, unschedulable: this.#unschedulable.size };
  }

  /** A pod that has never been tried, or was changed in a way that may let it fit. */
  add(pod: Pod): void {
    if (this.#closed) return;
    const known = this.#take(pod.metadata.uid ?? "");
    const now_ms = this.#clock.monotonic();
    const fresh = { attempts: 0, ready_ms: 0, plugins: new Set<string>() };
    this.#activate({ ...fresh, ...known, pod, queued_ms: now_ms });
  }

  /** A newer state of a pod that changes nothing about where it fits. */
  refresh(pod: Pod): void {
    const uid = pod.metadata.uid ?? "";
    const known = this.#active.get(uid) ?? this.#backoff.get(uid) ?? this.#unschedulable.get(uid);
    if (known) known.pod = pod;
  }

  remove(pod: Pod): void {
    this.#take(pod.metadata.uid ?? "");
  }

  /** A pod that was tried and fits nowhere: it waits for an event that its plugins name. */
  addUnschedulable(queued: QueuedPod, plugins: ReadonlySet<string>): void {
    if (this.#closed) return;
    this.#unschedulable.set(uidOf(queued), this.#failed(queued, plugins));
  }

  /** A pod that failed for a reason that will pass by itself: it is tried again after its pause. */
  addBackoff(queued: QueuedPod): void {
    if (this.#closed) return;
    this.#backOff(this.#failed(queued, queued.plugins));
  }

  /** Something changed in the cluster: pods that it may help are tried again, after their pause. */
  moveOn(event: ClusterEvent): void {
    const interested = this.#plugins.filter((plugin) => plugin.events.includes(event));
    for (const [uid, queued] of this.#unschedulable) {
      if (!interested.some((plugin) => queued.plugins.has(plugin.name))) continue;
      this.#unschedulable.delete(uid);
      this.#backOff(queued);
    }
  }

  /** The next pod to try, waiting for one if need be; undefined when the queue is closed. */
  pop(): Promise<QueuedPod | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    const next = this.#active.pop();
    if (next) return Promise.resolve(next);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  close(): void {
    this.#closed = true;
    this.#wake?.cancel();
    this.#look?.cancel();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  #failed(queued: QueuedPod, plugins: ReadonlySet<string>): QueuedPod {
    const attempts = queued.attempts + 1;
    const doubled_ms = POD_BACKOFF_MS * 2 ** Math.min(attempts - 1, 20);
    const ready_ms = this.#clock.monotonic() + Math.min(POD_BACKOFF_MAX_MS, doubled_ms);
    return { ...queued, attempts, ready_ms, plugins };
  }

  #take(uid: string): QueuedPod | undefined {
    const waiting = this.#unschedulable.get(uid);
    this.#unschedulable.delete(uid);
    return this.#active.remove(uid) ?? this.#backoff.remove(uid) ?? waiting;
  }

  #activate(queued: QueuedPod): void {
    const taker = this.#takers.shift();
    if (taker) taker(queued);
    else this.#active.push(queued);
  }

  #backOff(queued: QueuedPod): void {
    if (queued.ready_ms <= this.#clock.monotonic()) {
      return this.#activate({ ...queued, queued_ms: this.#clock.monotonic() });
    }
    this.#backoff.push(queued);
    this.#wakeAtNext();
  }

  #wakeAtNext(): void {
    this.#wake?.cancel();
    const next = this.#backoff.peek();
    if (!next || this.#closed) return;
    const pause_ms = Math.max(0, next.ready_ms - this.#clock.monotonic());
    this.#wake = this.#clock.after(pause_ms, () => {
      const now_ms = this.#clock.monotonic();
      for (;;) {
        const due = this.#backoff.peek();
        if (!due || due.ready_ms > now_ms) break;
        this.#backoff.pop();
        this.#activate({ ...due, queued_ms: now_ms });
      }
      this.#wakeAtNext();
    });
  }

  /** No rule about events is complete: what waits for too long is tried once more. */
  #lookLater(): void {
    this.#look = this.#clock.after(UNSCHEDULABLE_LOOK_MS, () => {
      const limit_ms = this.#clock.monotonic() - UNSCHEDULABLE_FLUSH_MS;
      for (const [uid, queued] of this.#unschedulable) {
        if (queued.queued_ms > limit_ms) continue;
        this.#unschedulable.delete(uid);
        this.#backOff(queued);
      }
      this.#lookLater();
    });
  }
}

function uidOf(queued: QueuedPod): string {
  return queued.pod.metadata.uid ?? "";
}
