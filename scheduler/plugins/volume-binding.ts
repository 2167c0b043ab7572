import type {
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Volume,
} from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { keyOf } from "@raft2kube/client-kube/object.ts";
import { controllerOf } from "@raft2kube/client-kube/owner.ts";
import type { ReadStore } from "@raft2kube/client-kube/store.ts";
import {
  claimNameOf,
  findVolume,
  isBound,
  NO_PROVISIONER,
  SELECTED_NODE,
} from "@raft2kube/client-kube/volumes.ts";
import { own } from "@raft2kube/std/own.ts";
import { type Plugin, type Rejection, unfit } from "../framework.ts";
import { selectsNode } from "../node-selector.ts";
import type { VolumeBinder } from "../volume-binder.ts";

const NO_VOLUME = "node(s) didn't find available persistent volumes to bind";
const WRONG_NODE = "node(s) didn't match PersistentVolume's node affinity";
const NO_SUCH_VOLUME =
  "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";

/** What the plugin knows about storage. */
export interface StorageView {
  claims: ReadStore<PersistentVolumeClaim>;
  volumes: ReadStore<PersistentVolume>;
  classes: ReadStore<StorageClass>;
}

/** How one claim gets its volume on one node. */
export type ClaimPlan =
  | { kind: "bind"; claim: PersistentVolumeClaim; volume: PersistentVolume }
  | { kind: "provision"; claim: PersistentVolumeClaim };

/**
 * A pod goes where its volumes are, or can be. Claims of classes that wait for their first consumer
 * are given a volume, or a node to be provisioned for, before the pod is bound.
 */
export function volumeBinding(view: StorageView, binder: VolumeBinder): Plugin {
  return {
    name: "VolumeBinding",
    weight: 0,
    events: ["node-added", "node-labels", "volumes"],
    consider({ pod }) {
      const sorted = sortClaims(view, pod);
      if ("reasons" in sorted) return { reject: sorted };
      const { bound, delayed } = sorted;
      if (bound.length === 0 && delayed.length === 0) return {};
      return {
        filter: ({ node }) => node && (fitBound(view, bound, node) ?? fitDelayed(node)),
        reserve({ node }) {
          const plans = node && planClaims(view, delayed, node, binder.taken());
          if (!plans || plans.length === 0) return undefined;
          return binder.reserve(pod, plans, node.metadata.name ?? "");
        },
      };
      function fitDelayed(node: Node): Rejection | undefined {
        return planClaims(view, delayed, node, binder.taken()) ? undefined : unfit(NO_VOLUME);
      }
    },
  };
}

interface SortedClaims {
  bound: PersistentVolumeClaim[];
  delayed: PersistentVolumeClaim[];
}

/** The pod's claims by how far they are, or why no node can take the pod. */
function sortClaims(view: StorageView, pod: Pod): SortedClaims | Rejection {
  const sorted: SortedClaims = { bound: [], delayed: [] };
  for (const volume of pod.spec.volumes ?? []) {
    const name = claimNameOf(pod, volume);
    if (name === undefined) continue;
    const claim = view.claims.get(`${pod.metadata.namespace ?? ""}/${name}`);
    if (!claim) return unfit(missingClaim(volume, name));
    if (volume.ephemeral && controllerOf(claim)?.uid !== pod.metadata.uid) {
      const [there, here] = [keyOf(claim), keyOf(pod)];
      return unfit(`PVC "${there}" was not created for pod "${here}" (pod is not owner)`);
    }
    if (claim.metadata.deletionTimestamp) {
      return unfit(`persistentvolumeclaim "${name}" is being deleted`);
    }
    if (claim.status?.phase === "Lost") {
      const lost = claim.spec.volumeName ?? "";
      const what = `persistentvolumeclaim "${name}" bound to non-existent`;
      return unfit(`${what} persistentvolume "${lost}"`);
    }
    if (isBound(claim)) sorted.bound.push(claim);
    else if (!claim.spec.volumeName && waitsForConsumer(view, claim)) sorted.delayed.push(claim);
    else return unfit("pod has unbound immediate PersistentVolumeClaims");
  }
  return sorted;
}

function missingClaim(volume: Volume, name: string): string {
  return volume.ephemeral === undefined
    ? `persistentvolumeclaim "${name}" not found`
    : `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`;
}

function waitsForConsumer(view: StorageView, claim: PersistentVolumeClaim): boolean {
  const storageClass = view.classes.get(claim.spec.storageClassName ?? "");
  return storageClass?.volumeBindingMode === "WaitForFirstConsumer";
}

function fitBound(
  view: StorageView,
  claims: readonly PersistentVolumeClaim[],
  node: Node,
): Rejection | undefined {
  for (const claim of claims) {
    const volume = view.volumes.get(claim.spec.volumeName ?? "");
    if (!volume) return unfit(NO_SUCH_VOLUME);
    if (!reaches(volume, node)) return unfit(WRONG_NODE);
  }
  return undefined;
}

function reaches(volume: PersistentVolume, node: Node): boolean {
  const required = volume.spec.nodeAffinity?.required;
  return !required || selectsNode(required, node);
}

/** A way for each claim on this node, or undefined if one has none. */
function planClaims(
  view: StorageView,
  claims: readonly PersistentVolumeClaim[],
  node: Node,
  takenByOthers: ReadonlySet<string>,
): ClaimPlan[] | undefined {
  const plans: ClaimPlan[] = [];
  const taken = new Set(takenByOthers);
  for (const claim of claims) {
    const selected = claim.metadata.annotations?.[SELECTED_NODE];
    if (selected !== undefined && selected !== node.metadata.name) return undefined;
    const volume = selected
      ? undefined
      : findVolume(view.volumes.list(), claim, (candidate) => {
          return !taken.has(keyOf(candidate)) && reaches(candidate, node);
        });
    if (volume) {
      taken.add(keyOf(volume));
      plans.push({ kind: "bind", claim, volume });
    } else if (canProvision(view, claim, node)) plans.push({ kind: "provision", claim });
    else return undefined;
  }
  return plans;
}

function canProvision(view: StorageView, claim: PersistentVolumeClaim, node: Node): boolean {
  const storageClass = view.classes.get(claim.spec.storageClassName ?? "");
  if (!storageClass || storageClass.provisioner === NO_PROVISIONER) return false;
  const topologies = storageClass.allowedTopologies ?? [];
  if (topologies.length === 0) return true;
  const labels = node.metadata.labels ?? {};
  return topologies.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => values.includes(own(labels, key) ?? "")),
  );
}
