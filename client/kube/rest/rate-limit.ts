import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { FairQueue } from "@raft2kube/std/fair-queue.ts";
import { TokenBucket } from "@raft2kube/std/token-bucket.ts";
import { RATE_WAITERS_MAX } from "../limits.ts";

type Waiter = Pick<PromiseWithResolvers<void>, "resolve" | "reject">;

/**
 * Requests by the tokens of a bucket: `qps` per second, bursts of `burst`. Those that wait go in
 * rotation of their owners, those of one in order: what is to be done for a tenant delays others,
 * and a node's lease, by one request.
 */
export class RateLimit {
  readonly #clock: Clock;
  readonly #qps: number;
  readonly #bucket: TokenBucket;
  readonly #waiters = new FairQueue<Waiter>();
  #timer: Timer | undefined;
  #closed = false;

  constructor({ clock, qps, burst }: { clock: Clock; qps: number; burst: number }) {
    this.#clock = clock;
    this.#qps = qps;
    this.#bucket = new TokenBucket(clock, { capacity: burst, perSecond: qps });
  }

  /**
   * Resolves when a request may be sent. When too many wait already the newest of the owner with
   * most fails with `RateQueueFull`.
   */
  take(owner = ""): Promise<void> {
    if (this.#closed || (this.#waiters.length === 0 && this.#bucket.take())) {
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const left = this.#waiters.pushWithin(RATE_WAITERS_MAX, owner, { resolve, reject });
      const message = `${RATE_WAITERS_MAX} requests wait for the client's bound of ${this.#qps}/s`;
      left?.reject(new CodedError("RateQueueFull", message));
      this.#timer ??= this.#clock.after(this.#bucket.wait_ms, () => this.#release());
    });
  }

  /** Releases all waiters and later requests, to fail on their closed transport. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    while (this.#waiters.length > 0) this.#waiters.shift()!.resolve();
  }

  #release(): void {
    this.#timer = undefined;
    while (this.#waiters.length > 0) {
      if (!this.#bucket.take()) {
        this.#timer = this.#clock.after(this.#bucket.wait_ms, () => this.#release());
        return;
      }
      this.#waiters.shift()!.resolve();
    }
  }
}
