import { decodeJson } from "@raft2kube/api/codec/json.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { APISERVER_USER } from "../authn/identities.ts";
import type { Core } from "../core.ts";
import { isReason } from "../errors/api-error.ts";
import { createObject } from "../registry/create.ts";
import { apiVersionOf } from "../registry/group-version.ts";
import type { Resource } from "../registry/resource.ts";
import { updateObject } from "../registry/update.ts";
import type { WriteOptions } from "../registry/write-options.ts";

/** The options of a write that the server makes for itself. */
export function ownWrite(fieldManager = "kube-apiserver"): WriteOptions {
  return {
    user: APISERVER_USER,
    dryRun: false,
    fieldManager,
    fieldValidation: "Strict",
    subresource: "",
    warnings: [],
  };
}

/** An object of the kind as decoding would make it from what a client sends. */
export function decoded<T extends KubeObject>(resource: Resource, given: KubeObject): T {
  const { kind } = resource;
  const value = { kind: kind.kind, apiVersion: apiVersionOf(kind), ...given };
  const { object } = decodeJson<T>(kind.schema, value);
  kind.strategy.defaults(object);
  return object;
}

/** Creates an object unless one of its name is there; whichever server comes first makes it. */
export async function ensure(
  core: Core,
  resource: Resource,
  given: KubeObject,
  options = ownWrite(),
): Promise<void> {
  const { namespace = "", name = "" } = given.metadata;
  if (await resource.store.find(namespace, name)) return;
  const object = decoded(resource, given);
  try {
    await createObject(core, resource, object, namespace, options);
  } catch (thrown) {
    if (!isReason(thrown, "AlreadyExists")) throw thrown;
  }
}

/** Says how an object is that nobody else follows. */
export async function writeStatus(
  core: Core,
  resource: Resource,
  name: string,
  status: object,
  options = ownWrite(),
): Promise<void> {
  const { strategy } = resource.kind.subresources["status"]!;
  const transform = (current: KubeObject | undefined) => ({ ...current!, status });
  const update = { namespace: "", name, mayCreate: false, transform, strategy: strategy! };
  await updateObject(core, resource, update, { ...options, subresource: "status" });
}
