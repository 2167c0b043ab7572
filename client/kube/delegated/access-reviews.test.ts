import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { REFUSAL_CACHE_MS, REVIEW_CACHE_MS, REVIEWS_AT_ONCE_MAX } from "../limits.ts";
import type { KubeClient } from "../rest/client.ts";
import { AccessReviews } from "./access-reviews.ts";

test("questions about rights are bounded, because each user may ask for every path", async () => {
  const asked: ((answer: object) => void)[] = [];
  const request = () => new Promise((resolve) => asked.push(resolve));
  const reviews = new AccessReviews({ request } as unknown as KubeClient, new ManualClock());
  const ask = (path: string) =>
    reviews.isAllowed({ name: "u", groups: [] }, { nonResourceAttributes: { path, verb: "get" } });
  const answers = Array.from({ length: REVIEWS_AT_ONCE_MAX }, (_, index) => ask(`/${index}`));
  await expect(ask("/more")).rejects.toMatchObject({ status: 429 });
  expect(asked).toHaveLength(REVIEWS_AT_ONCE_MAX);
  // One that is asked already is no other question.
  answers.push(ask("/0"));
  for (const answer of asked) answer({ status: { allowed: true } });
  expect(new Set(await Promise.all(answers))).toEqual(new Set([true]));
  const late = ask("/more");
  asked.at(-1)!({ status: { allowed: false } });
  expect(await late).toBe(false);
});

test("a refusal is remembered for a shorter time than a grant", async () => {
  let asked = 0;
  let allowed = false;
  const request = () => {
    asked++;
    return Promise.resolve({ status: { allowed } });
  };
  const clock = new ManualClock();
  const reviews = new AccessReviews({ request } as unknown as KubeClient, clock);
  const ask = () =>
    reviews.isAllowed(
      { name: "u", groups: [] },
      { nonResourceAttributes: { path: "/", verb: "get" } },
    );
  expect([await ask(), await ask(), asked]).toEqual([false, false, 1]);
  allowed = true;
  clock.advance(REFUSAL_CACHE_MS);
  expect([await ask(), asked]).toEqual([true, 2]);
  clock.advance(REVIEW_CACHE_MS - 1);
  expect([await ask(), asked]).toEqual([true, 2]);
  clock.advance(1);
  expect([await ask(), asked]).toEqual([true, 3]);
});
