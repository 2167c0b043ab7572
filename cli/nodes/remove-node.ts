import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ENDPOINT_SLICES, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { ClusterPlace } from "../cluster/config.ts";
import { setStopped } from "../cluster/joining-nodes.ts";
import { purgeData, removeNodeFromHost } from "../host/remove.ts";
import { deleteNfsClass } from "./nfs-class.ts";

/**
 * Stops a node: processes, containers and namespace go, its data and its Node stay. The Node is
 * NotReady at once, as of a machine that is shut down, so Services do without it.
 */
export async function stopNode(
  client: KubeClient,
  node: ClusterPlace,
  name: string,
  clock: Clock,
): Promise<void> {
  await setStopped(node, true);
  await removeNodeFromHost(node, clock);
  await showNotReady(client, name);
}

/** Removes a node for good: from the host, its data, and from the cluster. */
export async function removeNode(
  client: KubeClient,
  node: ClusterPlace,
  name: string,
  clock: Clock,
): Promise<void> {
  await removeNodeFromHost(node, clock);
  await deleteObjects(client, name);
  await purgeData(node);
}

/** Deletes what the cluster has of a node that r2k added. */
export async function deleteObjects(client: KubeClient, name: string): Promise<void> {
  await ignoreMissing(client.resource<Node>(NODES).delete({ name }));
  const slice = { namespace: "kube-system", name: `kube-dns-${name}` };
  await ignoreMissing(client.resource<EndpointSlice>(ENDPOINT_SLICES).delete(slice));
  await deleteNfsClass(client, name);
}

async function showNotReady(client: KubeClient, name: string): Promise<void> {
  const condition = {
    type: "Ready",
    status: "False",
    reason: "NodeStopped",
    message: `stopped by r2k node stop; r2k node start ${name} goes on`,
    lastTransitionTime: timeText(client.clock.now()),
  };
  const nodes = client.resource<Node>(NODES);
  const status = { conditions: [condition] };
  await ignoreMissing(nodes.patch({ name, subresource: "status" }, "strategic", { status }));
}

async function ignoreMissing(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (thrown) {
    if (!isNotFound(thrown)) throw thrown;
  }
}
