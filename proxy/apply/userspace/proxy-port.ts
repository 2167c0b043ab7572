import type { Target } from "../../plan/model.ts";

/** A port of this process whose connections are passed on to endpoints of a Service port. */
export interface ProxyPort {
  readonly port: number;
  /** The endpoints of later connections; earlier ones stay where they are. */
  update(targets: readonly Target[], affinity_s: number | undefined): void;
  /** Accepts no more; `now`: ends the connections, too. */
  close(now: boolean): void;
}

/** Counts what is under way in all proxy ports, against one bound. */
export class Budget {
  #used = 0;
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** Takes one; false: none is left. */
  take(): boolean {
    if (this.#used >= this.#most) return false;
    this.#used++;
    return true;
  }

  giveBack(): void {
    this.#used--;
  }
}
