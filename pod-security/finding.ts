import type { Container, PodSpec } from "@raft2kube/api/gen/core/v1.ts";
import type { ObjectMeta } from "@raft2kube/api/gen/meta/v1.ts";

/** Why a pod breaks a rule: in a word, and with the containers and values. Texts are upstream's. */
export type Finding = { reason: string; detail: string };

/** A pod as rules look at it, and the minor version of Kubernetes whose rules are meant. */
export type Judged = { metadata: Pick<ObjectMeta, "annotations">; spec: PodSpec; minor: number };

export interface Check {
  id: string;
  /** The first minor version that has the rule. */
  since: number;
  /** The baseline's rule that this one of the restricted level takes the place of. */
  replaces?: string;
  find(pod: Judged): Finding | undefined;
}

/**
 * Whether the pod's root is an ordinary user of the node: some rules are not needed then, by those
 * of 1.35 and later. The kubelet runs no such pod without a user namespace.
 */
export function hasOwnUsers({ spec, minor }: Judged): boolean {
  return minor >= 35 && spec.hostUsers === false;
}

/** The pod's containers, in upstream's order. */
export function containersOf({ spec }: Judged): Container[] {
  const { initContainers = [], containers, ephemeralContainers = [] } = spec;
  return [...initContainers, ...containers, ...(ephemeralContainers as Container[])];
}

/** The names of the containers that a rule finds fault with. */
export function namesWhere(pod: Judged, bad: (container: Container) => boolean): string[] {
  return containersOf(pod)
    .filter(bad)
    .map(({ name }) => name);
}

export const isWindows = ({ spec }: Judged): boolean => spec.os?.name === "windows";
