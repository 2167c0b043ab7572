import type { ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { PODS, REPLICA_SETS } from "@raft2kube/client-kube/rest/resources.ts";
import { claim } from "../claim.ts";
import type { ControllerContext, Running } from "../context.ts";
import { Expectations } from "../expectations.ts";
import { byNamespace, NAMESPACE_INDEX } from "../indexes.ts";
import { closeAll, everyChange, startLoop } from "../loop.ts";
import { isPodActive } from "../pod-state.ts";
import { applyReplicas, type PodControl, REPLICA_SET_TYPE } from "./apply.ts";
import { watchPods } from "./watch-pods.ts";
import { planReplicas, planStatus, statusChanged } from "./plan.ts";

const ACCOUNT = "replicaset-controller";

/** Keeps as many pods of each ReplicaSet as it asks for. */
export function startReplicaSets(context: ControllerContext): Running {
  const sets = context.informers.of<ReplicaSet>(REPLICA_SETS);
  const pods = context.informers.of<Pod>(PODS);
  pods.index(NAMESPACE_INDEX, byNamespace);
  sets.index(NAMESPACE_INDEX, byNamespace);
  const client = context.client(ACCOUNT);
  const recorder = context.recorder(ACCOUNT, ACCOUNT);
  const expectations = new Expectations(context.clock);
  const control: PodControl = { pods: client.resource<Pod>(PODS), expectations, recorder };
  const writer = client.resource<ReplicaSet>(REPLICA_SETS);

  const reconcile = async (key: string) => {
    const replicaSet = sets.store.get(key);
    if (!replicaSet) return expectations.forget(key);
    const trusted = expectations.satisfied(key);
    const { namespace = "", uid } = replicaSet.metadata;
    const own = await claim({
      controller: replicaSet,
      type: REPLICA_SET_TYPE,
      objects: pods.store.by(NAMESPACE_INDEX, namespace).filter(
        (pod) => isPodActive(pod) || controllerOf(pod)?.uid === uid,
      ),
      matches: (pod) => matchesSelector(replicaSet.spec.selector, pod.metadata.labels),
      fresh: () => writer.get(nameOf(replicaSet)),
      dependents: control.pods,
    });
    let failed: Awaited<ReturnType<typeof applyReplicas>>;
    if (trusted && !replicaSet.metadata.deletionTimestamp) {
      const siblings = related(sets, pods, replicaSet);
      const plan = planReplicas(replicaSet, own, siblings, context.clock.now());
      failed = await applyReplicas(control, replicaSet, plan);
    }
    const again_ms = await writeStatus(replicaSet, own, failed?.failure);
    if (failed) throw failed.error;
    return again_ms === undefined ? undefined : { again_ms };
  };

  const writeStatus = async (
    replicaSet: ReplicaSet,
    own: Pod[],
    failure: Parameters<typeof planStatus>[2],
  ): Promise<number | undefined> => {
    const { status, again_ms } = planStatus(replicaSet, own, failure, context.clock.now());
    if (!statusChanged(replicaSet.status, status)) return again_ms;
    try {
      await writer.updateStatus({ ...replicaSet, status });
    } catch (thrown) {
      if (!isNotFound(thrown)) throw thrown;
    }
    return again_ms;
  };

  const loop = startLoop(context, { name: ACCOUNT, reads: [sets, pods], reconcile });
  sets.handle(everyChange(loop.queue));
  watchPods(pods, sets, expectations, (key) => loop.queue.add(key));
  return closeAll(loop, recorder);
}

/** The pods of all ReplicaSets of the same owner: a rollout's old and new ones share nodes. */
function related(sets: Informer<ReplicaSet>, pods: Informer<Pod>, replicaSet: ReplicaSet): Pod[] {
  const owner = controllerOf(replicaSet)?.uid;
  const namespace = replicaSet.metadata.namespace ?? "";
  const siblings = new Set([replicaSet.metadata.uid]);
  for (const other of sets.store.by(NAMESPACE_INDEX, namespace)) {
    if (owner && controllerOf(other)?.uid === owner) siblings.add(other.metadata.uid);
  }
  const all = pods.store.by(NAMESPACE_INDEX, namespace);
  return all.filter((pod) => siblings.has(controllerOf(pod)?.uid));
}
