import type { Readable, Writable } from "node:stream";
import type { ResizeListener } from "./resize.ts";
import type { Outcome } from "./status.ts";

/** The options of exec or attach. With a terminal there is no separate `stderr`. */
export type CommandStreams = { stdin: boolean; stdout: boolean; stderr: boolean; tty: boolean };

/** A client's end of a command. */
export interface CommandClient {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  /** Aborts when the client has gone. */
  readonly gone: AbortSignal;
  /**
   * Calls `listener` with each size of the client's terminal from now on, and the last one known.
   */
  onResize(listener: ResizeListener): void;
}

/** A client that is elsewhere, over any of the protocols. */
export interface RemoteCommand extends CommandClient {
  /** Reports how the command ended, sends the remaining output, and closes. */
  finish(outcome: Outcome): Promise<void>;
}
