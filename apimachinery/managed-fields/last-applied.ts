import type { KubeObject } from "@raft2kube/api/kind.ts";
import { parseExact } from "@raft2kube/std/exact-json.ts";
import { isObject, type JsonObject } from "../json/json.ts";
import type { FieldSet } from "./field-set.ts";
import type { Writer } from "./managed-fields.ts";
import { compare, fieldsSetBy } from "./ownership.ts";
import { rootPlace } from "./place.ts";
import type { Tracked } from "./tracked.ts";

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** The only manager for whom client-side apply and the server's go together. */
const KUBECTL = "kubectl";

/**
 * Fields that kubectl set by client-side apply and that still stand as it set them: its first
 * server-side apply may take them. Undefined when there are none to be known.
 */
export function clientSideFields(
  tracked: Tracked,
  live: KubeObject,
  writer: Writer,
): FieldSet | undefined {
  const text = live.metadata.annotations?.[LAST_APPLIED];
  if (writer.manager !== KUBECTL || !text) return undefined;
  const applied = parsed(text);
  if (applied?.["apiVersion"] !== tracked.apiVersion) return undefined;
  const place = rootPlace(tracked.schema);
  const { changed, removed } = compare(place, applied, live);
  return fieldsSetBy(place, applied).difference(changed).difference(removed);
}

function parsed(text: string): JsonObject | undefined {
  try {
    const value: unknown = parseExact(text);
    return isObject(value) ? value : undefined;
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
}

/** Keeps the annotation of client-side apply, where there is one, equal to what kubectl applies. */
export function renewLastApplied(
  next: KubeObject,
  { writer, wanted }: { readonly writer: Writer; readonly wanted: JsonObject },
): KubeObject {
  const { annotations } = next.metadata;
  if (writer.manager !== KUBECTL || !annotations?.[LAST_APPLIED]) return next;
  const copy = structuredClone(wanted) as JsonObject & KubeObject;
  if (copy.metadata.annotations) delete copy.metadata.annotations[LAST_APPLIED];
  const renewed = { ...annotations, [LAST_APPLIED]: `${JSON.stringify(copy)}\n` };
  return { ...next, metadata: { ...next.metadata, annotations: renewed } };
}
