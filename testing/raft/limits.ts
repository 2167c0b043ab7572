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
