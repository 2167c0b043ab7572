import { type ClusterConfig, startCommand } from "../spec/config.ts";
import { isStopped } from "../spec/nodes.ts";
import { logsCommand, processNames } from "../spec/processes.ts";
import { runningPid } from "../observe/processes.ts";
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
      const logs = logsCommand(config.name, name);
      return { name, pid: runningPid(config.runDir, name), logs };
    }),
    ...nodes.map(({ nodeName: node, runDir }) => ({
      name: `node ${node}`,
      pid: runningPid(runDir, "node"),
      logs: logsCommand(config.name, "node", node),
    })),
  ];
  if (processes.every(({ pid }) => pid === undefined)) return [];
  return processes.map(({ name, pid, logs }) => ({
    name: `${name} process of "${config.name}"`,
    ask: () =>
      Promise.resolve(
        pid === undefined
          ? failed("has ended", `its log: ${logs}; start it again: ${startCommand(config)}`)
          : ok(`runs, pid ${pid}`),
      ),
  }));
}
