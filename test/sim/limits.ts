// Every figure of the simulator. Times are virtual unless the name says otherwise.

/** Small, so that a run of seconds sees many segments. */
export const SEGMENT_BYTES = 8 * 1024;

/** Bounds of one watch stream: a slow reader's is full after some revisions, and catches up. */
export const STREAM_LIMITS = {
  bytes_max: 2_000,
  responses_max: 8,
  mergedBytes_max: 500,
  fragmentBytes_max: 500,
} as const;

/** Members compare what they have so often. */
export const SCRUB_INTERVAL_MS = 1_500;

/** A run's first part, in which everything goes wrong. */
export const FAULTY_MS = 20_000;
/** Time with faults: until the run has its volume, at most this. */
export const FAULTY_MS_MAX = 120_000;
/** Minimum volume of every seed (RELIABILITY: the simulator's volume). */
export const OPERATIONS_MIN = 2_000;
export const FAULTS_MIN = 20;
export const LEADER_CHANGES_MIN = 3;
/** Mean times between two faults, one of them for each run. */
export const FAULT_INTERVALS_MS = [350, 600, 900] as const;
/** Factor by which faults are rarer after FAULTY_MS, so that clients make progress. */
export const LATE_FAULTS = 3;
/** Time after the last fault until the cluster must be whole, and how long it then works. */
export const RECOVERY_MS = 30_000;
export const HEALED_MS = 3_000;
/** How soon each call must be answered then. */
export const ANSWER_MS = 1_000;
/** Requests that must be answered before RECOVERY_MS are over, with some links still cut. */
export const PARTIAL_ANSWERS = 20;
/** Time after the last request until all members must have the same state. */
export const SETTLE_MS = 5_000;
export const CLIENTS = 14;
/** Readers that list and watch, as controllers do. */
export const INFORMERS = 2;
/** How many of them mostly keep leases. */
export const LEASE_HOLDERS = 2;
/** The mean pause between two requests of a client: while faults go on, and when all is well. */
export const THINK_MS = 30;
export const THINK_WELL_MS = 100;
/** A lease may outlive its time by this much once the cluster is well. */
export const LEASE_SLACK_MS = 4_000;
/** Chances are drawn for each run up to these. */
export const LOSS_MAX = 0.3;
export const REPLAY_MAX = 0.5;
export const STRAGGLERS_MAX = 0.2;

/**
 * The seeds that `npm test` runs, and the number of processes: of 160 tried from TEST_FROM on,
 * those of the least processor time in which every class of fault happens. Where a change takes a
 * class away, all from TEST_FROM on follow until it has happened.
 */
export const TEST_SEEDS: readonly number[] = [1099, 1133, 1151, 1184, 1208, 1222, 1226, 1237, 1251];
export const TEST_FROM = 1_092;
export const TEST_SEEDS_MAX = 200;
export const TEST_JOBS = 2;
/** Shrunk cases, of bugs that are mended and that are put in, which a run of the suite repeats. */
export const CASES_DRAWN = 2;
/** Mutants that a run of the suite puts in: `npm run sim -- --mutants` puts in every one. */
export const MUTANTS_DRAWN = 4;
/** Seeds within which a test's mutant must be caught. */
export const MUTANT_SEEDS = 40;
/** Real time for one seed, at the end of the queue of a very busy machine: longer, and it hangs. */
export const SEED_REAL_TIME_MS_MAX = 1_200_000;
