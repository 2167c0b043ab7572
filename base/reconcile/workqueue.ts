import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { ActiveKeys } from "./active-keys.ts";
import { type Pauses, pauseAfter } from "./backoff.ts";
import { KeysInTurn } from "./keys-in-turn.ts";
import { QUEUE_BACKOFF_MS, QUEUE_BACKOFF_MS_MAX, QUEUE_KEYS_MAX } from "./limits.ts";

const PAUSES: Pauses = { first_ms: QUEUE_BACKOFF_MS, most_ms: QUEUE_BACKOFF_MS_MAX };

/** Follows the keys of a queue. */
export interface QueueObserver {
  /** A key is to be looked at, which it was not before. */
  added(key: string): void;
  /** A worker has it. */
  taken(key: string): void;
  /** The worker is finished with it. */
  done(key: string): void;
  /** A key is to come after a delay. */
  delayed(): void;
}

export interface WorkQueueOptions {
  clock: Clock;
  observer?: QueueObserver | undefined;
  /** Pauses after a key's failures. */
  pauses?: Pauses;
  keys_max?: number;
  /** Workers that take keys; namespaces share them: see `ActiveKeys`. By default one, with all. */
  workers?: number;
}

/**
 * Keys to look at, each at most once in the queue and by one worker at a time: a key added while it
 * is being worked on comes again after `done`. Namespaces take turns, and share the workers. The
 * contract of client-go's rate-limiting queue.
 */
export class WorkQueue {
  readonly workers: number;
  readonly #clock: Clock;
  readonly #pauses: Pauses;
  readonly #keys_max: number;
  readonly #observer: QueueObserver | undefined;
  readonly #waiting = new KeysInTurn((namespace) => this.#active.mayHave(namespace));
  readonly #active: ActiveKeys;
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { at_ms: number; timer: Timer }>();
  readonly #failures = new Map<string, number>();
  #takers: ((key: string | undefined) => void)[] = [];
  #closed = false;

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#observer = options.observer;
    this.#pauses = options.pauses ?? PAUSES;
    this.#keys_max = options.keys_max ?? QUEUE_KEYS_MAX;
    this.workers = options.workers ?? 1;
    this.#active = new ActiveKeys(options.workers ?? Infinity);
  }

  /** Keys ready to be taken. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Adds a key now. Fails with `QueueFull` above the bound: the program is then not keeping up. */
  add(key: string): void {
    // lab:08 begin add
    if (this.#closed || this.#waiting.has(key)) return;
    if (this.#again.has(key)) return;
    this.#observer?.added(key);
    if (this.#active.has(key)) this.#again.add(key);
    else this.#hand(key);
    // lab:08 end
  }

  /** Keeps a key until a worker that its namespace may have waits. */
  #hand(key: string): void {
    if (this.#waiting.size >= this.#keys_max) {
      throw new CodedError("QueueFull", `a work queue holds ${this.#keys_max} keys already`);
    }
    this.#waiting.add(key);
    this.#wake();
  }

  /**
   * Gives keys to workers that wait. Invariant: while a worker waits, no key does whose namespace
   * may have it.
   */
  #wake(): void {
    while (this.#takers.length > 0) {
      const key = this.#waiting.shift();
      if (key === undefined) return;
      this.#begin(key);
      this.#takers.shift()!(key);
    }
  }

  /** A delay that was asked for before is past: the worker says when the key is to come again. */
  #begin(key: string): void {
    this.#observer?.taken(key);
    this.#active.add(key);
    this.#delayed.get(key)?.timer.cancel();
    this.#delayed.delete(key);
  }

  /**
   * Adds a key after a delay, or now if it is 0 or less; an earlier time for the same key wins. The
   * observer gets every call, unless the queue is closed: then nothing is added.
   */
  addAfter(key: string, delay_ms: number): void {
    // lab:08 begin add-after
    if (this.#closed) return;
    this.#observer?.delayed();
    if (delay_ms <= 0) return this.add(key);
    const at_ms = this.#clock.monotonic() + delay_ms;
    const delayed = this.#delayed.get(key);
    if (delayed && delayed.at_ms <= at_ms) return;
    delayed?.timer.cancel();
    const timer = this.#clock.after(delay_ms, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { at_ms, timer });
    // lab:08 end
  }

  /** Adds a key that failed, after a pause that doubles with each failure until `forget`. */
  addRateLimited(key: string): void {
    // lab:08 begin add-rate-limited
    const failures = this.failures(key) + 1;
    this.#failures.set(key, failures);
    this.addAfter(key, pauseAfter(failures, this.#pauses));
    // lab:08 end
  }

  /** How often a key has failed since it was last forgotten. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The key succeeded: its next failure is followed by the first pause. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The next key, waiting for one if need be; undefined when the queue is closed. */
  take(): Promise<string | undefined> {
    // lab:08 begin take
    if (this.#closed) return Promise.resolve(undefined);
    const key = this.#waiting.shift();
    if (key !== undefined) {
      this.#begin(key);
      return Promise.resolve(key);
    }
    return new Promise((resolve) => this.#takers.push(resolve));
    // lab:08 end
  }

  /** The worker is finished with a key it took. */
  done(key: string): void {
    // lab:08 begin done
    this.#observer?.done(key);
    this.#active.delete(key);
    if (this.#again.delete(key) && !this.#closed) this.#hand(key);
    // lab:08 end
    this.#wake();
  }

  /** Nothing more comes out; workers that wait get undefined, delays are dropped. */
  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    this.#again.clear();
    for (const { timer } of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }
}
