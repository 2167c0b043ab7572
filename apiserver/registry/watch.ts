import { isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { serviceUnavailable } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Random } from "@raft2kube/std/random.ts";
import type { WatchEncoder } from "../cache/event.ts";
import type { Watcher } from "../cache/watcher.ts";
import { ANSWER_STALL_MS, TIMER_MS_MAX, WATCH_TIMEOUT_MS_MIN } from "../limits.ts";
import type { Answer } from "../request/answer.ts";
import type { Resource } from "../resource/resource.ts";
import { listFromStore } from "./list.ts";
import type { WatchOptions } from "./list-options.ts";
import { selectionOf } from "./selection.ts";
import type { StorePages } from "./store-pages.ts";

/** Opens a watch: after a revision, or with all objects first. */
export async function watchObjects(
  server: { readonly closing: AbortSignal; readonly clock: Clock; readonly random: Random },
  resource: Resource,
  namespace: string,
  options: WatchOptions,
  encoder: WatchEncoder,
): Promise<Answer> {
  if (server.closing.aborted) throw serviceUnavailable("the apiserver is shutting down");
  const from_ms = server.clock.monotonic();
  const watcher = await openOrExpired(resource, namespace, options, encoder);
  if (options.sendInitialEvents) {
    const histogram = resource.watched.listedIn(scopeOf(resource, namespace, options));
    watcher.onListed(() => {
      options.pages?.sent();
      histogram.observe((server.clock.monotonic() - from_ms) / 1_000);
    });
    if (options.pages?.isHeld) endUnread(server.clock, watcher, options.pages);
  }
  const timeout_ms =
    options.timeout_s !== undefined && options.timeout_s > 0
      ? Math.min(options.timeout_s * 1000, TIMER_MS_MAX)
      : WATCH_TIMEOUT_MS_MIN * (1 + server.random.next());
  return { type: "watch", watcher, timeout_ms };
}

/**
 * Ends a watch whose client takes nothing for ANSWER_STALL_MS while it has objects of the store
 * before it, as these count for all.
 */
function endUnread(clock: Clock, watcher: Watcher, pages: StorePages, sent = -1): void {
  clock.after(ANSWER_STALL_MS, () => {
    if (!pages.isHeld) return;
    if (watcher.sent === sent) watcher.close();
    else endUnread(clock, watcher, pages, watcher.sent);
  });
}

/** The scope of a watch, in the words of metrics. */
function scopeOf(resource: Resource, namespace: string, options: WatchOptions): string {
  if (selectionOf(resource.kind, namespace, options).name !== undefined) return "resource";
  return namespace === "" ? "cluster" : "namespace";
}

/** Opens a watch; one whose history is gone has the error as its only event, as upstream's. */
async function openOrExpired(
  resource: Resource,
  namespace: string,
  options: WatchOptions,
  encoder: WatchEncoder,
): Promise<Watcher> {
  try {
    return await openWatch(resource, namespace, options, encoder);
  } catch (thrown) {
    if (!isReason(thrown, "Expired")) throw thrown;
    const selection = selectionOf(resource.kind, namespace, options);
    const request = { selection, bookmarks: false, encoder };
    return (await resource.cache()).watchFailed(request, thrown);
  }
}

/**
 * Opens a watch on the cache. With a revision above 0: the changes after it. With 0 or without one:
 * all objects first, of the cache's state. With `sendInitialEvents`: all objects, from a state not
 * older than the revision (without one: than now), then a bookmark that marks their end; if
 * the cache may be older, they come from the store. Rejects as `listFromStore`
 * and the cache do.
 */
async function openWatch(
  resource: Resource,
  namespace: string,
  options: WatchOptions,
  encoder: WatchEncoder,
): Promise<Watcher> {
  const selection = selectionOf(resource.kind, namespace, options);
  const request = { selection, bookmarks: options.bookmarks, encoder };
  // lab:07c begin open-watch
  const { revision } = options;
  const cache = await resource.cache(revision);
  if (!options.sendInitialEvents) {
    if (revision !== undefined && revision > 0) return cache.watchFrom(request, revision);
    return cache.watchAll(request, false);
  }
  // A client must not get a state older than the one it has seen: the cache may lag behind another
  // server's, and a request without a revision means the newest state. In both cases the cache
  // catches up with the store, which is read only where it does not.
  if (revision !== undefined && revision <= cache.revision) return cache.watchAll(request, true);
  const fresh = await resource.freshCache();
  if (fresh && fresh.revision >= (revision ?? 0)) return fresh.watchAll(request, true);
  const match =
    revision === undefined
      ? ({ type: "newest" } as const)
      : ({ type: "not-older-than", revision } as const);
  const { labelSelector, fieldSelector, pages } = options;
  const listing = await listFromStore(resource, namespace, selection, {
    match,
    limit: 0,
    continue: "",
    labelSelector,
    fieldSelector,
    pages,
  });
  return cache.watchListed(request, listing.entries, listing.revision);
  // lab:07c end
}
