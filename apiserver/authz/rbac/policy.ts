import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { AggregationRule, PolicyRule, Subject } from "@raft2kube/api/gen/rbac/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { Slices } from "@raft2kube/std/slices.ts";

export const RBAC = "rbac.authorization.k8s.io";

const FILE = join(import.meta.dirname, "policy.yaml");

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

/** Reads the bootstrap policy, in the file's order, without holding the event loop for long. */
export async function readPolicy(): Promise<readonly PolicyObject[]> {
  const { yamlValue } = await import("@raft2kube/apimachinery/yaml.ts");
  const [, ...documents] = (await readFile(FILE, "utf8")).split(/^---$/m);
  const objects: PolicyObject[] = [];
  const slices = new Slices();
  for (const document of documents) {
    objects.push(yamlValue(document) as PolicyObject);
    if (slices.due) await slices.pause();
  }
  return objects;
}

/** The rules of a ClusterRole of the policy. */
export function rulesOf(policy: readonly PolicyObject[], name: string): readonly PolicyRule[] {
  const role = policy.find((each) => each.kind === "ClusterRole" && each.metadata.name === name);
  assert(role !== undefined && "rules" in role, `the policy has no ClusterRole ${name}`);
  return role.rules ?? [];
}
