import { tooMany } from "@raft2kube/apimachinery/errors/catalog.ts";
import { ANSWERS_BYTES_MAX, ANSWER_SMALL_BYTES } from "../../limits.ts";

interface Waiting {
  readonly bytes: number;
  readonly go: () => void;
}

/**
 * Bounds the bytes of large responses in memory: a response is built when the budget has room for
 * it, in order of arrival. The queue is bounded by the requests in flight.
 */
export class ResponseBudget {
  readonly #bytes_max: number;
  #taken_bytes = 0;
  #waiting: Waiting[] = [];

  constructor(bytes_max = ANSWERS_BYTES_MAX) {
    this.#bytes_max = bytes_max;
  }

  /** Bytes of the answers that are being made or sent. */
  get bytes(): number {
    return this.#taken_bytes;
  }

  /** Waits for room; returns how to give it back. One larger than all there is goes alone. */
  async take(bytes: number, signal: AbortSignal): Promise<() => void> {
    if (bytes <= ANSWER_SMALL_BYTES) return () => undefined;
    if (this.#waiting.length > 0 || !this.#fits(bytes)) await this.#turn(bytes, signal);
    else this.#taken_bytes += bytes;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#taken_bytes -= bytes;
      this.#next();
    };
  }

  #fits(bytes: number): boolean {
    return this.#taken_bytes === 0 || this.#taken_bytes + bytes <= this.#bytes_max;
  }

  #turn(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting = this.#waiting.filter((each) => each !== waiting);
        reject(tooMany());
        this.#next();
      };
      const waiting: Waiting = {
        bytes,
        go: () => {
          signal.removeEventListener("abort", leave);
          this.#taken_bytes += bytes;
          resolve();
        },
      };
      if (signal.aborted) return reject(tooMany());
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(waiting);
    });
  }

  #next(): void {
    while (this.#waiting.length > 0 && this.#fits(this.#waiting[0]!.bytes)) {
      this.#waiting.shift()!.go();
    }
  }
}
