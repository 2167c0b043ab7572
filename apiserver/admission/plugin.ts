import type { KubeObject, RequestUser } from "@raft2kube/api/kind.ts";
import type { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { forbidden } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { JsonObject } from "@raft2kube/apimachinery/json/json.ts";
import type { Spent } from "@raft2kube/cel/state.ts";
import { AuditAnnotations } from "../request/annotations.ts";
import type { Resource } from "../resource/resource.ts";
import { Reinvocation } from "./reinvocation.ts";

/** The parts of a write besides its object that admission reads. */
interface AdmissionOptions {
  user: RequestUser;
  dryRun: boolean;
  subresource: string;
  /** Texts for `Warning:` headers. */
  warnings: string[];
  /** The options of the operation as the client gave them, for webhooks and expressions. */
  options?: JsonObject | undefined;
  /** Whether the server writes for itself. */
  isInternal?: boolean | undefined;
  /** Signal that is aborted when the client has gone, or the server closes. */
  signal?: AbortSignal | undefined;
  /** The time, by the clock's `monotonic`, at which the request ends. */
  deadline_ms?: number | undefined;
  /** Annotations for the audit log. */
  annotations?: AuditAnnotations | undefined;
}

/** A write on its way into the store, as admission plugins see it. */
export interface AdmissionRequest extends Omit<AdmissionOptions, "annotations"> {
  operation: "CREATE" | "UPDATE" | "DELETE" | "CONNECT";
  resource: Resource;
  namespace: string;
  /** The object's name; empty while `generateName` has not been completed. */
  name: string;
  /** The new object; plugins' `admit` may change it in place. Undefined for DELETE. */
  object: KubeObject | undefined;
  /** The stored object; undefined for CREATE. Frozen. */
  old: KubeObject | undefined;
  /** The uid of the namespace when admission started; undefined where that was not looked at. */
  namespaceUid?: string | undefined;
  /** Steps that expressions about the request have taken so far. */
  readonly spent: Spent;
  readonly reinvocation: Reinvocation;
  readonly annotations: AuditAnnotations;
}

/** The request of a write of `object`, where there is one, over `old`, where there is one. */
export function admissionRequest(
  operation: AdmissionRequest["operation"],
  resource: Resource,
  { namespace = "", name = "" }: { namespace?: string; name?: string },
  { object, old }: { object?: KubeObject | undefined; old?: KubeObject | undefined },
  given: AdmissionOptions,
): AdmissionRequest {
  const { user, dryRun, subresource, warnings, options, isInternal, signal, deadline_ms } = given;
  return {
    operation,
    resource,
    namespace,
    name,
    object,
    old,
    user,
    dryRun,
    subresource,
    warnings,
    options,
    isInternal,
    signal,
    deadline_ms,
    spent: { steps: 0 },
    reinvocation: new Reinvocation(),
    annotations: given.annotations ?? new AuditAnnotations(),
  };
}

/**
 * One rule of admission. `admit` runs before validation and may change the object; `validate` runs
 * after, and `confirm` when all of that is done, which may have taken long.
 */
export interface AdmissionPlugin {
  readonly name: string;
  /** Throws ApiError to refuse. */
  admit?(request: AdmissionRequest): Promise<void> | void;
  validate?(request: AdmissionRequest): Promise<void> | void;
  confirm?(request: AdmissionRequest): Promise<void> | void;
}

/** Whether a request is about this resource itself or, when given, this subresource. */
export function concerns(
  request: AdmissionRequest,
  group: string,
  plural: string,
  subresource = "",
) {
  const { kind } = request.resource;
  return kind.group === group && kind.plural === plural && request.subresource === subresource;
}

/** 403 about the object of a request; a name still to be generated is shown by its beginning. */
export function refusal(request: AdmissionRequest, why: string): ApiError {
  const { metadata } = request.object ?? {};
  const name = request.name || metadata?.name || metadata?.generateName || "";
  return forbidden(request.resource.subject, name, why);
}

/** 403 about a node's request; `why` continues the sentence after the node's name. */
export function nodeRefusal(request: AdmissionRequest, node: string, why: string): ApiError {
  return refusal(request, `node ${JSON.stringify(node)} ${why}`);
}
