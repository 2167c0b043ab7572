import type { VolumeSpec } from "./plugin.ts";
import { VolumeError } from "./volume-error.ts";

/** CSI drivers for in-tree kinds that are not translated: their volumes have other handles. */
const DRIVERS: Readonly<Record<string, string>> = {
  cephfs: "cephfs.csi.ceph.com",
  rbd: "rbd.csi.ceph.com",
};

/** Fields of a PersistentVolume's spec that are no source. */
const NO_SOURCE: ReadonlySet<string> = new Set([
  "accessModes",
  "capacity",
  "claimRef",
  "mountOptions",
  "nodeAffinity",
  "persistentVolumeReclaimPolicy",
  "storageClassName",
  "volumeAttributesClassName",
  "volumeMode",
]);

/**
 * Returns the refusal of a volume that no plugin serves, by its kind and, where there is one, the
 * CSI driver to use instead.
 */
export function refusalOf({ volume, claim }: VolumeSpec): VolumeError {
  const { name: _, ...source } = volume;
  const fields = claim ? Object.keys(claim.pv.spec) : Object.keys(source);
  const kind = fields.find((each) => !NO_SOURCE.has(each)) ?? "(none)";
  const of = claim ? `PersistentVolume ${claim.pv.metadata.name} of kind` : "volumes of kind";
  const driver = Object.hasOwn(DRIVERS, kind) ? DRIVERS[kind] : undefined;
  return new VolumeError("NotSupported", `no volume plugin of this node serves ${of} ${kind}`, {
    ...(driver && { remedy: `install the CSI driver ${driver} and use a volume of it` }),
  });
}
