// In a process of its own: buffers that it fills make V8 collect all that the process has.
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { inWords, listen } from "../../testing/apiserver/watch-words.ts";
import { waitFor } from "../../testing/wait.ts";
import { Entry } from "../object/entry.ts";
import type { WatchEncoder } from "./event.ts";
import { EVERYTHING, type Selection } from "./selection.ts";
import { WatchMemoryBudget } from "./watch-budget.ts";
import { WatchCache } from "./watch-cache.ts";

const clock = systemClock();
const SLOW = 2_000;
const GOOD = 20;
const EVENTS = 200;
const EVENT_BYTES = 4_000;
const BUDGET_BYTES = 4 * 1024 * 1024;

/** Long lines, so that what waits is much. */
const long: WatchEncoder = {
  ...inWords,
  id: "long",
  encode: (item) =>
    Buffer.concat([Buffer.from("x".repeat(EVENT_BYTES)), Buffer.from(" "), inWords.encode(item)]),
};

function entry(revision: number): Entry {
  const metadata = { name: "a", namespace: "ns", resourceVersion: String(revision) };
  return new Entry({
    key: "/registry/x/ns/a",
    name: "a",
    namespace: "ns",
    uid: "a",
    revision,
    labels: {},
    fields: {},
    body: Buffer.from(JSON.stringify({ metadata })),
  });
}

const ofItsOwn = (id: string): Selection => ({ ...EVERYTHING, id });

interface Storm {
  readonly budget: WatchMemoryBudget;
  /** The most bytes that ever waited. */
  readonly most: number;
  /** Slow watchers that are still there at the end. */
  readonly left: number;
}

/** Some thousand watchers that read nothing but the first, among some that read all. */
async function storm(selectionOf: (n: number) => Selection): Promise<Storm> {
  const budget = new WatchMemoryBudget(BUDGET_BYTES);
  const cache = new WatchCache(clock, undefined, undefined, budget);
  cache.reset([], 1);
  const open = (selection: Selection, encoder = long) =>
    cache.watchFrom({ selection, bookmarks: false, encoder }, 1);
  const slow = Array.from({ length: SLOW }, (_, n) => listen(open(selectionOf(n)), true));
  const good = Array.from({ length: GOOD }, () => listen(open(ofItsOwn("good"), inWords)));
  let most = 0;
  for (let event = 1; event <= EVENTS; event++) {
    cache.apply({ type: "put", revision: 1 + event, entry: entry(1 + event) });
    if (event % 10 > 0) continue;
    // The others continue, regardless of the slow ones.
    const all = () => good.every(({ lines }) => lines.length === event);
    await waitFor("the good ones", all);
    most = Math.max(most, budget.bytes);
  }
  const left = slow.filter(({ ended }) => ended === undefined).length;
  expect(cache.watchers).toBe(left + GOOD);
  for (const each of slow) expect(each.lines.length).toBeLessThanOrEqual(10);
  return { budget, most, left };
}

it("thousands that do not read, each with a selection of its own, share one bound", async () => {
  const { most, left } = await storm((n) => ofItsOwn(`slow ${n}`));
  // One flush of one watcher may be on its way beyond it.
  expect(most).toBeLessThanOrEqual(BUDGET_BYTES);
  expect(most).toBeGreaterThan(BUDGET_BYTES / 2);
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(SLOW);
});

it("bytes that thousands of watchers share count once, and end no watch", async () => {
  const { most, left } = await storm(() => ofItsOwn("the same"));
  expect(left).toBe(SLOW);
  expect(most).toBeLessThanOrEqual(EVENTS * (EVENT_BYTES + 100));
});

it("bytes that were sent, or queued for a closed watcher, are not counted", async () => {
  const budget = new WatchMemoryBudget(BUDGET_BYTES);
  const cache = new WatchCache(clock, undefined, undefined, budget);
  cache.reset([], 1);
  const watchers = ["a", "b"].map((id) =>
    cache.watchFrom({ selection: ofItsOwn(id), bookmarks: false, encoder: long }, 1),
  );
  const readers = watchers.map((watcher) => listen(watcher, true));
  for (let revision = 2; revision < 12; revision++) {
    cache.apply({ type: "put", revision, entry: entry(revision) });
    if (revision === 2) await waitFor("the first", () => readers[0]!.lines.length > 0);
  }
  await waitFor("both to lag", () => budget.bytes > 2 * 10 * EVENT_BYTES);
  watchers[0]!.close();
  while (readers[1]!.lines.length < 10) watchers[1]!.resume();
  watchers[1]!.resume();
  expect(budget.bytes).toBe(0);
});

it("many short queues of one user end before a longer one of another", async () => {
  const budget = new WatchMemoryBudget(BUDGET_BYTES);
  const cache = new WatchCache(clock, undefined, undefined, budget);
  cache.reset([], 1);
  let revision = 1;
  const apply = (count: number) => {
    for (const last = revision + count; revision < last; ) {
      cache.apply({ type: "put", revision: ++revision, entry: entry(revision) });
    }
  };
  /** Opens watches of an owner that take the first event, and no more. */
  const open = async (owner: string, count: number) => {
    const readers = Array.from({ length: count }, (_, n) => {
      const selection = ofItsOwn(`${owner} ${n}`);
      const watcher = cache.watchFrom({ selection, bookmarks: false, encoder: long }, revision);
      watcher.owner = owner;
      return listen(watcher, true);
    });
    apply(1);
    const begun = () => readers.every(({ lines }) => lines.length > 0);
    await waitFor("the first event", begun);
    return readers;
  };
  const [other] = await open("other", 1);
  apply(EVENTS);
  await waitFor("it to lag", () => budget.bytes > EVENTS * EVENT_BYTES);
  const greedy = await open("greedy", EVENTS);
  apply(EVENTS / 2);
  await waitFor("ends", () => greedy.some(({ ended }) => ended !== undefined));
  expect(other!.ended).toBeUndefined();
});

it("first objects that thousands do not read count, and those beyond the bound end", async () => {
  const budget = new WatchMemoryBudget(BUDGET_BYTES);
  const cache = new WatchCache(clock, undefined, undefined, budget);
  cache.reset([entry(5)], 5);
  const open = (encoder: WatchEncoder) =>
    cache.watchAll({ selection: EVERYTHING, bookmarks: false, encoder }, false);
  const good = listen(open(inWords));
  const slow = Array.from({ length: SLOW }, () => listen(open(long), true));
  expect(budget.bytes).toBeLessThanOrEqual(BUDGET_BYTES);
  expect(budget.bytes).toBeGreaterThan(BUDGET_BYTES / 2);
  expect(slow.filter(({ ended }) => ended?.whole === false).length).toBeGreaterThan(SLOW / 3);
  expect(good.ended).toBeUndefined();
});
