import { readlinkSync } from "node:fs";
import { expect, test } from "vitest";
import { createRuntimeHost } from "./runtime-host.ts";

const isRoot = process.getuid?.() === 0;

test.runIf(isRoot)("closing a host returns the process to its network namespace", async () => {
  const netns = () => readlinkSync("/proc/thread-self/ns/net");
  const before = netns();
  const host = createRuntimeHost();
  const inside = netns();
  await host.close();
  expect(inside).not.toBe(before);
  expect(netns()).toBe(before);
});
