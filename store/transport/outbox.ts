import { PEER_BATCH_BYTES, PEER_QUEUE_BYTES_MAX, PEER_QUEUE_MESSAGES_MAX } from "../limits.ts";
import { messageBytes, type StreamedMessage } from "./codec.ts";
import { combine } from "./combine.ts";

/**
 * Messages waiting for one peer, bounded in number and bytes; taken out in batches. Consecutive
 * messages that one can replace are combined.
 */
export class Outbox {
  #messages: StreamedMessage[] = [];
  #bytes = 0;
  #waiting: (() => void) | undefined;

  /** Returns whether the message fit; otherwise it is lost, as on any network. */
  push(message: StreamedMessage): boolean {
    const bytes = messageBytes(message);
    const full =
      this.#messages.length >= PEER_QUEUE_MESSAGES_MAX ||
      (this.#bytes > 0 && this.#bytes + bytes > PEER_QUEUE_BYTES_MAX);
    if (full) return false;
    const last = this.#messages.at(-1);
    const combined = last && combine(last, message);
    if (combined) {
      this.#bytes += messageBytes(combined) - messageBytes(last);
      this.#messages[this.#messages.length - 1] = combined;
    } else {
      this.#messages.push(message);
      this.#bytes += bytes;
    }
    this.wake();
    return true;
  }

  clear(): void {
    this.#messages = [];
    this.#bytes = 0;
  }

  /** The oldest messages, up to a batch's size; waits for one, or for `wake`: then none. */
  async take(): Promise<StreamedMessage[]> {
    if (this.#messages.length === 0) {
      await new Promise<void>((resolve) => (this.#waiting = resolve));
    }
    let bytes = 0;
    let count = 0;
    for (const message of this.#messages) {
      const size = messageBytes(message);
      if (count > 0 && bytes + size > PEER_BATCH_BYTES) break;
      bytes += size;
      count++;
    }
    this.#bytes -= bytes;
    return this.#messages.splice(0, count);
  }

  /** Wakes the reader that waits for a message. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }
}
