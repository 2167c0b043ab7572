import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay, resultWithin } from "@raft2kube/std/wait.ts";
import {
  STATS_STORAGE_AT_ONCE_MAX,
  STATS_STORAGE_MS,
  STATS_STORAGE_TURN_MS,
  STATS_STORAGE_WAIT_MS,
  STORAGE_REST,
} from "../limits.ts";
import { fullNameOf, uidOf } from "../pods/pod-identity.ts";

export interface MeasurementsOptions<T> {
  clock: Clock;
  /** The node's pods, running or not. */
  workers: { list(): readonly { pod: Pod }[] };
  measure(pod: Pod): Promise<T>;
}

type Entry<T> = { last: T | undefined; due_ms: number; measuring: Promise<void> | undefined };

/**
 * Measures pods for statistics, at most every STATS_STORAGE_MS, and less often where it takes long:
 * pods decide how many files they have, and drivers how long they take. A pod that is not running
 * keeps its rest: it may crash and restart between two requests.
 */
export class Measurements<T> {
  readonly #options: MeasurementsOptions<T>;
  readonly #pods = new Map<string, Entry<T>>();
  #atOnce = 0;
  /** Measurements that wait for their turn: at most one of each pod. */
  readonly #waiting: (() => void)[] = [];

  constructor(options: MeasurementsOptions<T>) {
    this.#options = options;
  }

  /**
   * Returns the measurements of these pods by UID. Waits at most STATS_STORAGE_WAIT_MS: for a pod
   * whose measurement takes longer, returns the previous one, if any.
   */
  async of(pods: Pod[]): Promise<Map<string, T>> {
    const { clock } = this.#options;
    this.#dropGone();
    const measuring = Promise.all(pods.map((pod) => this.#measured(pod)));
    await resultWithin(clock, measuring, STATS_STORAGE_WAIT_MS);
    return new Map(
      pods.map(uidOf).flatMap((uid) => {
        const last = this.#pods.get(uid)?.last;
        return last === undefined ? [] : [[uid, last]];
      }),
    );
  }

  #dropGone(): void {
    const uids = new Set(this.#options.workers.list().map(({ pod }) => uidOf(pod)));
    for (const [uid, { measuring }] of this.#pods) {
      if (!uids.has(uid) && !measuring) this.#pods.delete(uid);
    }
  }

  #measured(pod: Pod): Promise<void> | undefined {
    const uid = uidOf(pod);
    const entry = this.#pods.get(uid) ?? { last: undefined, due_ms: 0, measuring: undefined };
    this.#pods.set(uid, entry);
    if (!entry.measuring && this.#options.clock.monotonic() >= entry.due_ms) {
      entry.measuring = this.#inTurn(pod, entry);
    }
    return entry.measuring;
  }

  /** A measurement that takes long keeps running, and lets the next one start. */
  async #inTurn(pod: Pod, entry: Entry<T>): Promise<void> {
    if (this.#atOnce < STATS_STORAGE_AT_ONCE_MAX) this.#atOnce++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const ended = new AbortController();
    const measuring = this.#measure(pod, entry).then(() => ended.abort());
    await delay(this.#options.clock, STATS_STORAGE_TURN_MS, ended.signal);
    const next = this.#waiting.shift();
    if (next) next();
    else this.#atOnce--;
    await measuring;
    entry.measuring = undefined;
  }

  /**
   * Measures a pod, and never rejects: one that cannot be measured keeps its previous measurement.
   */
  async #measure(pod: Pod, entry: Entry<T>): Promise<void> {
    const { clock, measure } = this.#options;
    const begun_ms = clock.monotonic();
    try {
      entry.last = await measure(pod);
    } catch (thrown) {
      const fields = { pod: fullNameOf(pod), error: messageOf(thrown) };
      log.warn("a pod's storage could not be measured", fields);
    } finally {
      const ended_ms = clock.monotonic();
      const rest_ms = Math.max(STATS_STORAGE_MS, (ended_ms - begun_ms) * STORAGE_REST);
      entry.due_ms = ended_ms + rest_ms;
    }
  }
}

const log = logger("kubelet-stats");
