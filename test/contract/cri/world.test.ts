import { readlinkSync } from "node:fs";
import { expect, test } from "vitest";
import { createWorld } from "./world.ts";

const isRoot = process.getuid?.() === 0;

test.runIf(isRoot)("closing a world returns the process to its network namespace", async () => {
  const netns = () => readlinkSync("/proc/thread-self/ns/net");
  const before = netns();
  const world = createWorld();
  const inside = netns();
  await world.close();
  expect(inside).not.toBe(before);
  expect(netns()).toBe(before);
});
