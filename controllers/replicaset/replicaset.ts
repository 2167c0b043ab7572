import type { ReplicaSet, ReplicaSetStatus } from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { type KubeObject, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { isPodActive } from "@raft2kube/client-kube/object/pod-state.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import { PODS, REPLICA_SETS } from "@raft2kube/client-kube/rest/resources.ts";
import { claim } from "../claim.ts";
import type { ControllerContext, Running } from "../context.ts";
import { Expectations } from "../expectations.ts";
import {
  byController,
  byNamespace,
  CONTROLLER_INDEX,
  controlledBy,
  NAMESPACE_INDEX,
} from "../indexes.ts";
import { closeAll, everyChange, startLoop } from "../loop.ts";
import { type OwnerType, type PodControl, podFromTemplate } from "../pod-control.ts";
import { statusChanged } from "../status-change.ts";
import { watchDependents } from "../watch-dependents.ts";
import { applyReplicas } from "./apply.ts";
import { planReplicas, planStatus } from "./plan.ts";

/** A kind that wants a number of equal pods, and how it reads as a ReplicaSet. */
export interface ReplicaKind<T extends KubeObject> {
  /** The service account that writes, and the source of the events. */
  account: string;
  type: OwnerType;
  resource: ResourceType<T>;
  asReplicaSet(object: T): ReplicaSet;
  withStatus(object: T, status: ReplicaSetStatus): T;
}

const REPLICA_SET: ReplicaKind<ReplicaSet> = {
  account: "replicaset-controller",
  type: { apiVersion: "apps/v1", kind: "ReplicaSet" },
  resource: REPLICA_SETS,
  asReplicaSet: (set) => set,
  withStatus: (set, status) => ({ ...set, status }),
};

/** Keeps as many pods of each ReplicaSet as it asks for. */
export function startReplicaSets(context: ControllerContext): Running {
  return startReplicas(context, REPLICA_SET);
}

/** Keeps as many pods of each object of a kind as it asks for. */
export function startReplicas<T extends KubeObject>(
  context: ControllerContext,
  kind: ReplicaKind<T>,
): Running {
  const { account, type, asReplicaSet } = kind;
  const sets = context.informers.of(kind.resource);
  const pods = context.informers.of(PODS);
  for (const informer of [sets, pods]) informer.index(CONTROLLER_INDEX, byController);
  sets.index(NAMESPACE_INDEX, byNamespace);
  const client = context.client(account);
  const recorder = context.recorder(account, account);
  const expectations = new Expectations(context.clock);
  const control: PodControl = { pods: client.resource(PODS), expectations, recorder };
  const writer = client.resource(kind.resource);

  const reconcile = async (key: string) => {
    const object = sets.store.get(key);
    if (!object) return expectations.forget(key);
    const replicaSet = asReplicaSet(object);
    const trusted = expectations.satisfied(object);
    const own = await claim({
      controller: object,
      type,
      store: pods.store,
      // An orphan that has ended is left alone.
      matches: (pod) =>
        (isPodActive(pod) || controllerOf(pod) !== undefined) &&
        matchesSelector(replicaSet.spec.selector, pod.metadata.labels),
      fresh: () => writer.get(nameOf(object)),
      dependents: control.pods,
    });
    let failed: Awaited<ReturnType<typeof applyReplicas>>;
    if (trusted && !object.metadata.deletionTimestamp) {
      const siblings = related(sets, pods, object);
      const plan = planReplicas(replicaSet, own, siblings, context.clock.now());
      const podOf = () => podFromTemplate(object, type, replicaSet.spec.template);
      failed = await applyReplicas(control, object, plan, podOf);
    }
    const again_ms = await writeStatus(object, own, failed?.failure);
    if (failed) throw failed.error;
    return expectations.lookAgain(object, again_ms);
  };

  const writeStatus = async (
    object: T,
    own: Pod[],
    failure: Parameters<typeof planStatus>[2],
  ): Promise<number | undefined> => {
    const old = asReplicaSet(object);
    const { status, again_ms } = planStatus(old, own, failure, context.clock.now());
    const after = kind.withStatus(object, status);
    if (!statusChanged(old.status, asReplicaSet(after).status)) return again_ms;
    await undefinedIfNotFound(writer.updateStatus(after));
    return again_ms;
  };

  const queue = type.kind.toLowerCase();
  const loop = startLoop(context, { queue, name: account, reads: [sets, pods], reconcile });
  sets.handle(everyChange(loop.queue));
  watchDependents({
    dependents: pods,
    owners: sets,
    kind: type.kind,
    expectations,
    selector: (set) => asReplicaSet(set).spec.selector,
    look: (key) => loop.queue.add(key),
  });
  return closeAll(loop, recorder);
}

/** The pods of all sets of the same owner: a rollout's old and new ones share nodes. */
function related<T extends KubeObject>(sets: Informer<T>, pods: Informer<Pod>, set: T): Pod[] {
  const uid = controllerOf(set)?.uid;
  const { namespace } = set.metadata;
  const siblings = uid ? controlledBy(sets.store, { metadata: { namespace, uid } }) : [set];
  return siblings.flatMap((each) => controlledBy(pods.store, each));
}
