import type { CreateVolumeRequest, VolumeContentSource } from "@raft2kube/proto/gen/csi.ts";
import { capacityOf } from "../../lib/capacity.ts";
import { invalidArgument, notFound } from "../../lib/errors.ts";
import { requireString } from "../../lib/fields.ts";
import { requireParameters } from "../../lib/parameters.ts";
import { capabilitiesOf } from "./capability.ts";
import type { NewVolume } from "./in-share/operations.ts";
import { CAPACITY_BYTES_MAX } from "./limits.ts";
import type { MountOptions } from "./mount-options.ts";
import { parametersOf } from "./parameters.ts";
import type { ContentSource } from "./record.ts";
import { type Share, sourceOf } from "./share.ts";
import { idOf, keyOf, parseId } from "./volume-id.ts";

export type CreateVolumePlan = { share: Share; mount: MountOptions; volume: NewVolume };

/** Reads CreateVolume. Throws INVALID_ARGUMENT naming the field, or OUT_OF_RANGE. Pure. */
export function planCreateVolume(request: CreateVolumeRequest): CreateVolumePlan {
  const name = requireString("name", request.name);
  const mount = capabilitiesOf(request.volumeCapabilities);
  requireParameters("mutable_parameters", request.mutableParameters);
  const { share, subDir, onDelete, mode } = parametersOf(request.parameters, name);
  const { required_bytes, limit_bytes } = capacityOf(request.capacityRange, CAPACITY_BYTES_MAX);
  const source = contentSourceOf(request.volumeContentSource, share);
  const key = keyOf(subDir);
  idOf({ share, key });
  const limit = limit_bytes === Infinity ? 0 : limit_bytes;
  const volume = { key, name, subDir, required_bytes, limit_bytes: limit, source, onDelete, mode };
  return { share, mount, volume };
}

function contentSourceOf(
  source: VolumeContentSource | undefined,
  share: Share,
): ContentSource | undefined {
  if (!source) return undefined;
  const kind = source.snapshot ? "snapshot" : "volume";
  const id = source.snapshot
    ? requireString("snapshot_id", source.snapshot.snapshotId)
    : source.volume && requireString("volume_id", source.volume.volumeId);
  if (id === undefined) {
    throw invalidArgument("volume_content_source names neither a snapshot nor a volume");
  }
  const from = parseId(id);
  if (!from) throw notFound(`source ${kind} ${id} does not exist`);
  if (sourceOf(from.share) !== sourceOf(share)) {
    throw invalidArgument(`volume_content_source: ${kind} ${id} is not in the share of the class`);
  }
  return { kind, key: from.key };
}
