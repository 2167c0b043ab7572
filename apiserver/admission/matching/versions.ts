import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { cloneObject } from "@raft2kube/apimachinery/json/clone.ts";
import { assert } from "@raft2kube/std/assert.ts";
import type { Resources } from "../../resource/resources.ts";
import type { Attributes } from "../attributes.ts";
import type { AdmissionRequest } from "../plugin.ts";

/** Kinds that show the same stored objects: versions of a kind, Events of either group. */
export function equivalentsOf(resources: Resources, kind: Kind, subresource: string): Kind[] {
  const { storage } = kind;
  if (storage === undefined) return [];
  return resources.kinds.filter(
    (each) =>
      each !== kind &&
      each.storage?.prefix === storage.prefix &&
      (subresource === "" || Object.hasOwn(each.subresources, subresource)),
  );
}

/** The attributes of the same request on an equivalent kind. */
export function attributesIn(attributes: Attributes, kind: Kind): Attributes {
  const { group, version, plural } = kind;
  const isWhole = attributes.subresource === "" || kind.kind === attributes.kind.kind;
  return {
    ...attributes,
    resource: { group, version, resource: plural },
    kind: isWhole ? { group, version, kind: kind.kind } : attributes.kind,
  };
}

/**
 * A copy of an object of `from` as `to` shows it; a body of another kind is the same in both.
 * Rejects with an ApiError when a conversion webhook fails, or `signal` ends its call.
 */
export async function inVersion(
  object: KubeObject,
  from: Kind,
  to: Kind,
  signal?: AbortSignal,
): Promise<KubeObject> {
  const own = cloneObject(object);
  if (from === to || own.kind !== from.kind) return own;
  if (from.convert !== undefined) {
    const [converted] = await from.convert([own], apiVersionOf(to), signal);
    assert(converted !== undefined, "a conversion without an object");
    return converted;
  }
  const stored = from.toStorage ? from.toStorage(own) : own;
  const shown = to.fromStorage ? to.fromStorage(stored) : stored;
  shown.kind = to.kind;
  shown.apiVersion = apiVersionOf(to);
  to.strategy.defaults(shown);
  return shown;
}

/** The objects of a request in a version. */
export interface Versioned {
  readonly object: KubeObject | undefined;
  readonly old: KubeObject | undefined;
}

export async function versioned(
  { object, old, resource, signal }: AdmissionRequest,
  kind: Kind,
): Promise<Versioned> {
  if (kind === resource.kind) return { object, old };
  const shown = async (each: KubeObject | undefined) =>
    each && (await inVersion(each, resource.kind, kind, signal));
  return { object: await shown(object), old: await shown(old) };
}
