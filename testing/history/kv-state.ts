/** One key as the model knows it. */
export type Rec = { value: string; create: number; mod: number; version: number; lease: bigint };

/** A lease as the model knows it. */
export interface LeaseRec {
  readonly ttl_s: number;
  /** Remaining time at the last checkpoint; 0 without one, or once renewed after it. */
  readonly remaining_s: number;
}

/** The whole store at a moment; never changed, so that a search can go back to it. */
export interface KvState {
  readonly revision: number;
  readonly keys: ReadonlyMap<string, Rec>;
  /** The oldest revision that may be read; -1 before any compaction. */
  readonly compacted: number;
  readonly leases: ReadonlyMap<bigint, LeaseRec>;
  /** The state one revision before. */
  readonly past: KvState | undefined;
}

export const EMPTY_STATE: KvState = {
  revision: 1,
  keys: new Map(),
  compacted: -1,
  leases: new Map(),
  past: undefined,
};

/** One key's change in a revision; a deletion has no record. */
export interface KvEvent {
  key: string;
  rec: Rec | undefined;
  /** The record before. */
  previous: Rec | undefined;
}

/** The state as it was at a revision not after its own. */
export function stateAt(state: KvState, revision: number): KvState {
  let at: KvState = state;
  while (at.revision > revision && at.past) at = at.past;
  return at;
}

export function describeRec(key: string, rec: Rec): string {
  const lease = rec.lease === 0n ? "" : ` lease ${rec.lease}`;
  return `${key}=${rec.value} ${rec.create}/${rec.mod}/${rec.version}${lease}`;
}

/** The keys of `[from, to)` in order; without `to` the one key. */
export function keysIn(state: KvState, from: string, to: string): [string, Rec][] {
  if (to === "") {
    const rec = state.keys.get(from);
    return rec ? [[from, rec]] : [];
  }
  const found = [...state.keys].filter(([key]) => key >= from && key < to);
  return found.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Everything a state says, equal for equal states. */
export function describeKvState(state: KvState): string {
  const leases = [...state.leases].map(([id, lease]) => {
    return `${id}:${lease.ttl_s}/${lease.remaining_s}`;
  });
  leases.sort();
  const { revision, compacted, keys } = state;
  return `@${revision} c${compacted} [${describeKeys(keys)}] {${leases.join(" ")}}`;
}

/** All keys, in their order. */
export function describeKeys(keys: ReadonlyMap<string, Rec>): string {
  const sorted = [...keys].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([key, rec]) => describeRec(key, rec)).join(", ");
}
