import type { AggregationRule, PolicyRule, Subject } from "@raft2kube/api/gen/rbac/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { yamlDocuments } from "@raft2kube/apimachinery/yaml.ts";
import { assert } from "@raft2kube/std/assert.ts";

export const RBAC = "rbac.authorization.k8s.io";

export interface Role extends KubeObject {
  rules?: PolicyRule[];
  aggregationRule?: AggregationRule;
}

export interface Binding extends KubeObject {
  roleRef: { apiGroup: string; kind: string; name: string };
  subjects?: Subject[];
}

/** An object of the bootstrap policy, as it stands in `policy.yaml`. */
export type PolicyObject =
  | (Role & { readonly kind: "ClusterRole" | "Role" })
  | (Binding & { readonly kind: "ClusterRoleBinding" | "RoleBinding" });

let read: Promise<readonly PolicyObject[]> | undefined;

/**
 * Returns the bootstrap policy, in the file's order. The first call of a process reads it, without
 * holding the event loop for long; servers of one process share the objects, which are frozen.
 */
export function readPolicy(): Promise<readonly PolicyObject[]> {
  read ??= parsePolicy();
  return read;
}

async function parsePolicy(): Promise<readonly PolicyObject[]> {
  const objects = await yamlDocuments(new URL("./policy.yaml", import.meta.url));
  return objects.map((object) => frozen(object as PolicyObject));
}

function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  Object.values(value).forEach(frozen);
  return Object.freeze(value);
}

/** The rules of a ClusterRole of the policy. */
export function rulesOf(policy: readonly PolicyObject[], name: string): readonly PolicyRule[] {
  const role = policy.find((each) => each.kind === "ClusterRole" && each.metadata.name === name);
  assert(role !== undefined && "rules" in role, `the policy has no ClusterRole ${name}`);
  return role.rules ?? [];
}
