import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { BootstrapServer } from "../server.ts";
import type { Resource } from "../../resource/resource.ts";
import { updateObject } from "../../registry/update.ts";
import { ensure, internalWrite, deleteInternally } from "../../registry/internal-write.ts";
import { BINDINGS, OWN_BINDINGS, type PolicyBinding } from "./bindings.ts";
import { COMPONENT_ROLES } from "./component-roles.ts";
import { CONTROLLER_ROLES } from "./controller-roles.ts";
import { NAMESPACED_ROLES } from "./namespaced-roles.ts";
import { OWN_ROLES } from "./own-roles.ts";
import { type PolicyRole, RBAC } from "../../authz/rbac/policy.ts";
import { type Binding, mergedBinding, mergedRole, type Role } from "./reconciled.ts";
import { USER_ROLES } from "./user-roles.ts";

const BOOTSTRAP_LABEL = "kubernetes.io/bootstrapping";
/** The label's value on what every cluster has by upstream's policy, and on what only ours has. */
const THEIRS = "rbac-defaults";
const OURS = "r2k-defaults";
/** Set to "false" by a user who wants a role left as it is. */
const AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate";

/**
 * Makes the bootstrap roles and bindings, and gives back to those there what they have lost (each
 * time the server starts, as upstream); what others added stays.
 */
export async function reconcilePolicy(server: BootstrapServer): Promise<void> {
  const clusterRoles = [...USER_ROLES, ...COMPONENT_ROLES, ...CONTROLLER_ROLES];
  await reconcileClusterRoles(server, clusterRoles, THEIRS);
  await reconcileClusterRoles(server, OWN_ROLES, OURS);
  for (const role of NAMESPACED_ROLES) {
    await reconcile(
      server,
      of(server, "roles"),
      roleObject(role, THEIRS, role.namespace),
      mergedRole,
    );
  }
  await reconcileBindings(server, BINDINGS, THEIRS);
  await reconcileBindings(server, OWN_BINDINGS, OURS);
}

const of = (server: BootstrapServer, plural: string): Resource =>
  server.resources.of(`${RBAC}/v1`, plural);

async function reconcileClusterRoles(
  server: BootstrapServer,
  roles: readonly PolicyRole[],
  label: string,
): Promise<void> {
  const resource = of(server, "clusterroles");
  for (const role of roles) await reconcile(server, resource, roleObject(role, label), mergedRole);
}

async function reconcileBindings(
  server: BootstrapServer,
  bindings: readonly PolicyBinding[],
  label: string,
): Promise<void> {
  for (const binding of bindings) {
    const plural = binding.namespace === "" ? "clusterrolebindings" : "rolebindings";
    await reconcile(server, of(server, plural), bindingObject(binding, label), mergedBinding);
  }
}

function metadata(
  name: string,
  namespace: string,
  labels: Readonly<Record<string, string>>,
): KubeObject["metadata"] {
  return {
    name,
    ...(namespace === "" ? {} : { namespace }),
    labels: { ...labels },
    annotations: { [AUTOUPDATE]: "true" },
  };
}

function roleObject(role: PolicyRole, label: string, namespace = ""): Role {
  const { name, labels = {}, rules, aggregates } = role;
  const base = { metadata: metadata(name, namespace, { [BOOTSTRAP_LABEL]: label, ...labels }) };
  // Its rules are the aggregation controller's to write.
  if (aggregates === undefined) return { ...base, rules: [...rules] };
  const clusterRoleSelectors = [{ matchLabels: { [aggregates]: "true" } }];
  return { ...base, aggregationRule: { clusterRoleSelectors } };
}

function bindingObject(binding: PolicyBinding, label: string): Binding {
  const { name, namespace, role, subjects } = binding;
  return {
    metadata: metadata(name, namespace, { [BOOTSTRAP_LABEL]: label }),
    roleRef: { apiGroup: RBAC, ...role },
    subjects: [...subjects],
  };
}

const isProtected = ({ metadata: { annotations } }: KubeObject): boolean =>
  annotations?.[AUTOUPDATE] === "false";

/** `merged` says what the object there should be; "another" asks that it gives way to `wanted`. */
async function reconcile<T extends KubeObject>(
  server: BootstrapServer,
  resource: Resource,
  wanted: T,
  merged: (found: T, wanted: T) => T | "another",
): Promise<void> {
  const { namespace = "", name = "" } = wanted.metadata;
  const found = await resource.store.find<T>(namespace, name);
  if (found === undefined) return await ensure(server, resource, wanted);
  if (isProtected(found)) return;
  const change = merged(found, wanted);
  if (change === "another") {
    await deleteInternally(server, resource, namespace, name, { uid: found.metadata.uid });
    return await ensure(server, resource, wanted);
  }
  if (isDeepStrictEqual(change, found)) return;
  const transform = (current: KubeObject | undefined): KubeObject => {
    const now = merged(current as T, wanted);
    return now === "another" ? current! : now;
  };
  await updateObject(
    server,
    resource,
    { namespace, name, mayCreate: false, transform },
    internalWrite(),
  );
}
