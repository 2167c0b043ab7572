import type { Backend, Losses, Sink } from "./sink.ts";

/**
 * Writes each event before its request goes on. Events that come while others are written are
 * written together after them.
 */
export class Blocking implements Backend {
  readonly #sink: Sink;
  readonly #losses: Losses;
  #next: { readonly events: string[]; readonly written: Promise<void> } | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(sink: Sink, losses: Losses) {
    this.#sink = sink;
    this.#losses = losses;
  }

  async take(event: string): Promise<void> {
    if (this.#next !== undefined) {
      this.#next.events.push(event);
      return await this.#next.written;
    }
    const events = [event];
    const written = this.#last.then(() => this.#write(events));
    this.#next = { events, written };
    this.#last = written.catch(() => undefined);
    await written;
  }

  async #write(events: readonly string[]): Promise<void> {
    this.#next = undefined;
    try {
      await this.#sink.write(events);
      this.#losses.written();
    } catch (thrown) {
      this.#losses.lost(events.length, thrown);
      throw thrown;
    }
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#sink.close();
  }
}
