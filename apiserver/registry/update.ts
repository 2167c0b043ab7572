import { invalid as invalidField } from "@raft2kube/api/errors.ts";
import type { KubeObject, UpdateStrategy, View } from "@raft2kube/api/kind.ts";
import { ApiError, isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { conflict, invalid, MODIFIED, notFound } from "@raft2kube/apimachinery/errors/catalog.ts";
import { cloneObject } from "@raft2kube/apimachinery/json/clone.ts";
import { updateManagedFields } from "@raft2kube/apimachinery/managed-fields/update.ts";
import { compiling } from "@raft2kube/cel/budget.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { type AdmissionRequest, admissionRequest } from "../admission/plugin.ts";
import { UPDATE_ATTEMPTS_MAX } from "../limits.ts";
import type { Entry } from "../object/entry.ts";
import { giveBackAfter, type Reservation } from "../resource/allocation.ts";
import type { Resource } from "../resource/resource.ts";
import { keyOf, REGISTRY_ROOT } from "../storage/keys.ts";
import type { Attempt, Changed } from "../storage/object-store.ts";
import { createAdmitted } from "./create.ts";
import { dropRepeatedOwners, keepSystemFields, settleNamespace } from "./metadata.ts";
import { isUnemptied } from "./namespace-deletion.ts";
import { strategyContext, type WriteOptions } from "./write-options.ts";
import type { Writer } from "./writer.ts";

/** One change of one object: a PUT, a patch, or a subresource. */
export interface Update {
  namespace: string;
  name: string;
  /** The endpoint that the change comes through; by default the kind's own. */
  strategy?: UpdateStrategy<KubeObject>;
  /** The part of the object that the endpoint shows, and that admission is about: scale. */
  view?: View<KubeObject>;
  /** Whether an absent object is created. */
  mayCreate: boolean;
  /**
   * The transformation determines the fields' owners; otherwise they are computed from the change.
   */
  owns?: boolean;
  /** The uid the object must have. */
  uid?: string | undefined;
  /** The new state, made from the current one, which is undefined when there is none. */
  transform(current: KubeObject | undefined): Promise<KubeObject> | KubeObject;
}

/**
 * Changes an object: the transformation, the conflict check, admission, the kind's preparation and
 * validation, the store; again from the start after a conflicting write.
 */
export async function updateObject(
  writer: Writer,
  resource: Resource,
  update: Update,
  options: WriteOptions,
): Promise<Changed<KubeObject>> {
  const { namespace, name } = update;
  let cached = resource.startedCache?.get(keyOf(resource.kind, namespace, name));
  for (let attempt = 1; ; attempt++) {
    const there = cached ?? (await resource.store.find<KubeObject>(namespace, name));
    try {
      if (there) return await changeObject(writer, resource, update, options, cached);
      return await createAbsent(writer, resource, update, options);
    } catch (thrown) {
      // The object was deleted or created meanwhile: then it is the other case.
      const turned = thrown instanceof Turned && update.mayCreate;
      if (!turned || attempt >= UPDATE_ATTEMPTS_MAX) {
        throw thrown instanceof Turned ? thrown.error : thrown;
      }
      cached = undefined;
    }
  }
}

/** An object was created or deleted meanwhile; `error` is the client's error. */
class Turned extends CodedError {
  readonly error: ApiError;

  constructor(error: ApiError) {
    super("TURNED", error.message, { cause: error });
    this.error = error;
  }
}

async function createAbsent(
  writer: Writer,
  resource: Resource,
  update: Update,
  options: WriteOptions,
): Promise<Changed<KubeObject>> {
  if (!update.mayCreate) throw notFound(resource.subject, update.name);
  if (update.uid) throw uidConflict(resource, update, options, update.uid, "");
  const object = await update.transform(undefined);
  const { uid } = object.metadata;
  if (update.owns && uid) {
    const why = `the provided object specified uid ${uid}, and no existing object was found`;
    throw conflict(resource.subject, update.name, `uid mismatch: ${why}`);
  }
  try {
    const created = await createThroughUpdate(writer, resource, object, update, options);
    return { object: created, created: true, deleted: false };
  } catch (thrown) {
    if (isReason(thrown, "AlreadyExists")) throw new Turned(thrown);
    throw thrown;
  }
}

async function changeObject(
  writer: Writer,
  resource: Resource,
  update: Update,
  options: WriteOptions,
  cached: Entry | undefined,
): Promise<Changed<KubeObject>> {
  const { store, subject } = resource;
  const { namespace, name } = update;
  // An attempt that loses the race gives back what it reserved before the next one starts.
  let reserved: Reservation | undefined;
  let before: KubeObject | undefined;
  const tryChange = async (current: KubeObject | undefined) => {
    await reserved?.giveBack();
    reserved = undefined;
    if (current === undefined) throw new Turned(notFound(subject, name));
    before = cloneObject(current);
    const next = await attempt(writer, resource, update, options, current, before);
    if (next.do === "write" || options.dryRun) {
      reserved = await resource.allocation?.reserve(next.object, before, options.dryRun);
    }
    return next;
  };
  let changed: Changed<KubeObject>;
  try {
    const { countWrite } = options;
    changed = await store.change<KubeObject>(namespace, name, tryChange, { cached, countWrite });
  } catch (thrown) {
    await giveBackAfter(thrown, reserved);
    throw thrown;
  }
  await reserved?.settle();
  if (changed.deleted) {
    // Its reservations are released, regardless of its last change.
    await resource.allocation?.release(before!);
    // Nothing was written: the object is as old as the last that was.
    changed.object.metadata.resourceVersion = before!.metadata.resourceVersion;
  }
  return changed;
}

async function createThroughUpdate(
  writer: Writer,
  resource: Resource,
  object: KubeObject,
  update: Update,
  options: WriteOptions,
): Promise<KubeObject> {
  settleNamespace(resource.kind, object, update.namespace);
  if (!update.owns) updateManagedFields(resource, object, undefined, options, writer.clock.now());
  // The version of an object that is gone counts for none, as in upstream.
  delete object.metadata.resourceVersion;
  const request = admissionRequest("CREATE", resource, update, { object }, options);
  await writer.admission.admit(request);
  return await createAdmitted(writer, resource, request, options);
}

async function attempt(
  writer: Writer,
  resource: Resource,
  update: Update,
  options: WriteOptions,
  current: KubeObject,
  old: KubeObject,
): Promise<Attempt<KubeObject>> {
  const object = await update.transform(current);
  const context = strategyContext(writer, options);
  settleNamespace(resource.kind, object, update.namespace);
  checkPreconditions(resource, update, options, object, old);
  if (!update.owns) updateManagedFields(resource, object, old, options, context.now_ms);
  keepSystemFields(object, old);
  const request = await admit(writer, resource, update, options, { object, old });
  dropRepeatedOwners(object, options.warnings, " after mutating admission happens");
  await options.authorize?.(object, old);
  const strategy = update.strategy ?? resource.kind.strategy;
  strategy.prepareUpdate(object, old, context);
  const quickly = context.steps_max !== undefined;
  const findings = compiling(quickly, () => strategy.validateUpdate(object, old, context));
  if (findings.length > 0) throw invalid(resource.kindSubject, update.name, findings);
  // A spec's warnings are returned only by writes of the spec.
  if (update.strategy === undefined) {
    const { warnings } = resource.kind.strategy;
    for (const warning of warnings(object, old)) options.warnings.push(warning);
  }
  await writer.admission.validate(request);
  if (options.dryRun) return { do: "keep", object };
  const finished = isFinished(object) && !isUnemptied(resource.kind, object);
  return { do: finished ? "delete" : "write", object };
}

/** Lets admission change the object, or the part of it that the endpoint shows. */
async function admit(
  { admission }: Writer,
  resource: Resource,
  update: Update,
  options: WriteOptions,
  { object, old }: { object: KubeObject; old: KubeObject },
): Promise<AdmissionRequest> {
  const { view } = update;
  const shown = view ? { object: view.read(object), old: view.read(old) } : { object, old };
  const request = admissionRequest("UPDATE", resource, update, shown, options);
  await admission.admit(request);
  const findings = view?.write(object, shown.object) ?? [];
  if (findings.length > 0) throw invalid(resource.kindSubject, update.name, findings);
  return request;
}

function checkPreconditions(
  resource: Resource,
  update: Update,
  options: WriteOptions,
  object: KubeObject,
  old: KubeObject,
): void {
  const { metadata } = object;
  const { uid } = update;
  if (uid && uid !== old.metadata.uid) {
    throw uidConflict(resource, update, options, uid, old.metadata.uid ?? "");
  }
  // 0 is what no object has: upstream takes it for none.
  if (revisionIn(metadata.resourceVersion ?? "") !== 0) {
    if (metadata.resourceVersion !== old.metadata.resourceVersion) {
      throw conflict(resource.subject, update.name, MODIFIED);
    }
    return;
  }
  if (!resource.kind.strategy.unconditionalUpdate) {
    const finding = invalidField("metadata.resourceVersion", 0, "must be specified for an update");
    throw invalid(resource.subject, update.name, [finding]);
  }
  // Without a version the newest state is meant, whichever that is.
  metadata.resourceVersion = old.metadata.resourceVersion!;
}

/** The number of a resourceVersion, 0 for none. Throws 500, as upstream, on any other text. */
function revisionIn(text: string): number {
  if (/^\d*$/.test(text)) return Number(text);
  const message = `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`;
  throw new ApiError({ code: 500, reason: "", message });
}

/** The error of upstream's storage, which for a dry run shows its key without the root. */
function uidConflict(
  resource: Resource,
  update: Update,
  { dryRun }: WriteOptions,
  asked: string,
  actual: string,
) {
  const whole = keyOf(resource.kind, update.namespace, update.name);
  const key = dryRun ? whole.slice(REGISTRY_ROOT.length) : whole;
  const why =
    `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, ` +
    "AdditionalErrorMsg: Precondition failed: " +
    `UID in precondition: ${asked}, UID in object meta: ${actual}`;
  return conflict(resource.subject, update.name, why);
}

/** An object being deleted that nothing holds any longer: the update that freed it removes it. */
function isFinished(object: KubeObject): boolean {
  const { finalizers = [], deletionTimestamp, deletionGracePeriodSeconds } = object.metadata;
  return deletionTimestamp !== undefined && finalizers.length === 0 && !deletionGracePeriodSeconds;
}
