import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { STORAGE_CLASSES } from "@raft2kube/client-kube/rest/resources.ts";

/** The class of `cli/addons/nfs/class.yaml`, and its label, which names the node that serves. */
const CLASS = { name: "nfs" };
const SERVER_LABEL = "r2k.io/nfs-server";

/**
 * Deletes the class of volumes on a node's NFS server, unless it already has the address `kept`. A
 * class's parameters are immutable: it would refuse a later server with another address. A class
 * of the same name that is another's stays. Volumes of the class stay too.
 */
export async function deleteNfsClass(
  client: KubeClient,
  node: string,
  kept?: string,
): Promise<void> {
  const classes = client.resource(STORAGE_CLASSES);
  const found = await undefinedIfNotFound(classes.get(CLASS));
  if (found?.metadata.labels?.[SERVER_LABEL] !== node) return;
  if (kept !== undefined && found.parameters?.["server"] === kept) return;
  await undefinedIfNotFound(classes.delete(CLASS));
}
