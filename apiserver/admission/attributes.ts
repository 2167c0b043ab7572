import type { GroupVersionKind } from "@raft2kube/api/kind.ts";
import type { AdmissionRequest } from "./plugin.ts";

export interface GroupVersionResource {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
}

/** A request as rules match it, and as webhooks and expressions are shown it. */
export interface Attributes {
  readonly resource: GroupVersionResource;
  readonly subresource: string;
  /** The kind of the object: that of the body for subresources such as scale. */
  readonly kind: GroupVersionKind;
  readonly operation: AdmissionRequest["operation"];
  readonly name: string;
  /** The namespace; for a Namespace itself its name. */
  readonly namespace: string;
}

export function attributesOf(request: AdmissionRequest): Attributes {
  const { subresource, operation } = request;
  const { kind } = request.resource;
  const name = request.name || (request.object?.metadata?.name ?? "");
  return {
    resource: { group: kind.group, version: kind.version, resource: kind.plural },
    subresource,
    kind: bodyKindOf(request),
    operation,
    name,
    namespace: isNamespace(kind.group, kind.plural) ? name : request.namespace,
  };
}

export const isNamespace = (group: string, plural: string): boolean =>
  group === "" && plural === "namespaces";

function bodyKindOf({ operation, resource, subresource, object }: AdmissionRequest) {
  // The options of a connection are kinds of the core that nothing else has.
  if (operation === "CONNECT") return { group: "", version: "v1", kind: object?.kind ?? "" };
  const { kind } = resource;
  const subresources = kind.subresources;
  const body = Object.hasOwn(subresources, subresource)
    ? subresources[subresource]?.body
    : undefined;
  const { group, version, kind: name } = body ?? kind;
  return { group, version, kind: name };
}

const CONFIGURATIONS: ReadonlySet<string> = new Set([
  "MutatingAdmissionPolicy",
  "MutatingAdmissionPolicyBinding",
  "MutatingWebhookConfiguration",
  "ValidatingAdmissionPolicy",
  "ValidatingAdmissionPolicyBinding",
  "ValidatingWebhookConfiguration",
]);

/**
 * Whether webhooks and policies are not asked about a request: it changes their own configurations,
 * which must stay changeable, or the server makes it for itself, which must be able to start.
 */
export const isExempt = ({ resource: { kind }, isInternal }: AdmissionRequest): boolean =>
  isInternal === true ||
  (kind.group === "admissionregistration.k8s.io" && CONFIGURATIONS.has(kind.kind));
