import type { ClusterConfig } from "../cluster/config.ts";
import { runningPid } from "../supervisor/supervise.ts";
import { type Check, failed, ok } from "./check.ts";

/** Asks whether both processes of a cluster that was started run; none when neither does. */
export function clusterChecks(config: ClusterConfig): Check[] {
  const processes = ["control", "node"].map((name) => ({
    name,
    pid: runningPid(config.runDir, name),
  }));
  if (processes.every(({ pid }) => pid === undefined)) return [];
  return processes.map(({ name, pid }) => ({
    name: `${name} process of "${config.name}"`,
    ask: () =>
      Promise.resolve(
        pid === undefined
          ? failed("has ended", `its log: r2k logs ${name}; start it again: r2k start`)
          : ok(`runs, pid ${pid}`),
      ),
  }));
}
