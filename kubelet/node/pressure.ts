import type { Clock } from "@raft2kube/std/clock.ts";
import { PRESSURE_LASTS_MS } from "../limits.ts";

/** Resources of the node that are short. */
export type NodePressure = { memory: boolean; disk: boolean; pid: boolean };

export const KINDS = ["memory", "disk", "pid"] as const;

/**
 * The node's pressure as its conditions report it: each kind lasts PRESSURE_LASTS_MS after it was
 * last seen, so that the conditions do not flap.
 */
export class PressureConditions {
  readonly #clock: Clock;
  readonly #seen_ms = { memory: -Infinity, disk: -Infinity, pid: -Infinity };
  #current: NodePressure = { memory: false, disk: false, pid: false };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get current(): NodePressure {
    return this.#current;
  }

  /** Records what was measured now. Returns whether a condition changed. */
  update(measured: NodePressure): boolean {
    const now_ms = this.#clock.monotonic();
    const before = this.#current;
    const after = { ...before };
    for (const kind of KINDS) {
      if (measured[kind]) this.#seen_ms[kind] = now_ms;
      after[kind] = now_ms - this.#seen_ms[kind] < PRESSURE_LASTS_MS;
    }
    this.#current = after;
    return KINDS.some((kind) => before[kind] !== after[kind]);
  }
}
