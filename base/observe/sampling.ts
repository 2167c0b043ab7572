import { SAME_LINES_BEFORE_SAMPLING, SAMPLED_MESSAGES_MAX, SAMPLED_ONE_IN } from "./limits.ts";

const SECOND_ms = 1_000;

/**
 * Selects which of many equal messages are written, which bounds their cost: the first hundred in a
 * second, then one in a hundred, as etcd and kube-apiserver do (zap's sampler).
 */
export class Sampler {
  #second = Number.NEGATIVE_INFINITY;
  readonly #seen = new Map<string, { count: number; leftOut: number }>();

  /**
   * Returns undefined if a line of this message is not written at `now_ms`; else `leftOut`, the
   * number of lines left out since the last written one.
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

  /** The next line of a message reports the number left out, also in a later second. */
  #turnTo(second: number): void {
    this.#second = second;
    for (const [message, seen] of this.#seen) {
      if (seen.leftOut === 0) this.#seen.delete(message);
      else seen.count = 0;
    }
  }
}
