// For runner.test.ts: each test passes, and leaves behind what would end a process.
import { EventEmitter } from "node:events";
import { expect, test } from "vitest";

const soon = () => new Promise((resolve) => setImmediate(resolve));

test("a rejection that no one handles", async () => {
  void Promise.reject(new Error("a rejection of a case"));
  await soon();
  expect(true).toBe(true);
});

test("an error event without a listener", async () => {
  setImmediate(() => new EventEmitter().emit("error", new Error("an error of a case")));
  await soon();
  await soon();
  expect(true).toBe(true);
});
