import type { Kind } from "@raft2kube/api/kind.ts";
import { assert } from "@raft2kube/std/assert.ts";

/** Root of upstream's keys; an apiserver of either make can continue with the other's data. */
export const REGISTRY_ROOT = "/registry";

/** The prefix of all objects of a kind, or of those in one namespace; ends in a slash. */
export function prefixOf(kind: Kind, namespace = ""): string {
  assert(kind.storage !== undefined, `${kind.kind} is not stored`);
  const all = `${REGISTRY_ROOT}/${kind.storage.prefix}/`;
  return namespace === "" ? all : `${all}${namespace}/`;
}

/** The key of one object. No object has the key of a name with a slash, which requests may give. */
export function keyOf(kind: Kind, namespace: string, name: string): string {
  assert(name !== "", "an object without a name");
  assert(kind.namespaced === (namespace !== ""), `namespace ${namespace} for ${kind.plural}`);
  return `${prefixOf(kind, namespace)}${name}`;
}
