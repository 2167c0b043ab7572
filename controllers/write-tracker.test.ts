import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { ShownWrites, WriteTracker } from "./write-tracker.ts";

test("the end of an object says nothing of one of the same name of another kind", () => {
  const clock = new ManualClock();
  const trackers = { pods: new WriteTracker(clock), claims: new WriteTracker(clock) };
  const none = () => ({ store: { get: () => undefined } });
  const [pods, claims] = [none(), none()];
  const shown = new ShownWrites([
    [trackers.pods, pods],
    [trackers.claims, claims],
  ]);
  // The claim `a` of pod b-0 of set b, and the first pod of set a-b.
  const object: KubeObject = {
    metadata: { namespace: "ns", name: "a-b-0", uid: "u", resourceVersion: "7" },
  };
  trackers.claims.wrote("ns/b", object);
  shown.gone(pods, object);
  expect(shown.areSeen("ns/b")).toBe(false);
  shown.gone(claims, object);
  expect(shown.areSeen("ns/b")).toBe(true);
});

test("a key that is forgotten expects nothing of any kind", () => {
  const clock = new ManualClock();
  const [first, second] = [new WriteTracker(clock), new WriteTracker(clock)];
  const store = { get: () => undefined };
  const shown = new ShownWrites([
    [first, { store }],
    [second, { store }],
  ]);
  const object: KubeObject = { metadata: { name: "x", uid: "u", resourceVersion: "7" } };
  for (const tracker of [first, second]) tracker.wrote("ns/b", object);
  expect(shown.areSeen("ns/b")).toBe(false);
  shown.forget("ns/b");
  expect(shown.areSeen("ns/b")).toBe(true);
});
