/** The older name of STORAGE_PROVISIONER, which some binders still set. */
export const STORAGE_PROVISIONER_BETA = "volume.beta.kubernetes.io/storage-provisioner";

/**
 * Keeps a volume's object until its storage is deleted, regardless of the order of the deletions.
 */
export const PROVISIONER_FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer";
