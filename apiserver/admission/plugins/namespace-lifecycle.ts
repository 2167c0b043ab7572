import type { KubeObject } from "@raft2kube/api/kind.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { forbidden, notFound } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { AdmissionContext } from "../context.ts";
import { namespaceLookup } from "../matching/namespace.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../plugin.ts";

/** Namespaces that the cluster cannot be without. */
const IMMORTAL = new Set(["default", "kube-system", "kube-public"]);

/** Nothing is made in a namespace that is not there, or is going; some namespaces never go. */
export function namespaceLifecycle(context: AdmissionContext): AdmissionPlugin {
  const namespaces = context.resources.of("v1", "namespaces");
  const find = namespaceLookup(context);
  /** Throws unless the namespace takes new objects. Returns its uid. */
  const uidOf = async (request: AdmissionRequest): Promise<string | undefined> => {
    const namespace = await find(request.namespace);
    if (namespace === undefined) throw notFound(namespaces.subject, request.namespace);
    const { deletionTimestamp, uid } = namespace.metadata;
    if (deletionTimestamp !== undefined) throw terminating(request, namespace);
    return uid;
  };
  return {
    name: "NamespaceLifecycle",
    async admit(request) {
      const { kind } = request.resource;
      if (!kind.namespaced || request.operation !== "CREATE") return;
      if (isReview(request)) return;
      const uid = await uidOf(request);
      request.namespaceUid ??= uid;
    },
    /** The object must not outlive the namespace, or come to be in another one of its name. */
    async confirm(request) {
      const { namespaceUid, namespace } = request;
      if (namespaceUid === undefined || namespaceUid === (await uidOf(request))) return;
      throw notFound(namespaces.subject, namespace);
    },
    validate(request) {
      if (request.operation !== "DELETE" || request.resource !== namespaces) return;
      if (IMMORTAL.has(request.name)) {
        throw forbidden(namespaces.subject, request.name, "this namespace may not be deleted");
      }
    },
  };
}

const isReview = (request: AdmissionRequest): boolean => request.resource.kind.served === "review";

function terminating(request: AdmissionRequest, namespace: Readonly<KubeObject>): ApiError {
  const { name = "" } = namespace.metadata;
  const error = forbidden(
    request.resource.subject,
    request.name,
    `unable to create new content in namespace ${name} because it is being terminated`,
  );
  error.status.details = {
    ...error.status.details,
    causes: [
      {
        reason: "NamespaceTerminating",
        message: `namespace ${name} is being terminated`,
        field: "metadata.namespace",
      },
    ],
  };
  return error;
}
