import { ManualClock } from "@raft2kube/std/clock.ts";
import { describe, expect, test } from "vitest";
import { WorkQueue } from "./workqueue.ts";

function makeQueue(options: { keys_max?: number; workers?: number } = {}) {
  const clock = new ManualClock();
  return { clock, queue: new WorkQueue({ clock, ...options }) };
}

describe("WorkQueue", () => {
  test("gives a key once, however often it was added", async () => {
    const { queue } = makeQueue();
    queue.add("a");
    queue.add("b");
    queue.add("a");
    expect([await queue.take(), await queue.take()]).toEqual(["a", "b"]);
    expect(queue.size).toBe(0);
  });

  test("gives keys of namespaces in rotation, those of one in order", async () => {
    const { queue } = makeQueue();
    for (const key of ["a/1", "a/2", "a/3", "node", "b/1", "a/2", "b/2"]) queue.add(key);
    expect(queue.size).toBe(6);
    const taken: (string | undefined)[] = [];
    while (queue.size > 0) taken.push(await queue.take());
    expect(taken).toEqual(["a/1", "node", "b/1", "a/2", "b/2", "a/3"]);
  });

  test("leaves workers to other namespaces: one alone gets half of them", async () => {
    const { queue } = makeQueue({ workers: 4 });
    for (const key of ["a/1", "a/2", "a/3"]) queue.add(key);
    expect([await queue.take(), await queue.take()]).toEqual(["a/1", "a/2"]);
    const idle = [queue.take(), queue.take()];
    expect(queue.size).toBe(1);
    queue.add("a/4");
    queue.add("b/1");
    expect(await idle[0]).toBe("b/1");
    queue.add("node");
    expect(await idle[1]).toBe("node");
    for (const key of ["node", "a/1"]) queue.done(key);
    expect(await queue.take()).toBe("a/3");
    expect(queue.size).toBe(1);
  });

  test("a key that comes again and again does not pass those of its namespace that wait", async () => {
    const { queue } = makeQueue({ workers: 2 });
    queue.add("a/1");
    expect(await queue.take()).toBe("a/1");
    const idle = queue.take();
    for (const key of ["a/2", "a/1"]) queue.add(key);
    queue.done("a/1");
    expect(await idle).toBe("a/2");
  });

  test("no worker waits beside keys of namespaces that may have it", async () => {
    const { queue } = makeQueue({ workers: 4 });
    for (const key of ["a/1", "b/1", "c/1"]) queue.add(key);
    for (const _ of ["a/1", "b/1", "c/1"]) await queue.take();
    const idle = queue.take();
    for (const key of ["b/2", "a/2"]) queue.add(key);
    expect(queue.size).toBe(2);
    queue.done("a/1");
    expect(await Promise.all([idle, queue.take()])).toEqual(["b/2", "a/2"]);
  });

  test("gives a key added while being worked on again, but only after done", async () => {
    const { queue } = makeQueue();
    queue.add("a");
    const key = await queue.take();
    queue.add("a");
    queue.add("a");
    expect(queue.size).toBe(0);
    queue.done(key ?? "");
    expect(queue.size).toBe(1);
    expect(await queue.take()).toBe("a");
    queue.done("a");
    expect(queue.size).toBe(0);
  });

  test("hands a key to a worker that waits, and counts it as active", async () => {
    const { queue } = makeQueue();
    const waiting = queue.take();
    queue.add("a");
    queue.add("a");
    expect(await waiting).toBe("a");
    expect(queue.size).toBe(0);
    queue.done("a");
    expect(queue.size).toBe(1);
  });

  test("keeps the earlier of two delays", () => {
    const { queue, clock } = makeQueue();
    queue.addAfter("a", 1_000);
    queue.addAfter("a", 100);
    queue.addAfter("a", 5_000);
    clock.advance(99);
    expect(queue.size).toBe(0);
    clock.advance(1);
    expect(queue.size).toBe(1);
  });

  test("drops a delay when the key is taken: what was planned before is out of date", async () => {
    const { queue, clock } = makeQueue();
    queue.addAfter("a", 1_000);
    queue.add("a");
    queue.addAfter("b", 1_000);
    const waiting = [queue.take(), queue.take()];
    queue.add("b");
    for (const key of await Promise.all(waiting)) queue.done(key ?? "");
    clock.advance(1_000);
    expect(queue.size).toBe(0);
    queue.addAfter("a", 10);
    clock.advance(10);
    expect(await queue.take()).toBe("a");
  });

  test("doubles the pause of a key that fails, up to the bound, and forgets", async () => {
    const { queue, clock } = makeQueue();
    const pauses_ms: number[] = [];
    for (let i = 0; i < 20; i++) {
      queue.addRateLimited("a");
      const begun_ms = clock.now();
      while (queue.size === 0) clock.advance(1);
      pauses_ms.push(clock.now() - begun_ms);
      queue.done((await queue.take()) ?? "");
    }
    expect(pauses_ms.slice(0, 4)).toEqual([5, 10, 20, 40]);
    expect(pauses_ms.at(-1)).toBe(60_000);
    queue.forget("a");
    expect(queue.failures("a")).toBe(0);
  });

  test("refuses keys above its bound", () => {
    const { queue } = makeQueue({ keys_max: 1 });
    queue.add("a");
    queue.add("a");
    expect(() => queue.add("b")).toThrow("1 keys");
  });

  test("close ends waiting workers and drops delays", async () => {
    const { queue, clock } = makeQueue();
    const waiting = queue.take();
    queue.addAfter("a", 10);
    queue.close();
    expect(await waiting).toBeUndefined();
    clock.advance(100);
    expect(queue.size).toBe(0);
    expect(await queue.take()).toBeUndefined();
  });
});
