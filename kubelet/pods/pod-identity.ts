import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { assert } from "@raft2kube/std/assert.ts";

/** Annotations by which static pods are known (upstream's names). */
export const CONFIG_SOURCE = "kubernetes.io/config.source";
export const CONFIG_HASH = "kubernetes.io/config.hash";
export const CONFIG_SEEN = "kubernetes.io/config.seen";

/** The pod's UID; for a static pod the hash of its file and node. */
export function uidOf(pod: Pod): string {
  const uid = pod.metadata.uid;
  assert(uid, `pod ${fullNameOf(pod)} has no uid`);
  return uid;
}

export const namespaceOf = (pod: Pod): string => pod.metadata.namespace ?? "default";

export const nameOf = (pod: Pod): string => pod.metadata.name ?? "";

/** `namespace/name`: at most one pod of a full name runs at a time. */
export const fullNameOf = (pod: Pod): string => `${namespaceOf(pod)}/${nameOf(pod)}`;

/** Whether the pod came from a file on this node and not from the API. */
export function isStatic(pod: Pod): boolean {
  const source = pod.metadata.annotations?.[CONFIG_SOURCE];
  return source !== undefined && source !== "api";
}

/** A sidecar: an init container that keeps running beside the others (KEP-753). */
export function isRestartableInit(container: Container): boolean {
  return container.restartPolicy === "Always";
}

export type ContainerKind = "init" | "regular" | "ephemeral";

/** Returns every container of the pod with its kind, in start order. */
export function containersOf(pod: Pod): { kind: ContainerKind; container: Container }[] {
  const of = (kind: ContainerKind, list: Container[] | undefined) =>
    (list ?? []).map((container) => ({ kind, container }));
  return [
    ...of("init", pod.spec.initContainers),
    ...of("regular", pod.spec.containers),
    ...of("ephemeral", pod.spec.ephemeralContainers as Container[] | undefined),
  ];
}

/** Returns the grace period in seconds: the deletion's, else the spec's, else 30. */
export function gracePeriodOf(pod: Pod): number {
  return pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
}
