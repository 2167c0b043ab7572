import { invalid as invalidField } from "@raft2kube/api/errors.ts";
import type { KubeObject, UpdateStrategy } from "@raft2kube/api/kind.ts";
import type { AdmissionRequest } from "../admission/plugin.ts";
import type { Core } from "../core.ts";
import { ApiError } from "../errors/api-error.ts";
import { conflict, invalid, MODIFIED, notFound } from "../errors/catalog.ts";
import { cloneObject } from "../storage/clone.ts";
import { keyOf, REGISTRY_ROOT } from "../storage/keys.ts";
import type { Attempt, Changed } from "../storage/object-store.ts";
import type { Reservation } from "./allocation.ts";
import { createAdmitted } from "./create.ts";
import { keepSystemFields, settleNamespace } from "./metadata.ts";
import { isUnemptied } from "./namespace-deletion.ts";
import type { Resource } from "./resource.ts";
import { trackWrite } from "./track-write.ts";
import { strategyContext, type WriteOptions } from "./write-options.ts";

/** One change of one object, whatever it came as: PUT, a patch, a subresource. */
export interface Update {
  namespace: string;
  name: string;
  /** The door that the change comes through; by default the kind's own. */
  strategy?: UpdateStrategy<KubeObject>;
  /** Whether an absent object is created. */
  mayCreate: boolean;
  /**
   * The transformation settles who owns which field; otherwise it is worked out from the change.
   */
  owns?: boolean;
  /** The uid the object must have. */
  uid?: string | undefined;
  /** The new state, made from the current one, which is undefined when there is none. */
  transform(current: KubeObject | undefined): Promise<KubeObject> | KubeObject;
}

/**
 * Changes an object: the transformation, the conflict check, admission, the kind's preparation and
 * validation, the store; again from the start when somebody else was faster.
 */
export async function updateObject(
  core: Core,
  resource: Resource,
  update: Update,
  options: WriteOptions,
): Promise<Changed<KubeObject>> {
  const { store, subject } = resource;
  const { namespace, name } = update;
  const guess = resource.startedCache?.get(keyOf(resource.kind, namespace, name));
  if (guess === undefined && (await store.find<KubeObject>(namespace, name)) === undefined) {
    if (!update.mayCreate) throw notFound(subject, name);
    const object = await update.transform(undefined);
    const created = await createThroughUpdate(core, resource, object, update, options);
    return { object: created, created: true, deleted: false };
  }
  // An attempt that loses the race gives back what it reserved before the next one begins.
  let reserved: Reservation | undefined;
  let before: string | undefined;
  try {
    const tryChange = async (current: KubeObject | undefined) => {
      await reserved?.giveBack();
      reserved = undefined;
      if (current === undefined) throw notFound(subject, name);
      const old = cloneObject(current);
      before = old.metadata.resourceVersion;
      const next = await attempt(core, resource, update, options, current, old);
      if (next.do === "write") {
        reserved = await resource.allocation?.reserve(next.object, old, options.dryRun);
      }
      return next;
    };
    const changed = await store.change<KubeObject>(namespace, name, tryChange, { guess });
    await reserved?.settle();
    if (changed.deleted) {
      await resource.allocation?.release(changed.object);
      // Nothing was written: the object is as old as the last that was.
      changed.object.metadata.resourceVersion = before;
    }
    return changed;
  } catch (thrown) {
    await reserved?.giveBack();
    throw thrown;
  }
}

async function createThroughUpdate(
  core: Core,
  resource: Resource,
  object: KubeObject,
  update: Update,
  options: WriteOptions,
): Promise<KubeObject> {
  settleNamespace(resource.kind, object, update.namespace);
  if (!update.owns) trackWrite(resource, object, undefined, options, core.clock.now());
  // A PUT that names a version means a certain object, which is not there.
  if (object.metadata.resourceVersion) throw notFound(resource.subject, update.name);
  if (object.metadata.uid) throw uidConflict(resource, update, options, object.metadata.uid, "");
  const request = requestFor(resource, object, undefined, update, options);
  await core.admission.admit(request);
  return await createAdmitted(core, resource, request, options);
}

async function attempt(
  core: Core,
  resource: Resource,
  update: Update,
  options: WriteOptions,
  current: KubeObject,
  old: KubeObject,
): Promise<Attempt<KubeObject>> {
  const object = await update.transform(current);
  const context = strategyContext(core, options);
  settleNamespace(resource.kind, object, update.namespace);
  checkPreconditions(resource, update, options, object, old);
  if (!update.owns) trackWrite(resource, object, old, options, context.now_ms);
  keepSystemFields(object, old);
  const request = requestFor(resource, object, old, update, options);
  await core.admission.admit(request);
  const strategy = update.strategy ?? resource.kind.strategy;
  strategy.prepareUpdate(object, old, context);
  const findings = strategy.validateUpdate(object, old, context);
  if (findings.length > 0) throw invalid(resource.kindSubject, update.name, findings);
  // What a spec is warned about is said where it is written.
  if (update.strategy === undefined) {
    options.warnings.push(...resource.kind.strategy.warnings(object, old));
  }
  await core.admission.validate(request);
  if (options.dryRun) return { do: "keep", object };
  const finished = isFinished(object) && !isUnemptied(resource.kind, object);
  return { do: finished ? "delete" : "write", object };
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
    throw invalid(resource.kindSubject, update.name, [finding]);
  }
  // Without a version the newest state is meant, whichever that is.
  metadata.resourceVersion = old.metadata.resourceVersion!;
}

/** The number of a resourceVersion, 0 for none. Throws 500, as upstream, on what is no number. */
function revisionIn(text: string): number {
  if (/^\d*$/.test(text)) return Number(text);
  const message = `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`;
  throw new ApiError({ code: 500, reason: "", message });
}

/** In the words of upstream's storage, which for a dry run shows its key without the root. */
function uidConflict(
  resource: Resource,
  update: Update,
  { dryRun }: WriteOptions,
  asked: string,
  actual: string,
) {
  const whole = keyOf(resource.kind, update.namespace, update.name);
  const key = dryRun ? whole.slice(REGISTRY_ROOT.length) : whole;
  return conflict(
    resource.subject,
    update.name,
    `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, ` +
      "AdditionalErrorMsg: Precondition failed: " +
      `UID in precondition: ${asked}, UID in object meta: ${actual}`,
  );
}

/** An object being deleted that nothing holds any longer: the update that freed it removes it. */
function isFinished(object: KubeObject): boolean {
  const { finalizers = [], deletionTimestamp, deletionGracePeriodSeconds } = object.metadata;
  return deletionTimestamp !== undefined && finalizers.length === 0 && !deletionGracePeriodSeconds;
}

function requestFor(
  resource: Resource,
  object: KubeObject,
  old: KubeObject | undefined,
  update: Update,
  options: WriteOptions,
): AdmissionRequest {
  const { user, dryRun, subresource, warnings } = options;
  return {
    operation: old ? "UPDATE" : "CREATE",
    resource,
    subresource,
    namespace: update.namespace,
    name: update.name,
    object,
    old,
    user,
    dryRun,
    warnings,
  };
}
