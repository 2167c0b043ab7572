import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { ApiError } from "../errors/api-error.ts";
import { badRequest, unsupportedMediaType } from "../errors/catalog.ts";
import { cloneObject } from "../storage/clone.ts";
import { headerOf, type RequestContext } from "../http/context.ts";
import { decodeDocument, parseBody } from "../http/decode.ts";
import { parseMediaType } from "../http/media.ts";
import { JSON_TYPE } from "../http/negotiate.ts";
import type { WriteOptions } from "../registry/write-options.ts";
import { applyJsonPatch, readJsonPatch } from "./json-patch.ts";
import { isObject, type Json, mergePatch } from "./merge.ts";
import { strategicMerge } from "./strategic.ts";

export const PATCH_TYPES = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
} as const;

/** A patch that was read, ready to be applied to whatever state there is. */
export interface Patch {
  /** Whether the patch itself says who owns which field. */
  readonly owns: boolean;
  /** Whether it makes the object when there is none. */
  readonly creates: boolean;
  /** The new state. Throws ApiError when the patch does not fit. */
  apply(current: KubeObject | undefined): KubeObject;
}

/** Whether a patch is a server-side apply, which `apply/read-apply.ts` reads. */
export function isApply(context: RequestContext): boolean {
  return parseMediaType(headerOf(context.request, "content-type")).type === PATCH_TYPES.apply;
}

/** What must be known of a kind to patch it. */
export type PatchedKind = Pick<Kind, "group" | "version" | "kind" | "schema">;

/** Reads a JSON, merge or strategic patch. Throws 400 on malformed ones, 415 on other types. */
export async function readPatch(
  context: RequestContext,
  kind: PatchedKind,
  body: Buffer,
  options: WriteOptions,
): Promise<Patch> {
  const { type } = parseMediaType(headerOf(context.request, "content-type"));
  const known: readonly string[] = Object.values(PATCH_TYPES);
  if (!known.includes(type) || type === PATCH_TYPES.apply) {
    throw unsupportedMediaType(known.filter((each) => each !== PATCH_TYPES.apply));
  }
  const { value, duplicates } = await parseBody(JSON_TYPE, body);
  const change = changeOf(type, kind, value);
  return {
    creates: false,
    owns: false,
    apply(current) {
      if (current === undefined) throw badRequest("a patch needs an object to change");
      const before = plain(current);
      const patched = change(before);
      return decodeDocument<KubeObject>(
        { value: patched, duplicates },
        {
          kind,
          schema: kind.schema,
          fieldValidation: options.fieldValidation,
          warnings: options.warnings,
        },
      );
    },
  };
}

function plain(object: KubeObject): Json {
  return cloneObject(object);
}

function changeOf(type: string, kind: PatchedKind, value: Json): (document: Json) => Json {
  if (type === PATCH_TYPES.json) {
    const operations = readJsonPatch(value);
    return (document) => applyJsonPatch(document, operations);
  }
  if (!isObject(value)) throw badRequest("the body of a merge patch is an object");
  if (type === PATCH_TYPES.merge) return (document) => mergePatch(document, value);
  return (document) => {
    if (!isObject(document)) throw new ApiError({ code: 500, reason: "", message: "no object" });
    return strategicMerge(kind.schema, document, value);
  };
}
