import { logger } from "@raft2kube/observe/log.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { asError, CodedError, remedyOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";

/** Something started that can be ended. */
export interface Closable {
  /** Ends the part; `hurried`: without serving on for clients that could go elsewhere. */
  close(hurried?: boolean): Promise<void>;
}

/**
 * How long a part may take to end: one that waits for what never comes, such as a program that the
 * kernel does not let end, would keep a process that ends to be started again from that.
 */
export const PART_CLOSE_MS_MAX = 180_000;

/** Parts that were started one after the other, and end in the opposite order. */
export class Parts implements Closable {
  readonly #clock: Clock;
  #started: { name: string; part: Closable }[] = [];

  constructor(clock: Clock = systemClock()) {
    this.#clock = clock;
  }

  /** Starts a part and keeps it; its failure carries its name. */
  async start<T extends Closable>(name: string, start: () => Promise<T>): Promise<T> {
    try {
      return this.keep(name, await start());
    } catch (cause) {
      const error = asError(cause);
      const options = { cause, ...given({ remedy: remedyOf(cause) }) };
      throw new CodedError("PART", `${name} did not start: ${error.message}`, options);
    }
  }

  /** Keeps a part that was started, and returns it. */
  keep<T extends Closable>(name: string, part: T): T {
    this.#started.push({ name, part });
    return part;
  }

  async close(hurried = false): Promise<void> {
    for (const { name, part } of this.#started.splice(0).reverse()) {
      try {
        const closed = part.close(hurried).then(() => true);
        if (await resultWithin(this.#clock, closed, PART_CLOSE_MS_MAX, () => false)) continue;
        logger("process").error(`${name} did not close in time, it is left`);
      } catch (thrown) {
        logger("process").error(`${name} did not close well`, { err: asError(thrown) });
      }
    }
  }
}
