import { RESIZE_BYTES } from "./limits.ts";

/** Size of a terminal in characters. */
export type TerminalSize = { width: number; height: number };

/** Gives a terminal its size. Must not reject; until what it returns settles, no other is given. */
export type ResizeListener = (size: TerminalSize) => void | Promise<void>;

/**
 * Sizes of the client's terminal: passes each on, and the last to a listener that comes late. A
 * client may send orders faster than they are carried out: only the newest waits.
 */
export class ResizeFeed {
  #listener: ResizeListener | undefined;
  #last: TerminalSize | undefined;
  #text = "";
  #passing = false;

  onResize(listener: ResizeListener): void {
    this.#listener = listener;
    this.#pass();
  }

  /** Takes what arrives: objects `{"Width":80,"Height":24}` one after the other. */
  push(chunk: Buffer): void {
    this.#text += chunk.toString("utf8");
    const end = this.#text.lastIndexOf("}");
    const size = end < 0 ? undefined : lastSize(this.#text.slice(0, end));
    this.#text = this.#text.slice(end + 1);
    if (this.#text.length > RESIZE_BYTES) this.#text = "";
    if (!size) return;
    this.#last = size;
    this.#pass();
  }

  #pass(): void {
    const size = this.#last;
    if (!this.#listener || !size || this.#passing) return;
    const passed = this.#listener(size);
    if (!passed) return;
    this.#passing = true;
    void passed.finally(() => {
      this.#passing = false;
      if (this.#last !== size) this.#pass();
    });
  }
}

/** The last valid size in a text: of several that arrive together only it counts. */
function lastSize(text: string): TerminalSize | undefined {
  const orders = text.slice(-RESIZE_BYTES).split("}");
  return orders.map(sizeOf).findLast((size) => size !== undefined);
}

function sizeOf(text: string): TerminalSize | undefined {
  const width = Number(/"Width"\s*:\s*(\d+)/.exec(text)?.[1]);
  const height = Number(/"Height"\s*:\s*(\d+)/.exec(text)?.[1]);
  // Terminals know 16 bits; a size of nothing would only break the program.
  if (!(width > 0 && width < 65_536 && height > 0 && height < 65_536)) return undefined;
  return { width, height };
}
