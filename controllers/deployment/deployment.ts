import type { Deployment, ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { matchesSelector, termsOf } from "@raft2kube/api/selector.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { type KubeObject, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { DEPLOYMENTS, PODS, REPLICA_SETS } from "@raft2kube/client-kube/rest/resources.ts";
import type { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { inSlices } from "@raft2kube/std/slices.ts";
import { claim } from "../claim.ts";
import type { ControllerContext, Running } from "../context.ts";
import {
  byController,
  byNamespace,
  CONTROLLER_INDEX,
  controlledBy,
  NAMESPACE_INDEX,
} from "../indexes.ts";
import { closeAll, everyChange, startLoop } from "../loop.ts";
import { Selecting } from "../selecting.ts";
import { applyDeployment, type DeploymentControl } from "./apply.ts";
import { planDeployment, planStatusOnly } from "./plan.ts";
import { DEPLOYMENT_TYPE } from "./replica-set.ts";
import { digestTemplates } from "./template.ts";

const ACCOUNT = "deployment-controller";

/** Moves the ReplicaSets of each Deployment towards its template and size. */
export function startDeployments(context: ControllerContext): Running {
  const deployments = context.informers.of(DEPLOYMENTS);
  const sets = context.informers.of(REPLICA_SETS);
  const pods = context.informers.of(PODS);
  deployments.index(NAMESPACE_INDEX, byNamespace);
  for (const informer of [sets, pods]) informer.index(CONTROLLER_INDEX, byController);
  const client = context.client(ACCOUNT);
  const recorder = context.recorder(ACCOUNT, ACCOUNT);
  const control: DeploymentControl = {
    deployments: client.resource(DEPLOYMENTS),
    replicaSets: client.resource(REPLICA_SETS),
    recorder,
  };

  const podsOf = (own: readonly ReplicaSet[]) =>
    own.flatMap((set) => controlledBy(pods.store, set));

  const reconcile = async (key: string) => {
    const deployment = deployments.store.get(key);
    if (!deployment) return;
    if (termsOf(deployment.spec.selector)?.length === 0) {
      const message = "This deployment is selecting all pods. A non-empty selector is required.";
      recorder.record(deployment, "Warning", "SelectingAll", message);
      return;
    }
    const own = await claim({
      controller: deployment,
      type: DEPLOYMENT_TYPE,
      store: sets.store,
      matches: (set) => matchesSelector(deployment.spec.selector, set.metadata.labels),
      fresh: () => control.deployments.get(nameOf(deployment)),
      dependents: control.replicaSets,
    });
    await inSlices(digestTemplates(own));
    const now_ms = context.clock.now();
    const plan = deployment.metadata.deletionTimestamp
      ? planStatusOnly(deployment, own, now_ms)
      : planDeployment(deployment, own, podsOf(own), now_ms);
    await applyDeployment(control, deployment, plan, now_ms);
    return plan.again_ms === undefined ? undefined : { again_ms: plan.again_ms };
  };

  const loop = startLoop(context, {
    queue: "deployment",
    name: ACCOUNT,
    reads: [deployments, sets, pods],
    reconcile,
  });
  watchDeployments(deployments, sets, pods, loop.queue);
  return closeAll(loop, recorder);
}

/** Puts the deployments that a change concerns into the queue. */
function watchDeployments(
  deployments: Informer<Deployment>,
  sets: Informer<ReplicaSet>,
  pods: Informer<Pod>,
  queue: WorkQueue,
): void {
  deployments.handle(everyChange(queue));
  const orphans = new Selecting<Deployment, ReplicaSet>({
    owners: deployments,
    selects: ({ spec }, { metadata }) => matchesSelector(spec.selector, metadata.labels),
    found: (key) => queue.add(key),
  });
  /** Enqueues the set's controller, or every deployment that would adopt it. */
  const lookAtOwner = (set: ReplicaSet) => {
    const owner = controllerKey(set, "Deployment");
    if (owner !== undefined) return queue.add(owner);
    if (!controllerOf(set)) orphans.changed(set);
  };
  sets.handle({
    added: lookAtOwner,
    updated(set, old) {
      const before = controllerKey(old, "Deployment");
      if (before !== undefined && before !== controllerKey(set, "Deployment")) queue.add(before);
      lookAtOwner(set);
    },
    deleted: lookAtOwner,
  });
  // Recreate waits for the last old pod to be gone; other changes of pods arrive by their sets.
  pods.handle({
    deleted(pod) {
      const set = controllerKey(pod, "ReplicaSet");
      const owner = set === undefined ? undefined : sets.store.get(set);
      if (owner) lookAtOwner(owner);
    },
  });
}

function controllerKey(object: KubeObject, kind: string): string | undefined {
  const owner = controllerOf(object);
  return owner?.kind === kind ? `${object.metadata.namespace ?? ""}/${owner.name}` : undefined;
}
