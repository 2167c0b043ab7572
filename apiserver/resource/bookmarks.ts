import type { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { BOOKMARK_INTERVAL_MS } from "../limits.ts";
import { periodic } from "../periodic.ts";
import type { Resources } from "./resources.ts";

/** Sends bookmarks to watchers, so that one that reconnects need not list again. */
export function sendBookmarks(resources: Resources, clock: Clock): Runner {
  const sending = periodic(clock, "bookmarks were not sent", BOOKMARK_INTERVAL_MS, () => {
    for (const resource of resources.all()) resource.startedCache?.bookmarkAll();
  });
  sending.request(BOOKMARK_INTERVAL_MS);
  return sending;
}
