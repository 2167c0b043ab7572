import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { SIMPLE_TOKENS_MAX, TOKEN_TTL_MS } from "../limits.ts";
import { SimpleTokens } from "./simple-tokens.ts";

test("a token that is not used for its TTL ends; each use renews it", () => {
  const clock = new ManualClock();
  const tokens = new SimpleTokens(clock);
  tokens.issue("t.1", "alice");
  clock.advance(TOKEN_TTL_MS - 1);
  expect(tokens.use("t.1")).toBe("alice");
  clock.advance(TOKEN_TTL_MS - 1);
  expect(tokens.use("t.1")).toBe("alice");
  clock.advance(TOKEN_TTL_MS);
  expect(tokens.use("t.1")).toBeUndefined();
});

test("a user's tokens go with the user, others stay", () => {
  const tokens = new SimpleTokens(new ManualClock());
  tokens.issue("a.1", "alice");
  tokens.issue("b.2", "bob");
  tokens.issue("a.3", "alice");
  tokens.forgetUser("alice");
  expect(["a.1", "b.2", "a.3"].map((token) => tokens.use(token))).toEqual([
    undefined,
    "bob",
    undefined,
  ]);
});

test("there are never more than the bound: the one used longest ago goes", () => {
  const tokens = new SimpleTokens(new ManualClock());
  for (let i = 0; i < SIMPLE_TOKENS_MAX; i++) tokens.issue(`t.${i}`, "alice");
  expect(tokens.use("t.0")).toBe("alice");
  tokens.issue("t.new", "alice");
  expect(tokens.use("t.0")).toBe("alice");
  expect(tokens.use("t.1")).toBeUndefined();
});
