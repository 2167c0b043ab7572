/**
 * Keeps a volume's object until its storage is deleted, regardless of the order of the deletions.
 */
export const PROVISIONER_FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer";

/** Annotation of an attachment: the driver's name of the node, for when its CSINode is gone. */
export const NODE_ID = "csi.alpha.kubernetes.io/node-id";
