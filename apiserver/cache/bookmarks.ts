import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { BOOKMARK_INTERVAL_MS } from "../limits.ts";
import type { Registry } from "../resource/resources.ts";

/**
 * Tells watchers from time to time how far they are, so that one who reconnects need not list
 * again.
 */
export class Bookmarks {
  readonly #registry: Registry;
  readonly #clock: Clock;
  #timer: Timer;

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
    this.#timer = this.#schedule();
  }

  #schedule(): Timer {
    return this.#clock.after(BOOKMARK_INTERVAL_MS, () => {
      for (const resource of this.#registry.all()) resource.startedCache?.bookmarkAll();
      this.#timer = this.#schedule();
    });
  }

  close(): void {
    this.#timer.cancel();
  }
}
