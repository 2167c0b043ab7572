import type { Init } from "@raft2kube/proto/codec.ts";
import type {
  Snapshot,
  Timestamp,
  Topology,
  Volume,
  VolumeContentSource,
} from "@raft2kube/proto/gen/csi.ts";
import type { Place } from "./create-volume.ts";
import type { ContentSource, HostPathSnapshot, HostPathVolume } from "./state.ts";

/** Where the driver's volumes can be reached from: one node. */
export function topologyOf(place: Place): Topology {
  return { segments: { [place.topologyKey]: place.nodeId } };
}

/** A volume as the spec's message. */
export const volumeMessage = (volume: HostPathVolume, place: Place): Init<Volume> => ({
  volumeId: volume.id,
  capacityBytes: volume.capacity_bytes,
  volumeContext: {},
  contentSource: volume.source && contentSourceMessage(volume.source),
  accessibleTopology: [topologyOf(place)],
});

function contentSourceMessage(source: ContentSource): VolumeContentSource {
  return source.kind === "snapshot"
    ? { snapshot: { snapshotId: source.id } }
    : { volume: { volumeId: source.id } };
}

/** A snapshot as the spec's message. */
export const snapshotMessage = (snapshot: HostPathSnapshot): Init<Snapshot> => ({
  snapshotId: snapshot.id,
  sourceVolumeId: snapshot.sourceVolumeId,
  sizeBytes: snapshot.size_bytes,
  creationTime: timestampOf(snapshot.created_ms),
  readyToUse: true,
  groupSnapshotId: snapshot.group?.id ?? "",
});

/** A time as the spec's message. */
export function timestampOf(time_ms: number): Timestamp {
  return { seconds: Math.floor(time_ms / 1000), nanos: (time_ms % 1000) * 1_000_000 };
}
