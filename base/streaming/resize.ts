import { RESIZE_BYTES } from "./limits.ts";
import type { TerminalSize } from "./remote-command.ts";

/** Sizes of the client's terminal: passes each on, and the last to a listener that comes late. */
export class ResizeFeed {
  #listener: ((size: TerminalSize) => void) | undefined;
  #last: TerminalSize | undefined;
  #text = "";

  onResize(listener: (size: TerminalSize) => void): void {
    this.#listener = listener;
    if (this.#last) listener(this.#last);
  }

  /** Takes what arrives: objects `{"Width":80,"Height":24}` one after the other. */
  push(chunk: Buffer): void {
    this.#text += chunk.toString("utf8");
    for (;;) {
      const end = this.#text.indexOf("}");
      if (end < 0) break;
      this.#apply(this.#text.slice(0, end + 1));
      this.#text = this.#text.slice(end + 1);
    }
    if (this.#text.length > RESIZE_BYTES) this.#text = "";
  }

  #apply(text: string): void {
    const width = Number(/"Width"\s*:\s*(\d+)/.exec(text)?.[1]);
    const height = Number(/"Height"\s*:\s*(\d+)/.exec(text)?.[1]);
    // Terminals know 16 bits; a size of nothing would only break the program.
    if (!(width > 0 && width < 65_536 && height > 0 && height < 65_536)) return;
    this.#last = { width, height };
    this.#listener?.(this.#last);
  }
}
