import { createHash } from "node:crypto";
import type { Node, PersistentVolume, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { INLINE_VOLUMES_MAX } from "../limits.ts";
import { csiSourceOf, inTreeFieldOf, orUndefined, translateInline } from "./in-tree-volumes.ts";

/**
 * Names by which attach-detach controller, external-attacher and kubelet speak of attachments. All
 * are upstream's.
 */

const CSI_PREFIX = "kubernetes.io/csi/";

/** Annotation of a node: its volumes are attached and detached by the controller. */
export const CONTROLLER_ATTACHES = "volumes.kubernetes.io/controller-managed-attach-detach";

/** A volume's name in `volumesAttached` and `volumesInUse` of a node's status. */
export function uniqueVolumeName(driver: string, volumeHandle: string): string {
  return `${CSI_PREFIX}${driver}^${volumeHandle}`;
}

/**
 * The unique name of a CSI volume, or of one that is translated to CSI; undefined for other kinds,
 * which are not attached.
 */
export function uniqueNameOf(volume: PersistentVolume): string | undefined {
  const csi = csiSourceOf(volume);
  return csi && uniqueVolumeName(csi.driver, csi.volumeHandle);
}

type InlineVolumes = ReadonlyMap<string, PersistentVolume>;

/** Inline volumes by pod: stores replace pods and never change them. */
const INLINE_VOLUMES = new WeakMap<Pod, InlineVolumes>();

/**
 * The volumes of in-tree kinds that a pod names without claims, translated to CSI, by their unique
 * names; the first INLINE_VOLUMES_MAX. The pod must not change: the answer is kept.
 */
export function inlineVolumesOf(pod: Pod): InlineVolumes {
  const known = INLINE_VOLUMES.get(pod);
  if (known) return known;
  const { spec } = pod;
  const { namespace = "" } = pod.metadata;
  const found = new Map<string, PersistentVolume>();
  const inTree = (spec.volumes ?? []).filter((each) => inTreeFieldOf(each) !== undefined);
  for (const each of inTree.slice(0, INLINE_VOLUMES_MAX)) {
    const volume = orUndefined(() => translateInline(each, namespace));
    const name = volume && uniqueNameOf(volume);
    if (volume && name !== undefined && !found.has(name)) found.set(name, volume);
  }
  INLINE_VOLUMES.set(pod, found);
  return found;
}

/** The driver and handle in a CSI volume's unique name; a driver's name has no `^`. */
export function handleOfName(unique: string): { driver: string; volumeHandle: string } {
  const at = unique.indexOf("^");
  return { driver: unique.slice(CSI_PREFIX.length, at), volumeHandle: unique.slice(at + 1) };
}

/** Whether a name in a node's status is that of a CSI volume. */
export const isCsiVolumeName = (name: string): boolean => name.startsWith(CSI_PREFIX);

/** The name of the VolumeAttachment of a volume on a node. */
export function attachmentName(driver: string, volumeHandle: string, nodeName: string): string {
  const hash = createHash("sha256").update(`${volumeHandle}${driver}${nodeName}`).digest("hex");
  return `csi-${hash}`;
}

/** Whether a node's status says that a volume is attached to it. */
export function isListedAsAttached(node: Node | undefined, volume: string): boolean {
  return node?.status?.volumesAttached?.some(({ name }) => name === volume) ?? false;
}
