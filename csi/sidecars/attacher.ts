import {
  CSI_NODES,
  PERSISTENT_VOLUMES,
  VOLUME_ATTACHMENTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { Attacher } from "./attach-loop.ts";
import { type BesideDriverOptions, type SidecarSet, startBesideDriver } from "./beside-driver.ts";

const ATTACHER: SidecarSet = {
  name: "csi-attacher",
  reads: [CSI_NODES, PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS],
  check: () => {},
  loops: (options) => [new Attacher(options)],
};

/**
 * Starts the attacher beside a driver's controller service, once in a cluster: VolumeAttachments
 * are carried out. The client has the rights of upstream's external-attacher.
 */
export const startAttacher = (
  options: Omit<BesideDriverOptions, "nodeName">,
): { ready: Promise<void>; close(): Promise<void> } => startBesideDriver(options, ATTACHER);
