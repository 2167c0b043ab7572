/**
 * The selected parts of a seed's run. The seed alone is the whole run; the shrinker leaves out
 * parts that a failure does not need. Each fault and each client draws from its own stream of
 * chance, so what stays is what it was.
 */
export interface Script {
  readonly seed: number;
  /** A run of the swarm kind; else of the plain kind, which has all faults and all clients. */
  readonly swarm?: true;
  /** Whether faults that rare states bring are left out; they have no numbers. */
  readonly unguided?: true;
  /** Numbers of the faults that happen, in their order; all without it. */
  readonly faults?: readonly number[];
  /** Names of the clients that work; all without it. */
  readonly clients?: readonly string[];
  /** How long faults go on; until the run has its volume without it. */
  readonly faulty_ms?: number;
}

/** Options that all seeds of a range share. */
export type Kind = Pick<Script, "swarm">;

/** Whether nothing is left out: only then is a run held to its volume. */
export function isWhole({ faults, clients, faulty_ms, unguided }: Script): boolean {
  const left = faults === undefined && unguided === undefined;
  return left && clients === undefined && faulty_ms === undefined;
}
