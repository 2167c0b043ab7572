import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import { invalid as invalidField } from "@raft2kube/api/errors.ts";
import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { type DecodeOptions, interpret } from "../decode/decode.ts";
import { parseJson } from "../decode/json-document.ts";
import { ApiError } from "../errors/api-error.ts";
import { badRequest, invalid } from "../errors/catalog.ts";
import { apiVersionOf } from "../group-version.ts";
import { cloneObject } from "../json/clone.ts";
import { isObject, type Json, type JsonObject, mergePatch, notUnmarshalled } from "../json/json.ts";
import { applyJsonPatch, readJsonPatch } from "./json-patch.ts";
import { strategicMerge } from "./strategic.ts";

export const PATCH_TYPES = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
} as const;

/** A patch that was read, and can be applied to any state of the object. */
export interface Patch {
  /** Whether the patch itself determines the fields' owners. */
  readonly owns: boolean;
  /** Whether it makes the object when there is none. */
  readonly creates: boolean;
  /** The new state. Throws ApiError when the patch does not fit. */
  apply(current: KubeObject | undefined): KubeObject;
}

/** The facts of a kind that patches need. */
export type PatchedKind = Pick<Kind, "group" | "version" | "kind" | "schema">;

/** How fields that the kind does not have are taken. */
export type ReadOptions = Pick<DecodeOptions, "fieldValidation" | "warnings">;

/**
 * Reads a JSON, merge or strategic patch. Its errors are returned only after the object to be
 * patched is found.
 */
export function readPatch(
  type: string,
  kind: PatchedKind,
  body: Buffer,
  options: ReadOptions,
): Patch {
  let change: Change | undefined;
  return {
    creates: false,
    owns: false,
    apply: (current) => (change ??= changeIn(type, kind, body, options))(current),
  };
}

type Change = (current: KubeObject | undefined) => KubeObject;

function changeIn(type: string, kind: PatchedKind, body: Buffer, options: ReadOptions): Change {
  const strategic = type === PATCH_TYPES.strategic;
  const parsed = parseJson(body, strategic ? "" : "error decoding patch: ");
  const { value } = parsed;
  const word = type === PATCH_TYPES.json ? "json patch " : "";
  const duplicates = parsed.duplicates.map((complaint) => word + complaint);
  const change = changeOf(type, kind, value);
  const { fieldValidation, warnings } = options;
  const decoding = { kind, schema: kind.schema, fieldValidation, warnings };
  return (current) => {
    if (current === undefined) throw badRequest("a patch needs an object to change");
    const patched = change(plain(current));
    try {
      return interpret<KubeObject>({ value: patched, duplicates }, decoding);
    } catch (thrown) {
      if (!(thrown instanceof DecodeError)) throw thrown;
      // Upstream shows what came out, but of a strategic patch the patch itself.
      throw unfitPatch(JSON.stringify(strategic ? value : patched), thrown.message);
    }
  };
}

/** 422 for a patch after which the object is none of its kind. */
function unfitPatch(shown: string, why: string): ApiError {
  return invalid({ group: "", name: "" }, "", [invalidField("patch", shown, why)]);
}

const plain = (object: KubeObject): Json => cloneObject(object);

function changeOf(type: string, kind: PatchedKind, value: Json): (document: Json) => Json {
  if (type === PATCH_TYPES.json) {
    const operations = readJsonPatch(value);
    return (document) => applyJsonPatch(document, operations);
  }
  const strategic = type === PATCH_TYPES.strategic;
  if (value === null && !strategic) throw badRequest("Invalid JSON Patch");
  if (!isObject(value)) {
    const complaint = notUnmarshalled(value, "map[string]interface {}");
    throw badRequest(strategic ? complaint : `error decoding patch: ${complaint}`);
  }
  if (!strategic) return (document) => mergePatch(document, value);
  return (document) => {
    if (!isObject(document)) throw new ApiError({ code: 500, reason: "", message: "no object" });
    return { ...strategicMerge(kind.schema, document, value), ...typeGiven(value, kind) };
  };
}

/**
 * Returns the kind's own type in place of the one that a strategic patch gives: upstream decodes
 * its result straight into the kind, and Ansible's k8s_scale calls a Scale a Deployment.
 */
function typeGiven(patch: JsonObject, kind: PatchedKind): JsonObject {
  const own = { apiVersion: apiVersionOf(kind), kind: kind.kind };
  const given = Object.entries(own).filter(([name]) => typeof patch[name] === "string");
  return Object.fromEntries(given);
}
