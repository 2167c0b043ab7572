import type { Deployment, ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { PodTemplateSpec } from "@raft2kube/api/gen/core/v1.ts";
import { compareTexts } from "@raft2kube/std/text.ts";
import { digestedOnce } from "../pod-template.ts";

/** The label that distinguishes the pods and ReplicaSets of different templates. */
export const TEMPLATE_HASH = "pod-template-hash";

/** Whether two templates describe the same pods, their hash labels apart. */
export function sameTemplate(a: PodTemplateSpec = {}, b: PodTemplateSpec = {}): boolean {
  return digestOf(a) === digestOf(b);
}

const digestOf = digestedOnce(withoutHash);

/** Digests the templates of ReplicaSets, one in a step, so that comparing them takes no time. */
export function* digestTemplates(sets: readonly ReplicaSet[]): Generator<void, void> {
  for (const { spec } of sets) {
    if (spec.template) digestOf(spec.template);
    yield;
  }
}

/** The oldest ReplicaSet of a deployment's own template. Two are possible only by hand. */
export function newReplicaSetOf(
  deployment: Deployment,
  replicaSets: readonly ReplicaSet[],
): ReplicaSet | undefined {
  return [...replicaSets]
    .sort(byCreation)
    .find((set) => sameTemplate(set.spec.template, deployment.spec.template));
}

/** Oldest first; by name where the creation's second is the same. */
export function byCreation(a: ReplicaSet, b: ReplicaSet): number {
  const created = (set: ReplicaSet) => set.metadata.creationTimestamp ?? "";
  return compareTexts(created(a), created(b)) || compareTexts(nameOfSet(a), nameOfSet(b));
}

const nameOfSet = (set: ReplicaSet): string => set.metadata.name ?? "";

function withoutHash(template: PodTemplateSpec): PodTemplateSpec {
  const labels = { ...template.metadata?.labels };
  delete labels[TEMPLATE_HASH];
  return { ...template, metadata: { ...template.metadata, labels } };
}
