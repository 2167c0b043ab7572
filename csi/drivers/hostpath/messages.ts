import type { Init } from "@raft2kube/proto/codec.ts";
import type { Snapshot, Topology, Volume, VolumeContentSource } from "@raft2kube/proto/gen/csi.ts";
import type { Place } from "./create-volume.ts";
import type { ContentSource, HostPathSnapshot, HostPathVolume } from "./state.ts";

/** Where the driver's volumes can be reached from: one node. */
export function topologyOf(place: Place): Topology {
  return { segments: { [place.topologyKey]: place.nodeId } };
}

/** A volume as the spec's message. */
export function volumeMessage(volume: HostPathVolume, place: Place): Init<Volume> {
  return {
    volumeId: volume.id,
    capacityBytes: volume.capacity_bytes,
    volumeContext: {},
    contentSource: volume.source && contentSourceMessage(volume.source),
    accessibleTopology: [topologyOf(place)],
  };
}

function contentSourceMessage(source: ContentSource): VolumeContentSource {
  return source.kind === "snapshot"
    ? { snapshot: { snapshotId: source.id } }
    : { volume: { volumeId: source.id } };
}

/** A snapshot as the spec's message. */
export function snapshotMessage(snapshot: HostPathSnapshot): Init<Snapshot> {
  return {
    snapshotId: snapshot.id,
    sourceVolumeId: snapshot.sourceVolumeId,
    sizeBytes: snapshot.size_bytes,
    creationTime: {
      seconds: Math.floor(snapshot.created_ms / 1000),
      nanos: (snapshot.created_ms % 1000) * 1_000_000,
    },
    readyToUse: true,
  };
}
