import type { Cgroups } from "./cgroup.ts";

/**
 * Cgroups of systems where none can be created, as in an ordinary user's namespace: limits are not
 * enforced, usage is not counted, and no process is found by its cgroup.
 */
export const noCgroups = (): Cgroups => ({
  version: "none",
  controllers: [],
  create: () => undefined,
  exists: () => false,
  cpuSharesBelow: () => new Map(),
  setLimits: () => undefined,
  usage: () => undefined,
  counters: () => undefined,
  oomKills: () => undefined,
  pids: () => [],
  kill: () => undefined,
  remove: () => Promise.resolve(),
  removeEmpty: () => undefined,
});
