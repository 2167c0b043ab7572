import { CONTROLLER_ATTACHES } from "@raft2kube/client-kube/object/attachments.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  CSI_DRIVERS,
  CSI_NODES,
  NODES,
  STORAGE_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { DRIVER_NAME } from "./attaching-driver.ts";

export const NODE_NAME = "n1";
export const CLASS_NAME = "attached";

/** Makes a node whose volumes the controller attaches, and the objects of the attaching driver. */
export async function makeStorageObjects(client: KubeClient): Promise<void> {
  const annotations = { [CONTROLLER_ATTACHES]: "true" };
  const nodes = client.resource(NODES);
  await nodes.create({ metadata: { name: NODE_NAME, annotations }, spec: {} });
  await nodes.patch({ name: NODE_NAME }, "merge", { spec: { taints: null } });
  const status = { conditions: [{ type: "Ready", status: "True" }] };
  await nodes.patch({ name: NODE_NAME, subresource: "status" }, "strategic", { status });
  await client
    .resource(CSI_NODES)
    .create({
      metadata: { name: NODE_NAME },
      spec: { drivers: [{ name: DRIVER_NAME, nodeID: NODE_NAME, topologyKeys: [] }] },
    });
  await client
    .resource(CSI_DRIVERS)
    .create({
      metadata: { name: DRIVER_NAME },
      spec: { attachRequired: true, fsGroupPolicy: "None" },
    });
  await client
    .resource(STORAGE_CLASSES)
    .create({
      metadata: { name: CLASS_NAME },
      provisioner: DRIVER_NAME,
      allowVolumeExpansion: true,
      volumeBindingMode: "Immediate",
      reclaimPolicy: "Delete",
    });
}
