import { runningPid } from "../observe/processes.ts";
import { type ClusterConfig, startCommand } from "../spec/config.ts";
import { isStopped } from "../spec/nodes.ts";
import { allProcesses, logsCommand } from "../spec/processes.ts";
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
  const processes = allProcesses(config, nodes).map(({ title, name, of }) => {
    const logs = logsCommand(config.name, name, of.joins && of.nodeName);
    return { title, logs, pid: runningPid(of.runDir, name) };
  });
  if (processes.every(({ pid }) => pid === undefined)) return [];
  return processes.map(({ title, pid, logs }) => ({
    name: `${title} process of "${config.name}"`,
    ask: () =>
      Promise.resolve(
        pid === undefined
          ? failed("has ended", `its log: ${logs}; start it again: ${startCommand(config)}`)
          : ok(`runs, pid ${pid}`),
      ),
  }));
}
