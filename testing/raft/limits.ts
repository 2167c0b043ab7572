import { seededRandom } from "@raft2kube/std/random.ts";

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

/** Options of a core that a test drives by hand, with limits that it reaches in a few steps. */
export function smallOptions(id = 1n) {
  return {
    id,
    random: seededRandom(1),
    electionTicks: 10,
    heartbeatTicks: 1,
    appendBytes_max: 1_000,
    inflightAppends_max: 4,
    inflightBytes_max: 10_000,
    uncommittedBytes_max: 100,
    applyBytes_max: 1_000,
    pendingReads_max: 2,
  };
}
