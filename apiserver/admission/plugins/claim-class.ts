import type { PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";

const BETA_CLASS = "volume.beta.kubernetes.io/storage-class";

/** The class that a claim names, by its field or by upstream's older annotation. */
export function classOfClaim({ metadata, spec }: PersistentVolumeClaim): string | undefined {
  return metadata?.annotations?.[BETA_CLASS] ?? spec?.storageClassName;
}
