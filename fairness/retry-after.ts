import { RETRY_AFTER_S_MAX } from "./limits.ts";

/**
 * How long refused clients of one level are asked to wait: twice as long when many were refused
 * since that was said, a second less when few were (upstream: droppedRequestsTracker).
 */
export class RetryAfter {
  /** Seconds and how many requests were refused in them, the oldest first. */
  #history: { second: number; refused: number }[] = [];
  #raised = 0;
  seconds = 1;

  /** Counts a refusal. */
  refused(now_ms: number): void {
    const second = Math.floor(now_ms / 1_000);
    const last = this.#history.at(-1);
    if (last?.second === second) {
      last.refused++;
      return;
    }
    this.#adjust(second);
    this.#history = this.#history.filter((each) => second - each.second <= RETRY_AFTER_S_MAX);
    this.#history.push({ second, refused: 1 });
  }

  #adjust(second: number): void {
    const recent = this.#history
      .filter((each) => second - each.second <= this.seconds)
      .reduce((sum, { refused }) => sum + refused, 0);
    if (second - this.#raised >= this.seconds && recent >= 3 * this.seconds) {
      this.seconds = Math.min(2 * this.seconds, RETRY_AFTER_S_MAX);
      this.#raised = second;
    } else if (recent < this.seconds && this.seconds > 1) this.seconds--;
  }
}
