import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { ROOT } from "../auth/caller.ts";
import { LEASE_CHECK_INTERVAL_MS, LEASE_CHECKPOINTS_MAX, LEASE_REVOKES_MAX } from "../limits.ts";
import type { State } from "../mvcc/state/state.ts";
import type { Replica } from "./replica.ts";
import { election_ms } from "./timing.ts";

/**
 * Lease expiry on the leader (etcd: the lessor's revokeExpiredLeases and checkpointing). Revokes
 * expired leases through the log, in its own term only: a revocation that has not gone out when the
 * leadership is lost ends with it, and one that has gone out stands in the log before anything the
 * successor does, renewals included (S7). Records the remaining time of the others, so that leaders
 * that follow each other do not each start over.
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

  /** This member became the leader, or stopped being it. */
  leads(leads: boolean): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (!leads) return this.#state.leaseTimers.stop();
    this.#state.leaseTimers.restart(this.#state.leases.values(), election_ms(this.#replica.timing));
    this.#later();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #later(): void {
    this.#timer = this.#clock.after(LEASE_CHECK_INTERVAL_MS, () => {
      this.#revokeExpired();
      this.#checkpoint();
      this.#later();
    });
  }

  #revokeExpired(): void {
    const { auth, leaseTimers } = this.#state;
    const caller = auth.enabled ? { user: ROOT, revision: auth.revision } : undefined;
    for (const ID of leaseTimers.takeExpired(LEASE_REVOKES_MAX)) {
      // An outcome changes nothing here: a lease not revoked comes up again.
      const command = { kind: "lease-revoke" as const, request: { ID }, caller };
      this.#replica.proposeInTerm(command, ({ error }) => {
        if (!error) this.#state.metrics.leasesExpired++;
      });
    }
  }

  #checkpoint(): void {
    const due = this.#state.leaseTimers.takeCheckpoints(LEASE_CHECKPOINTS_MAX);
    if (due.length === 0) return;
    const checkpoints = due.map(({ id: ID, left_s: remainingTTL }) => ({ ID, remainingTTL }));
    // If it is lost, the lease has the remaining time of the checkpoint before it.
    const command = { kind: "lease-checkpoint" as const, request: { checkpoints } };
    this.#replica.proposeInTerm(command, () => undefined);
  }
}
