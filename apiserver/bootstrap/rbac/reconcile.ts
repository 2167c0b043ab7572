import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { type Binding, type PolicyObject, RBAC, type Role } from "../../authz/rbac/policy.ts";
import { changeInternally, deleteInternally, ensure } from "../../registry/internal-write.ts";
import type { Resource } from "../../resource/resource.ts";
import type { BootstrapServer } from "../server.ts";
import { mergedBinding, mergedRole } from "./reconciled.ts";

const BOOTSTRAP_LABEL = "kubernetes.io/bootstrapping";
/** The label's value, where the policy does not give another. */
const UPSTREAM = "rbac-defaults";
/** Annotation that a user sets to "false" to keep a role unchanged. */
const AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate";

const PLURALS: Readonly<Record<PolicyObject["kind"], string>> = {
  ClusterRole: "clusterroles",
  Role: "roles",
  ClusterRoleBinding: "clusterrolebindings",
  RoleBinding: "rolebindings",
};

/**
 * Makes the roles and bindings of the bootstrap policy, and gives back to those there what they
 * have lost (each time the server starts, as upstream); what others added stays.
 */
export async function reconcilePolicy(server: BootstrapServer): Promise<void> {
  for (const object of server.policy) {
    const resource = server.resources.of(`${RBAC}/v1`, PLURALS[object.kind]);
    const { kind: _kind, ...content } = object;
    const metadata = metadataOf(object);
    if ("roleRef" in content) {
      await reconcile<Binding>(server, resource, { ...content, metadata }, mergedBinding);
    } else await reconcile<Role>(server, resource, { ...content, metadata }, mergedRole);
  }
}

const metadataOf = ({ metadata }: PolicyObject): KubeObject["metadata"] => ({
  ...metadata,
  labels: { [BOOTSTRAP_LABEL]: UPSTREAM, ...metadata.labels },
  annotations: { [AUTOUPDATE]: "true" },
});

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
  await changeInternally<T>(server, resource, wanted.metadata, (current) => {
    const now = merged(current, wanted);
    return now === "another" ? current : now;
  });
}
