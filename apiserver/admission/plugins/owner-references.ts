import { isDeepStrictEqual } from "node:util";
import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { parseApiVersion } from "@raft2kube/apimachinery/group-version.ts";
import { aboutResource } from "../../authz/attributes.ts";
import type { Authorizer } from "../../authz/authorizer.ts";
import type { Resources } from "../../resource/resources.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns, refusal } from "../plugin.ts";

function ownersOf(object: KubeObject | undefined): readonly OwnerReference[] {
  const metadata: KubeObject["metadata"] | undefined = object?.metadata;
  return metadata?.ownerReferences ?? [];
}

type Decide = (asked: Parameters<typeof aboutResource>[0]) => ReturnType<Authorizer["decide"]>;

/**
 * Owners are named by users that may delete the object, and block the deletion of an owner only if
 * they may set its finalizers.
 */
export function ownerReferencesPermissionEnforcement(context: AdmissionContext): AdmissionPlugin {
  const { authorizer, resources } = context;
  const decide: Decide = (asked) => authorizer.decide(aboutResource(asked));
  return {
    name: "OwnerReferencesPermissionEnforcement",
    async validate(request) {
      const { operation, object, old, user, namespace, name, subresource } = request;
      if (operation !== "CREATE" && operation !== "UPDATE") return;
      if (concerns(request, "", "pods", "status")) return;
      const [owners, before] = [ownersOf(object), ownersOf(old)];
      if (isDeepStrictEqual(owners, before)) return;
      if (operation !== "CREATE") {
        const { group, version, plural } = request.resource.kind;
        const place = { group, version, resource: plural, subresource, namespace, name };
        const { verdict, reason } = await decide({ user, verb: "delete", ...place });
        if (verdict !== "allow") {
          const text = `cannot set an ownerRef on a resource you can't delete: ${reason}, <nil>`;
          throw refusal(request, text);
        }
      }
      const blocking = owners.filter(
        (each) =>
          each.blockOwnerDeletion === true &&
          before.find(({ uid }) => uid === each.uid)?.blockOwnerDeletion !== true,
      );
      if (blocking.length > 0) await checkBlocking(request, blocking, decide, resources);
    },
  };
}

async function checkBlocking(
  request: AdmissionRequest,
  owners: readonly OwnerReference[],
  decide: Decide,
  resources: Resources,
): Promise<void> {
  const finalizers = { user: request.user, verb: "update", subresource: "finalizers" };
  const all = await decide({ ...finalizers, group: "*", version: "*", resource: "*", name: "*" });
  if (all.verdict === "allow") return;
  for (const { apiVersion, kind, name } of owners) {
    const { group = "", version = "" } = parseApiVersion(apiVersion) ?? {};
    const known = resources.kinds.filter(
      (each) => each.group === group && each.version === version && each.kind === kind,
    );
    if (known.length === 0) {
      throw refusal(
        request,
        "cannot set blockOwnerDeletion in this case because cannot find " +
          `RESTMapping for APIVersion ${apiVersion} Kind ${kind}: no matches for kind ` +
          `${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`,
      );
    }
    for (const { plural, namespaced } of known) {
      const namespace = namespaced ? request.namespace : "";
      const place = { group, version, resource: plural, namespace, name };
      const { verdict, reason } = await decide({ ...finalizers, ...place });
      if (verdict === "allow") continue;
      throw refusal(
        request,
        "cannot set blockOwnerDeletion if an ownerReference refers to a " +
          `resource you can't set finalizers on: ${reason}, <nil>`,
      );
    }
  }
}
