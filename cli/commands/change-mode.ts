import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import { type ClusterConfig, proxyModeOf, writeCluster } from "../cluster/config.ts";
import { readJoiningNodes } from "../cluster/joining-nodes.ts";
import { endProcess } from "../host/end-process.ts";
import { ensureProcess, nodeReady } from "../nodes/node-process.ts";
import { preflight } from "../preflight/preflight.ts";
import { proxyModeCheck } from "../preflight/proxy-mode.ts";
import { runningPid } from "../supervisor/supervise.ts";
import { supervisorPid } from "../supervisor/supervisor.ts";
import { type StartNodes, untilInterrupted } from "./start-nodes.ts";

/**
 * Changes the kind of Service rules of a running cluster, node by node: only the node's process is
 * restarted, so containers and the connections that the kernel translates continue. A guest keeps
 * its mode. After an error or Ctrl-C the same call continues with the nodes that are left. Throws
 * CommandError `PREFLIGHT` if the kernel lacks the mode.
 */
export async function changeMode(
  cluster: ClusterConfig,
  mode: ModeName,
  options: StartNodes,
): Promise<void> {
  const { progress, clock } = options;
  const joined = await readJoiningNodes(cluster);
  const running = [
    ...joined.filter(({ runDir }) => runningPid(runDir, "node") ?? supervisorPid(runDir, "node")),
    // Last: its file is the cluster's, from which nodes that are started take their mode.
    cluster,
  ];
  const nodes = running.filter((node) => !node.guest && proxyModeOf(node) !== mode);
  if (nodes.length === 0) return;
  const { name, dataDir, runDir } = cluster;
  const context = { dataDir, runDir, apiPort: undefined, ranges: [], proxyMode: mode };
  await preflight(context, [proxyModeCheck]);
  for (const { nodeName, guest } of joined) {
    if (guest === undefined) continue;
    progress.note(`  node ${nodeName} keeps ${guest.proxyMode}: its containers are in the guest`);
  }
  const again = `r2k start --proxy-mode ${mode} --name ${name}`;
  await untilInterrupted(cluster, options, again, async (client, start) => {
    for (const node of nodes) {
      start.signal.throwIfAborted();
      await progress.step(`${mode} on node ${node.nodeName}`, async () => {
        await endProcess(node, "node", clock);
        await writeCluster({ ...node, proxyMode: mode });
        await ensureProcess(node, "node", start);
        await nodeReady(client, node, start);
      });
    }
  });
}
