import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { interruptForTest } from "../cluster/interrupt-for-test.ts";
import { readJoiningNodes } from "../spec/nodes.ts";
import { actsBy, changeNodeMode } from "../apply/mode.ts";
import { hasProcess, type StartContext } from "../apply/process.ts";
import { preflight } from "../preflight/preflight.ts";
import { proxyModeCheck } from "../preflight/proxy-mode.ts";
import { processNames } from "../spec/processes.ts";
import { runningPid, supervisorPid } from "../observe/processes.ts";
import { CommandError } from "../terminal.ts";
import { type StartNodes, untilInterrupted } from "./start-nodes.ts";

/**
 * Whether `changeMode` can change a cluster: its control plane runs. A missing process of the first
 * node is started in the new mode, as after a change that failed.
 */
export function canChangeMode(cluster: ClusterConfig): boolean {
  const others = processNames(cluster).filter((name) => name !== "node");
  return others.every((name) => runningPid(cluster.runDir, name) !== undefined);
}

/**
 * Refuses another mode where some processes run and the control plane does not: a start leaves the
 * nodes that run as they are. Throws CommandError `RUNNING`.
 */
export function refuseModeInPart(cluster: ClusterConfig): void {
  if (!hasProcess(cluster)) return;
  const { name, proxyMode } = cluster;
  throw new CommandError("RUNNING", `"${name}" runs in part; its mode cannot change now`, {
    remedy: `r2k start --name ${name}, then again with --proxy-mode ${proxyMode}`,
  });
}

/** Throws CommandError `PREFLIGHT` if this machine's kernel or programs lack the mode. */
export async function checkMode(cluster: ClusterConfig, mode: ModeName): Promise<void> {
  const { dataDir, runDir } = cluster;
  const context = { dataDir, runDir, apiPort: undefined, ranges: [], proxyMode: mode };
  await preflight(context, [proxyModeCheck]);
}

/**
 * Changes the kind of Service rules of a running cluster, node by node: only the node's process is
 * restarted, so containers and the connections that the kernel translates continue. Each node's
 * rules are applied before the next one's change. A node where they are not is put back, as on
 * Ctrl-C, and no further one is changed; the same call continues with those that are left, and
 * starts the first node's process if it is missing. A guest keeps its mode.
 */
export async function changeMode(
  cluster: ClusterConfig,
  mode: ModeName,
  options: StartNodes,
): Promise<void> {
  const { progress } = options;
  const joined = await readJoiningNodes(cluster);
  const nodes = [
    ...joined.filter(({ runDir }) => runningPid(runDir, "node") ?? supervisorPid(runDir, "node")),
    // Last: its file is the cluster's, from which nodes that are started take their mode.
    cluster,
  ];
  for (const { nodeName, guest } of joined) {
    if (guest === undefined || guest.proxyMode === mode) continue;
    progress.note(`  node ${nodeName} keeps ${guest.proxyMode}: its containers are in the guest`);
  }
  const again = `r2k start --proxy-mode ${mode} --name ${cluster.name}`;
  await untilInterrupted(cluster, options, again, async (client, context) => {
    const kernels = nodes.filter(({ guest }) => guest === undefined);
    for (const node of kernels) await changeOne(node, mode, client, options, context);
  });
}

async function changeOne(
  node: ClusterConfig,
  mode: ModeName,
  client: KubeClient,
  { progress }: StartNodes,
  context: StartContext,
): Promise<void> {
  context.signal.throwIfAborted();
  const title = `${mode} on node ${node.nodeName}`;
  await progress.step(title, () => changeNodeMode(node, mode, actsBy(client), context));
  await interruptForTest(title, context);
}
