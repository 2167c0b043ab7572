import { logger } from "@raft2kube/observe/log.ts";
import { asError, CodedError, remedyOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";

/** Something started that can be ended. */
export interface Closable {
  /** Ends the part; `hurried`: without serving on for clients that could go elsewhere. */
  close(hurried?: boolean): Promise<void>;
}

/** Parts that were started one after the other, and end in the opposite order. */
export class Parts implements Closable {
  #started: { name: string; part: Closable }[] = [];

  /** Starts a part and keeps it; its failure carries its name. */
  async start<T extends Closable>(name: string, start: () => Promise<T>): Promise<T> {
    try {
      const part = await start();
      this.#started.push({ name, part });
      return part;
    } catch (cause) {
      const error = asError(cause);
      const options = { cause, ...given({ remedy: remedyOf(cause) }) };
      throw new CodedError("PART", `${name} did not start: ${error.message}`, options);
    }
  }

  async close(hurried = false): Promise<void> {
    for (const { name, part } of this.#started.splice(0).reverse()) {
      try {
        await part.close(hurried);
      } catch (thrown) {
        logger("process").error(`${name} did not close well`, { err: asError(thrown) });
      }
    }
  }
}
