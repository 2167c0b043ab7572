import { SAME_LINES_BEFORE_SAMPLING, SAMPLED_MESSAGES_MAX, SAMPLED_ONE_IN } from "./limits.ts";

const SECOND_ms = 1_000;

/**
 * Decides which of many equal messages are written, so that a flood of them costs neither the disk
 * nor the one who logs: the first hundred in a second, then one in a hundred. It is what etcd and
 * kube-apiserver do (zap's sampler).
 */
export class Sampler {
  #second = Number.NEGATIVE_INFINITY;
  readonly #seen = new Map<string, { count: number; leftOut: number }>();

  /**
   * Whether a line of this message is written at `now_ms`; if it is, `leftOut` is how many were not
   * since the last one that was.
   */
  admit(message: string, now_ms: number): { readonly leftOut: number } | undefined {
    const second = Math.floor(now_ms / SECOND_ms);
    if (second !== this.#second) this.#turnTo(second);
    const seen = this.#seen.get(message);
    if (!seen) {
      if (this.#seen.size < SAMPLED_MESSAGES_MAX) this.#seen.set(message, { count: 1, leftOut: 0 });
      return { leftOut: 0 };
    }
    seen.count++;
    const beyond = seen.count - SAME_LINES_BEFORE_SAMPLING;
    if (beyond > 0 && beyond % SAMPLED_ONE_IN !== 0) {
      seen.leftOut++;
      return undefined;
    }
    const { leftOut } = seen;
    seen.leftOut = 0;
    return { leftOut };
  }

  /** What was left out is told by the next line of its message, in whichever second that comes. */
  #turnTo(second: number): void {
    this.#second = second;
    for (const [message, seen] of this.#seen) {
      if (seen.leftOut === 0) this.#seen.delete(message);
      else seen.count = 0;
    }
  }
}
