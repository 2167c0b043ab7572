import type { PersistentVolume, PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { CSINode, StorageClass, VolumeAttachment } from "@raft2kube/api/gen/storage/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import {
  handleOfName,
  inlineVolumesOf,
  uniqueNameOf,
  uniqueVolumeName,
} from "@raft2kube/client-kube/object/attachments.ts";
import { driverOfProvisioner } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { claimNameOf, NO_PROVISIONER } from "@raft2kube/client-kube/object/volumes.ts";
import { StateKey } from "../framework/cycle-state.ts";
import type { FilterPlugin, PreFilterPlugin } from "../framework/plugin.ts";
import { SKIP, unschedulable } from "../framework/status.ts";

/** The objects that show which volumes are in use on which node. */
export interface VolumeLimitsView {
  claims: ReadStore<PersistentVolumeClaim>;
  volumes: ReadStore<PersistentVolume>;
  classes: ReadStore<StorageClass>;
  csiNodes: ReadStore<CSINode>;
  attachments: ReadStore<VolumeAttachment>;
}

const VOLUMES = new StateKey<ReadonlySet<string>>("PreFilterNodeVolumeLimits");

/**
 * Rejects nodes where a CSI driver would have more volumes in use than its CSINode allows:
 * those of the node's pods, and attached ones. Source: API reference, CSINode `allocatable.count`.
 */
export function nodeVolumeLimits(view: VolumeLimitsView): PreFilterPlugin & FilterPlugin {
  return {
    name: "NodeVolumeLimits",
    events: ["node-added", "pod-removed", "volumes"],
    preFilter(state, { pod }) {
      const wanted = new Set(volumesOf(view, pod));
      if (wanted.size === 0) return SKIP;
      state.write(VOLUMES, wanted);
      return undefined;
    },
    filter(state, _info, { name, pods }) {
      const limits = limitsOf(view.csiNodes.get(name));
      if (limits.size === 0) return undefined;
      const used = new Set(attachedTo(view, name));
      for (const { pod } of pods.values()) for (const each of volumesOf(view, pod)) used.add(each);
      const counts = countByDriver(used);
      const wanted = state.read(VOLUMES) ?? new Set<string>();
      const added = countByDriver([...wanted].filter((each) => !used.has(each)));
      for (const [driver, count] of added) {
        const limit = limits.get(driver) ?? Infinity;
        if ((counts.get(driver) ?? 0) + count > limit) {
          return unschedulable("node(s) exceed max volume count");
        }
      }
      return undefined;
    },
  };
}

function limitsOf(csiNode: CSINode | undefined): Map<string, number> {
  const drivers = csiNode?.spec.drivers ?? [];
  return new Map(
    drivers.flatMap(({ name, allocatable }) =>
      allocatable?.count === undefined ? [] : [[name, allocatable.count] as const],
    ),
  );
}

/**
 * Returns the unique names of a pod's CSI volumes. One that is not provisioned yet has its claim's
 * name in the place of its handle.
 */
function volumesOf(view: VolumeLimitsView, pod: Pod): string[] {
  const { namespace = "" } = pod.metadata;
  const claimed = (pod.spec.volumes ?? []).flatMap((volume) => {
    const name = claimNameOf(pod, volume);
    if (name === undefined) return [];
    const key = `${namespace}/${name}`;
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

function attachedTo({ attachments, volumes }: VolumeLimitsView, nodeName: string): string[] {
  return attachments.list().flatMap(({ spec }) => {
    if (spec.nodeName !== nodeName) return [];
    const { persistentVolumeName, inlineVolumeSpec } = spec.source;
    const volume = inlineVolumeSpec
      ? { metadata: {}, spec: inlineVolumeSpec }
      : volumes.get(persistentVolumeName ?? "");
    return (volume && uniqueNameOf(volume)) ?? [];
  });
}

function countByDriver(names: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) {
    const { driver } = handleOfName(name);
    counts.set(driver, (counts.get(driver) ?? 0) + 1);
  }
  return counts;
}
