import type {
  Node,
  NodeSelector,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  TopologySelectorTerm,
  Volume,
} from "@raft2kube/api/gen/core/v1.ts";
import type { CSIDriver, CSIStorageCapacity, StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import {
  driverOfProvisioner,
  orUndefined,
  translateClass,
  translateVolume,
} from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { selectsNode } from "@raft2kube/client-kube/object/node-selector.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import {
  claimNameOf,
  isBound,
  mayGet,
  NO_PROVISIONER,
  SELECTED_NODE,
  takerOf,
  takersOf,
} from "@raft2kube/client-kube/object/volumes.ts";
import { own } from "@raft2kube/std/own.ts";
import { parseQuantity } from "@raft2kube/std/quantity.ts";
import { StateKey } from "../framework/cycle-state.ts";
import type {
  FilterPlugin,
  PreBindPlugin,
  PreFilterPlugin,
  ReservePlugin,
} from "../framework/plugin.ts";
import { type Result, SKIP, type Status, unresolvable } from "../framework/status.ts";
import { Reachable } from "../reachable.ts";
import type { ClaimPlan, VolumeBinder, VolumeReservation } from "../volume-binder.ts";

const BIND_CONFLICT = "node(s) didn't find available persistent volumes to bind";
const NODE_CONFLICT = "node(s) didn't match PersistentVolume's node affinity";
const NO_SPACE = "node(s) did not have enough free storage";
const VOLUME_NOT_FOUND =
  "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";

/** The storage objects that the plugin reads. */
export interface StorageView {
  claims: ReadStore<PersistentVolumeClaim>;
  volumes: ReadStore<PersistentVolume>;
  classes: ReadStore<StorageClass>;
  drivers: ReadStore<CSIDriver>;
  capacities: ReadStore<CSIStorageCapacity>;
}

const CLAIMS = new StateKey<PodClaims>("PreFilterVolumeBinding");
const RESERVATION = new StateKey<VolumeReservation>("ReserveVolumeBinding");

type VolumeBinding = PreFilterPlugin & FilterPlugin & ReservePlugin & PreBindPlugin;

/**
 * Rejects nodes that cannot reach the pod's volumes. Claims that wait for their first consumer are
 * given a volume, or a node to be provisioned for, before the pod is bound.
 */
export const volumeBinding = (view: StorageView, binder: VolumeBinder): VolumeBinding => ({
  name: "VolumeBinding",
  events: ["NodeAdd", "NodeLabelChange", "StorageUpdate"],
  preFilter(state, { pod }) {
    const claims = podClaims(view, pod);
    if ("code" in claims) return claims;
    state.write(CLAIMS, claims);
    return claims.bound.length + claims.delayed.length === 0 ? SKIP : undefined;
  },
  filter(state, _info, { node }) {
    const claims = state.read(CLAIMS);
    if (!node || !claims) return undefined;
    const status = checkBoundClaims(view, claims.bound, node);
    if (status) return status;
    const plans = planClaims(claims.delayed, node, binder.reserved);
    return typeof plans === "string" ? unresolvable(plans) : undefined;
  },
  reserve(state, { pod }, { node }) {
    const claims = state.read(CLAIMS);
    const plans = node && claims && planClaims(claims.delayed, node, binder.reserved);
    if (!plans || typeof plans === "string" || plans.length === 0) return;
    state.write(RESERVATION, binder.reserve(pod, plans, node.metadata.name ?? ""));
  },
  unreserve: (state) => state.read(RESERVATION)?.release(),
  async preBind(state, _info, _node, signal) {
    await state.read(RESERVATION)?.bind(signal);
  },
});

/** The claims of a pod: bound ones, and those that wait for their first consumer. */
type PodClaims = { bound: PersistentVolumeClaim[]; delayed: DelayedClaim[] };

/** A claim that waits for its first consumer, and where it can have a volume. */
interface DelayedClaim {
  claim: PersistentVolumeClaim;
  candidates: Reachable<Candidate>;
  /** How a volume can be provisioned; undefined if it cannot. */
  provisioning: Provisioning | undefined;
}

/** A volume that a claim may get. Of those that a node reaches the one of the least rank is best. */
type Candidate = { volume: PersistentVolume; required: NodeSelector | undefined; rank: number };

/** How the volumes of a class are made. */
interface Provisioning {
  topologies: readonly TopologySelectorTerm[];
  /** Capacities that suffice; undefined if the driver publishes none. */
  capacities: Reachable<CSIStorageCapacity> | undefined;
}

/** Returns the pod's claims, or why no node can run the pod. */
function podClaims(view: StorageView, pod: Pod): PodClaims | Status {
  const found: PodClaims = { bound: [], delayed: [] };
  const delayed: PersistentVolumeClaim[] = [];
  for (const volume of pod.spec.volumes ?? []) {
    const name = claimNameOf(pod, volume);
    if (name === undefined) continue;
    const claim = view.claims.get(`${pod.metadata.namespace ?? ""}/${name}`);
    if (!claim) return unresolvable(missingClaim(volume, name));
    if (volume.ephemeral && controllerOf(claim)?.uid !== pod.metadata.uid) {
      const [there, here] = [keyOf(claim), keyOf(pod)];
      return unresolvable(`PVC ${there} was not created for pod ${here} (pod is not owner)`);
    }
    if (claim.metadata.deletionTimestamp) {
      return unresolvable(`persistentvolumeclaim "${name}" is being deleted`);
    }
    if (claim.status?.phase === "Lost") {
      const lost = claim.spec.volumeName ?? "";
      const what = `persistentvolumeclaim "${name}" bound to non-existent`;
      return unresolvable(`${what} persistentvolume "${lost}"`);
    }
    if (isBound(claim)) found.bound.push(claim);
    else if (!claim.spec.volumeName && waitsForConsumer(view, claim)) delayed.push(claim);
    else return unresolvable("pod has unbound immediate PersistentVolumeClaims");
  }
  const volumes = Map.groupBy(delayed.length > 0 ? view.volumes.list() : [], takerOf);
  found.delayed = delayed.map((claim) => {
    const near = takersOf(claim).flatMap((taker) => volumes.get(taker) ?? []);
    const candidates = candidatesOf(near, claim);
    return { claim, candidates, provisioning: provisioningOf(view, claim) };
  });
  return found;
}

/** Returns the volumes that a claim may get: those reserved for it, then the smallest. */
function candidatesOf(
  volumes: readonly PersistentVolume[],
  claim: PersistentVolumeClaim,
): Reachable<Candidate> {
  const found = new Reachable<Candidate>();
  volumes
    .filter((volume) => mayGet(volume, claim))
    .map((volume) => ({
      volume,
      size: volume.spec.claimRef
        ? -1n
        : parseQuantity(volume.spec.capacity?.["storage"] ?? "0").nanos,
    }))
    .sort((a, b) => (a.size < b.size ? -1 : a.size > b.size ? 1 : 0))
    .forEach(({ volume }, rank) => {
      const required = requiredOf(volume);
      found.add({ volume, required, rank }, required?.nodeSelectorTerms);
    });
  return found;
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

function checkBoundClaims(
  view: StorageView,
  claims: readonly PersistentVolumeClaim[],
  node: Node,
): Result {
  for (const claim of claims) {
    const volume = view.volumes.get(claim.spec.volumeName ?? "");
    if (!volume) return unresolvable(VOLUME_NOT_FOUND);
    if (!reaches(volume, node)) return unresolvable(NODE_CONFLICT);
  }
  return undefined;
}

function reaches(volume: PersistentVolume, node: Node): boolean {
  const required = requiredOf(volume);
  return !required || selectsNode(required, node);
}

function requiredOf(volume: PersistentVolume): NodeSelector | undefined {
  const { spec } = orUndefined(() => translateVolume(volume)) ?? volume;
  return spec.nodeAffinity?.required;
}

/** Plans each claim's volume on this node, or returns why one of them cannot have any there. */
function planClaims(
  delayed: readonly DelayedClaim[],
  node: Node,
  reservedByOthers: ReadonlyMap<string, unknown>,
): ClaimPlan[] | string {
  const plans: ClaimPlan[] = [];
  const reserved = new Set<string>();
  for (const { claim, candidates, provisioning } of delayed) {
    const selected = claim.metadata.annotations?.[SELECTED_NODE];
    if (selected !== undefined && selected !== node.metadata.name) return BIND_CONFLICT;
    const volume = selected
      ? undefined
      : firstReached(candidates, node, (each) => {
          return !reservedByOthers.has(keyOf(each)) && !reserved.has(keyOf(each));
        });
    if (volume) {
      reserved.add(keyOf(volume));
      plans.push({ kind: "bind", claim, volume });
      continue;
    }
    if (!provisioning || !allows(provisioning, node)) return BIND_CONFLICT;
    if (!hasSpace(provisioning, node)) return NO_SPACE;
    plans.push({ kind: "provision", claim });
  }
  return plans;
}

function firstReached(
  candidates: Reachable<Candidate>,
  node: Node,
  isFree: (volume: PersistentVolume) => boolean,
): PersistentVolume | undefined {
  let best: Candidate | undefined;
  for (const list of candidates.of(node.metadata.labels ?? {})) {
    const first = list.find(({ volume, required }) => {
      return isFree(volume) && (!required || selectsNode(required, node));
    });
    if (first && !(best && best.rank < first.rank)) best = first;
  }
  return best?.volume;
}

/** Returns how the claim's class makes volumes, with the capacities that suffice for the claim. */
function provisioningOf(
  { classes, drivers, capacities }: StorageView,
  claim: PersistentVolumeClaim,
): Provisioning | undefined {
  const { storageClassName = "" } = claim.spec;
  const storageClass = classes.get(storageClassName);
  if (!storageClass || storageClass.provisioner === NO_PROVISIONER) return undefined;
  const topologies = orUndefined(() => translateClass(storageClass))?.allowedTopologies ?? [];
  const driver = drivers.get(driverOfProvisioner(storageClass.provisioner));
  if (!driver?.spec.storageCapacity) return { topologies, capacities: undefined };
  const wanted = parseQuantity(claim.spec.resources?.requests?.["storage"] ?? "0").nanos;
  const enough = new Reachable<CSIStorageCapacity>();
  for (const each of capacities.list()) {
    const most = each.maximumVolumeSize ?? each.capacity;
    if (each.storageClassName !== storageClassName || most === undefined) continue;
    if (!each.nodeTopology || parseQuantity(most).nanos < wanted) continue;
    enough.add(each, [each.nodeTopology]);
  }
  return { topologies, capacities: enough };
}

/** Whether the class may be provisioned for this node. */
function allows({ topologies }: Provisioning, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  const allowed = topologies.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => values.includes(own(labels, key) ?? "")),
  );
  return topologies.length === 0 || allowed;
}

/**
 * Whether a driver that publishes capacity (CSIDriver `storageCapacity`) has published enough for
 * the node. Others are assumed to have it.
 */
function hasSpace({ capacities }: Provisioning, { metadata: { labels = {} } }: Node): boolean {
  if (!capacities) return true;
  for (const list of capacities.of(labels)) {
    if (list.some(({ nodeTopology }) => matchesSelector(nodeTopology, labels))) return true;
  }
  return false;
}
