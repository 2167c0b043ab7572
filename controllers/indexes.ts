import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";

/** The name of the index of objects by their namespace, which several controllers share. */
export const NAMESPACE_INDEX = "namespace";

/** The index function of `NAMESPACE_INDEX`. */
export const byNamespace = (object: KubeObject): string[] => [object.metadata.namespace ?? ""];

/**
 * The name of the index of objects by their controller, within their namespace: a reference's uid
 * may be that of an object in another one, which is no owner.
 */
export const CONTROLLER_INDEX = "controller";

/** The index function of `CONTROLLER_INDEX`. */
export const byController = (object: KubeObject): string[] => [
  controllerKey(object.metadata.namespace, controllerOf(object)?.uid),
];

/** Returns the objects that `controller` is the controller of. */
export function controlledBy<T>(store: Pick<ReadStore<T>, "by">, controller: KubeObject): T[] {
  const { namespace, uid } = controller.metadata;
  return store.by(CONTROLLER_INDEX, controllerKey(namespace, uid));
}

/** Returns the objects of a namespace that have no controller. */
export function orphansIn<T>(store: Pick<ReadStore<T>, "by">, namespace: string | undefined): T[] {
  return store.by(CONTROLLER_INDEX, controllerKey(namespace, undefined));
}

const controllerKey = (namespace = "", uid = ""): string => `${namespace}/${uid}`;

/** The name of the index of pods by the node they are on. */
export const NODE_INDEX = "node";

/** The index function of `NODE_INDEX`. */
export const byNode = (pod: Pod): string[] => (pod.spec.nodeName ? [pod.spec.nodeName] : []);
