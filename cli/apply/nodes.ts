import { mkdir } from "node:fs/promises";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { applyFolder } from "./addons.ts";
import { NFS_ADDONS_DIR, NODE_ADDONS_DIR } from "../assets.ts";
import { type ClusterConfig, writeCluster } from "../spec/config.ts";
import { setStopped } from "../spec/nodes.ts";
import { ownPluginsDir } from "../spec/paths.ts";
import { installPlugins } from "./plugins.ts";
import { updateServers } from "../pki/renew.ts";
import { addNodeLink } from "./node-link.ts";
import { requireReplacedParts } from "../preflight/replaced-parts.ts";
import { approveRequests } from "./approve-requests.ts";
import { ensureBootstrapToken } from "./bootstrap-token.ts";
import { deleteNfsClass } from "./nfs-class.ts";
import {
  ensureProcess, GUEST_READY_TIMEOUT_MS, nodeReady, type StartContext,
} from "./process.ts";

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

/** Brings one node up and waits until it is Ready. What runs is left as it is. */
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
  const token = await ensureBootstrapToken(cluster, node, client);
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
