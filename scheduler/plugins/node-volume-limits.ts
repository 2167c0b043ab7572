import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { CSINode, StorageClass, VolumeAttachment } from "@raft2kube/api/gen/storage/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import {
  handleOfName,
  inlineVolumesOf,
  uniqueNameOf,
  uniqueVolumeName,
} from "@raft2kube/client-kube/object/attachments.ts";
import { driverOfProvisioner } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { NO_PROVISIONER } from "@raft2kube/client-kube/object/volumes.ts";
import { StateKey } from "../framework/cycle-state.ts";
import type { FilterPlugin, PreFilterPlugin } from "../framework/plugin.ts";
import { SKIP, unschedulable } from "../framework/status.ts";
import type { NodeInfo, PodInfo } from "../node-info.ts";

/** The objects that show which volumes are in use on which node. */
export interface VolumeLimitsView {
  claims: ReadStore<PersistentVolumeClaim>;
  volumes: ReadStore<PersistentVolume>;
  classes: ReadStore<StorageClass>;
  csiNodes: ReadStore<CSINode>;
  attachments: ReadStore<VolumeAttachment>;
}

/** Volumes by driver, each with the number of its uses. */
type Volumes = Map<string, Map<string, number>>;

/** The pod's volumes, and those in use on the nodes that were asked about. */
interface Counted {
  readonly wanted: Volumes;
  readonly inUse: Map<NodeInfo, Volumes>;
  readonly ofPods: Map<PodInfo, readonly string[]>;
  readonly attached: ReadonlyMap<string, readonly VolumeAttachment[]>;
}

const COUNTED = new StateKey<Counted>("PreFilterNodeVolumeLimits");

/**
 * Rejects nodes where a CSI driver would have more volumes in use than its CSINode allows:
 * those of the node's pods, and attached ones. Source: API reference, CSINode `allocatable.count`.
 */
export const nodeVolumeLimits = (view: VolumeLimitsView): PreFilterPlugin & FilterPlugin => ({
  name: "NodeVolumeLimits",
  events: ["NodeAdd", "AssignedPodDelete", "StorageUpdate"],
  preFilter(state, info) {
    const wanted: Volumes = new Map();
    count(wanted, volumesOf(view, info), 1);
    if (wanted.size === 0) return SKIP;
    const attached = Map.groupBy(view.attachments.list(), ({ spec }) => spec.nodeName);
    state.write(COUNTED, { wanted, inUse: new Map(), ofPods: new Map(), attached });
    return undefined;
  },
  updateWithPod(state, _info, other, node, sign) {
    const counted = state.read(COUNTED);
    const inUse = counted?.inUse.get(node);
    if (counted && inUse) count(inUse, volumesOfOther(view, other, counted), sign);
  },
  filter(state, _info, node) {
    const csiNode = view.csiNodes.get(node.name);
    const limits = csiNode && limitsOf(csiNode);
    const counted = state.read(COUNTED);
    if (!limits?.size || !counted) return undefined;
    const inUse = inUseOn(view, node, counted);
    for (const [driver, wanted] of counted.wanted) {
      const used = inUse.get(driver);
      const added = [...wanted.keys()].filter((name) => !used?.has(name)).length;
      if (added > 0 && (used?.size ?? 0) + added > (limits.get(driver) ?? Infinity)) {
        return unschedulable("node(s) exceed max volume count");
      }
    }
    return undefined;
  },
});

/** Returns the volumes in use on a node, counted when the node is asked about first. */
function inUseOn(view: VolumeLimitsView, node: NodeInfo, counted: Counted): Volumes {
  const known = counted.inUse.get(node);
  if (known) return known;
  const inUse: Volumes = new Map();
  count(inUse, attachedTo(view, counted.attached.get(node.name)), 1);
  for (const other of node.pods.values()) count(inUse, volumesOfOther(view, other, counted), 1);
  counted.inUse.set(node, inUse);
  return inUse;
}

function volumesOfOther(view: VolumeLimitsView, other: PodInfo, { ofPods }: Counted) {
  const volumes = ofPods.get(other) ?? volumesOf(view, other);
  ofPods.set(other, volumes);
  return volumes;
}

/** The limits of each CSINode by driver: a node may write thousands, which each filter reads. */
const limitsKnown = new WeakMap<CSINode, ReadonlyMap<string, number>>();

function limitsOf(csiNode: CSINode): ReadonlyMap<string, number> {
  const known = limitsKnown.get(csiNode);
  if (known) return known;
  const limits = new Map(
    (csiNode.spec.drivers ?? []).flatMap(({ name, allocatable }) =>
      allocatable?.count === undefined ? [] : [[name, allocatable.count] as const],
    ),
  );
  limitsKnown.set(csiNode, limits);
  return limits;
}

/**
 * Returns the unique names of a pod's CSI volumes. One that is not provisioned yet has its claim's
 * name in the place of its handle.
 */
function volumesOf(view: VolumeLimitsView, { pod, claims }: PodInfo): string[] {
  const claimed = claims.flatMap((key) => {
    const claim = view.claims.get(key);
    if (!claim) return [];
    const bound = view.volumes.get(claim.spec.volumeName ?? "");
    if (bound) return uniqueNameOf(bound) ?? [];
    const provisioner = view.classes.get(claim.spec.storageClassName ?? "")?.provisioner;
    const made = provisioner !== undefined && provisioner !== NO_PROVISIONER;
    return made ? uniqueVolumeName(driverOfProvisioner(provisioner), key) : [];
  });
  return [...inlineVolumesOf(pod).keys(), ...claimed];
}

function attachedTo({ volumes }: VolumeLimitsView, attachments: readonly VolumeAttachment[] = []) {
  return attachments.flatMap(({ spec }) => {
    const { persistentVolumeName, inlineVolumeSpec } = spec.source;
    const volume = inlineVolumeSpec
      ? { metadata: {}, spec: inlineVolumeSpec }
      : volumes.get(persistentVolumeName ?? "");
    return (volume && uniqueNameOf(volume)) ?? [];
  });
}

function count(volumes: Volumes, names: readonly string[], sign: 1 | -1): void {
  for (const name of names) {
    const { driver } = handleOfName(name);
    const ofDriver = volumes.get(driver) ?? new Map<string, number>();
    const uses = (ofDriver.get(name) ?? 0) + sign;
    if (uses > 0) ofDriver.set(name, uses);
    else ofDriver.delete(name);
    volumes.set(driver, ofDriver);
  }
}
