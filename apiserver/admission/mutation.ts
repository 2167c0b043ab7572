import { isDeepStrictEqual } from "node:util";
import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import { decodeJson } from "@raft2kube/api/codec/json.ts";
import { invalid as invalidField } from "@raft2kube/api/errors.ts";
import { isBuiltIn, type Kind, type KubeObject } from "@raft2kube/api/kind.ts";
import { badRequest, internal, invalid } from "@raft2kube/apimachinery/errors/catalog.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { isObject, type Json, type JsonObject } from "@raft2kube/apimachinery/json/json.ts";
import { areSound } from "@raft2kube/apimachinery/managed-fields/managed-fields.ts";
import type { Attributes } from "./attributes.ts";
import { inVersion } from "./matching/versions.ts";
import type { AdmissionRequest } from "./plugin.ts";

/**
 * Gives a request's object the content that a webhook or policy made of it: `next`, in the version
 * of `kind`. It is decoded and gets its defaults as a client's body would. Returns whether the
 * object has changed. Throws what upstream answers for an object of another kind, place or shape.
 */
export async function takeMutation(
  request: AdmissionRequest,
  { kind: body }: Attributes,
  kind: Kind,
  next: Json,
): Promise<boolean> {
  const { resource, signal } = request;
  const object = request.object!;
  const isWhole = body.kind === kind.kind && body.group === kind.group;
  const shown = isWhole ? shownIn(request, kind, next) : kind;
  const mutated = decoded(isWhole ? shown.schema : schemaOf(body), isWhole ? shown : body, next);
  if (isWhole) shown.strategy.defaults(mutated);
  const own = isWhole ? await inVersion(mutated, shown, resource.kind, signal) : mutated;
  checkPlace(request, object, own);
  keepServersFields(object, own);
  const before = JSON.stringify(object);
  const changed = !isDeepStrictEqual(JSON.parse(before), JSON.parse(JSON.stringify(own)));
  if (changed) replaceContent(object, own);
  return changed;
}

/**
 * The version that the object is in now: that of a custom resource may be another that is served.
 * Throws 422 for another kind, as upstream's validation of custom resources.
 */
function shownIn({ resource, object }: AdmissionRequest, kind: Kind, next: Json): Kind {
  if (isBuiltIn(kind) || !isObject(next)) return kind;
  const { apiVersion, kind: name } = next;
  const shown = kind.versions?.get(String(apiVersion));
  const findings = [
    ...(name === kind.kind ? [] : [invalidField("kind", name ?? "", `must be ${kind.kind}`)]),
    ...(shown
      ? []
      : [invalidField("apiVersion", apiVersion ?? "", `must be ${apiVersionOf(kind)}`)]),
  ];
  if (findings.length === 0) return shown!;
  const subject = { ...resource.kindSubject, ...(typeof name === "string" && { name }) };
  throw invalid(subject, object?.metadata.name ?? "", findings);
}

/** Kinds of subresources that are no resources, by the schemas of the facts. */
const schemaOf = ({ group, version, kind }: Attributes["kind"]): string =>
  `${group === "" ? "core" : group.split(".")[0]}/${version}.${kind}`;

/** Metadata of a custom resource that cannot be decoded is dropped, as upstream's coercion does. */
function decoded(schema: Kind["schema"], body: Attributes["kind"], value: Json): KubeObject {
  const { kind } = body;
  const apiVersion = apiVersionOf(body);
  if (!isObject(value)) throw internal("the mutated object is no object");
  if (value["kind"] !== kind || value["apiVersion"] !== apiVersion) {
    throw internal(
      `the mutated object is ${JSON.stringify(value["apiVersion"])}, Kind=` +
        `${JSON.stringify(value["kind"])}, not ${apiVersion}, Kind=${kind}`,
    );
  }
  try {
    return decodeJson<KubeObject>(schema, value, false).object;
  } catch (thrown) {
    if (thrown instanceof DecodeError) throw internal(thrown.message);
    throw thrown;
  }
}

/** Throws when the object would lie in another place than the request was authorized for. */
function checkPlace(request: AdmissionRequest, { metadata }: KubeObject, next: KubeObject): void {
  const own: KubeObject["metadata"] | undefined = metadata;
  if (own === undefined) return;
  const moved: KubeObject["metadata"] | undefined = next.metadata;
  // One that names none is in the request's, as in a client's body.
  if (own.namespace && !moved?.namespace) next.metadata = { ...moved, namespace: own.namespace };
  else if ((moved?.namespace ?? "") !== (own.namespace ?? "")) {
    throw badRequest(
      "the namespace of the provided object does not match the namespace sent on the request",
    );
  }
  const name = moved?.name ?? "";
  if ((request.operation === "CREATE" && request.subresource === "") || name === own.name) return;
  const finding = invalidField("metadata.name", name, "field is immutable");
  throw invalid(request.resource.kindSubject, own.name ?? "", [finding]);
}

const SERVERS_FIELDS = [
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "selfLink",
] as const;

/** Metadata that no client can set is as it was. */
function keepServersFields({ metadata }: KubeObject, next: KubeObject): void {
  const own: KubeObject["metadata"] | undefined = metadata;
  if (own === undefined) return;
  next.metadata ??= {};
  for (const name of SERVERS_FIELDS) {
    if (own[name] === undefined) delete next.metadata[name];
    else (next.metadata as Record<string, unknown>)[name] = own[name];
  }
}

/** Callers keep the object that they gave: its content changes. */
function replaceContent(object: KubeObject, next: KubeObject): void {
  const members = object as unknown as JsonObject;
  for (const name of Object.keys(members)) delete members[name];
  Object.assign(object, next);
}

/**
 * Restores the managed fields from before admission if it left them in a state that they cannot
 * have, and warns (upstream: fieldmanager/admission.go).
 */
export function checkManagedFields(
  { object, warnings }: AdmissionRequest,
  before: KubeObject["metadata"]["managedFields"],
): void {
  const metadata: KubeObject["metadata"] | undefined = object?.metadata;
  const { managedFields } = metadata ?? {};
  if (!metadata || managedFields === undefined || managedFields.length === 0) return;
  if (areSound(managedFields)) return;
  if (before === undefined) delete metadata.managedFields;
  else metadata.managedFields = before;
  warnings.push(
    ".metadata.managedFields was in an invalid state after admission; this could be " +
      "caused by an outdated mutating admission controller; please fix your requests",
  );
}
