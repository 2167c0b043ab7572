import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { SelectorError } from "@raft2kube/api/selector.ts";
import { inSlices } from "@raft2kube/std/slices.ts";
import { expect, test } from "vitest";
import { AUTOSCALER_SELECTOR_CHARS_MAX, AUTOSCALER_TERMS_COMPARED_MAX } from "../limits.ts";
import { selectedOf, TargetSelectors } from "./selectors.ts";

const pod = (app: string): Pod => ({ metadata: { labels: { app } }, spec: { containers: [] } });

test("autoscalers of one target keep its selector once, until the last of them is gone", () => {
  const selectors = new TargetSelectors();
  const [first, ...others] = ["n/a", "n/b", "n/c"].map((key) => selectors.set(key, "app=web"));
  expect(others.every((terms) => terms === first)).toBe(true);
  expect(selectors.set("n/a", "app=web")).toBe(first);
  for (const key of ["n/a", "n/b", "n/c"]) selectors.forget(key);
  expect(selectors.set("n/a", "app=web")).not.toBe(first);
});

test("rivals are the autoscalers of a namespace that select one of the pods, by their last selector", async () => {
  const selectors = new TargetSelectors();
  selectors.set("n/a", "app=web");
  selectors.set("n/b", "app=web");
  selectors.set("n/c", "app=other");
  selectors.set("m/d", "app=web");
  const rivals = (namespace: string, app: string) =>
    inSlices(selectors.rivals(namespace, [pod(app)]));
  expect(await rivals("n", "web")).toEqual(["n/a", "n/b"]);
  selectors.set("n/b", "app=other");
  expect(() => selectors.set("n/a", "=")).toThrow(SelectorError);
  expect(await rivals("n", "web")).toEqual(["n/a"]);
  expect(await rivals("n", "other")).toEqual(["n/c", "n/b"]);
  expect(await rivals("other", "web")).toEqual([]);
});

test("a selector that is too long is not kept", () => {
  const selectors = new TargetSelectors();
  const text = "a=,"
    .repeat(AUTOSCALER_SELECTOR_CHARS_MAX / 3)
    .padEnd(AUTOSCALER_SELECTOR_CHARS_MAX, "b");
  expect(selectors.set("n/a", text).length).toBeGreaterThan(5_000);
  expect(() => selectors.set("n/b", `${text}c`)).toThrow(SelectorError);
});

test("rivals of many selectors and pods are compared in steps", () => {
  const selectors = new TargetSelectors();
  for (let i = 0; i < 10; i++) selectors.set(`n/${i}`, `app=web,not=${i}`);
  const steps = selectors.rivals("n", Array(100).fill(pod("web")));
  expect([...steps]).toHaveLength(1_000);
});

test("one step compares a bounded number of terms", () => {
  const selectors = new TargetSelectors();
  const absent = Array.from({ length: 1_000 }, (_, at) => `!a${at}`).join();
  for (let i = 0; i < 4; i++) selectors.set(`n/${i}`, `${absent},not=${i}`);
  const steps = [...selectors.rivals("n", Array(1_000).fill(pod("web")))];
  expect(steps.length).toBe(Math.ceil(AUTOSCALER_TERMS_COMPARED_MAX / 1_001));
});

test("a selector finds no mirror pod, which a node makes with any labels", async () => {
  const annotations = { "kubernetes.io/config.mirror": "x" };
  const own = pod("web");
  const mirror = { ...own, metadata: { ...own.metadata, annotations } };
  const terms = new TargetSelectors().set("n/a", "app=web");
  expect(await inSlices(selectedOf(terms, [mirror, own, pod("other")]))).toEqual([own]);
});
