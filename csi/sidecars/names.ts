/** Set by the volume binder on claims that wait for an external provisioner; the old name too. */
export const STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner";
export const STORAGE_PROVISIONER_BETA = "volume.beta.kubernetes.io/storage-provisioner";

/** Set by the scheduler on a claim that waits for its first consumer: the node it chose. */
export const SELECTED_NODE = "volume.kubernetes.io/selected-node";

/** Set on a volume: who made it, and so may delete it. */
export const PROVISIONED_BY = "pv.kubernetes.io/provisioned-by";

/** Keeps a volume's object until its storage is deleted, in whatever order both are asked for. */
export const PROVISIONER_FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer";
