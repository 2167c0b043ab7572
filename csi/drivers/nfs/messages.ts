import type { Init } from "@raft2kube/proto/codec.ts";
import type { Snapshot, Volume } from "@raft2kube/proto/gen/csi.ts";
import type { SnapshotRecord, VolumeRecord } from "./record.ts";
import type { Share } from "./share.ts";
import { idOf, keyOf } from "./volume-id.ts";

/** A volume as the spec's message; its context is what a node mounts. */
export function volumeMessage(share: Share, volume: VolumeRecord): Init<Volume> {
  const { subDir, capacity_bytes, source } = volume;
  const sourceId = source && idOf({ share, key: source.key });
  return {
    volumeId: idOf({ share, key: keyOf(subDir) }),
    capacityBytes: capacity_bytes,
    volumeContext: { server: share.server, share: share.path, subDir },
    ...(source?.kind === "snapshot" && { contentSource: { snapshot: { snapshotId: sourceId } } }),
    ...(source?.kind === "volume" && { contentSource: { volume: { volumeId: sourceId } } }),
  };
}

/** A snapshot as the spec's message. */
export function snapshotMessage(share: Share, snapshot: SnapshotRecord): Init<Snapshot> {
  const { name, volumeKey, size_bytes, created_ms } = snapshot;
  return {
    snapshotId: idOf({ share, key: keyOf(name) }),
    sourceVolumeId: idOf({ share, key: volumeKey }),
    sizeBytes: size_bytes,
    creationTime: {
      seconds: Math.floor(created_ms / 1000),
      nanos: (created_ms % 1000) * 1_000_000,
    },
    readyToUse: true,
  };
}
