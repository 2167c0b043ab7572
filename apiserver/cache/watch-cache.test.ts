import { isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { inWords, listen } from "../../testing/apiserver/watch-words.ts";
import { waitFor } from "../../testing/wait.ts";
import {
  HISTORY_EVENTS_MAX,
  STATES_MAX,
  STORE_WRITES,
  WATCHER_QUEUE_EVENTS_MAX,
} from "../limits.ts";
import { Entry } from "../object/entry.ts";
import { EVERYTHING, type Selection } from "./selection.ts";
import { WatchCache } from "./watch-cache.ts";

const clock = systemClock();
const REQUEST = { selection: EVERYTHING, bookmarks: true, encoder: inWords };

const newCache = (): WatchCache => new WatchCache(clock);

function entry(
  name: string,
  revision: number,
  labels: Record<string, string> = {},
  fields: Record<string, string> = {},
): Entry {
  const metadata = { name, namespace: "ns", labels, resourceVersion: String(revision) };
  return new Entry({
    key: `/registry/x/ns/${name}`,
    name,
    namespace: "ns",
    uid: name,
    revision,
    labels,
    fields,
    body: Buffer.from(JSON.stringify({ metadata })),
  });
}

function put(cache: WatchCache, name: string, revision: number, labels = {}, fields = {}): void {
  cache.apply({ type: "put", revision, entry: entry(name, revision, labels, fields) });
}

function remove(cache: WatchCache, name: string, revision: number): void {
  cache.apply({ type: "delete", revision, key: `/registry/x/ns/${name}` });
}

async function expectAll(lines: string[], expected: string[]): Promise<void> {
  await waitFor("all lines", () => lines.length >= expected.length);
  expect(lines).toEqual(expected);
}

const appIs = (app: string): Selection => ({
  ...EVERYTHING,
  id: `app=${app}`,
  matches: ({ labels }) => labels["app"] === app,
});

const onNode = (nodeName: string, seen: string[] = []): Selection => ({
  ...EVERYTHING,
  id: `node=${nodeName}`,
  nodeName,
  matches: (each) => {
    seen.push(each.name);
    return each.fields["spec.nodeName"] === nodeName;
  },
});

it("a watch from a revision gets exactly what came behind it", async () => {
  const cache = newCache();
  cache.reset([entry("a", 5)], 10);
  put(cache, "b", 11);
  put(cache, "a", 12);
  const { lines } = listen(cache.watchFrom(REQUEST, 11));
  remove(cache, "b", 13);
  await expectAll(lines, ["MODIFIED a 12", "DELETED b 13"]);
});

it("two events of one revision both arrive", async () => {
  const cache = newCache();
  cache.reset([], 1);
  const { lines } = listen(cache.watchFrom(REQUEST, 1));
  put(cache, "a", 2);
  put(cache, "b", 2);
  await expectAll(lines, ["ADDED a 2", "ADDED b 2"]);
});

it("a watch behind the history is Expired", () => {
  const cache = newCache();
  cache.reset([], 10);
  for (let i = 0; i <= HISTORY_EVENTS_MAX; i++) put(cache, "a", 11 + i);
  expect(() => cache.watchFrom(REQUEST, 10)).toThrow(/too old resource version: 10 \(11\)/);
  expect(() => cache.watchFrom(REQUEST, 11)).not.toThrow();
});

it("a watch of everything begins with what is there and marks its end", async () => {
  const cache = newCache();
  cache.reset([entry("b", 3), entry("a", 4)], 9);
  const { lines } = listen(cache.watchAll(REQUEST, true));
  put(cache, "c", 10);
  await expectAll(lines, ["ADDED a 4", "ADDED b 3", "BOOKMARK 9 end", "ADDED c 10"]);
});

it("what is known when a watch opens comes once, sent to others or not", async () => {
  const cache = newCache();
  cache.reset([], 1);
  const first = listen(cache.watchFrom(REQUEST, 1));
  put(cache, "a", 2);
  const second = listen(cache.watchFrom(REQUEST, 1));
  const third = listen(cache.watchAll(REQUEST, false));
  put(cache, "b", 3);
  const expected = ["ADDED a 2", "ADDED b 3"];
  for (const { lines } of [first, second, third]) await expectAll(lines, expected);
});

it("a watch behind a newer listing passes over what that listing had", async () => {
  const cache = newCache();
  cache.reset([], 5);
  const { lines } = listen(cache.watchListed(REQUEST, [entry("a", 7)], 7));
  put(cache, "a", 7);
  put(cache, "a", 8);
  await expectAll(lines, ["ADDED a 7", "BOOKMARK 7 end", "MODIFIED a 8"]);
});

it("an object that begins or ceases to match a selector is added or deleted", async () => {
  const cache = newCache();
  cache.reset([], 1);
  const request = { ...REQUEST, selection: appIs("web"), bookmarks: false };
  const { lines } = listen(cache.watchFrom(request, 1));
  put(cache, "a", 2);
  put(cache, "a", 3, { app: "web" });
  put(cache, "a", 4, { app: "web", v: "2" });
  put(cache, "a", 5, { app: "db" });
  remove(cache, "a", 6);
  await expectAll(lines, ["ADDED a 3", "MODIFIED a 4", "DELETED a 5"]);
});

it("watchers of one selection and form get the same bytes, made once", async () => {
  const cache = newCache();
  cache.reset([], 1);
  let encoded = 0;
  const encode: typeof inWords.encode = (item) => {
    encoded++;
    return inWords.encode(item);
  };
  const encoder = { ...inWords, encode };
  const web = { ...REQUEST, selection: appIs("web"), encoder };
  const all = { ...REQUEST, encoder };
  const listeners = [web, web, all, all].map((request) => listen(cache.watchFrom(request, 1)));
  put(cache, "a", 2, { app: "web" });
  for (const { lines } of listeners) await expectAll(lines, ["ADDED a 2"]);
  expect(encoded).toBe(1);
  expect(listeners[0]!.writes[0]).toBe(listeners[1]!.writes[0]);
});

it("an event is looked at only by the watches of its own nodes, old and new", async () => {
  const cache = newCache();
  cache.reset([], 1);
  const seen: string[] = [];
  const n1 = listen(cache.watchFrom({ ...REQUEST, selection: onNode("n1") }, 1));
  const n2 = listen(cache.watchFrom({ ...REQUEST, selection: onNode("n2") }, 1));
  const idle = listen(cache.watchFrom({ ...REQUEST, selection: onNode("n3", seen) }, 1));
  put(cache, "a", 2, {}, { "spec.nodeName": "" });
  put(cache, "a", 3, {}, { "spec.nodeName": "n1" });
  put(cache, "a", 4, {}, { "spec.nodeName": "n2" });
  await expectAll(n1.lines, ["ADDED a 3", "DELETED a 4"]);
  await expectAll(n2.lines, ["ADDED a 4"]);
  expect([seen, idle.lines]).toEqual([[], []]);
});

it("a watch of one object, and one of a namespace, see what concerns them", async () => {
  const cache = newCache();
  cache.reset([], 1);
  const named = { ...EVERYTHING, id: "name=a", namespace: "ns", name: "a" };
  const one = { ...named, matches: ({ name }: Entry) => name === "a" };
  const mine = listen(cache.watchFrom({ ...REQUEST, selection: one }, 1));
  const other = { ...EVERYTHING, id: "other", namespace: "other" };
  const within = { ...EVERYTHING, id: "ns", namespace: "ns" };
  const elsewhere = listen(cache.watchFrom({ ...REQUEST, selection: other }, 1));
  const here = listen(cache.watchFrom({ ...REQUEST, selection: within }, 1));
  put(cache, "b", 2);
  put(cache, "a", 3);
  await expectAll(here.lines, ["ADDED b 2", "ADDED a 3"]);
  await expectAll(mine.lines, ["ADDED a 3"]);
  expect(elsewhere.lines).toEqual([]);
});

it("a watcher that does not read is closed, and others go on", async () => {
  const cache = newCache();
  cache.reset([], 1);
  const slow = listen(cache.watchFrom(REQUEST, 1), true);
  const good = listen(cache.watchFrom(REQUEST, 1));
  for (let i = 0; i <= WATCHER_QUEUE_EVENTS_MAX + 1; i++) {
    put(cache, "a", 2 + i);
    // Each in a write of its own: one that is stalled takes a single one.
    if (i === 0) await waitFor("the first", () => slow.lines.length === 1);
  }
  await waitFor("the end", () => slow.ended);
  expect(slow.ended).toEqual({ whole: false });
  await waitFor("all", () => good.lines.length === WATCHER_QUEUE_EVENTS_MAX + 2);
  expect(cache.watchers).toBe(1);
});

it("past events that a selection does not see are looked at in slices", async () => {
  const cache = newCache();
  cache.reset([], 1);
  for (let i = 0; i < 20; i++) put(cache, "a", 2 + i);
  let seen = 0;
  const matches = ({ revision }: Entry) => {
    seen++;
    const until_ms = clock.monotonic() + 2;
    while (clock.monotonic() < until_ms);
    return revision === 21;
  };
  const { lines } = listen(
    cache.watchFrom({ ...REQUEST, selection: { ...EVERYTHING, matches } }, 1),
  );
  expect(seen).toBeLessThan(20);
  put(cache, "a", 22);
  await expectAll(lines, ["ADDED a 21", "DELETED a 22"]);
});

it("a reader that is full gets no more past events before it resumes", async () => {
  const cache = newCache();
  cache.reset([], 1);
  for (let i = 0; i < 20; i++) put(cache, "a", 2 + i);
  const slow: typeof inWords.encode = (item) => {
    const until_ms = clock.monotonic() + 11;
    while (clock.monotonic() < until_ms);
    return inWords.encode(item);
  };
  const encoder = { ...inWords, id: "slow", encode: slow };
  const watcher = cache.watchFrom({ ...REQUEST, encoder }, 1);
  const reader = listen(watcher, true);
  const next = cache.watchFrom({ ...REQUEST, encoder }, 1);
  const other = listen(next);
  await waitFor("the other", () => other.lines.length === 20);
  expect(reader.writes).toHaveLength(1);
});

it("a watch that is not read keeps no past event that the history has dropped", async () => {
  const cache = newCache();
  cache.reset([], 1);
  for (let i = 0; i < 5; i++) put(cache, "a", 2 + i);
  const selection: Selection = { ...EVERYTHING, matches: ({ name }) => name === "a" };
  const watcher = cache.watchFrom({ ...REQUEST, selection }, 1);
  for (let i = 0; i < 2 * HISTORY_EVENTS_MAX; i++) put(cache, "b", 7 + i);
  const { lines, ended } = listen(watcher);
  expect(lines).toEqual(["ERROR Expired"]);
  expect(ended).toEqual({ whole: true });
  expect(cache.watchers).toBe(0);
});

it("first objects that a watch has not sent count in it after they are replaced", async () => {
  const cache = newCache();
  const big = { note: "x".repeat(1024 * 1024) };
  const names = Array.from({ length: 12 }, (_, n) => `a${n}`);
  cache.reset(
    names.map((name) => entry(name, 5, big)),
    5,
  );
  const slow = listen(cache.watchAll(REQUEST, false), true);
  const good = listen(cache.watchAll(REQUEST, false));
  for (const [n, name] of names.entries()) {
    put(cache, name, 6 + n);
    await waitFor("the event", () => good.lines.at(-1) === `MODIFIED ${name} ${6 + n}`);
  }
  expect(slow.ended).toEqual({ whole: false });
  expect([cache.watchers, good.ended]).toEqual([1, undefined]);
});

it("what waited for a slow reader comes in slices, whole and in order", async () => {
  const cache = newCache();
  cache.reset([], 1);
  const long = "x".repeat(5_000);
  const encode: typeof inWords.encode = (item) =>
    Buffer.concat([Buffer.from(`${long} `), inWords.encode(item)]);
  const watcher = cache.watchFrom({ ...REQUEST, encoder: { ...inWords, id: "long", encode } }, 1);
  const reader = listen(watcher, true);
  const good = listen(cache.watchFrom(REQUEST, 1));
  for (let i = 0; i < 100; i++) {
    put(cache, "a", 2 + i);
    await waitFor("it", () => good.lines.length === i + 1);
  }
  expect(reader.writes).toHaveLength(1);
  while (reader.lines.length < 100) watcher.resume();
  expect(reader.lines.map((line) => line.replace(`${long} `, ""))).toEqual(good.lines);
  expect(Math.max(...reader.writes.map(({ length }) => length))).toBeLessThan(20_000);
  expect(reader.writes.length).toBeLessThan(60);
});

it("a rebuilt cache sends listeners the differences and expires watchers", () => {
  const cache = newCache();
  cache.reset([entry("gone", 2), entry("kept", 3), entry("changed", 4)], 5);
  const events: string[] = [];
  const { lines } = listen(cache.watchFrom(REQUEST, 5));
  cache.subscribe((event) => events.push(`${event.type} ${event.entry.name}`));
  events.length = 0;
  cache.reset([entry("kept", 3), entry("changed", 8), entry("new", 9)], 10);
  expect(events).toEqual(["MODIFIED changed", "ADDED new", "DELETED gone"]);
  expect(lines).toEqual(["ERROR Expired"]);
  expect(() => cache.watchFrom(REQUEST, 5)).toThrow();
});

it("bookmarks reach watchers that want them, at the revision the store confirmed", async () => {
  const cache = newCache();
  cache.reset([], 1);
  const asking = listen(cache.watchFrom(REQUEST, 1));
  const other = listen(cache.watchFrom({ ...REQUEST, bookmarks: false }, 1));
  cache.progress(7);
  cache.sendBookmarks();
  await expectAll(asking.lines, ["BOOKMARK 7"]);
  expect(other.lines).toEqual([]);
});

it("a bookmark never overtakes the events before it", async () => {
  const cache = newCache();
  cache.reset([], 1);
  const { lines } = listen(cache.watchFrom(REQUEST, 1));
  put(cache, "a", 2);
  cache.sendBookmarks();
  put(cache, "b", 3);
  await expectAll(lines, ["ADDED a 2", "BOOKMARK 2", "ADDED b 3"]);
});

it("a state stays as it was, and is known by any revision it held at", () => {
  const cache = newCache();
  cache.reset([entry("a", 5)], 10);
  put(cache, "b", 20);
  remove(cache, "a", 30);
  cache.progress(40);
  const names = (revision: number) =>
    cache
      .stateAt(revision)
      ?.all()
      .map(({ name }) => name);
  expect([10, 19].map(names)).toEqual([["a"], ["a"]]);
  expect([20, 29].map(names)).toEqual([
    ["a", "b"],
    ["a", "b"],
  ]);
  expect([30, 40].map(names)).toEqual([["b"], ["b"]]);
  expect([9, 41].map(names)).toEqual([undefined, undefined]);
});

it("states are forgotten with the store's own history, and when there are too many", () => {
  const cache = newCache();
  cache.reset([], 10);
  put(cache, "a", 20);
  put(cache, "b", 30);
  cache.compactedTo(25);
  expect([10, 20, 24].map((at) => cache.stateAt(at))).toEqual([undefined, undefined, undefined]);
  expect([25, 30].map((at) => cache.stateAt(at)?.size)).toEqual([1, 2]);
  for (let i = 0; i < 3 * STATES_MAX; i++) put(cache, "a", 31 + i);
  expect(cache.stateAt(30)).toBeUndefined();
  expect(cache.stateAt(31 + 2 * STATES_MAX)).toBeDefined();
});

it("Expired is an error that clients know by its reason", () => {
  const cache = newCache();
  cache.reset([], 10);
  try {
    cache.watchFrom(REQUEST, 3);
    expect.unreachable();
  } catch (thrown) {
    expect(isReason(thrown, "Expired")).toBe(true);
  }
});

/** A form that can show no object called `odd`. */
const shy: typeof inWords = {
  ...inWords,
  id: "shy",
  encode: (item) => {
    if ("entry" in item && item.entry.name === "odd") throw new TypeError("too odd");
    return inWords.encode(item);
  },
};

it("an object that one form cannot show ends the watches in that form alone", async () => {
  const cache = newCache();
  cache.reset([entry("a", 1)], 1);
  const cannot = listen(cache.watchFrom({ ...REQUEST, encoder: shy }, 1));
  const can = listen(cache.watchFrom(REQUEST, 1));
  put(cache, "odd", 2);
  put(cache, "b", 3);
  await expectAll(can.lines, ["ADDED odd 2", "ADDED b 3"]);
  await expectAll(cannot.lines, ["ERROR InternalError"]);
  expect([cache.revision, cache.watchers, cannot.ended]).toEqual([3, 1, { whole: true }]);
  const late = listen(cache.watchAll({ ...REQUEST, encoder: shy }, true));
  await expectAll(late.lines, ["ADDED a 1", "ADDED b 3", "ERROR InternalError"]);
  expect([cache.watchers, late.ended]).toEqual([1, { whole: true }]);
});

it("a watcher that ended before it was read is cut off when its reader stalls and leaves", () => {
  const cache = newCache();
  cache.reset([], 5);
  const watcher = cache.watchListed(REQUEST, [entry("a", 2)], 3);
  const reader = listen(watcher, true);
  expect([reader.lines, reader.ended]).toEqual([["ADDED a 2", "BOOKMARK 3 end"], undefined]);
  watcher.close();
  expect(reader.ended).toEqual({ whole: false });
});

it("a cache that has ended opens no watch, which nothing would feed", () => {
  const cache = newCache();
  put(cache, "a", 1);
  cache.end();
  for (const open of [
    () => cache.watchFrom(REQUEST, 1),
    () => cache.watchAll(REQUEST, true),
    () => cache.watchListed(REQUEST, [], 1),
  ])
    expect(open).toThrow(/changed; try again/);
});

/** A selection that takes 2 ms for each object; counts those that were looked at. */
function slowly() {
  const seen = { count: 0 };
  const matches = () => {
    seen.count++;
    const until_ms = clock.monotonic() + 2;
    while (clock.monotonic() < until_ms);
    return true;
  };
  return { seen, request: { ...REQUEST, selection: { ...EVERYTHING, matches } } };
}

it("past events that a client sees are looked at in turns with others", async () => {
  const cache = newCache();
  cache.reset([], 1);
  for (let i = 0; i < 40; i++) put(cache, "a", 2 + i);
  const { seen, request } = slowly();
  const { lines } = listen(cache.watchFrom(request, 1));
  expect(seen.count).toBeLessThan(40);
  await waitFor("all events", () => lines.length === 40);
});

it("a watch begins with every object of several walks", async () => {
  const cache = newCache();
  const names = Array.from({ length: 512 }, (_, n) => `a${String(n).padStart(3, "0")}`);
  cache.reset(
    names.map((name) => entry(name, 5)),
    5,
  );
  const { lines } = listen(cache.watchAll(REQUEST, true));
  await waitFor("all objects", () => lines.length === 513);
  expect(lines).toEqual([...names.map((name) => `ADDED ${name} 5`), "BOOKMARK 5 end"]);
});

it("the first objects of a watch are compared in turns with others, as they were", async () => {
  const cache = newCache();
  const entries = Array.from({ length: 40 }, (_, n) => entry(`a${n}`, 5));
  cache.reset(entries, 5);
  const { seen, request } = slowly();
  const { lines } = listen(cache.watchAll(request, true));
  expect(seen.count).toBeLessThan(40);
  put(cache, "a39", 6);
  await waitFor("objects, bookmark and change", () => lines.length === 42);
  const first = entries.map((_, n) => `ADDED a${n} 5`).toSorted();
  expect(lines).toEqual([...first, "BOOKMARK 5 end", "MODIFIED a39 6"]);
});

it("what a namespace's objects count for in the store follows their changes", () => {
  const cache = newCache();
  const large = { note: "x".repeat(10_000) };
  cache.reset([entry("a", 5), entry("b", 5, large)], 10);
  const small = STORE_WRITES.object_bytes;
  const before = cache.stored.get("ns")!;
  expect(before).toBeGreaterThan(small + 10_000);
  put(cache, "b", 11);
  expect(cache.stored.get("ns")).toBe(2 * small);
  put(cache, "b", 12, large);
  expect(cache.stored.get("ns")).toBeGreaterThan(before - 10);
  remove(cache, "b", 13);
  remove(cache, "a", 14);
  expect(cache.stored.size).toBe(0);
});
