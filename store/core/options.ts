import type { Random } from "@raft2kube/std/random.ts";
import type { MemberId } from "./types.ts";

/** The options of a core. The caller provides ticks: it calls `tick()` at an even pace. */
export interface RaftOptions {
  readonly id: MemberId;
  readonly random: Random;
  /**
   * Ticks without a leader before a follower campaigns; each time between one and two times this
   * many.
   */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly appendBytes_max: number;
  readonly inflightAppends_max: number;
  readonly inflightBytes_max: number;
  readonly uncommittedBytes_max: number;
  readonly applyBytes_max: number;
  readonly pendingReads_max: number;
}

/** Why the core did not take a proposal or request. */
export type Refusal =
  | "no-leader"
  | "too-much-uncommitted"
  | "too-many-reads"
  | "transferring"
  | "membership-pending"
  | "term-not-committed"
  | "membership-invalid"
  | "not-a-voter";
