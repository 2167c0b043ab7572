/** Selects the objects of a list, a watch or a collection's deletion. */
export interface Selection {
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
}

/** One page of a list. Without `resourceVersion` the answer is linearizable. */
export interface ListOptions extends Selection {
  limit?: number | undefined;
  continue?: string | undefined;
  resourceVersion?: string | undefined;
  resourceVersionMatch?: "Exact" | "NotOlderThan" | undefined;
  /** Ask for PartialObjectMetadata instead of whole objects. */
  metadataOnly?: boolean | undefined;
}

/** A watch. Without `resourceVersion` it starts with the objects that are there, as ADDED. */
export interface WatchOptions extends Selection {
  resourceVersion?: string | undefined;
  allowWatchBookmarks?: boolean | undefined;
  sendInitialEvents?: boolean | undefined;
  resourceVersionMatch?: "NotOlderThan" | undefined;
  /** The server ends the watch after this long. */
  timeoutSeconds?: number | undefined;
  metadataOnly?: boolean | undefined;
}

/** Options of every write. */
export interface WriteOptions {
  fieldManager?: string | undefined;
  fieldValidation?: "Ignore" | "Warn" | "Strict" | undefined;
  dryRun?: "All" | undefined;
  /** Whether an apply patch takes over fields that others own. */
  force?: boolean | undefined;
}

/** meta/v1 DeleteOptions, sent as the body. */
export interface DeleteOptions {
  gracePeriodSeconds?: number | undefined;
  propagationPolicy?: "Orphan" | "Background" | "Foreground" | undefined;
  preconditions?: { uid?: string | undefined; resourceVersion?: string | undefined } | undefined;
  dryRun?: string[] | undefined;
}

export type PatchType = "json" | "merge" | "strategic" | "apply";

/** Media types of the four patches. Apply's body is YAML, of which JSON is a part. */
export const PATCH_CONTENT_TYPES: Record<PatchType, string> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
};

/** Encodes what is set; an undefined value is left out. */
export function queryString(values: Record<string, string | number | boolean | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
