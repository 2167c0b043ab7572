import { pick, type Random } from "@raft2kube/std/random.ts";
import { DEFAULT_TIMING, type Timing } from "@raft2kube/store/node/timing.ts";
import { CORE_OPTIONS } from "../../../testing/raft/limits.ts";
import { EVERYDAY_FAULTS, type WeightedFault } from "../faults/plan.ts";
import {
  CLIENTS,
  FAULT_INTERVALS_MS,
  INFORMERS,
  LEASE_HOLDERS,
  LOSS_MAX,
  REPLAY_MAX,
  THINK_MS,
} from "../limits.ts";
import type { ClientRole } from "../workload/client.ts";
import { type DiskPace, EVEN_PACE } from "../world/pace.ts";
import type { LogCutting } from "./member.ts";
import type { Release } from "./release.ts";

/** The core's options that a run may choose. */
export type CoreOptions = { readonly [Name in keyof typeof CORE_OPTIONS]: number };

/** How the membership changes while faults go on. */
export interface Churn {
  /** The mean time between two bursts of changes, and how many changes one has at most. */
  readonly interval_ms: number;
  readonly changes_max: number;
}

/** The parameters of a run. */
export interface Setting {
  /** Voters and learners at first. */
  size: number;
  learners: number;
  cutting: LogCutting;
  release: Release;
  core: CoreOptions;
  timing: Timing;
  /** The chances that a message is lost, or comes twice. */
  loss: number;
  replay: number;
  /** The chance that a message is overtaken by all that is sent in the next seconds. */
  stragglers: number;
  /** Whether a leader is notified of a lost append, as when a stream breaks. */
  noticesLoss: boolean;
  /** The mean time that a message takes from one member to another. */
  latency_ms: (from: bigint, to: bigint) => number;
  /** How fast a member's disks are: the one of the log, and the one of the database. */
  pace: (member: bigint) => { readonly log: DiskPace; readonly backend: DiskPace };
  /** The mean time between two faults, and which there are. */
  faultInterval_ms: number;
  faults: readonly WeightedFault[];
  /** The chance that a state and event not seen before in the run bring a fault; 0 for none. */
  guidance: number;
  churn: Churn | undefined;
  clients: readonly ClientRole[];
  think_ms: number;
  informers: number;
  watches: boolean;
  scrub: boolean;
}

/** Settings that all runs of the plain kind share: all parts of the workload and all faults. */
const PLAIN = {
  learners: 0,
  stragglers: 0,
  noticesLoss: false,
  core: CORE_OPTIONS,
  timing: DEFAULT_TIMING,
  latency_ms: () => 1,
  pace: () => ({ log: EVEN_PACE, backend: EVEN_PACE }),
  faults: EVERYDAY_FAULTS,
  guidance: 0,
  churn: undefined,
  clients: Array.from({ length: CLIENTS }, (_, i) => roleOf(i)),
  think_ms: THINK_MS,
  informers: INFORMERS,
  watches: true,
  scrub: true,
} satisfies Partial<Setting>;

/** A setting by chance; small clusters more often, since they break more easily. */
export function drawSetting(random: Random): Setting {
  return {
    ...PLAIN,
    size: pick(random, [3, 3, 3, 4, 5, 5, 6, 7]),
    cutting: { keep: pick(random, [0, 20, 200]), every: pick(random, [1, 50, 100, 1_000]) },
    release: pick(random, ["previous", "this"]),
    // Most networks lose little: at the most, hardly anyone is ever elected.
    loss: random.next() < 0.3 ? 0 : random.next() ** 2 * LOSS_MAX,
    replay: random.next() * REPLAY_MAX,
    faultInterval_ms: pick(random, FAULT_INTERVALS_MS),
  };
}

/** Each kind of client a plain run has. */
function roleOf(number: number): ClientRole {
  if (number === 0) return "compaction";
  return number <= LEASE_HOLDERS ? "leases" : "everything";
}
