import { forbidden } from "@raft2kube/api/errors.ts";
import type { ResourceClaim, ResourceClaimTemplate } from "@raft2kube/api/gen/resource/v1.ts";
import { invalid } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { AdmissionContext } from "../context.ts";
import { namespaceLookup } from "../matching/namespace.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns } from "../plugin.ts";

/** The label of namespaces that may watch over devices, which no role for tenants may write. */
const LABEL = "resource.kubernetes.io/admin-access";
const GROUP = "resource.k8s.io";

/**
 * Refuses claims for administrators' access to devices, which others may have at the same time, in
 * namespaces without the label. Upstream's strategies do this (`AuthorizedForAdmin`): no flag turns
 * it off.
 */
export function deviceAdminAccess(context: AdmissionContext): AdmissionPlugin {
  const find = namespaceLookup(context);
  return {
    name: "DeviceAdminAccess",
    async validate(request) {
      const path = adminAccessOf(request);
      if (path === undefined) return;
      const { labels = {} } = (await find(request.namespace))?.metadata ?? {};
      if (labels[LABEL] === "true") return;
      const which = `the \`${LABEL}: true\` label on the containing namespace`;
      throw invalid(request.resource.kindSubject, request.object?.metadata.name ?? "", [
        forbidden(path, `admin access to devices requires ${which}`),
      ]);
    },
  };
}

/** The field of a write by which a claim first has such access; a claim's spec never changes. */
function adminAccessOf(request: AdmissionRequest): string | undefined {
  const isFirst = (each: { adminAccess?: boolean } | undefined) => each?.adminAccess === true;
  const path = (list: string, index: number) =>
    index < 0 ? undefined : `${list}[${index}].adminAccess`;
  if (concerns(request, GROUP, "resourceclaims", "status")) {
    const [now, before] = [request.object, request.old].map((object) => {
      return (
        (object as ResourceClaim).status?.allocation?.devices?.results?.findIndex(isFirst) ?? -1
      );
    });
    return before === now ? undefined : path("status.allocation.devices.results", now ?? -1);
  }
  if (request.operation !== "CREATE") return undefined;
  const isTemplate = concerns(request, GROUP, "resourceclaimtemplates");
  if (!isTemplate && !concerns(request, GROUP, "resourceclaims")) return undefined;
  const { devices } = isTemplate
    ? (request.object as ResourceClaimTemplate).spec.spec
    : (request.object as ResourceClaim).spec;
  const requests = devices?.requests ?? [];
  return path(
    "spec.devices.requests",
    requests.findIndex(({ exactly }) => isFirst(exactly)),
  );
}
