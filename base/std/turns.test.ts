import { expect, test } from "vitest";
import { FairTurns, KeyedTurns } from "./turns.ts";

test("tasks of one key run in turn, those of others beside them", async () => {
  const turns = new KeyedTurns();
  const order: string[] = [];
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const slow = turns.run("a", async () => {
    await gate;
    order.push("a1");
    throw new Error("first");
  });
  const after = turns.run("a", async () => order.push("a2"));
  await turns.run("b", async () => order.push("b1"));
  release();
  await expect(slow).rejects.toThrow("first");
  await after;
  expect(order).toEqual(["b1", "a1", "a2"]);
  await turns.idle();
});

test("operations of one owner wait for each other, those of others go in between", async () => {
  const turns = new FairTurns();
  const ran: string[] = [];
  const run = (owner: string) =>
    turns.run(owner, async () => {
      await Promise.resolve();
      ran.push(owner);
    });
  await Promise.all(["a", "a", "a", "a", "b", "c", "b"].map(run));
  expect(ran.join("")).toBe("aabcaba");
});

test("as many operations as there are places run at a time", async () => {
  const turns = new FairTurns(2);
  const started: string[] = [];
  const ends: (() => void)[] = [];
  const run = (name: string) =>
    turns.run(name, () => {
      started.push(name);
      return new Promise<void>((resolve) => ends.push(resolve));
    });
  const runs = ["a", "b", "c"].map(run);
  expect(started).toEqual(["a", "b"]);
  ends[1]!();
  await runs[1];
  expect(started).toEqual(["a", "b", "c"]);
});

test("an operation that fails fails alone, and the next starts", async () => {
  const turns = new FairTurns();
  const failing = turns.run("a", () => Promise.reject(new Error("no")));
  const next = turns.run("a", () => Promise.resolve("yes"));
  await expect(failing).rejects.toThrow("no");
  expect([await next, await turns.run("b", () => Promise.resolve("too"))]).toEqual(["yes", "too"]);
});
