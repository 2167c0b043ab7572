/** The older name of STORAGE_PROVISIONER, which some binders still set. */
export const STORAGE_PROVISIONER_BETA = "volume.beta.kubernetes.io/storage-provisioner";

/** Keeps a volume's object until its storage is deleted, in whatever order both are asked for. */
export const PROVISIONER_FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer";
