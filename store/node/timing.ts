import { ELECTION_TICKS, LEASE_TTL_S_MIN, REQUEST_TIMEOUT_MS, TICK_MS } from "../limits.ts";

/** The beat of a member: etcd's --heartbeat-interval and --election-timeout. */
export interface Timing {
  /** A leader's heartbeat comes each tick. */
  readonly tick_ms: number;
  /** Ticks without a leader, or up to twice as many, after which a follower starts an election. */
  readonly electionTicks: number;
}

export const DEFAULT_TIMING: Timing = { tick_ms: TICK_MS, electionTicks: ELECTION_TICKS };

export const election_ms = ({ tick_ms, electionTicks }: Timing): number => tick_ms * electionTicks;

/** How long a proposal or a linearizable read may take: etcd's 5 s and two elections. */
export const request_ms = (timing: Timing): number =>
  REQUEST_TIMEOUT_MS + 2 * (election_ms(timing) - election_ms(DEFAULT_TIMING));

/** The shortest TTL of a lease, by etcd's rule: one and a half elections. */
export function leaseTtlMin_s(timing: Timing): number {
  return Math.max(LEASE_TTL_S_MIN, Math.ceil((election_ms(timing) * 1.5) / 1000));
}
