import type { KubeObject } from "@raft2kube/api/kind.ts";
import { ApiError, isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { alreadyExists, forbidden, invalid } from "@raft2kube/apimachinery/errors/catalog.ts";
import { cloneObject } from "@raft2kube/apimachinery/json/clone.ts";
import { updateManagedFields } from "@raft2kube/apimachinery/managed-fields/update.ts";
import { compiling } from "@raft2kube/cel/budget.ts";
import { type AdmissionRequest, admissionRequest } from "../admission/plugin.ts";
import { GENERATE_NAME_ATTEMPTS_MAX } from "../limits.ts";
import { giveBackAfter } from "../resource/allocation.ts";
import type { Resource } from "../resource/resource.ts";
import { completeName, dropRepeatedOwners, fillSystemFields, settleNamespace } from "./metadata.ts";
import { strategyContext, type WriteOptions } from "./write-options.ts";
import type { Writer } from "./writer.ts";

/**
 * Stores a new object: admission's changes, the kind's own preparation and validation, admission's
 * verdict, the reservations that it needs, the store. `object` belongs to this call.
 */
export async function createObject(
  writer: Writer,
  resource: Resource,
  object: KubeObject,
  namespace: string,
  options: WriteOptions,
): Promise<KubeObject> {
  settleNamespace(resource.kind, object, namespace);
  // kubeadm sends 0, which upstream's server takes for none, to insist on a creation.
  if (!/^0*[1-9]\d*$/.test(object.metadata.resourceVersion ?? "")) {
    delete object.metadata.resourceVersion;
  }
  // A new object is not being deleted, even if the request says so.
  delete object.metadata.deletionTimestamp;
  delete object.metadata.deletionGracePeriodSeconds;
  dropRepeatedOwners(object, options.warnings, "");
  updateManagedFields(resource, object, undefined, options, writer.clock.now());
  const { name = "" } = object.metadata;
  const place = { namespace, name };
  const request = admissionRequest("CREATE", resource, place, { object }, options);
  await writer.admission.admit(request);
  return await createAdmitted(writer, resource, request, options);
}

const GOING = "create not allowed while custom resource definition is terminating";

function refuseIfGoing({ terminating, subject }: Resource, { metadata }: KubeObject): void {
  if (terminating) throw forbidden(subject, metadata.name ?? "", GOING);
}

/** The part of a creation after admission's changes; an update that creates starts here as well. */
export async function createAdmitted(
  writer: Writer,
  resource: Resource,
  request: AdmissionRequest,
  options: WriteOptions,
): Promise<KubeObject> {
  const object = request.object!;
  dropRepeatedOwners(object, options.warnings, " after mutating admission happens");
  await options.authorize?.(object, undefined);
  refuseIfGoing(resource, object);
  const generated = !object.metadata.name && object.metadata.generateName !== undefined;
  for (let attempt = 1; ; attempt++) {
    if (generated) completeName(object, writer.random);
    request.name = object.metadata.name ?? "";
    try {
      // A name that turns out to be taken is tried again on the object as it was.
      const attempt = generated ? { ...request, object: cloneObject(object) } : request;
      return await createNamed(writer, resource, attempt, options);
    } catch (thrown) {
      const taken = generated && isReason(thrown, "AlreadyExists");
      if (!taken || attempt >= GENERATE_NAME_ATTEMPTS_MAX) throw thrown;
    }
  }
}

async function createNamed(
  writer: Writer,
  resource: Resource,
  request: AdmissionRequest,
  options: WriteOptions,
): Promise<KubeObject> {
  const { kind } = resource;
  const object = request.object!;
  const context = strategyContext(writer, options);
  fillSystemFields(object, writer.clock.now());
  kind.strategy.prepareCreate(object, context);
  const quickly = context.steps_max !== undefined;
  const findings = compiling(quickly, () => kind.strategy.validateCreate(object, context));
  if (findings.length > 0) {
    throw invalid(resource.kindSubject, object.metadata.name ?? "", findings);
  }
  for (const warning of kind.strategy.warnings(object)) options.warnings.push(warning);
  await writer.admission.validate(request);
  if (object.metadata.resourceVersion) {
    const message = "resourceVersion should not be set on objects to be created";
    throw new ApiError({ code: 500, reason: "", message });
  }
  const reserved = await resource.allocation?.reserve(object, undefined, options.dryRun);
  let created: KubeObject;
  try {
    const lease = options.dryRun ? undefined : await resource.lease();
    // Webhooks may have taken long: the definition's end must not miss the object.
    refuseIfGoing(resource, object);
    created = options.dryRun
      ? await rehearse(resource, object)
      : await resource.store.create(object, lease, options.countWrite);
  } catch (thrown) {
    await giveBackAfter(thrown, reserved);
    if (isReason(thrown, "AlreadyExists")) throw await taken(resource, object, thrown);
    throw thrown;
  }
  await reserved?.settle();
  return created;
}

/** A client can wait for the name of an object that is going: the error says which it is. */
async function taken(
  resource: Resource,
  { metadata: { namespace = "", name = "" } }: KubeObject,
  error: ApiError,
): Promise<ApiError> {
  const there = await resource.store.find(namespace, name);
  if (there?.metadata.deletionTimestamp === undefined) return error;
  const { code = 409, reason = "AlreadyExists", details } = error.status;
  const message = `object is being deleted: ${error.message}`;
  return new ApiError({ code, reason, message, ...(details ? { details } : {}) });
}

/** Checks in a dry run what the store would have answered. */
async function rehearse(resource: Resource, object: KubeObject): Promise<KubeObject> {
  const { namespace = "", name = "" } = object.metadata;
  if (await resource.store.find(namespace, name)) throw alreadyExists(resource.subject, name);
  return await resource.store.answer(object);
}
