import { type EtcdError, etcdError } from "@raft2kube/client-etcd/errors.ts";
import { type MemberId, NONE } from "../core/types.ts";
import type { LateProposal } from "./proposals.ts";

/** This member's connections and leader at a deadline. */
export interface Surroundings {
  self: MemberId;
  leader: MemberId;
  voters: ReadonlySet<MemberId>;
  /** Time since which a member is reached without a break; undefined while it is not. */
  connectedSince_ms: (member: MemberId) => number | undefined;
}

/**
 * Why a proposal was not applied in time, in etcd's words (server/etcdserver/v3_server.go,
 * `parseProposeCtxErr`): a leader that failed shortly before, a connection that broke, or neither;
 * and in Go's for one that never met a leader.
 */
export class TimeoutReason {
  readonly #election_ms: number;
  #leader: MemberId = NONE;
  #electedAt_ms = Number.NEGATIVE_INFINITY;

  constructor(election_ms: number) {
    this.#election_ms = election_ms;
  }

  /** Looks whether another member leads now than before. */
  seen(leader: MemberId, now_ms: number): boolean {
    if (leader === NONE || leader === this.#leader) return false;
    this.#electedAt_ms = now_ms;
    this.#leader = leader;
    return true;
  }

  of({ asked_ms, handedOver }: LateProposal, around: Surroundings): EtcdError {
    const lostAt_ms = this.#electedAt_ms - 2 * this.#election_ms;
    if (asked_ms > lostAt_ms && asked_ms < this.#electedAt_ms) return etcdError("timeoutLeader");
    const { self, leader, voters, connectedSince_ms } = around;
    if (leader === NONE) return etcdError(handedOver ? "timeout" : "deadlineExceeded");
    const since = (member: MemberId) => (connectedSince_ms(member) ?? Infinity) < asked_ms;
    const all = [...voters];
    const connected =
      leader === self
        ? all.filter((member) => member === self || since(member)).length > all.length / 2
        : since(leader);
    return etcdError(connected ? "timeout" : "timeoutConnection");
  }
}
