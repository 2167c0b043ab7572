import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { cloneObject } from "@raft2kube/apimachinery/json/clone.ts";
import type { Resources } from "../../resource/resources.ts";
import type { Attributes } from "../attributes.ts";
import type { AdmissionRequest } from "../plugin.ts";

/** Kinds that show the same stored objects: versions of a kind, Events of either group. */
export function equivalentsOf(resources: Resources, kind: Kind, subresource: string): Kind[] {
  const { storage } = kind;
  if (storage === undefined) return [];
  return resources.kinds.filter((each) =>
    each !== kind && each.storage?.prefix === storage.prefix &&
    (subresource === "" || Object.hasOwn(each.subresources, subresource)));
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

/** A copy of an object of `from` as `to` shows it; a body of another kind is the same in both. */
export function inVersion(object: KubeObject, from: Kind, to: Kind): KubeObject {
  const own = cloneObject(object);
  if (from === to || own.kind !== from.kind) return own;
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

export function versioned({ object, old, resource }: AdmissionRequest, kind: Kind): Versioned {
  if (kind === resource.kind) return { object, old };
  const shown = (each: KubeObject | undefined) => each && inVersion(each, resource.kind, kind);
  return { object: shown(object), old: shown(old) };
}
