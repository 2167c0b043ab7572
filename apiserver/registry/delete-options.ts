import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import { decodeJson } from "@raft2kube/api/codec/json.ts";
import { type FieldError, notSupported } from "@raft2kube/api/errors.ts";
import { checkHead } from "@raft2kube/apimachinery/decode/decode.ts";
import type { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { badRequest, invalid } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { JsonObject } from "@raft2kube/apimachinery/json/json.ts";
import { isTrue, wholeNumber } from "../request/request-info.ts";
import { dryRunComplaints } from "./write-options.ts";

const SUBJECT = { group: "meta.k8s.io", name: "DeleteOptions" };

export type Propagation = "Orphan" | "Background" | "Foreground";

/** The options of a deletion (meta/v1 DeleteOptions). */
export interface DeleteRequest {
  gracePeriod_s: number | undefined;
  propagation: Propagation | undefined;
  /** The deprecated field with the same meaning, on which a response code depends. */
  orphanDependents?: boolean | undefined;
  uid: string | undefined;
  resourceVersion: string | undefined;
  dryRun: boolean;
  /** Whether admission has decided about the request by which the object goes: an eviction. */
  isAdmitted?: boolean;
}

/** The options as webhooks are shown them. */
export function deleteOptionsOf(request: DeleteRequest): JsonObject {
  const { gracePeriod_s, propagation, orphanDependents, uid, resourceVersion, dryRun } = request;
  const preconditions = {
    ...(uid !== undefined && { uid }),
    ...(resourceVersion !== undefined && { resourceVersion }),
  };
  return {
    ...(gracePeriod_s !== undefined && { gracePeriodSeconds: gracePeriod_s }),
    ...(Object.keys(preconditions).length > 0 && { preconditions }),
    ...(orphanDependents !== undefined
      ? { orphanDependents }
      : propagation !== undefined && { propagationPolicy: propagation }),
    ...(dryRun && { dryRun: ["All"] }),
  };
}

/** The body as its schema reads it: absent members are undefined. */
interface DeleteOptionsBody {
  gracePeriodSeconds?: number;
  orphanDependents?: boolean;
  propagationPolicy?: string;
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: string[];
}

const KIND = "DeleteOptions";
/** The version of a body without one. */
const VERSION = "meta.k8s.io/v1";

/** Reads the options from a body's document. Throws 400 or 422 on nonsense. */
export function readDeleteBody(value: unknown): DeleteRequest {
  checkHead(value);
  const { kind, apiVersion } = value as { kind?: string | null; apiVersion?: string | null };
  if (kind && kind !== KIND) throw unregistered(kind, apiVersion || VERSION);
  try {
    return requestOf(decodeJson("meta/v1.DeleteOptions", value).object as DeleteOptionsBody);
  } catch (thrown) {
    if (thrown instanceof DecodeError) throw badRequest(thrown.message);
    throw thrown;
  }
}

/** The same from the query, which counts where there is no body. */
export function readDeleteQuery(query: URLSearchParams): DeleteRequest {
  const grace = query.get("gracePeriodSeconds");
  const orphan = query.get("orphanDependents");
  const policy = query.get("propagationPolicy");
  return requestOf({
    ...(grace === null ? {} : { gracePeriodSeconds: wholeNumber(grace) }),
    ...(orphan === null ? {} : { orphanDependents: isTrue(orphan) }),
    ...(policy === null ? {} : { propagationPolicy: policy }),
    dryRun: query.getAll("dryRun"),
  });
}

function unregistered(kind: string, version: string): ApiError {
  const given = `no kind ${JSON.stringify(kind)} is registered for version`;
  return badRequest(`${given} ${JSON.stringify(version)} in scheme "pkg/runtime/scheme.go:111"`);
}

function requestOf(options: DeleteOptionsBody): DeleteRequest {
  const { gracePeriodSeconds: grace_s, preconditions, dryRun = [] } = options;
  const complaints = [...propagationComplaints(options), ...dryRunComplaints(dryRun)];
  if (complaints.length > 0) throw invalid(SUBJECT, "", complaints);
  return {
    // A negative period means upstream's minimum, one second.
    gracePeriod_s: grace_s !== undefined && grace_s < 0 ? 1 : grace_s,
    propagation: propagationOf(options),
    orphanDependents: options.orphanDependents,
    uid: preconditions?.uid,
    resourceVersion: preconditions?.resourceVersion,
    dryRun: dryRun.length > 0,
  };
}

const POLICIES: readonly string[] = ["Foreground", "Background", "Orphan"];

function propagationComplaints(options: DeleteOptionsBody): FieldError[] {
  const { orphanDependents, propagationPolicy: value } = options;
  if (value === undefined) return [];
  const field = "propagationPolicy";
  const detail = "orphanDependents and deletionPropagation cannot be both set";
  return [
    ...(orphanDependents === undefined
      ? []
      : [{ type: "FieldValueInvalid", field, value, detail } as const]),
    ...(POLICIES.includes(value) ? [] : [notSupported(field, value, [...POLICIES, "nil"])]),
  ];
}

function propagationOf({
  orphanDependents,
  propagationPolicy,
}: DeleteOptionsBody): Propagation | undefined {
  if (propagationPolicy !== undefined) return propagationPolicy as Propagation;
  if (orphanDependents === undefined) return undefined;
  return orphanDependents ? "Orphan" : "Background";
}
