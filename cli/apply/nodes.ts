import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { approveRequests } from "@raft2kube/kubelet/bootstrap/approve.ts";
import { ensureBootstrapToken } from "@raft2kube/kubelet/bootstrap/token.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { NFS_ADDONS_DIR, NODE_ADDONS_DIR } from "../assets.ts";
import { clusterFiles, nodeFiles, serverFor } from "../pki/identities.ts";
import { updateServers } from "../pki/renew.ts";
import type { StepOf } from "../plan/step.ts";
import { requireReplacedParts } from "../preflight/replaced-parts.ts";
import { type ClusterConfig, configPath, writeCluster } from "../spec/config.ts";
import { setStopped } from "../spec/nodes.ts";
import { ownPluginsDir } from "../spec/paths.ts";
import { CommandError } from "../terminal.ts";
import { applyFolder } from "./add-ons.ts";
import type { Context, StartContext } from "./context.ts";
import { addNodeLink } from "./network.ts";
import { deleteNfsClass } from "./nfs-class.ts";
import { installPlugins } from "./plugins.ts";
import { ensureProcess, GUEST_READY_TIMEOUT_MS } from "./processes.ts";
import { nodeReady } from "./ready.ts";

/** Starts nodes of a cluster whose control plane runs. Nodes that are complete by Ctrl-C stay. */
export function applyNodes(
  { cluster, nodes, title }: StepOf<"nodes">,
  context: Context,
): Promise<void> {
  return context.step(title, async () => {
    const client = await context.client();
    await refuseTakenNames(client, nodes);
    await bringUpNodes(client, cluster, nodes, context);
  });
}

/** Brings nodes of a running cluster up, all at a time; each joins if it has not yet. */
export async function bringUpNodes(
  client: KubeClient,
  cluster: ClusterConfig,
  nodes: readonly ClusterConfig[],
  context: StartContext,
): Promise<void> {
  for (const node of nodes) await requireReplacedParts(node);
  const results = await Promise.allSettled(
    nodes.map((node) => bringUpNode(client, cluster, node, context)),
  );
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** Brings one node up and waits until it is Ready. Running processes are left as they are. */
async function bringUpNode(
  client: KubeClient,
  cluster: ClusterConfig,
  node: ClusterConfig,
  context: StartContext,
): Promise<void> {
  const { signal } = context;
  await mkdir(node.dataDir, { recursive: true, mode: 0o700 });
  await mkdir(node.runDir, { recursive: true, mode: 0o700 });
  await writeCluster(node);
  await setStopped(node, false);
  const isGuest = node.guest !== undefined;
  if (node.cniBinDir === undefined && !isGuest) await installPlugins(ownPluginsDir(node));
  await updateServers(node, () => undefined);
  signal.throwIfAborted();
  const ca = (await readIfPresent(clusterFiles(cluster).pair("ca").cert)) ?? "";
  const api = { server: serverFor("kubelet", cluster), ca };
  const token = await ensureBootstrapToken(client, nodeFiles(node), api);
  try {
    signal.throwIfAborted();
    await addNodeLink(node);
    await applyFolder(client, NODE_ADDONS_DIR, node);
    if (node.guest?.nfsExport_MiB !== undefined) {
      await deleteNfsClass(client, node.nodeName, node.nodeAddress);
      await applyFolder(client, NFS_ADDONS_DIR, node);
    }
    signal.throwIfAborted();
    const started = new AbortController();
    const approving = approveRequests(client, node, token?.user, started.signal);
    try {
      await ensureProcess(node, "node", context);
    } finally {
      started.abort();
      await approving;
    }
  } finally {
    await token?.revoke();
  }
  const readyTimeout_ms = isGuest
    ? Math.max(context.readyTimeout_ms, GUEST_READY_TIMEOUT_MS)
    : context.readyTimeout_ms;
  await nodeReady(client, node, { ...context, readyTimeout_ms });
}

/**
 * Throws CommandError `NODE_EXISTS` if the cluster has a Node of the name of a node without files,
 * which is then another machine's: it would take over its identity, and undoing that would delete
 * the Node.
 */
export async function refuseTakenNames(
  client: KubeClient,
  nodes: readonly Pick<ClusterConfig, "nodeName" | "dataDir">[],
): Promise<void> {
  for (const { nodeName: name, dataDir } of nodes) {
    if (existsSync(configPath(dataDir))) continue;
    const node = await undefinedIfNotFound(client.resource(NODES).get({ name }));
    if (node === undefined) continue;
    throw new CommandError("NODE_EXISTS", `the cluster has a Node ${name} that r2k did not add`, {
      remedy: `choose another name; or, if its machine is gone: kubectl delete node ${name}`,
    });
  }
}
