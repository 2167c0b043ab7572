import { require } from "../../../testing/violation.ts";

/** A lease's life as clients know it. Times are true ones. */
export interface LeaseHistory {
  id: bigint;
  ttl_s: number;
  /** When each acknowledged grant or renewal was asked for, and answered. */
  renewals: { asked_ms: number; answered_ms: number }[];
  /** When it was found revoked in the log without a client's wish; undefined when it was not. */
  expired_ms: number | undefined;
  /** When it ended in any way. */
  ended_ms: number | undefined;
}

/**
 * A lease lives at least its time to live after each acknowledged renewal (S7), by the slowest
 * clock: `rate_max` is how much faster than true time a member's clock may run.
 */
export function leasesKept(leases: Iterable<LeaseHistory>, rate_max: number): number {
  let checked = 0;
  for (const { id, ttl_s, renewals, expired_ms } of leases) {
    if (expired_ms === undefined) continue;
    checked++;
    for (const { asked_ms, answered_ms } of renewals) {
      // Only renewals that were acknowledged before the end promise anything.
      if (answered_ms > expired_ms) continue;
      const promised_ms = asked_ms + (ttl_s * 1000) / rate_max;
      const message = `lease ${id} of ${ttl_s} s, renewed at ${asked_ms}, ended at ${expired_ms}`;
      require(expired_ms >= promised_ms, "lease kept", message);
    }
  }
  return checked;
}

/** A lease ends within `slack_ms` after its time is over, once the cluster is well (S7). */
export function leasesEnd(leases: Iterable<LeaseHistory>, slack_ms: number, now_ms: number): void {
  for (const { id, ttl_s, renewals, ended_ms } of leases) {
    const last_ms = Math.max(...renewals.map(({ answered_ms }) => answered_ms));
    const late = ended_ms === undefined && now_ms > last_ms + ttl_s * 1000 + slack_ms;
    require(!late, "lease ends", `lease ${id} of ${ttl_s} s lives at ${now_ms}, since ${last_ms}`);
  }
}
