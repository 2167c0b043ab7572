import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { SelectorError } from "@raft2kube/api/selector.ts";
import { expect, test } from "vitest";
import { TargetSelectors } from "./selectors.ts";

const pod = (app: string): Pod => ({ metadata: { labels: { app } }, spec: { containers: [] } });

test("autoscalers of one target keep its selector once, until the last of them is gone", () => {
  const selectors = new TargetSelectors();
  const [first, ...others] = ["n/a", "n/b", "n/c"].map((key) => selectors.set(key, "app=web"));
  expect(others.every((terms) => terms === first)).toBe(true);
  expect(selectors.set("n/a", "app=web")).toBe(first);
  for (const key of ["n/a", "n/b", "n/c"]) selectors.forget(key);
  expect(selectors.set("n/a", "app=web")).not.toBe(first);
});

test("rivals are the autoscalers of a namespace that select one of the pods, by their last selector", () => {
  const selectors = new TargetSelectors();
  selectors.set("n/a", "app=web");
  selectors.set("n/b", "app=web");
  selectors.set("n/c", "app=other");
  selectors.set("m/d", "app=web");
  expect(selectors.rivals("n", [pod("web")])).toEqual(["n/a", "n/b"]);
  selectors.set("n/b", "app=other");
  expect(() => selectors.set("n/a", "=")).toThrow(SelectorError);
  expect(selectors.rivals("n", [pod("web")])).toEqual(["n/a"]);
  expect(selectors.rivals("n", [pod("other")])).toEqual(["n/c", "n/b"]);
  expect(selectors.rivals("other", [pod("web")])).toEqual([]);
});
