import type {
  CreateVolumeRequest,
  TopologyRequirement,
  VolumeContentSource,
} from "@raft2kube/proto/gen/csi.ts";
import { capacityOf, newSize, satisfies } from "../../lib/capacity.ts";
import { alreadyExists, invalidArgument, notFound, resourceExhausted } from "../../lib/errors.ts";
import { requireString } from "../../lib/fields.ts";
import { requireParameters } from "../../lib/parameters.ts";
import { requireCapabilities } from "./capability.ts";
import { CAPACITY_BYTES_MAX, VOLUMES_MAX } from "./limits.ts";
import {
  type ContentSource,
  type HostPathState,
  type HostPathVolume,
  snapshotOf,
  volumeOf,
} from "./state.ts";

/** Where this driver's volumes live. */
export type Place = { topologyKey: string; nodeId: string };

export type CreateVolumePlan =
  | { kind: "existing"; volume: HostPathVolume }
  | { kind: "create"; volume: Omit<HostPathVolume, "id"> };

/**
 * Decides what CreateVolume does. The name makes it idempotent: the same name again gives the
 * volume that exists when it still fits, ALREADY_EXISTS otherwise (CSI spec, CreateVolume). Pure.
 */
export function planCreateVolume(
  state: HostPathState,
  request: CreateVolumeRequest,
  place: Place,
  mutable: readonly string[] = [],
): CreateVolumePlan {
  // lab:16 begin plan-create-volume
  const name = requireString("name", request.name);
  const block = requireCapabilities(request.volumeCapabilities);
  requireParameters("parameters", request.parameters);
  requireParameters("mutable_parameters", request.mutableParameters, mutable);
  const capacity = capacityOf(request.capacityRange, CAPACITY_BYTES_MAX);
  const source = sourceOf(request.volumeContentSource);

  const existing = Object.values(state.volumes).find((volume) => volume.name === name);
  if (existing) {
    if (!satisfies(existing.capacity_bytes, capacity)) {
      throw alreadyExists(`volume ${name} exists with ${existing.capacity_bytes} bytes`);
    }
    if (!sameSource(existing.source, source)) {
      throw alreadyExists(`volume ${name} exists with another content source`);
    }
    if (existing.block !== block) {
      throw alreadyExists(`volume ${name} exists with the other access type`);
    }
    return { kind: "existing", volume: existing };
  }
  requireReachable(request.accessibilityRequirements, place);
  const capacity_bytes = newSize(capacity, contentSize(state, source, block));
  if (Object.keys(state.volumes).length >= VOLUMES_MAX) {
    throw resourceExhausted(`the driver holds ${VOLUMES_MAX} volumes already`);
  }
  const volume: Omit<HostPathVolume, "id"> = { name, capacity_bytes, block, ephemeral: false };
  if (source) volume.source = source;
  if (Object.keys(request.mutableParameters).length > 0) {
    volume.mutableParameters = request.mutableParameters;
  }
  return { kind: "create", volume };
  // lab:16 end
}

function sourceOf(source: VolumeContentSource | undefined): ContentSource | undefined {
  if (!source) return undefined;
  if (source.snapshot) {
    return { kind: "snapshot", id: requireString("snapshot_id", source.snapshot.snapshotId) };
  }
  if (source.volume) {
    return { kind: "volume", id: requireString("volume_id", source.volume.volumeId) };
  }
  throw invalidArgument("volume_content_source names neither a snapshot nor a volume");
}

function sameSource(a: ContentSource | undefined, b: ContentSource | undefined): boolean {
  return a?.kind === b?.kind && a?.id === b?.id;
}

function contentSize(
  state: HostPathState,
  source: ContentSource | undefined,
  block: boolean,
): number {
  if (!source) return 0;
  const snapshot = source.kind === "snapshot" ? snapshotOf(state, source.id) : undefined;
  const volume = source.kind === "volume" ? volumeOf(state, source.id) : undefined;
  const size = snapshot?.size_bytes ?? volume?.capacity_bytes;
  if (size === undefined) throw notFound(`source ${source.kind} ${source.id} does not exist`);
  if ((snapshot ?? volume)?.block !== block) {
    throw invalidArgument(`source ${source.kind} ${source.id} has the other access type`);
  }
  return size;
}

/**
 * The spec's order: a requisite topology must include us; preferred ones alone never exclude us.
 */
function requireReachable(requirement: TopologyRequirement | undefined, place: Place): void {
  const requisite = requirement?.requisite ?? [];
  if (requisite.length === 0) return;
  const here = requisite.some((topology) =>
    Object.entries(topology.segments).every(
      ([key, value]) => key === place.topologyKey && value === place.nodeId,
    ),
  );
  if (!here) {
    throw resourceExhausted(
      `volumes of this driver are reached from ${place.topologyKey}=${place.nodeId} only`,
    );
  }
}
