import type { KubeObject } from "../object/object.ts";

/** One resource of the API; `kind` is needed only where objects are made without their type. */
export interface ResourceType<T extends KubeObject = KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly kind?: string;
  /** The type of its objects, for the compiler alone: there is no such field. */
  readonly object?: T;
}

/** The part of a resource that a request addresses. */
export interface ResourceAddress {
  namespace?: string | undefined;
  name?: string | undefined;
  subresource?: string | undefined;
}

/** `v1`, `apps/v1`: the apiVersion of a resource's objects. */
export function apiVersionOf(type: Pick<ResourceType, "group" | "version">): string {
  return type.group === "" ? type.version : `${type.group}/${type.version}`;
}

/** `pods`, `deployments.apps`: the group resource as upstream prints it. */
export function groupResourceOf(type: Pick<ResourceType, "group" | "plural">): string {
  return type.group === "" ? type.plural : `${type.plural}.${type.group}`;
}

/** The URL path of a collection, an object or a subresource. */
export function resourcePath(type: ResourceType, address: ResourceAddress): string {
  const parts = type.group === "" ? ["api", type.version] : ["apis", type.group, type.version];
  if (type.namespaced && address.namespace) parts.push("namespaces", address.namespace);
  parts.push(type.plural);
  if (address.name !== undefined) parts.push(address.name);
  if (address.subresource !== undefined) parts.push(...address.subresource.split("/"));
  return "/" + parts.map(encodeURIComponent).join("/");
}
