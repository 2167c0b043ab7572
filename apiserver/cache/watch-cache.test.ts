import { expect, it } from "vitest";
import { isReason } from "../errors/api-error.ts";
import { HISTORY_EVENTS_MAX, WATCHER_QUEUE_EVENTS_MAX } from "../limits.ts";
import { Entry } from "./entry.ts";
import type { WatchItem } from "./event.ts";
import type { Selection } from "./selection.ts";
import { WatchCache } from "./watch-cache.ts";
import type { Watcher } from "./watcher.ts";

const ALL: Selection = { namespace: "", matches: () => true };
const REQUEST = { selection: ALL, bookmarks: true };

function entry(name: string, revision: number, labels: Record<string, string> = {}): Entry {
  const metadata = { name, namespace: "ns", labels, resourceVersion: String(revision) };
  return new Entry({
    key: `/registry/x/ns/${name}`,
    name,
    namespace: "ns",
    uid: name,
    revision,
    labels,
    fields: {},
    body: Buffer.from(JSON.stringify({ metadata })),
  });
}

function put(cache: WatchCache, name: string, revision: number, labels = {}): void {
  cache.apply({ type: "put", revision, entry: entry(name, revision, labels) });
}

function remove(cache: WatchCache, name: string, revision: number): void {
  cache.apply({ type: "delete", revision, key: `/registry/x/ns/${name}` });
}

/** What a watcher says until it is closed, in words. */
async function said(watcher: Watcher): Promise<string[]> {
  watcher.close();
  const words: string[] = [];
  for await (const item of watcher) words.push(inWords(item));
  return words;
}

function inWords(item: WatchItem): string {
  if (item.type === "ERROR") return `ERROR ${item.status.reason}`;
  if (item.type === "BOOKMARK") {
    return `BOOKMARK ${item.revision}${item.initialEventsEnd ? " end" : ""}`;
  }
  const { resourceVersion } = item.entry.object().metadata;
  return `${item.type} ${item.entry.name} ${resourceVersion}`;
}

it("a watch from a revision gets exactly what came behind it", async () => {
  const cache = new WatchCache();
  cache.reset([entry("a", 5)], 10);
  put(cache, "b", 11);
  put(cache, "a", 12);
  const watcher = cache.watchFrom(REQUEST, 11);
  remove(cache, "b", 13);
  expect(await said(watcher)).toEqual(["MODIFIED a 12", "DELETED b 13"]);
});

it("two events of one revision both arrive", async () => {
  const cache = new WatchCache();
  cache.reset([], 1);
  const watcher = cache.watchFrom(REQUEST, 1);
  put(cache, "a", 2);
  put(cache, "b", 2);
  expect(await said(watcher)).toEqual(["ADDED a 2", "ADDED b 2"]);
});

it("a watch behind the history is Expired", () => {
  const cache = new WatchCache();
  cache.reset([], 10);
  for (let i = 0; i <= HISTORY_EVENTS_MAX; i++) put(cache, "a", 11 + i);
  expect(() => cache.watchFrom(REQUEST, 10)).toThrow(/too old resource version: 10 \(11\)/);
  expect(() => cache.watchFrom(REQUEST, 11)).not.toThrow();
});

it("a watch of everything begins with what is there and marks its end", async () => {
  const cache = new WatchCache();
  cache.reset([entry("b", 3), entry("a", 4)], 9);
  const watcher = cache.watchAll(REQUEST, true);
  put(cache, "c", 10);
  expect(await said(watcher)).toEqual(["ADDED a 4", "ADDED b 3", "BOOKMARK 9 end", "ADDED c 10"]);
});

it("a watch behind a newer listing passes over what that listing had", async () => {
  const cache = new WatchCache();
  cache.reset([], 5);
  const watcher = cache.watchListed(REQUEST, [entry("a", 7)], 7);
  put(cache, "a", 7);
  put(cache, "a", 8);
  expect(await said(watcher)).toEqual(["ADDED a 7", "BOOKMARK 7 end", "MODIFIED a 8"]);
});

it("an object that begins or ceases to match a selector is added or deleted", async () => {
  const cache = new WatchCache();
  cache.reset([], 1);
  const selection: Selection = { namespace: "", matches: ({ labels }) => labels["app"] === "web" };
  const watcher = cache.watchFrom({ selection, bookmarks: false }, 1);
  put(cache, "a", 2);
  put(cache, "a", 3, { app: "web" });
  put(cache, "a", 4, { app: "web", v: "2" });
  put(cache, "a", 5, { app: "db" });
  remove(cache, "a", 6);
  expect(await said(watcher)).toEqual(["ADDED a 3", "MODIFIED a 4", "DELETED a 5"]);
});

it("a watcher that does not read is closed, and others go on", async () => {
  const cache = new WatchCache();
  cache.reset([], 1);
  const slow = cache.watchFrom(REQUEST, 1);
  for (let i = 0; i <= WATCHER_QUEUE_EVENTS_MAX; i++) put(cache, "a", 2 + i);
  expect(cache.watchers).toBe(0);
  expect((await said(slow)).length).toBe(WATCHER_QUEUE_EVENTS_MAX);
  const other = cache.watchFrom(REQUEST, cache.revision);
  put(cache, "b", 99_999);
  expect(await said(other)).toEqual(["ADDED b 99999"]);
});

it("a rebuilt cache tells listeners the difference and watchers to begin again", async () => {
  const cache = new WatchCache();
  cache.reset([entry("gone", 2), entry("kept", 3), entry("changed", 4)], 5);
  const events: string[] = [];
  const watcher = cache.watchFrom(REQUEST, 5);
  cache.subscribe((event) => events.push(`${event.type} ${event.entry.name}`));
  events.length = 0;
  cache.reset([entry("kept", 3), entry("changed", 8), entry("new", 9)], 10);
  expect(events).toEqual(["MODIFIED changed", "ADDED new", "DELETED gone"]);
  expect(await said(watcher)).toEqual(["ERROR Expired"]);
  expect(() => cache.watchFrom(REQUEST, 5)).toThrow();
});

it("bookmarks reach those who asked, at the revision the store confirmed", async () => {
  const cache = new WatchCache();
  cache.reset([], 1);
  const asking = cache.watchFrom(REQUEST, 1);
  const other = cache.watchFrom({ ...REQUEST, bookmarks: false }, 1);
  cache.progress(7);
  cache.bookmarkAll();
  expect(await said(asking)).toEqual(["BOOKMARK 7"]);
  expect(await said(other)).toEqual([]);
});

it("Expired is an error that clients know by its reason", () => {
  const cache = new WatchCache();
  cache.reset([], 10);
  try {
    cache.watchFrom(REQUEST, 3);
    expect.unreachable();
  } catch (thrown) {
    expect(isReason(thrown, "Expired")).toBe(true);
  }
});
