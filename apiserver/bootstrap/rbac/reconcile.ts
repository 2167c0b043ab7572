import type { PolicyRule, Subject } from "@raft2kube/api/gen/rbac/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { uncovered } from "../../authz/rbac/covers.ts";
import type { Core } from "../../core.ts";
import type { Resource } from "../../registry/resource.ts";
import { updateObject } from "../../registry/update.ts";
import { ensure, ownWrite } from "../own-write.ts";
import { BINDINGS, type PolicyBinding } from "./bindings.ts";
import { COMPONENT_ROLES, NAMESPACED_ROLES } from "./component-roles.ts";
import { CONTROLLER_ROLES } from "./controller-roles.ts";
import { type PolicyRole, RBAC } from "./policy.ts";
import { USER_ROLES } from "./user-roles.ts";

const BOOTSTRAP_LABEL = "kubernetes.io/bootstrapping";
/** Set to "false" by a user who wants a role left as it is. */
const AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate";

interface Role extends KubeObject {
  rules?: PolicyRule[];
  aggregationRule?: object;
}

interface Binding extends KubeObject {
  roleRef: { apiGroup: string; kind: string; name: string };
  subjects?: Subject[];
}

/**
 * Makes the bootstrap roles and bindings, and gives back to those there what they have lost;
 * nothing is taken away.
 */
export async function reconcilePolicy(core: Core): Promise<void> {
  const roles = [...USER_ROLES, ...COMPONENT_ROLES, ...CONTROLLER_ROLES];
  const of = (plural: string) => core.registry.of(`${RBAC}/v1`, plural);
  for (const role of roles) await reconcileRole(core, of("clusterroles"), roleObject(role, roles));
  for (const role of NAMESPACED_ROLES) {
    await reconcileRole(core, of("roles"), roleObject(role, [], role.namespace));
  }
  for (const binding of BINDINGS) {
    const plural = binding.namespace === "" ? "clusterrolebindings" : "rolebindings";
    await reconcileBinding(core, of(plural), bindingObject(binding));
  }
}

function metadata(name: string, namespace: string, labels: object): KubeObject["metadata"] {
  return {
    name,
    ...(namespace === "" ? {} : { namespace }),
    labels: { [BOOTSTRAP_LABEL]: "rbac-defaults", ...labels },
    annotations: { [AUTOUPDATE]: "true" },
  };
}

function roleObject(role: PolicyRole, all: readonly PolicyRole[], namespace = ""): Role {
  const base = { metadata: metadata(role.name, namespace, role.labels ?? {}) };
  if (role.aggregates === undefined) return { ...base, rules: [...role.rules] };
  return {
    ...base,
    rules: aggregated(role, all),
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [role.aggregates]: "true" } }] },
  };
}

/** The rules that an aggregating role begins with; the aggregation controller adds users' roles. */
function aggregated(role: PolicyRole, all: readonly PolicyRole[]): PolicyRule[] {
  return all
    .filter((other) => role.aggregates !== undefined && other.labels?.[role.aggregates] === "true")
    .flatMap((other) => (other.aggregates ? aggregated(other, all) : [...other.rules]));
}

function bindingObject(binding: PolicyBinding): Binding {
  return {
    metadata: metadata(binding.name, binding.namespace, {}),
    roleRef: { apiGroup: RBAC, ...binding.role },
    subjects: [...binding.subjects],
  };
}

function mayUpdate(object: KubeObject): boolean {
  return object.metadata.annotations?.[AUTOUPDATE] !== "false";
}

async function reconcileRole(core: Core, resource: Resource, wanted: Role): Promise<void> {
  const { namespace = "", name = "" } = wanted.metadata;
  const found = await resource.store.find<Role>(namespace, name);
  if (found === undefined) return await ensure(core, resource, wanted);
  const missing = uncovered(found.rules ?? [], wanted.rules ?? []);
  if (missing.length === 0 || !mayUpdate(found)) return;
  await change(core, resource, wanted, (role: Role) => {
    role.rules = [...(role.rules ?? []), ...missing];
  });
}

async function reconcileBinding(core: Core, resource: Resource, wanted: Binding): Promise<void> {
  const { namespace = "", name = "" } = wanted.metadata;
  const found = await resource.store.find<Binding>(namespace, name);
  if (found === undefined) return await ensure(core, resource, wanted);
  const has = (subject: Subject) =>
    (found.subjects ?? []).some(
      (each) =>
        each.kind === subject.kind &&
        each.name === subject.name &&
        (each.namespace ?? "") === (subject.namespace ?? ""),
    );
  const missing = (wanted.subjects ?? []).filter((subject) => !has(subject));
  if (missing.length === 0 || !mayUpdate(found)) return;
  await change(core, resource, wanted, (binding: Binding) => {
    binding.subjects = [...(binding.subjects ?? []), ...missing];
  });
}

async function change<T extends KubeObject>(
  core: Core,
  resource: Resource,
  wanted: T,
  edit: (object: T) => void,
): Promise<void> {
  const { namespace = "", name = "" } = wanted.metadata;
  await updateObject(
    core,
    resource,
    {
      namespace,
      name,
      mayCreate: false,
      transform(current) {
        edit(current as T);
        return current!;
      },
    },
    ownWrite(),
  );
}
