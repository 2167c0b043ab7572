import { type FieldError, invalid, required } from "../../../errors.ts";
import type { Volume } from "../../../gen/core/v1.ts";

/** Fields that sources of volumes which CSI drivers took over must have (upstream's rules). */
const REQUIRED = {
  awsElasticBlockStore: ["volumeID"],
  azureDisk: ["diskName", "diskURI"],
  azureFile: ["secretName", "shareName"],
  cinder: ["volumeID"],
  gcePersistentDisk: ["pdName"],
  portworxVolume: ["volumeID"],
  vsphereVolume: ["volumePath"],
} as const satisfies Partial<Record<keyof Volume, readonly string[]>>;

const PARTITION_MAX = 255;

/** The sources of in-tree kinds: each names its disk, and a partition that can exist. */
export function validateInTree(volume: Volume, path: string): FieldError[] {
  const errors = Object.entries(REQUIRED).flatMap(([kind, fields]) => {
    const source = volume[kind as keyof typeof REQUIRED] as Record<string, unknown> | undefined;
    if (source === undefined) return [];
    return fields
      .filter((field) => !source[field])
      .map((field) => required(`${path}.${kind}.${field}`));
  });
  const { secretRef } = volume.cinder ?? {};
  if (secretRef && !secretRef.name) errors.push(required(`${path}.cinder.secretRef.name`));
  for (const kind of ["awsElasticBlockStore", "gcePersistentDisk"] as const) {
    const partition = volume[kind]?.partition ?? 0;
    if (partition >= 0 && partition <= PARTITION_MAX) continue;
    errors.push(
      invalid(
        `${path}.${kind}.partition`,
        partition,
        `must be between 1 and ${PARTITION_MAX}, inclusive`,
      ),
    );
  }
  return errors;
}
