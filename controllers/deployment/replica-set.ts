import type { Deployment, ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import { controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import { templateHash } from "../pod-template.ts";
import { annotationsOfNew, DESIRED_REPLICAS, REPLICAS_MAX } from "./revision.ts";
import { newReplicaSetSize, rollingBounds, wanted } from "./rolling.ts";
import { TEMPLATE_HASH } from "./template.ts";

export const DEPLOYMENT_TYPE = { apiVersion: "apps/v1", kind: "Deployment" };

/** The ReplicaSet of a deployment's template, not made yet, sized as far as the rollout allows. */
export function makeReplicaSet(
  deployment: Deployment,
  old: readonly ReplicaSet[],
  revision: bigint,
): ReplicaSet {
  const { template, selector, minReadySeconds } = deployment.spec;
  const hash = templateHash(template, deployment.status?.collisionCount);
  const labels = { ...template.metadata?.labels, [TEMPLATE_HASH]: hash };
  const annotations = {
    ...annotationsOfNew(deployment, undefined, revision),
    ...sizeAnnotations(deployment),
  };
  return {
    metadata: {
      name: `${deployment.metadata.name ?? ""}-${hash}`,
      namespace: deployment.metadata.namespace,
      labels,
      annotations,
      ownerReferences: [controllerReference(deployment, DEPLOYMENT_TYPE)],
    },
    spec: {
      replicas: newReplicaSetSize(deployment, old, 0),
      minReadySeconds,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [TEMPLATE_HASH]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/**
 * A ReplicaSet with the size that a plan gives it and, if it is the newest (`revision` given), with
 * the fields that it takes over from the deployment. Undefined when nothing would change.
 */
export function syncReplicaSet(
  deployment: Deployment,
  set: ReplicaSet,
  size: number | undefined,
  revision: bigint | undefined,
): ReplicaSet | undefined {
  const before = set.metadata.annotations ?? {};
  let annotations =
    revision === undefined ? { ...before } : annotationsOfNew(deployment, set, revision);
  if (size !== undefined) annotations = { ...annotations, ...sizeAnnotations(deployment) };
  const minReadySeconds =
    revision === undefined ? set.spec.minReadySeconds : deployment.spec.minReadySeconds;
  const replicas = size ?? wanted(set);
  const changed =
    replicas !== wanted(set) ||
    (minReadySeconds ?? 0) !== (set.spec.minReadySeconds ?? 0) ||
    !sameMap(before, annotations);
  if (!changed) return undefined;
  return {
    ...set,
    metadata: { ...set.metadata, annotations },
    spec: { ...set.spec, replicas, minReadySeconds },
  };
}

function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const size = wanted(deployment);
  return {
    [DESIRED_REPLICAS]: String(size),
    [REPLICAS_MAX]: String(size + rollingBounds(deployment).maxSurge),
  };
}

function sameMap(a: Record<string, string>, b: Record<string, string>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
