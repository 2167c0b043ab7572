import type { ClusterConfig } from "../cluster/config.ts";
import { isStopped } from "../cluster/joining-nodes.ts";
import { logsOf, processNames, runningPid } from "../supervisor/supervise.ts";
import { type Check, failed, ok } from "./check.ts";

/**
 * Asks whether the processes of a cluster that was started run, those of its nodes included but for
 * stopped ones; none when no process does.
 */
export function clusterChecks(
  config: ClusterConfig,
  joined: readonly ClusterConfig[] = [],
): Check[] {
  const nodes = joined.filter((node) => !isStopped(node));
  const processes = [
    ...processNames(config).map((name) => {
      return { name, pid: runningPid(config.runDir, name), logs: name };
    }),
    ...nodes.map(({ nodeName: node, runDir }) => ({
      name: `node ${node}`,
      pid: runningPid(runDir, "node"),
      logs: logsOf({ name: "node", node }),
    })),
  ];
  if (processes.every(({ pid }) => pid === undefined)) return [];
  return processes.map(({ name, pid, logs }) => ({
    name: `${name} process of "${config.name}"`,
    ask: () =>
      Promise.resolve(
        pid === undefined
          ? failed("has ended", `its log: r2k logs ${logs}; start it again: r2k start`)
          : ok(`runs, pid ${pid}`),
      ),
  }));
}
