import type { KvState } from "../../../testing/history/kv-state.ts";
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

/** A leader's answer about a lease: -1 s are left of one that does not exist. */
export type LeaseSeen = { id: bigint; left_s: number; ttl_s: number; keys: readonly string[] };

/** A lease is read linearizably: as it was at a moment from `before` to `after` (S2). */
export function leaseRead(seen: LeaseSeen, before: KvState, after: KvState): void {
  const { id, left_s, ttl_s, keys } = seen;
  const ends = [before.leases.get(id), after.leases.get(id)];
  const exists = left_s !== -1 || ttl_s > 0;
  const message = () => `lease ${id} of ${ttl_s} s, ${left_s} s left, has ${keys.join(" ")}`;
  if (!exists) return require(ends.includes(undefined), "lease read", message);
  const known = ends.find((lease) => lease !== undefined);
  require(known?.ttl_s === ttl_s, "lease read", message);
  for (let at: KvState | undefined = after; at; at = at.past) {
    const attached = [...at.keys].filter(([, { lease }]) => lease === id).map(([key]) => key);
    if (attached.sort().join() === keys.join()) return;
    if (at.revision <= before.revision) break;
  }
  require(false, "lease read", message);
}
