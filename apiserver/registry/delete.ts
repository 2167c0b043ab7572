import type { KubeObject } from "@raft2kube/api/kind.ts";
import { conflict, notFound } from "@raft2kube/apimachinery/errors/catalog.ts";
import { admissionRequest } from "../admission/plugin.ts";
import type { Resource } from "../resource/resource.ts";
import type { Attempt, Changed, CountWrite } from "../storage/object-store.ts";
import { isDefinitions, planDefinitionDelete } from "./definition-deletion.ts";
import { type DeleteRequest, deleteOptionsOf } from "./delete-options.ts";
import { type DeletePlan, planDelete } from "./delete-plan.ts";
import { isNamespaces, planNamespaceDelete } from "./namespace-deletion.ts";
import type { WriteOptions } from "./write-options.ts";
import type { Writer } from "./writer.ts";

/** Deletes an object, or marks it as being deleted; `deleted` says which. */
export async function deleteObject(
  writer: Writer,
  resource: Resource,
  namespace: string,
  name: string,
  request: DeleteRequest,
  options: WriteOptions,
): Promise<Changed<KubeObject>> {
  const { store, subject } = resource;
  let plan: DeletePlan | undefined;
  const attempt = async (current: KubeObject | undefined) => {
    if (current === undefined) throw notFound(subject, name);
    checkPreconditions(resource, current, request);
    if (!request.isAdmitted) await admit(writer, resource, current, request, options);
    plan = planFor(writer, resource, current, request);
    return attemptOf(plan, current, request);
  };
  const changed = await store.change<KubeObject>(namespace, name, attempt, {
    countWrite: countAsDeletion(options),
  });
  if (changed.deleted) await resource.allocation?.release(changed.object);
  // A dry run says what would be.
  return { ...changed, deleted: plan?.do === "remove" };
}

/** Counts the marks of an object that is going as what adds nothing: they do not stay. */
export function countAsDeletion({ countWrite }: WriteOptions): CountWrite {
  return (bytes) => countWrite?.(bytes, bytes);
}

async function admit(
  { admission }: Writer,
  resource: Resource,
  current: KubeObject,
  request: DeleteRequest,
  given: WriteOptions,
): Promise<void> {
  const asked = { ...given, subresource: "", options: deleteOptionsOf(request) };
  const deletion = admissionRequest("DELETE", resource, current.metadata, { old: current }, asked);
  await admission.admit(deletion);
  await admission.validate(deletion);
}

function attemptOf(
  plan: DeletePlan,
  current: KubeObject,
  request: DeleteRequest,
): Attempt<KubeObject> {
  if (plan.do === "keep") return { do: "keep", object: current };
  if (request.dryRun) return { do: "keep", object: plan.object };
  if (plan.do === "remove") return { do: "delete", object: plan.object };
  return { do: "write", object: plan.object };
}

function planFor(
  writer: Writer,
  resource: Resource,
  current: KubeObject,
  request: DeleteRequest,
): DeletePlan {
  const { kind } = resource;
  const now_ms = writer.clock.now();
  if (isNamespaces(kind)) return planNamespaceDelete(kind, current, request, now_ms);
  if (isDefinitions(kind)) return planDefinitionDelete(kind, current, request, now_ms);
  return planDelete(kind, current, request, now_ms);
}

/** Throws 409 when an object is not the one that a deletion is asked for. */
export function checkPreconditions(
  resource: Resource,
  current: KubeObject,
  request: DeleteRequest,
): void {
  const { uid = "", resourceVersion = "", name = "" } = current.metadata;
  const { group, kind } = resource.kind;
  const mismatch = (what: string, asked: string, actual: string, why: string) => {
    if (isDefinitions(resource.kind)) {
      const compared = `${what} in precondition: ${asked}, ${what} in object meta: ${actual}`;
      return conflict(resource.subject, name, `Precondition failed: ${compared}`);
    }
    const message =
      `the ${what} in the precondition (${asked}) does not match the ${what} in record ` +
      `(${actual}). The object might have been ${why}`;
    return conflict({ group, name: kind }, name, message);
  };
  if (request.uid !== undefined && request.uid !== uid) {
    throw mismatch("UID", request.uid, uid, "deleted and then recreated");
  }
  if (request.resourceVersion !== undefined && request.resourceVersion !== resourceVersion) {
    throw mismatch("ResourceVersion", request.resourceVersion, resourceVersion, "modified");
  }
}
