import type { Entry } from "./entry.ts";
import type { CacheEvent, WatchItem } from "./event.ts";
import { withRevision } from "./with-revision.ts";

/** Which objects a list or watch is about. */
export interface Selection {
  /** "" for all namespaces. */
  namespace: string;
  matches(entry: Entry): boolean;
}

export function selects(selection: Selection, entry: Entry): boolean {
  if (selection.namespace !== "" && selection.namespace !== entry.namespace) return false;
  return selection.matches(entry);
}

/**
 * An event as one selection sees it: an object that begins to match is added, one that ceases to is
 * deleted, and one that never did is not there.
 */
export function project(selection: Selection, event: CacheEvent): WatchItem | undefined {
  const { revision, shared, previous } = event;
  const before = previous !== undefined && selects(selection, previous);
  const after = event.type !== "DELETED" && selects(selection, event.entry);
  if (before && after) return { type: "MODIFIED", revision, entry: event.entry, shared };
  if (after) return { type: "ADDED", revision, entry: event.entry, shared };
  if (!before) return undefined;
  // The state that matched last, under the revision of the change that ended it, as upstream sends
  // it.
  const gone = event.type === "DELETED" ? event.entry : withRevision(previous, revision);
  return { type: "DELETED", revision, entry: gone, shared: undefined };
}
