import { randomUUID } from "node:crypto";
import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import { decodeJson } from "@raft2kube/api/codec/json.ts";
import type { Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import type { Json, JsonObject } from "@raft2kube/apimachinery/json/json.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import type { Versioned } from "../matching/versions.ts";
import type { AdmissionRequest } from "../plugin.ts";
import { shownRequest } from "../shown-request.ts";
import type { Invocation } from "./match.ts";

const GROUP = "admission.k8s.io";
/** The patch `[]`, in base64. */
const NO_OPERATIONS = "W10=";

type ReviewVersion = "v1" | "v1beta1";

/** The first version of AdmissionReview that a webhook takes and that there is here. */
export function reviewVersionOf(versions: readonly string[]): ReviewVersion | undefined {
  return versions.find((each): each is ReviewVersion => each === "v1" || each === "v1beta1");
}

type Review = { readonly uid: string; readonly body: Buffer };

/** The AdmissionReview that a webhook is sent; both versions have the same members. */
export function reviewFor(
  version: ReviewVersion,
  invocation: Invocation,
  request: AdmissionRequest,
  { object, old }: Versioned,
): Review {
  const uid = randomUUID();
  const review = {
    kind: "AdmissionReview",
    apiVersion: `${GROUP}/${version}`,
    request: {
      uid,
      ...shownRequest(invocation, request),
      object: object ?? null,
      oldObject: old ?? null,
    },
  };
  return { uid, body: Buffer.from(JSON.stringify(review)) };
}

/** A webhook's decision about a request. */
export interface Verdict {
  readonly allowed: boolean;
  readonly result: Partial<Status>;
  /** The text of a JSON patch; empty for none. */
  readonly patch: string;
  readonly warnings: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** An answer of a webhook that is not a verdict about its request. */
export class ReviewError extends CodedError {
  constructor(message: string) {
    super("REVIEW", message);
  }
}

/** Reads a webhook's answer. Throws ReviewError, in upstream's words. */
export function readVerdict(
  version: ReviewVersion,
  uid: string,
  mutating: boolean,
  answer: Json,
): Verdict {
  const review = typed("", answer, "object");
  const response = typed("response", review["response"], "object?");
  if (response === undefined) throw new ReviewError("webhook response was absent");
  const patch = typed("response.patch", response["patch"], "string?") ?? "";
  const patchType = typed("response.patchType", response["patchType"], "string?");
  if (version === "v1") {
    checkHead(review, response, uid);
    checkPatch(mutating, patch, patchType);
  }
  return {
    allowed: typed("response.allowed", response["allowed"], "boolean?") ?? false,
    result: statusIn(typed("response.status", response["status"], "object?") ?? {}),
    patch: mutating ? decoded(patch) : "",
    warnings: texts("response.warnings", response["warnings"]),
    annotations: textMap("response.auditAnnotations", response["auditAnnotations"]),
  };
}

function checkHead(review: JsonObject, response: JsonObject, uid: string): void {
  const given = typed("response.uid", response["uid"], "string?") ?? "";
  if (given !== uid) {
    throw new ReviewError(
      `expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(given)}`,
    );
  }
  const apiVersion = typed("apiVersion", review["apiVersion"], "string?") ?? "";
  const kind = typed("kind", review["kind"], "string?") ?? "";
  const expected = `${GROUP}/v1, Kind=AdmissionReview`;
  const got = `${apiVersion === "" ? "/" : apiVersion}, Kind=${kind}`;
  if (got !== expected) {
    throw new ReviewError(`expected webhook response of ${expected}, got ${got}`);
  }
}

function checkPatch(mutating: boolean, patch: string, patchType: string | undefined): void {
  if (!mutating) {
    if (patch !== "") throw new ReviewError("validating webhook may not return response.patch");
    if (patchType === undefined) return;
    throw new ReviewError("validating webhook may not return response.patchType");
  }
  if (patch !== "" && patchType === undefined) {
    throw new ReviewError("webhook returned response.patch but not response.patchType");
  }
  if (patch === "" && patchType !== undefined) {
    throw new ReviewError("webhook returned response.patchType but not response.patch");
  }
  if (patchType === "") throw new ReviewError(`webhook returned invalid response.patchType of ""`);
  if (patchType !== undefined && patchType !== "JSONPatch" && patch !== NO_OPERATIONS) {
    throw new ReviewError(`unsupported patch type ${JSON.stringify(patchType)}`);
  }
}

/** A group that repeats would overflow the stack with more than 4 MiB. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

function decoded(patch: string): string {
  if (patch.length % 4 !== 0 || !BASE64.test(patch))
    throw new ReviewError("response.patch is no base64");
  return Buffer.from(patch, "base64").toString("utf8");
}

function statusIn(status: JsonObject): Partial<Status> {
  const text = (name: string) => typed(`response.status.${name}`, status[name], "string?");
  const code = typed("response.status.code", status["code"], "number?");
  const details = detailsIn(typed("response.status.details", status["details"], "object?"));
  const [reason, message, whole] = [text("reason"), text("message"), text("status")];
  return {
    ...(whole ? { status: whole as Status["status"] } : {}),
    ...(message ? { message } : {}),
    ...(reason ? { reason } : {}),
    ...(details ? { details } : {}),
    ...(code === undefined ? {} : { code }),
  };
}

/** The details as their type reads them; undefined for what it does not. */
function detailsIn(details: JsonObject | undefined): Status["details"] {
  if (details === undefined) return undefined;
  try {
    return decodeJson<NonNullable<Status["details"]>>("meta/v1.StatusDetails", details).object;
  } catch (thrown) {
    if (thrown instanceof DecodeError) return undefined;
    throw thrown;
  }
}

interface Types {
  readonly object: JsonObject;
  readonly "object?": JsonObject | undefined;
  readonly "array?": readonly Json[] | undefined;
  readonly "string?": string | undefined;
  readonly "boolean?": boolean | undefined;
  readonly "number?": number | undefined;
}

/** A member of an answer as a type, `?` for those that may be absent or null. */
function typed<T extends keyof Types>(path: string, value: Json, type: T): Types[T] {
  const isOptional = type.endsWith("?");
  if (isOptional && (value === undefined || value === null)) return undefined as Types[T];
  const wanted = isOptional ? type.slice(0, -1) : type;
  const given = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  if (given === wanted) return value as Types[T];
  const place = path === "" ? "AdmissionReview" : `AdmissionReview.${path}`;
  throw new ReviewError(`json: cannot unmarshal ${given} into ${place} of type ${wanted}`);
}

function texts(path: string, value: Json): string[] {
  const list = typed(path, value, "array?") ?? [];
  return list.map((each, index) => typed(`${path}[${index}]`, each, "string?") ?? "");
}

function textMap(path: string, value: Json): Record<string, string> {
  const entries = Object.entries(typed(path, value, "object?") ?? {});
  return Object.fromEntries(
    entries.map(([key, each]) => [key, typed(`${path}.${key}`, each, "string?") ?? ""]),
  );
}
