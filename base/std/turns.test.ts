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

test("operations of one owner have a part of the places, the others are free for the next", async () => {
  const turns = new FairTurns(3, 2);
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const run = (name: string) =>
    turns.run(name.charAt(0), () => {
      started.push(name);
      return new Promise<void>((resolve) => ends.set(name, resolve));
    });
  const runs = ["a1", "a2", "a3", "b1", "b2", "c1"].map(run);
  expect(started).toEqual(["a1", "a2", "b1"]);
  ends.get("b1")!();
  await runs[3];
  expect(started.slice(3)).toEqual(["b2"]);
  ends.get("b2")!();
  await runs[4];
  expect(started.slice(4)).toEqual(["c1"]);
  ends.get("c1")!();
  await runs[5];
  expect(started.slice(5)).toEqual([]);
  ends.get("a1")!();
  await runs[0];
  expect(started.slice(5)).toEqual(["a3"]);
});

test("an operation that fails fails alone, and the next starts", async () => {
  const turns = new FairTurns();
  const failing = turns.run("a", () => Promise.reject(new Error("no")));
  const next = turns.run("a", () => Promise.resolve("yes"));
  await expect(failing).rejects.toThrow("no");
  expect([await next, await turns.run("b", () => Promise.resolve("too"))]).toEqual(["yes", "too"]);
});
