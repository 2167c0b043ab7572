import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { clusterFiles } from "../pki/identities.ts";
import { bringUpNodes } from "../apply/nodes.ts";
import type { StartContext } from "../apply/process.ts";
import { CommandError, type Progress } from "../terminal.ts";
import { onInterrupt } from "./on-interrupt.ts";

export interface StartNodes {
  readonly clock: Clock;
  readonly progress: Progress;
  /** How long a node may take to be Ready. */
  readonly readyTimeout_ms: number;
}

/** A client as the cluster's admin; to be closed. */
export async function adminClient(cluster: ClusterConfig, clock: Clock): Promise<KubeClient> {
  const connection = await kubeConnection(clusterFiles(cluster).kubeconfig("admin"));
  return new KubeClient({ ...connection, clock, qps: 1000, burst: 1000 });
}

/** Brings nodes of a running cluster up. After Ctrl-C or an error they are as far as they are. */
export async function startNodes(
  cluster: ClusterConfig,
  nodes: readonly ClusterConfig[],
  options: StartNodes,
): Promise<void> {
  const names = nodes.map((node) => node.nodeName).join(", ");
  const remedy = `r2k node start or remove: ${names}`;
  await untilInterrupted(cluster, options, remedy, (client, context) =>
    options.progress.step(`nodes: ${names}`, () => bringUpNodes(client, cluster, nodes, context)));
}

/** Works on a cluster as its admin. Ctrl-C aborts `work`, and fails with exit code 130. */
export async function untilInterrupted(
  cluster: ClusterConfig,
  { clock, readyTimeout_ms }: StartNodes,
  remedy: string,
  work: (client: KubeClient, context: StartContext) => Promise<void>,
): Promise<void> {
  const stop = onInterrupt();
  const { signal } = stop;
  const client = await adminClient(cluster, clock);
  try {
    await work(client, { clock, signal, readyTimeout_ms });
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
    throw new CommandError("INTERRUPTED", "interrupted", { remedy, exitCode: 130, cause: thrown });
  } finally {
    client.close();
    stop.release();
  }
}
