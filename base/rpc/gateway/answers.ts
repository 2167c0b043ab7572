import type { ServerResponse } from "node:http";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { RpcError, Status } from "../error.ts";
import {
  STREAM_ANSWERS_BYTES_MAX,
  UNREAD_ANSWERS_BYTES_MAX,
  UNREAD_ANSWERS_TIME_MS,
} from "../limits.ts";

export const JSON_TYPE = { "content-type": "application/json" };

type Unread = { readonly bytes: number; readonly since_ms: number };

/**
 * The answers to single requests that wait for their clients. Beyond UNREAD_ANSWERS_BYTES_MAX large
 * ones are refused, and connections end that have had theirs for UNREAD_ANSWERS_TIME_MS.
 */
export class Answers {
  readonly #clock: Clock;
  /** Answers in the order in which they were sent. */
  readonly #unread = new Map<ServerResponse, Unread>();
  #bytes = 0;
  /** A timer that runs while more wait than may. */
  #look: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Sends the body of an answer. Throws RpcError when too many wait. */
  send(response: ServerResponse, body: string): void {
    const bytes = Buffer.byteLength(body);
    if (bytes > STREAM_ANSWERS_BYTES_MAX && this.#bytes > UNREAD_ANSWERS_BYTES_MAX) {
      throw new RpcError(Status.RESOURCE_EXHAUSTED, "too many answers wait to be read");
    }
    this.#unread.set(response, { bytes, since_ms: this.#clock.monotonic() });
    this.#bytes += bytes;
    response.once("close", () => {
      if (this.#unread.delete(response)) this.#bytes -= bytes;
    });
    response.writeHead(200, JSON_TYPE).end(body);
    this.#endSlow();
  }

  /** Ends the oldest answers that had their time, while too many wait; looks again in time. */
  #endSlow(): void {
    this.#look?.cancel();
    this.#look = undefined;
    const now_ms = this.#clock.monotonic();
    for (const [response, { bytes, since_ms }] of this.#unread) {
      if (this.#bytes <= UNREAD_ANSWERS_BYTES_MAX) return;
      const left_ms = since_ms + UNREAD_ANSWERS_TIME_MS - now_ms;
      if (left_ms > 0) {
        this.#look = this.#clock.after(left_ms, () => this.#endSlow());
        return;
      }
      this.#unread.delete(response);
      this.#bytes -= bytes;
      response.destroy();
    }
  }
}
