import { decodeJson } from "@raft2kube/api/codec/json.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import type { JsonObject } from "@raft2kube/apimachinery/json/json.ts";
import { applyTo } from "@raft2kube/apimachinery/managed-fields/apply.ts";
import { trackedOf } from "@raft2kube/apimachinery/managed-fields/tracked.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { APISERVER_USER } from "../authn/identities.ts";
import type { Resource } from "../resource/resource.ts";
import { createObject } from "./create.ts";
import { deleteObject } from "./delete.ts";
import { updateObject } from "./update.ts";
import type { WriteOptions } from "./write-options.ts";
import type { Writer } from "./writer.ts";

/** The options of a write that the server makes for itself. */
export const internalWrite = (fieldManager = "kube-apiserver"): WriteOptions => ({
  user: APISERVER_USER,
  dryRun: false,
  fieldManager,
  fieldValidation: "Strict",
  subresource: "",
  warnings: [],
  isInternal: true,
});

/** An object of the kind as decoding a client's body would make it. */
export function decoded<T extends KubeObject>(resource: Resource, given: KubeObject): T {
  const { kind } = resource;
  const value = { kind: kind.kind, apiVersion: apiVersionOf(kind), ...given };
  const { object } = decodeJson<T>(kind.schema, value);
  kind.strategy.defaults(object);
  return object;
}

/** Creates an object unless one of its name is there; whichever server comes first makes it. */
export async function ensure(
  writer: Writer,
  resource: Resource,
  given: KubeObject,
  options = internalWrite(),
): Promise<void> {
  const { namespace = "", name = "" } = given.metadata;
  if (await resource.store.find(namespace, name)) return;
  const object = decoded(resource, given);
  await tolerate(createObject(writer, resource, object, namespace, options), (thrown) =>
    isReason(thrown, "AlreadyExists"),
  );
}

/** Changes an object that is there, as the server itself. Throws 404. */
export async function changeInternally<T extends KubeObject>(
  writer: Writer,
  resource: Resource,
  { namespace = "", name = "" }: { namespace?: string; name?: string },
  change: (current: T) => KubeObject,
  options = internalWrite(),
): Promise<void> {
  const transform = (current: KubeObject | undefined) => change(current as T);
  const update = { namespace, name, mayCreate: false, transform };
  await updateObject(writer, resource, update, options);
}

/** Changes the status of an object that is there, as the server itself. Throws 404, 409. */
export async function changeStatusInternally<T extends KubeObject>(
  writer: Writer,
  resource: Resource,
  { name, uid }: { name: string; uid?: string | undefined },
  change: (current: T) => KubeObject,
): Promise<void> {
  const { strategy } = resource.kind.subresources["status"]!;
  const transform = (current: KubeObject | undefined) => change(current as T);
  const update = { namespace: "", name, uid, mayCreate: false, transform, strategy: strategy! };
  const options = { ...internalWrite(), subresource: "status" };
  await updateObject(writer, resource, update, options);
}

/** Applies a status under a manager's name, and takes over fields of other owners. */
export async function applyStatus(
  writer: Writer,
  resource: Resource,
  name: string,
  status: JsonObject,
  manager: string,
): Promise<void> {
  const { kind } = resource;
  const { strategy } = kind.subresources["status"]!;
  const tracked = trackedOf(kind, "status");
  const wanted = { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: { name }, status };
  const now_ms = writer.clock.now();
  const owner = { manager, operation: "Apply", subresource: "status", now_ms } as const;
  const transform = (current: KubeObject | undefined): KubeObject => {
    const applied = applyTo(tracked, current, { writer: owner, wanted, force: true });
    return decodeJson<KubeObject>(kind.schema, applied).object;
  };
  const update = {
    namespace: "",
    name,
    mayCreate: false,
    owns: true,
    transform,
    strategy: strategy!,
  };
  const options = { ...internalWrite(manager), subresource: "status" };
  await updateObject(writer, resource, update, options);
}

/** Deletes an object if it is still there, and still the one that `seen` is of. */
export async function deleteInternally(
  writer: Writer,
  resource: Resource,
  namespace: string,
  name: string,
  seen: Pick<KubeObject["metadata"], "uid" | "resourceVersion"> = {},
): Promise<void> {
  const { uid, resourceVersion } = seen;
  const request = {
    gracePeriod_s: undefined,
    propagation: undefined,
    uid,
    resourceVersion,
    dryRun: false,
  };
  try {
    await deleteObject(writer, resource, namespace, name, request, internalWrite());
  } catch (thrown) {
    // Another server was quicker, or the object has changed since.
    if (!isReason(thrown, "NotFound") && !isReason(thrown, "Conflict")) throw thrown;
  }
}
