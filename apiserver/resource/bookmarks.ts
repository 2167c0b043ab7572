import type { Clock } from "@raft2kube/std/clock.ts";
import { BOOKMARK_INTERVAL_MS } from "../limits.ts";
import { Periodic } from "../periodic.ts";
import type { Resources } from "./resources.ts";

/** Sends bookmarks to watchers, so that one that reconnects need not list again. */
export function sendBookmarks(resources: Resources, clock: Clock): Periodic {
  const sending = new Periodic(clock, "bookmarks were not sent", BOOKMARK_INTERVAL_MS, () => {
    for (const resource of resources.all()) resource.startedCache?.bookmarkAll();
  });
  sending.schedule();
  return sending;
}
