import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { BOOKMARK_INTERVAL_MS } from "../limits.ts";
import type { Resources } from "./resources.ts";

/**
 * Tells watchers from time to time how far they are, so that one who reconnects need not list
 * again.
 */
export class Bookmarks {
  readonly #resources: Resources;
  readonly #clock: Clock;
  #timer: Timer;

  constructor(resources: Resources, clock: Clock) {
    this.#resources = resources;
    this.#clock = clock;
    this.#timer = this.#schedule();
  }

  #schedule(): Timer {
    return this.#clock.after(BOOKMARK_INTERVAL_MS, () => {
      for (const resource of this.#resources.all()) resource.startedCache?.bookmarkAll();
      this.#timer = this.#schedule();
    });
  }

  close(): void {
    this.#timer.cancel();
  }
}
