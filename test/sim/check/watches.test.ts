import { expect, test } from "vitest";
import { type RevisionEvents, type WatchHistory, watchKept } from "./watches.ts";

const REVISIONS: RevisionEvents[] = [
  { revision: 2, events: [{ key: "a", what: "PUT a=1", over: "" }] },
  {
    revision: 3,
    events: [
      { key: "b", what: "PUT b=1", over: "" },
      { key: "a", what: "PUT a=2", over: " over a=1" },
    ],
  },
  { revision: 4, events: [{ key: "c", what: "PUT c=1", over: "" }] },
  { revision: 5, events: [{ key: "a", what: "DELETE a", over: " over a=2" }] },
];

function watch(sent: [number, ...string[]][], change: Partial<WatchHistory> = {}): WatchHistory {
  const responses = sent.map(([revision, ...what]) => ({
    revision,
    events: what.map((each) => ({ revision, what: each })),
  }));
  const whole = { name: "w", start: 2, from: "a", to: "b", prevKv: false };
  return { ...whole, compactRevision: undefined, open: true, responses, ...change };
}

const ALL: [number, ...string[]][] = [
  [2, "PUT a=1"],
  [3, "PUT a=2"],
  [5, "DELETE a"],
];

test("watch: every matching event once, in order", () => {
  expect(watchKept(watch(ALL), REVISIONS)).toBe(3);
  expect(watchKept(watch(ALL.slice(1), { start: 3 }), REVISIONS)).toBe(2);
  expect(watchKept(watch([[4, "PUT c=1"]], { from: "c", to: "" }), REVISIONS)).toBe(1);
  watchKept(watch([], { start: 90 }), REVISIONS);
});

test("watch: a revision comes whole", () => {
  const both = [3, "PUT b=1", "PUT a=2"] as [number, ...string[]];
  watchKept(watch([[2, "PUT a=1"], both, [5, "DELETE a"]], { to: "c" }), REVISIONS);
  const halves: [number, ...string[]][] = [
    [2, "PUT a=1"],
    [3, "PUT b=1"],
    [3, "PUT a=2"],
  ];
  expect(() => watchKept(watch(halves, { to: "c" }), REVISIONS)).toThrow("revision 3 came as");
});

test("watch: a missing, repeated or changed event is found", () => {
  const skipped: [number, ...string[]][] = [ALL[0]!, ALL[2]!];
  expect(() => watchKept(watch(skipped), REVISIONS)).toThrow("event of 5, expected 3");
  const again: [number, ...string[]][] = [ALL[0]!, ALL[0]!];
  expect(() => watchKept(watch(again), REVISIONS)).toThrow("event of 2, expected 3");
  expect(() => watchKept(watch([[2, "PUT a=9"]]), REVISIONS)).toThrow("PUT a=9");
  expect(() => watchKept(watch(ALL.slice(0, 2)), REVISIONS)).toThrow("never sent 5");
  watchKept(watch(ALL.slice(0, 2), { open: false }), REVISIONS);
});

test("watch: progress is never ahead of events", () => {
  watchKept(watch([[2, "PUT a=1"], [2], [3, "PUT a=2"], [4], [5, "DELETE a"], [9]]), REVISIONS);
  const ahead: [number, ...string[]][] = [[2, "PUT a=1"], [3]];
  expect(() => watchKept(watch(ahead), REVISIONS)).toThrow("progress at 3, 3 not sent");
  const early = watch([[4]], { start: 9 });
  expect(() => watchKept(early, REVISIONS)).toThrow("from 9: progress at 4");
});

test("watch: it may end as compacted only while it is behind", () => {
  watchKept(watch([[2, "PUT a=1"]], { compactRevision: 5, open: false }), REVISIONS);
  const early = watch(ALL, { compactRevision: 5, open: false });
  expect(() => watchKept(early, REVISIONS)).toThrow("was ended as compacted before 5");
});

test("watch: what was there before comes only if asked for, and is right", () => {
  const before: [number, ...string[]][] = [
    [2, "PUT a=1"],
    [3, "PUT a=2 over a=1"],
    [5, "DELETE a"],
  ];
  watchKept(watch(before, { prevKv: true }), REVISIONS);
  expect(() => watchKept(watch(before), REVISIONS)).toThrow("revision 3 came as");
  const wrong: [number, ...string[]][] = [
    [2, "PUT a=1"],
    [3, "PUT a=2 over a=7"],
  ];
  const asked = { prevKv: true, open: false };
  expect(() => watchKept(watch(wrong, asked), REVISIONS)).toThrow("over a=7");
});
