import type { Entry } from "../object/entry.ts";
import type { CacheEvent, WatchItem } from "./event.ts";
import { withRevision } from "./with-revision.ts";

/** Which objects a list or watch is about. */
export interface Selection {
  /** Equal for two selections that select the same for the same reasons. */
  readonly id: string;
  /** "" for all namespaces. */
  readonly namespace: string;
  /** The storage keys of all that it selects start with this. */
  readonly prefix: string;
  /** The only name that can match, where the selectors say so (`metadata.name=web`). */
  readonly name?: string;
  /** The only node whose pods can match (`spec.nodeName=n1`). */
  readonly nodeName?: string;
  matches(entry: Entry): boolean;
}

/** Selects every object. */
export const EVERYTHING: Selection = { id: "", namespace: "", prefix: "", matches: () => true };

export function selects(selection: Selection, entry: Entry): boolean {
  if (selection.namespace !== "" && selection.namespace !== entry.namespace) return false;
  return selection.matches(entry);
}

/** One event as selections see it. */
export class Projection {
  readonly event: CacheEvent;
  #gone: Entry | undefined;

  constructor(event: CacheEvent) {
    this.event = event;
    // A deletion's entry has its revision already: all watchers share its bytes.
    if (event.type === "DELETED") this.#gone = event.entry;
  }

  /**
   * An object that starts to match is added, one that ceases to is deleted, and one that never did
   * is not there. Of one event, items of the same type are the same.
   */
  seenBy(selection: Selection): WatchItem | undefined {
    // lab:07b begin seen-by
    const { type, revision, entry, previous } = this.event;
    const before = previous !== undefined && selects(selection, previous);
    const after = type !== "DELETED" && selects(selection, entry);
    if (before && after) return { type: "MODIFIED", revision, entry };
    if (after) return { type: "ADDED", revision, entry };
    if (!before) return undefined;
    // The state that matched last, under the revision of the change that ended it (upstream).
    this.#gone ??= withRevision(previous, revision);
    return { type: "DELETED", revision, entry: this.#gone };
    // lab:07b end
  }
}
