import { expect, it } from "vitest";
import { type Change, contradictionIn, type Observation } from "./client-history.ts";

/** a made at 2, b at 3, a changed at 5, b deleted at 6, c made at 9. */
const TRUTH: readonly Change[] = [
  { revision: 2, name: "a", type: "put" },
  { revision: 3, name: "b", type: "put" },
  { revision: 5, name: "a", type: "put" },
  { revision: 6, name: "b", type: "delete" },
  { revision: 9, name: "c", type: "put" },
];

const list = (revision: number, objects: Record<string, number>): Observation => ({
  saw: "list",
  revision,
  objects: new Map(Object.entries(objects)),
});
const event = (type: "ADDED" | "MODIFIED" | "DELETED", name: string, revision: number) =>
  ({ saw: "event", type, name, revision }) as const;
const bookmark = (revision: number): Observation => ({ saw: "bookmark", revision });
const wrote = (revision: number): Observation => ({ saw: "wrote", revision });

const START = list(3, { a: 2, b: 3 });
const CHANGED = event("MODIFIED", "a", 5);
const DELETED = event("DELETED", "b", 6);
const ADDED = event("ADDED", "c", 9);

it.each<[string, Observation[]]>([
  ["nothing at all", []],
  ["a list and everything behind it", [START, CHANGED, DELETED, ADDED]],
  ["a list between two changes", [list(4, { a: 2, b: 3 }), CHANGED, DELETED]],
  ["bookmarks where nothing is missing", [START, bookmark(4), CHANGED, DELETED, bookmark(8)]],
  ["a second list, further on", [START, CHANGED, list(7, { a: 5 }), ADDED]],
  ["a list of the same revision again", [START, START, CHANGED]],
  ["a write of its own, seen in the next list", [START, wrote(6), list(6, { a: 5 }), ADDED]],
  ["a write of its own that the watch has not reported yet", [START, wrote(9), CHANGED, DELETED]],
])("possible: %s", (_, history) => {
  expect(contradictionIn(TRUTH, history)).toBeUndefined();
});

it.each<[string, Observation[], RegExp]>([
  ["an event left out", [START, DELETED], /next came put a 5/],
  ["an event reported twice", [START, CHANGED, CHANGED], /next came delete b 6/],
  ["two events in the wrong order", [START, DELETED, CHANGED], /next came put a 5/],
  ["an event of before the list", [START, event("ADDED", "b", 3)], /next came put a 5/],
  ["an event that never was", [START, event("MODIFIED", "a", 4)], /next came put a 5/],
  ["an event of the wrong type", [START, event("ADDED", "a", 5)], /it was MODIFIED/],
  ["a deletion sent as a change", [START, CHANGED, event("MODIFIED", "b", 6)], /it was DELETED/],
  ["an event behind the end", [START, CHANGED, DELETED, ADDED, event("ADDED", "d", 10)], /nothing/],
  ["a list that is older than an event", [START, CHANGED, START], /behind 5/],
  ["a list that is older than a bookmark", [START, bookmark(4), START], /behind 4/],
  ["a list that is older than the client's write", [wrote(5), START], /behind 5/],
  ["a list that lacks an object", [list(3, { a: 2 })], /shows b at undefined/],
  ["a list with an old object", [list(5, { a: 2, b: 3 })], /shows a at 2, not 5/],
  ["a list with one that was gone", [list(6, { a: 5, b: 3 })], /shows b, which was not there/],
  ["a bookmark ahead of an event", [START, bookmark(5)], /before a at 5/],
  ["a bookmark that goes back", [START, CHANGED, bookmark(3)], /behind 5/],
])("impossible: %s", (_, history, why) => {
  expect(contradictionIn(TRUTH, history)).toMatch(why);
});
