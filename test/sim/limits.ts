// Every figure of the simulator. Times are virtual unless the name says otherwise.

/** Small, so that a run of seconds sees many segments. */
export const SEGMENT_BYTES = 8 * 1024;

/** The core's options: the product's ticks, and windows small enough to fill. */
export const CORE_OPTIONS = {
  electionTicks: 10,
  heartbeatTicks: 1,
  appendBytes_max: 2_000,
  inflightAppends_max: 8,
  inflightBytes_max: 16_000,
  uncommittedBytes_max: 64_000,
  applyBytes_max: 4_000,
  pendingReads_max: 1_000,
} as const;

/** A run's first part, in which everything goes wrong. */
export const FAULTY_MS = 20_000;
/** Mean time between two faults. */
export const FAULT_INTERVAL_MS = 300;
/** After the last fault: how soon the cluster must be whole, and how long it then works. */
export const RECOVERY_MS = 30_000;
export const HEALED_MS = 3_000;
/** After the last request: how soon all members must have the same state. */
export const SETTLE_MS = 5_000;
export const CLIENTS = 10;
/** How many of them mostly keep leases. */
export const LEASE_KEEPERS = 2;
export const THINK_MS = 40;
/** A lease may outlive its time by this much once the cluster is well. */
export const LEASE_SLACK_MS = 4_000;
/** Chances are drawn for each run up to these. */
export const LOSS_MAX = 0.3;
export const REPLAY_MAX = 0.5;

/** What `npm test` runs: about a minute on an idle machine. */
export const TEST_FROM = 1_000;
export const TEST_SEEDS = 120;
/** Seeds within which a test's mutant must be caught. */
export const MUTANT_SEEDS = 40;
/** Real time for one seed on a busy machine. */
export const CASE_TEST_TIMEOUT_MS = 60_000;
