import { type FieldError, invalid, required } from "../../../errors.ts";
import type { PersistentVolumeSpec, Volume } from "../../../gen/core/v1.ts";

/** Fields that sources of kinds that CSI drivers took over, or that are gone, must have. */
const REQUIRED = Object.entries({
  awsElasticBlockStore: ["volumeID"],
  azureDisk: ["diskName", "diskURI"],
  azureFile: ["secretName", "shareName"],
  cephfs: ["monitors"],
  cinder: ["volumeID"],
  flexVolume: ["driver"],
  gcePersistentDisk: ["pdName"],
  gitRepo: ["repository"],
  glusterfs: ["endpoints", "path"],
  iscsi: ["targetPortal", "iqn"],
  photonPersistentDisk: ["pdID"],
  portworxVolume: ["volumeID"],
  quobyte: ["registry", "volume"],
  rbd: ["monitors", "image"],
  scaleIO: ["gateway", "system", "volumeName"],
  storageos: ["volumeName"],
  vsphereVolume: ["volumePath"],
} satisfies Partial<Record<keyof Volume, readonly string[]>>);

const PARTITION_MAX = 255;

const isSet = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== undefined && value !== "";

/**
 * The sources of in-tree kinds in a pod's volume or a PersistentVolume: each names its disk, and a
 * partition that can exist.
 */
export function validateInTree(
  volume: Partial<Volume> | PersistentVolumeSpec,
  path: string,
): FieldError[] {
  const sources = volume as Partial<Record<string, Record<string, unknown>>>;
  const errors = REQUIRED.flatMap(([kind, fields]) => {
    const source = sources[kind];
    if (source === undefined) return [];
    return fields
      .filter((field) => !isSet(source[field]))
      .map((field) => required(`${path}.${kind}.${field}`));
  });
  const { fc, flocker } = volume;
  if (fc && !isSet(fc.targetWWNs) && !isSet(fc.wwids)) {
    const rule = "must specify either targetWWNs or wwids, but not both";
    errors.push(required(`${path}.fc.targetWWNs`, rule));
  }
  if (flocker && !flocker.datasetName && !flocker.datasetUUID) {
    errors.push(required(`${path}.flocker`, "one of datasetName and datasetUUID is required"));
  }
  const { secretRef } = volume.cinder ?? {};
  if (secretRef && !secretRef.name) errors.push(required(`${path}.cinder.secretRef.name`));
  for (const kind of ["awsElasticBlockStore", "gcePersistentDisk"] as const) {
    const partition = volume[kind]?.partition ?? 0;
    if (partition >= 0 && partition <= PARTITION_MAX) continue;
    const rule = `must be between 1 and ${PARTITION_MAX}, inclusive`;
    errors.push(invalid(`${path}.${kind}.partition`, partition, rule));
  }
  return errors;
}
