import { election_ms } from "@raft2kube/store/node/timing.ts";
import type { Timeline } from "../../../testing/timeline.ts";
import type { ReferenceLog } from "../check/reference.ts";
import type { LeaseBook } from "../workload/lease-book.ts";
import type { Generation } from "./generation.ts";

export interface LeadershipWorld {
  readonly timeline: Timeline;
  readonly reference: ReferenceLog;
  readonly leases: LeaseBook;
  /** Runs a checker; its finding is the run's, not the member's. */
  readonly guard: (check: () => void) => void;
}

/** Observes the members that run the leases' clocks, and what extends a lease there. */
export class Leaderships {
  readonly #world: LeadershipWorld;
  /** Members that lead for leases, and the index up to which grants were seen there. */
  readonly #leading = new Map<Generation["state"], number>();
  #newestTerm = 0;
  readonly #heard = new WeakSet<object>();

  constructor(world: LeadershipWorld) {
    this.#world = world;
  }

  /** Listens to one life of a member. */
  listen(generation: Generation): void {
    const { expiry, state } = generation;
    const leads = expiry.leads.bind(expiry);
    expiry.leads = (isLeader) => {
      leads(isLeader);
      this.#leading.delete(state);
      if (isLeader) this.#world.guard(() => this.#begins(generation));
    };
  }

  #begins({ state, replica }: Generation): void {
    const {
      reference,
      timeline,
      leases: { bounds },
    } = this.#world;
    const { leases } = reference.at(state.appliedIndex);
    const { now_ms } = timeline;
    bounds.began(leases, election_ms(replica.timing), now_ms);
    const { term } = replica.raft.state;
    // An earlier leader may start late, and know nothing of what a later one has promised.
    const isNewest = term >= this.#newestTerm;
    if (isNewest) this.#newestTerm = term;
    for (const id of leases.keys()) {
      const promised_ms = isNewest ? bounds.promised_ms(id) : -Infinity;
      const look = { asked_ms: now_ms, answered_ms: now_ms, promised_ms };
      bounds.left(id, state.leaseTimers.remaining_s(id), look);
    }
    this.#leading.set(state, state.appliedIndex);
    this.#hear(state);
  }

  /** A snapshot that is installed brings other timers. */
  #hear({ leaseTimers }: Generation["state"]): void {
    if (this.#heard.has(leaseTimers)) return;
    this.#heard.add(leaseTimers);
    const renewed = leaseTimers.renewed.bind(leaseTimers);
    const { leases, reference, timeline, guard } = this.#world;
    leaseTimers.renewed = (lease) => {
      renewed(lease);
      const known = reference.state.leases.get(lease.id);
      if (!known || !leases.asked.has(lease.id)) return;
      guard(() => leases.bounds.renewed(lease.id, known.ttl_s, timeline.now_ms));
    };
  }

  /** A member has applied entries. */
  applied(state: Generation["state"]): void {
    const from = this.#leading.get(state);
    if (from === undefined) return;
    const { leases, timeline } = this.#world;
    for (let index = from + 1; index <= state.appliedIndex; index++) {
      const granted = leases.grants.get(index);
      if (granted) leases.bounds.granted(granted.id, granted.ttl_s, timeline.now_ms);
    }
    this.#leading.set(state, state.appliedIndex);
  }
}
