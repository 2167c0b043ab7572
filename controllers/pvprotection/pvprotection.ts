import type { PersistentVolume, PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { ObjectStore, type ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { claimNameOf } from "@raft2kube/client-kube/object/volumes.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { forEach } from "@raft2kube/reconcile/each.ts";
import type { ControllerContext, Running } from "../context.ts";
import { CLAIMS_OF_TURN_MAX } from "../limits.ts";
import { everyChange, startLoop } from "../loop.ts";
import { protect, release } from "./finalizer.ts";

const CLAIM_FINALIZER = "kubernetes.io/pvc-protection";
const VOLUME_FINALIZER = "kubernetes.io/pv-protection";

/**
 * Keeps a claim that is being deleted until no pod uses it. The claims of a namespace that wait
 * together share one list of its pods.
 */
export function startClaimProtection(context: ControllerContext): Running {
  const account = "pvc-protection-controller";
  const claims = context.informers.of(PERSISTENT_VOLUME_CLAIMS);
  const pods = context.informers.of(PODS);
  pods.index(CLAIM_INDEX, byClaim);
  const client = context.client(account);
  const writer = client.resource(PERSISTENT_VOLUME_CLAIMS);
  const podReader = client.resource(PODS);

  /** Keys of the claims to look at, by their namespace, which is the queue's key. */
  const queued = new Map<string, Set<string>>();
  const keep = (claim: string) => {
    const namespace = namespaceOf(claim);
    const keys = queued.get(namespace);
    if (keys) keys.add(claim);
    else queued.set(namespace, new Set([claim]));
  };

  const reconcile = async (namespace: string) => {
    const keys = queued.get(namespace) ?? new Set();
    const taken = [...keys].slice(0, CLAIMS_OF_TURN_MAX);
    for (const key of taken) keys.delete(key);
    if (keys.size > 0) loop.queue.add(namespace);
    else queued.delete(namespace);
    // As they are before the list of pods: one that is deleted later is queued again.
    const batch = taken.flatMap((key) => claims.store.get(key) ?? []);
    let live: Promise<ObjectStore<Pod>> | undefined;
    await forEach(batch, async (claim) => {
      try {
        const { deletionTimestamp } = claim.metadata;
        if (!deletionTimestamp) return await protect(writer, claim, CLAIM_FINALIZER);
        if (isUsed(claim, pods.store)) return;
        // The informer may be late; the data would be gone for good.
        live ??= listPods(podReader, namespace);
        if (!isUsed(claim, await live)) await release(writer, claim, CLAIM_FINALIZER);
      } catch (thrown) {
        keep(keyOf(claim));
        throw thrown;
      }
    });
  };

  const reads = [claims, pods];
  const loop = startLoop(context, { queue: "pvcprotection", name: account, reads, reconcile });
  const add = (claim: string) => {
    keep(claim);
    loop.queue.add(namespaceOf(claim));
  };
  const changed = (claim: PersistentVolumeClaim) => add(keyOf(claim));
  claims.handle({ added: changed, updated: changed });
  const look = (pod: Pod) => byClaim(pod).forEach(add);
  pods.handle({
    updated(pod) {
      if (isShutDown(pod)) look(pod);
    },
    deleted: look,
  });
  return loop;
}

const namespaceOf = (key: string): string => key.slice(0, key.indexOf("/"));

/** The name of the index of pods by the keys of the claims that their volumes name. */
const CLAIM_INDEX = "claim";

const byClaim = (pod: Pod): string[] =>
  (pod.spec.volumes ?? []).flatMap((volume) => {
    const name = claimNameOf(pod, volume);
    return name === undefined ? [] : [`${pod.metadata.namespace ?? ""}/${name}`];
  });

async function listPods(reader: ResourceClient<Pod>, namespace: string): Promise<ObjectStore<Pod>> {
  const store = new ObjectStore<Pod>();
  store.addIndex(CLAIM_INDEX, byClaim);
  for await (const { items } of reader.pages({ namespace })) {
    for (const pod of items) store.set(pod);
  }
  return store;
}

function isUsed(claim: PersistentVolumeClaim, pods: Pick<ReadStore<Pod>, "by">): boolean {
  return pods.by(CLAIM_INDEX, keyOf(claim)).some((pod) => usesClaim(pod, claim));
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
  const writer = context.client(account).resource(PERSISTENT_VOLUMES);

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
