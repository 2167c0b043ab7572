import type { Event } from "@raft2kube/proto/gen/etcd.ts";
import { expect, test } from "vitest";
import { EventRun } from "./event-run.ts";

const [a, b, c, d] = [0, 1, 2, 3].map((type) => ({ type }) as Event) as [
  ...[Event, Event, Event, Event],
];

test("watches that are sent the same share one run, each with its own part of it", () => {
  const run = new EventRun([a]);
  expect(run.continues(1, [b, c])).toBe(true);
  // The next watch finds there what the first has added.
  expect(run.continues(1, [b, c])).toBe(true);
  const sent = run.first(3);
  expect(sent).toEqual([a, b, c]);
  expect(run.first(3)).toBe(sent);
  expect(run.continues(3, [d])).toBe(true);
  expect(sent).toHaveLength(3);
  expect(run.first(1)).toEqual([a]);
});

test("a watcher with other events, or in another order, leaves the run", () => {
  const run = new EventRun([a]);
  run.continues(1, [b]);
  expect(run.continues(1, [c])).toBe(false);
  expect(run.continues(1, [b, c])).toBe(false);
  expect(run.first(2)).toEqual([a, b]);
});
