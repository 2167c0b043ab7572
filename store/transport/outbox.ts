import { PEER_BATCH_BYTES, PEER_QUEUE_BYTES_MAX, PEER_QUEUE_MESSAGES_MAX } from "../limits.ts";
import { type StreamedMessage, messageBytes } from "./codec.ts";

/** Messages waiting for one peer, bounded in number and bytes; taken out in batches. */
export class Outbox {
  #messages: StreamedMessage[] = [];
  #bytes = 0;
  #wake: (() => void) | undefined;

  /** Whether there was room; without it the message is lost, as on any network. */
  push(message: StreamedMessage): boolean {
    const bytes = messageBytes(message);
    const full =
      this.#messages.length >= PEER_QUEUE_MESSAGES_MAX ||
      (this.#bytes > 0 && this.#bytes + bytes > PEER_QUEUE_BYTES_MAX);
    if (full) return false;
    this.#messages.push(message);
    this.#bytes += bytes;
    this.#wake?.();
    return true;
  }

  clear(): void {
    this.#messages = [];
    this.#bytes = 0;
  }

  /** The oldest messages, at least one, up to a batch's size; waits for one until `signal`. */
  async take(signal: AbortSignal): Promise<StreamedMessage[]> {
    if (this.#messages.length === 0 && !signal.aborted) await this.#arrival(signal);
    let bytes = 0;
    let count = 0;
    for (const message of this.#messages) {
      bytes += messageBytes(message);
      if (count > 0 && bytes > PEER_BATCH_BYTES) break;
      count++;
    }
    const batch = this.#messages.splice(0, count);
    for (const message of batch) this.#bytes -= messageBytes(message);
    return batch;
  }

  #arrival(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#wake = undefined;
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#wake = done;
      signal.addEventListener("abort", done, { once: true });
    });
  }
}
