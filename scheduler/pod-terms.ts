import { isMirrorPod } from "@raft2kube/api/core/v1/pod/mirror.ts";
import type { Pod, PodAffinityTerm } from "@raft2kube/api/gen/core/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";

/** A required or preferred affinity term of a pod. */
export interface PodTerm {
  readonly topologyKey: string;
  readonly weight: number;
  /**
   * Whether the term selects this pod. `labelsOf` returns the labels of a namespace. No term
   * selects a mirror pod (not upstream's): a node makes them in any namespace with any labels, to
   * keep the namespace's pods from a zone or to draw them to its own.
   */
  matches(pod: Pod, labelsOf: (namespace: string) => Record<string, string>): boolean;
}

/** The affinity and anti-affinity terms of a pod. */
export interface PodTerms {
  readonly required: readonly PodTerm[];
  readonly preferred: readonly PodTerm[];
  readonly requiredAnti: readonly PodTerm[];
  readonly preferredAnti: readonly PodTerm[];
}

/** Parses podAffinity and podAntiAffinity of a pod. */
export function podTerms(pod: Pod): PodTerms {
  const { podAffinity = {}, podAntiAffinity = {} } = pod.spec.affinity ?? {};
  const required = (terms: PodAffinityTerm[] = []) => terms.map((term) => readTerm(pod, term, 1));
  const preferred = (terms: { weight: number; podAffinityTerm: PodAffinityTerm }[] = []) =>
    terms.map(({ weight, podAffinityTerm }) => readTerm(pod, podAffinityTerm, weight));
  return {
    required: required(podAffinity.requiredDuringSchedulingIgnoredDuringExecution),
    preferred: preferred(podAffinity.preferredDuringSchedulingIgnoredDuringExecution),
    requiredAnti: required(podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution),
    preferredAnti: preferred(podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution),
  };
}

export function hasTerms(terms: PodTerms): boolean {
  return Object.values(terms).some((list: readonly PodTerm[]) => list.length > 0);
}

/** A term applies to the namespaces it lists or selects; by default to its pod's own. */
function readTerm(owner: Pod, term: PodAffinityTerm, weight: number): PodTerm {
  const { namespaces = [], namespaceSelector, labelSelector, topologyKey } = term;
  const own = namespaces.length === 0 && namespaceSelector === undefined;
  const named = new Set(own ? [owner.metadata.namespace ?? ""] : namespaces);
  return {
    topologyKey,
    weight,
    matches(pod, labelsOf) {
      if (isMirrorPod(pod)) return false;
      const namespace = pod.metadata.namespace ?? "";
      const inside =
        named.has(namespace) || matchesSelector(namespaceSelector, labelsOf(namespace));
      return inside && matchesSelector(labelSelector, pod.metadata.labels);
    },
  };
}
