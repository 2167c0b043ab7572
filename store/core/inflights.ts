import { assert } from "@raft2kube/std/assert.ts";

/**
 * Appends sent and not yet answered, bounded in number and in bytes: the window of one follower.
 */
export class Inflights {
  readonly #messages_max: number;
  readonly #bytes_max: number;
  #sent: { lastIndex: number; bytes: number }[] = [];
  #bytes = 0;

  constructor(messages_max: number, bytes_max: number) {
    this.#messages_max = messages_max;
    this.#bytes_max = bytes_max;
  }

  get count(): number {
    return this.#sent.length;
  }

  get full(): boolean {
    return this.#sent.length >= this.#messages_max || this.#bytes >= this.#bytes_max;
  }

  add(lastIndex: number, bytes: number): void {
    assert(!this.full, "an append was sent into a full window");
    this.#sent.push({ lastIndex, bytes });
    this.#bytes += bytes;
  }

  /** The follower has everything up to `index`. */
  freeTo(index: number): void {
    let freed = 0;
    while (freed < this.#sent.length && this.#sent[freed]!.lastIndex <= index) {
      this.#bytes -= this.#sent[freed]!.bytes;
      freed++;
    }
    if (freed > 0) this.#sent.splice(0, freed);
  }

  reset(): void {
    this.#sent = [];
    this.#bytes = 0;
  }
}
