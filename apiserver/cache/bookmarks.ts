import type { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { BOOKMARK_INTERVAL_MS } from "../limits.ts";
import { periodic } from "../periodic.ts";
import type { WatchCache } from "./watch-cache.ts";

/** Sends bookmarks to the caches' watchers, so that one that reconnects need not list again. */
export function sendBookmarks(caches: () => Iterable<WatchCache>, clock: Clock): Runner {
  const sending = periodic(clock, "bookmarks were not sent", BOOKMARK_INTERVAL_MS, () => {
    for (const cache of caches()) cache.sendBookmarks();
  });
  sending.request(BOOKMARK_INTERVAL_MS);
  return sending;
}
