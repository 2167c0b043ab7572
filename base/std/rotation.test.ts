import { expect, test } from "vitest";
import { ManualClock } from "./clock.ts";
import { INPUT_TURN_MS } from "./limits.ts";
import { Rotation } from "./rotation.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Enters requests, and records the owner of each that starts. */
function recorded({ ofAll = Infinity } = {}) {
  const rotation = new Rotation({ ofTurn: 4, ofOwner: 100, ofAll });
  const begun: string[] = [];
  const enter = (owner: string) => rotation.enter(owner, () => begun.push(owner));
  const flood = (owner: string, count: number) => {
    for (let n = 0; n < count; n++) enter(owner);
  };
  return { begun, enter, flood };
}

test("a few requests begin as they arrive, further ones in later turns", async () => {
  const { begun, flood } = recorded();
  flood("one", 9);
  expect(begun).toHaveLength(4);
  await turn();
  expect(begun).toHaveLength(8);
  await turn();
  expect(begun).toHaveLength(9);
  flood("one", 1);
  await turn();
  await turn();
  flood("one", 4);
  expect(begun).toHaveLength(14);
});

test("the requests of a flood and those of others begin by turns", async () => {
  const { begun, enter, flood } = recorded();
  flood("flood", 40);
  for (const owner of ["a", "a", "b"]) enter(owner);
  begun.splice(0);
  await turn();
  await turn();
  expect(begun.slice(0, 6)).toEqual(["flood", "a", "b", "flood", "a", "flood"]);
});

test("in a flood of one owner, a turn begins no more of it than it may", async () => {
  const rotation = new Rotation({ ofTurn: 4, ofOwner: 100, ofOwnerInTurn: 1 });
  const begun: string[] = [];
  for (let n = 0; n < 40; n++) rotation.enter("flood", () => begun.push("flood"));
  begun.splice(0);
  await turn();
  expect(begun).toEqual(["flood"]);
  rotation.enter("other", () => begun.push("other"));
  await turn();
  expect(begun).toEqual(["flood", "flood", "other"]);
});

test("an owner has a bounded number of requests that wait, and leaves room for others", async () => {
  const { begun, enter, flood } = recorded();
  flood("flood", 104);
  expect([enter("flood"), enter("other")]).toEqual([false, true]);
  await turn();
  expect(begun).toContain("other");
  expect(enter("flood")).toBe(true);
});

test("all owners together have a bounded number of requests that wait", () => {
  const { enter, flood } = recorded({ ofAll: 150 });
  flood("a", 104);
  flood("b", 50);
  expect(enter("c")).toBe(false);
});

test("with a clock, a turn begins no further request when their beginning took too long", async () => {
  const clock = new ManualClock();
  const limits = { ofTurn: 4, ofOwner: 100 };
  const rotation = new Rotation(limits, clock);
  const begun: string[] = [];
  const enter = (owner: string, takes_ms: number) =>
    rotation.enter(owner, () => {
      begun.push(owner);
      clock.advance(takes_ms);
    });
  for (let n = 0; n < 4; n++) enter("costly", INPUT_TURN_MS);
  enter("cheap", 0);
  expect(begun).toEqual(["costly"]);
  await turn();
  expect(begun).toEqual(["costly", "costly"]);
  await turn();
  expect(begun).toEqual(["costly", "costly", "cheap", "costly"]);
});
