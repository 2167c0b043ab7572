import { readdirSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { BuildCache } from "./cache.ts";

test("builds that have made the same step keep it one after the other", async () => {
  const base = testFolder("r2k-cache-");
  const key = "ab".repeat(32);
  const step = { created: "2026-01-01T00:00:00Z", step: "RUN true" };
  const builds = Array.from({ length: 16 }, () => new BuildCache(base));
  await Promise.all(builds.map((cache) => cache.put(key, step)));
  expect(await builds[0]!.find(key)).toEqual(step);
  expect(readdirSync(path.join(base, "build-cache"))).toEqual([`${key}.json`]);
  expect((await builds[1]!.list()).length).toBe(1);
  await builds[1]!.clear();
  expect(await builds[0]!.list()).toEqual([]);
});
