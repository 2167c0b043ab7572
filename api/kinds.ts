/** Every kind of the API, by group. Adding one: facts, its own file, one line in its group's list. */
import { APPS_KINDS } from "./apps/v1/kinds.ts";
import { CORE_KINDS } from "./core/v1/kinds.ts";
import { defineKind, knownSchemas } from "./define.ts";
import type { Kind } from "./kind.ts";

/** Kinds with a file of their own, by group. */
const WRITTEN: readonly (readonly Kind[])[] = [CORE_KINDS, APPS_KINDS];

function allKinds(): readonly Kind[] {
  const written = new Map(WRITTEN.flat().map((each) => [each.schema, each]));
  return [...knownSchemas()].map((schema) => written.get(schema) ?? defineKind(schema));
}

/** All kinds, in the order of the groups in upstream's discovery. */
export const KINDS: readonly Kind[] = allKinds();

const byKind = new Map(KINDS.map((each) => [`${each.group}/${each.version}/${each.kind}`, each]));
const byPlural = new Map(
  KINDS.map((each) => [`${each.group}/${each.version}/${each.plural}`, each]));

/** The kind of a body's `apiVersion` and `kind`; undefined when there is none. */
export function kindOf(group: string, version: string, kind: string): Kind | undefined {
  return byKind.get(`${group}/${version}/${kind}`);
}

/** The kind behind a path's plural; undefined when there is none. */
export function kindOfResource(group: string, version: string, plural: string): Kind | undefined {
  return byPlural.get(`${group}/${version}/${plural}`);
}

/** Group and version of an `apiVersion`; the core group is "". */
export function splitApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf("/");
  if (slash === -1) return { group: "", version: apiVersion };
  return { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

/** The `apiVersion` of a group and version. */
export function apiVersionOf({ group, version }: { group: string; version: string }): string {
  return group === "" ? version : `${group}/${version}`;
}
