import type { Clock, Timer } from "./clock.ts";

/** What much, little and a while are. */
export interface QuietRule {
  readonly much_bytes: number;
  /** Less than this within the while does not count. */
  readonly little_bytes: number;
  readonly while_ms: number;
}

/**
 * Tells when much was done and then hardly anything for a while: what the work left behind is
 * garbage that no later work may come to collect.
 */
export class Quiet {
  readonly #clock: Clock;
  readonly #rule: QuietRule;
  readonly #onQuiet: () => void;
  #bytes = 0;
  /** Since the timer runs. */
  #recent = 0;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(clock: Clock, rule: QuietRule, onQuiet: () => void) {
    this.#clock = clock;
    this.#rule = rule;
    this.#onQuiet = onQuiet;
  }

  /** Work on so many bytes was done. */
  note(bytes: number): void {
    this.#bytes += bytes;
    this.#recent += bytes;
    const waits = this.#timer !== undefined || this.#stopped;
    if (!waits && this.#bytes >= this.#rule.much_bytes) this.#wait();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #wait(): void {
    this.#recent = 0;
    this.#timer = this.#clock.after(this.#rule.while_ms, () => {
      if (this.#recent >= this.#rule.little_bytes) return this.#wait();
      this.#timer = undefined;
      this.#bytes = 0;
      this.#onQuiet();
    });
  }
}
