import type { Clock } from "@raft2kube/std/clock.ts";
import { Rotation } from "@raft2kube/std/rotation.ts";
import { READS_OF_TURN } from "../../limits.ts";

/**
 * Runs reads as they come while a turn of the loop has time for them, and the others in later ones,
 * in rotation over their clients: thousands that come together do not hold up Raft.
 */
export class ReadTurns {
  readonly #turns: Rotation;

  constructor(clock: Clock) {
    this.#turns = new Rotation({ ofTurn: READS_OF_TURN, ofOwner: Infinity }, clock);
  }

  /** Runs the part of a read that is done in one turn; resolves or rejects with its result. */
  run<R>(client: string, read: () => R | Promise<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#turns.enter(client, () => {
        try {
          resolve(read());
        } catch (thrown) {
          reject(thrown);
        }
      });
    });
  }
}
