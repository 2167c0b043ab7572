import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { ELECTION_TICKS, LEASE_CHECK_INTERVAL_MS, LEASE_REVOKES_MAX, TICK_MS } from "../limits.ts";
import type { State } from "../mvcc/state.ts";
import type { Replica } from "./replica.ts";

/**
 * Revokes expired leases through the log, on the leader alone: a deposed leader's proposal is
 * refused by the others, so it can never end a lease that its successor has renewed (S7).
 */
export class LeaseExpiry {
  readonly #state: State;
  readonly #replica: Replica;
  readonly #clock: Clock;
  #timer: Timer | undefined;

  constructor(state: State, replica: Replica, clock: Clock) {
    this.#state = state;
    this.#replica = replica;
    this.#clock = clock;
  }

  /** This member took or lost office. */
  leads(leads: boolean): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (!leads) return;
    this.#state.leaseTimers.restart(this.#state.leases.values(), ELECTION_TICKS * TICK_MS);
    this.#later();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #later(): void {
    this.#timer = this.#clock.after(LEASE_CHECK_INTERVAL_MS, () => {
      this.#revokeExpired();
      this.#later();
    });
  }

  #revokeExpired(): void {
    for (const ID of this.#state.leaseTimers.takeExpired(LEASE_REVOKES_MAX)) {
      // An outcome changes nothing here: a lease not revoked comes up again.
      this.#replica.propose({ kind: "lease-revoke", request: { ID } }, () => undefined);
    }
  }
}
