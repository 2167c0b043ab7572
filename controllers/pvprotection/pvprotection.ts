import type { PersistentVolume, PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { claimNameOf } from "@raft2kube/client-kube/object/volumes.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
} from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { byNamespace, NAMESPACE_INDEX } from "../indexes.ts";
import { everyChange, startLoop } from "../loop.ts";
import { protect, release } from "./finalizer.ts";

const CLAIM_FINALIZER = "kubernetes.io/pvc-protection";
const VOLUME_FINALIZER = "kubernetes.io/pv-protection";

/** Keeps a claim that is being deleted until no pod uses it. */
export function startClaimProtection(context: ControllerContext): Running {
  const account = "pvc-protection-controller";
  const claims = context.informers.of<PersistentVolumeClaim>(PERSISTENT_VOLUME_CLAIMS);
  const pods = context.informers.of<Pod>(PODS);
  pods.index(NAMESPACE_INDEX, byNamespace);
  const client = context.client(account);
  const writer = client.resource<PersistentVolumeClaim>(PERSISTENT_VOLUME_CLAIMS);
  const podReader = client.resource<Pod>(PODS);

  const reconcile = async (key: string) => {
    const claim = claims.store.get(key);
    if (!claim) return;
    const { namespace = "", deletionTimestamp } = claim.metadata;
    if (!deletionTimestamp) return protect(writer, claim, CLAIM_FINALIZER);
    const used = (all: readonly Pod[]) => all.some((pod) => usesClaim(pod, claim));
    if (used(pods.store.by(NAMESPACE_INDEX, namespace))) return;
    // The informer may be late; the data would be gone for good.
    if (used((await podReader.listAll({ namespace })).items)) return;
    await release(writer, claim, CLAIM_FINALIZER);
  };

  const reads = [claims, pods];
  const loop = startLoop(context, { queue: "pvcprotection", name: account, reads, reconcile });
  claims.handle(everyChange(loop.queue));
  const look = (pod: Pod) => {
    for (const volume of pod.spec.volumes ?? []) {
      const name = claimNameOf(pod, volume);
      if (name !== undefined) loop.queue.add(`${pod.metadata.namespace ?? ""}/${name}`);
    }
  };
  pods.handle({
    updated(pod) {
      if (isShutDown(pod)) look(pod);
    },
    deleted: look,
  });
  return loop;
}

/**
 * Only pods that have a node count: the scheduler gives none to pods whose claim is being deleted.
 * The claim of an ephemeral volume is not kept by a pod that only finalizers keep, which may wait
 * for the claim.
 */
function usesClaim(pod: Pod, claim: PersistentVolumeClaim): boolean {
  if (!pod.spec.nodeName) return false;
  return (pod.spec.volumes ?? []).some((volume) => {
    if (claimNameOf(pod, volume) !== claim.metadata.name) return false;
    if (!volume.ephemeral) return true;
    return !isShutDown(pod) && controllerOf(claim)?.uid === pod.metadata.uid;
  });
}

/** Whether the kubelet has finished a pod, or it was deleted by force. */
function isShutDown({ metadata }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0;
}

/** Keeps a volume that is being deleted until no claim is bound to it. */
export function startVolumeProtection(context: ControllerContext): Running {
  const account = "pv-protection-controller";
  const volumes: Informer<PersistentVolume> = context.informers.of(PERSISTENT_VOLUMES);
  const writer = context.client(account).resource<PersistentVolume>(PERSISTENT_VOLUMES);

  const reconcile = async (key: string) => {
    const volume = volumes.store.get(key);
    if (!volume) return;
    if (!volume.metadata.deletionTimestamp) return protect(writer, volume, VOLUME_FINALIZER);
    if (volume.status?.phase !== "Bound") await release(writer, volume, VOLUME_FINALIZER);
  };

  const loop = startLoop(context, {
    queue: "pvprotection",
    name: account,
    reads: [volumes],
    workers: 1,
    reconcile,
  });
  volumes.handle(everyChange(loop.queue));
  return loop;
}
