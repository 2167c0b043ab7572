import { nodeOf } from "@raft2kube/api/node-users.ts";
import { isNotFound, undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  CERTIFICATE_SIGNING_REQUESTS,
  CONFIG_MAPS,
  ENDPOINT_SLICES,
  NODES,
  PODS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { REMOVED_NODES } from "@raft2kube/pki/removed-nodes.ts";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { CERTIFICATE_DAYS } from "../pki/key-pair.ts";
import type { StepOf } from "../plan/step.ts";
import { setStopped } from "../spec/nodes.ts";
import type { Context } from "./context.ts";
import { deleteNfsClass } from "./nfs-class.ts";
import { purgeData, removeNodeFromHost } from "./remove.ts";

/**
 * Stops a node: processes, containers and namespace go, its data and its Node stay. The Node
 * becomes NotReady immediately, as that of a machine that is shut down, so Services do without it.
 */
export function applyStopNode(
  { name, node }: StepOf<"stop-node">,
  context: Context,
): Promise<void> {
  return context.step(`stopping node ${name}`, async () => {
    const client = await context.client();
    await setStopped(node, true);
    await removeNodeFromHost(node, context.clock);
    await showNotReady(client, name);
  });
}

/**
 * Removes a node for good: from the host, its data, and from the cluster, where its certificates
 * and its pods' tokens are no longer accepted. Copies of them are useless from then on.
 */
export function applyRemoveNode(
  { name, node }: StepOf<"remove-node">,
  context: Context,
): Promise<void> {
  return context.step(`removing node ${name}`, async () => {
    const client = await context.client();
    await refuseCertificates(client, name);
    await removeNodeFromHost(node, context.clock);
    await deletePods(client, name);
    await deleteObjects(client, name);
    await purgeData(node);
  });
}

/**
 * Ends what the node's users may do. Until the API server closes their connections they may still
 * ask for certificates and get some, issued later than the first removal: the second covers these.
 */
export async function refuseCertificates(client: KubeClient, name: string): Promise<void> {
  await recordRemoval(client, name);
  await deleteRequests(client, name);
  await recordRemoval(client, name);
  await deleteRequests(client, name);
}

/** Deletes the node's requests, which would be approved with those of a later node of its name. */
async function deleteRequests(client: KubeClient, name: string): Promise<void> {
  const requests = client.resource(CERTIFICATE_SIGNING_REQUESTS);
  for (const request of (await requests.listAll()).items) {
    const { username = "", groups = [] } = request.spec;
    if (nodeOf({ name: username, groups })?.node !== name) continue;
    await ignoreMissing(requests.delete(nameOf(request)));
  }
}

/** Refuses certificates of until now. Entries go when the certificates have ended by themselves. */
async function recordRemoval(client: KubeClient, name: string): Promise<void> {
  const maps = client.resource(CONFIG_MAPS);
  const known = await undefinedIfNotFound(maps.get(REMOVED_NODES));
  const now_ms = client.clock.now();
  const removed = { [name]: new Date(now_ms).toISOString() };
  if (known === undefined) await maps.create({ metadata: REMOVED_NODES, data: removed });
  else {
    const past = Object.entries(known.data ?? {}).filter(
      ([, time]) => Date.parse(time) + CERTIFICATE_DAYS * MS_PER_DAY < now_ms,
    );
    const gone = Object.fromEntries(past.map(([node]) => [node, null]));
    await maps.patch(REMOVED_NODES, "merge", { data: { ...gone, ...removed } });
  }
}

/** Deletes pods whose containers are gone, without a grace period: their tokens end with them. */
async function deletePods(client: KubeClient, name: string): Promise<void> {
  const pods = client.resource(PODS);
  const { items } = await pods.listAll({ fieldSelector: `spec.nodeName=${name}` });
  for (const pod of items) await ignoreMissing(pods.delete(nameOf(pod), { gracePeriodSeconds: 0 }));
}

/** Deletes what the cluster has of a node that r2k added. */
export async function deleteObjects(client: KubeClient, name: string): Promise<void> {
  await ignoreMissing(client.resource(NODES).delete({ name }));
  const slice = { namespace: "kube-system", name: `kube-dns-${name}` };
  await ignoreMissing(client.resource(ENDPOINT_SLICES).delete(slice));
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
  const nodes = client.resource(NODES);
  const status = { conditions: [condition] };
  await ignoreMissing(nodes.patch({ name, subresource: "status" }, "strategic", { status }));
}

async function ignoreMissing(request: Promise<unknown>): Promise<void> {
  await tolerate(request, isNotFound);
}
