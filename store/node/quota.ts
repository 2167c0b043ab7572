import type { Clock } from "@raft2kube/std/clock.ts";
import { QUOTA_BYTES_DEFAULT, QUOTA_MEASURE_INTERVAL_MS } from "../limits.ts";
import type { Command } from "../mvcc/apply/command.ts";
import { spaceCost } from "../mvcc/apply/space-cost.ts";
import type { State } from "../mvcc/state/state.ts";

/** Whether there is space for the data that a command adds. */
export interface SpaceLimit {
  /** The configured quota in bytes: 0 for the default, less for none. */
  readonly configured_bytes: number;
  /** The quota in force, in bytes; 0: none. */
  readonly bytes_max: number;
  admits(command: Command): boolean;
  /** The backend may have become smaller. */
  measure(): Promise<void>;
}

export const unlimitedSpace: SpaceLimit = {
  configured_bytes: -1,
  bytes_max: 0,
  admits: () => true,
  measure: () => Promise.resolve(),
};

/**
 * This member's bound on its backend (etcd's --quota-backend-bytes). The size on disk is measured
 * now and then; what was written since counts as it is, before the engine has packed it.
 */
export class Quota implements SpaceLimit {
  readonly configured_bytes: number;
  readonly bytes_max: number;
  readonly #state: State;
  readonly #clock: Clock;
  #measured = 0;
  #since = 0;
  #measuredAt_ms = Number.NEGATIVE_INFINITY;
  #measuring: Promise<void> | undefined;

  /** etcd's meaning: 0 is the default, less is no bound. */
  static of(wanted: number, state: State, clock: Clock): Quota | undefined {
    if (wanted < 0) return undefined;
    return new Quota(wanted, state, clock);
  }

  private constructor(wanted: number, state: State, clock: Clock) {
    this.configured_bytes = wanted;
    this.bytes_max = wanted === 0 ? QUOTA_BYTES_DEFAULT : wanted;
    this.#state = state;
    this.#clock = clock;
  }

  admits(command: Command): boolean {
    const cost = spaceCost(command);
    if (cost === 0) return true;
    const admitted = this.#used + cost < this.bytes_max;
    // Space may have been given back since it was measured.
    if (!admitted) this.#measureSometimes();
    return admitted;
  }

  /** A flush has written this many bytes of records. */
  flushed(bytes: number): void {
    this.#since += bytes;
    const isNear = this.#used > this.bytes_max * NEAR_SHARE;
    if (isNear || this.#since > this.bytes_max * MEASURE_SHARE) this.#measureSometimes();
  }

  /** Looks how large the backend is now. */
  measure(): Promise<void> {
    this.#measuring ??= this.#look().finally(() => (this.#measuring = undefined));
    return this.#measuring;
  }

  get #used(): number {
    return this.#measured + this.#since + this.#state.recent.unflushedBytes;
  }

  async #look(): Promise<void> {
    const before = this.#since;
    this.#measuredAt_ms = this.#clock.monotonic();
    const { total } = await this.#state.backend.size();
    this.#measured = total;
    this.#since -= before;
  }

  #measureSometimes(): void {
    if (this.#clock.monotonic() - this.#measuredAt_ms < QUOTA_MEASURE_INTERVAL_MS) return;
    // A failed measurement is repeated with a later write; until then the estimate holds.
    this.measure().catch(() => undefined);
  }
}

const NEAR_SHARE = 0.9;
const MEASURE_SHARE = 0.05;
