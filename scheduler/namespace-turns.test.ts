import { expect, test } from "vitest";
import { NamespaceTurns } from "./namespace-turns.ts";
import { pod } from "./testing/objects.ts";

const [a, b] = [pod("a", { namespace: "a" }), pod("b", { namespace: "b" })];

test("a namespace that has had a turn waits for the next, also without pods left", () => {
  const turns = new NamespaceTurns();
  expect([turns.enter(b), turns.enter(b), turns.enter(b)]).toEqual([1, 2, 3]);
  turns.pop(a, turns.enter(a));
  expect(turns.enter(a)).toBe(2);
  turns.leave(a);
  turns.pop(b, 1);
  turns.pop(b, 2);
  expect(turns.enter(a)).toBe(2);
});
