import type { Cgroups } from "./cgroup.ts";

/**
 * Where nobody may make groups, as in an ordinary user's namespace: there are none, so limits hold
 * nothing, nothing is counted, and no process is found by its group.
 */
export function noCgroups(): Cgroups {
  return {
    version: "none",
    controllers: [],
    create: () => undefined,
    exists: () => false,
    setLimits: () => undefined,
    usage: () => undefined,
    oomKills: () => undefined,
    pids: () => [],
    kill: () => undefined,
    remove: () => Promise.resolve(),
    removeEmpty: () => undefined,
  };
}
