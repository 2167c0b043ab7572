import { expect, it } from "vitest";
import { REQUESTS_OF_TURN_MAX, REQUESTS_WAITING_MAX } from "../limits.ts";
import { Rotation } from "./rotation.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Enters requests, and records the owner of each that starts. */
function recorded() {
  const rotation = new Rotation();
  const begun: string[] = [];
  const enter = (owner: string) => rotation.enter(owner, () => begun.push(owner));
  const flood = (owner: string, count: number) => {
    for (let n = 0; n < count; n++) enter(owner);
  };
  return { begun, enter, flood };
}

it("a few requests begin as they arrive, further ones in later turns", async () => {
  const { begun, flood } = recorded();
  flood("one", 2 * REQUESTS_OF_TURN_MAX + 1);
  expect(begun).toHaveLength(REQUESTS_OF_TURN_MAX);
  await turn();
  expect(begun).toHaveLength(2 * REQUESTS_OF_TURN_MAX);
  await turn();
  expect(begun).toHaveLength(2 * REQUESTS_OF_TURN_MAX + 1);
  flood("one", 1);
  await turn();
  await turn();
  flood("one", REQUESTS_OF_TURN_MAX);
  expect(begun).toHaveLength(3 * REQUESTS_OF_TURN_MAX + 2);
});

it("the requests of a flood and those of others begin by turns", async () => {
  const { begun, enter, flood } = recorded();
  flood("flood", 10 * REQUESTS_OF_TURN_MAX);
  for (const owner of ["a", "a", "b"]) enter(owner);
  begun.splice(0);
  await turn();
  await turn();
  expect(begun.slice(0, 6)).toEqual(["flood", "a", "b", "flood", "a", "flood"]);
});

it("an owner has a bounded number of requests that wait, and leaves room for others", async () => {
  const { begun, enter, flood } = recorded();
  flood("flood", REQUESTS_OF_TURN_MAX + REQUESTS_WAITING_MAX);
  expect([enter("flood"), enter("other")]).toEqual([false, true]);
  await turn();
  expect(begun).toContain("other");
  expect(enter("flood")).toBe(true);
});
