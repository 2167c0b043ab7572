import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { ClusterConfig } from "../cluster/config.ts";
import { clusterFiles } from "../cluster/identities.ts";
import { bringUpNodes } from "../nodes/bring-up-node.ts";
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
  { clock, progress, readyTimeout_ms }: StartNodes,
): Promise<void> {
  const stop = onInterrupt();
  const { signal } = stop;
  const client = await adminClient(cluster, clock);
  const names = nodes.map((node) => node.nodeName).join(", ");
  try {
    const context = { clock, signal, readyTimeout_ms };
    await progress.step(`nodes: ${names}`, () => bringUpNodes(client, cluster, nodes, context));
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
    throw new CommandError("INTERRUPTED", "interrupted", {
      remedy: `r2k node start or remove: ${names}`,
      exitCode: 130,
    });
  } finally {
    client.close();
    stop.release();
  }
}
