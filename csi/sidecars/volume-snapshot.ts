import type { ObjectMeta } from "@raft2kube/api/gen/meta/v1.ts";

/** The fields of a VolumeSnapshot (snapshot.storage.k8s.io/v1) that restoring reads. */
export interface VolumeSnapshot {
  metadata: ObjectMeta;
  status?: {
    boundVolumeSnapshotContentName?: string;
    readyToUse?: boolean;
    /** The least capacity of a volume that is made of it. */
    restoreSize?: string;
  };
}

/** The fields of a VolumeSnapshotContent that restoring reads. */
export interface VolumeSnapshotContent {
  metadata: ObjectMeta;
  spec: {
    driver: string;
    volumeSnapshotRef: { name?: string; namespace?: string; uid?: string };
    sourceVolumeMode?: string;
  };
  status?: { snapshotHandle?: string };
}
