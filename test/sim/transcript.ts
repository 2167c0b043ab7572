import type { Message } from "@raft2kube/store/core/message.ts";
import { describeMessage } from "../../testing/raft/describe.ts";

export interface TranscriptLine {
  at_ms: number;
  /** The member that acts; undefined for the world. */
  member: bigint | undefined;
  text: string;
}

export type TranscriptMessage = { sent_ms: number; arrived_ms: number; message: Message };

const LINES_MAX = 20_000;

/** The last events of a run, line by line. */
export class Transcript {
  readonly wanted: boolean;
  lines: TranscriptLine[] = [];
  messages: TranscriptMessage[] = [];
  readonly #now: () => number;

  constructor(wanted: boolean, now: () => number) {
    this.wanted = wanted;
    this.#now = now;
  }

  record(member: bigint | undefined, text: () => string): void {
    if (!this.wanted) return;
    this.lines.push({ at_ms: this.#now(), member, text: text() });
    if (this.lines.length > 2 * LINES_MAX) this.lines = this.lines.slice(-LINES_MAX);
  }

  arrived(message: Message, sent_ms: number): void {
    if (!this.wanted) return;
    this.messages.push({ sent_ms, arrived_ms: this.#now(), message });
    if (this.messages.length > 2 * LINES_MAX) this.messages = this.messages.slice(-LINES_MAX);
    this.record(message.to, () => `got ${describeMessage(message)}`);
  }

  /** The last `count` lines as text. */
  print(count: number): string[] {
    return this.lines.slice(-count).map(({ at_ms, member, text }) => {
      const column = member === undefined ? "      " : `   ${String(member).padStart(2)} `;
      const shown = text.replace(/[^\x20-\x7e\n]+/g, "·");
      return `${at_ms.toFixed(2).padStart(10)}${column}  ${shown}`;
    });
  }
}
