import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { tryLock } from "@raft2kube/linux/file/flock.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { clearMountCaches, mountCaches, takeMountCache } from "./mount-caches.ts";

test("caches of RUN mounts are removed while no build runs", async () => {
  const base = testFolder("r2k-caches-");
  const host = { root: path.join(base, "hand"), imagesDir: path.join(base, "images") };
  await clearMountCaches(host);
  mkdirSync(path.join(mountCaches(host), "one"), { recursive: true });
  mkdirSync(path.join(host.imagesDir, "builds"), { recursive: true });
  const file = path.join(host.imagesDir, "builds", "b.lock");
  writeFileSync(file, "");
  {
    using lock = tryLock(file);
    expect(lock).toBeDefined();
    await clearMountCaches(host);
  }
  expect(existsSync(mountCaches(host))).toBe(true);
  await clearMountCaches(host);
  expect(existsSync(mountCaches(host))).toBe(false);
});

test("a locked cache is one step's at a time", async () => {
  const over = new AbortController();
  const host = { root: testFolder("r2k-caches-"), clock: systemClock() };
  const builder = { host, signal: over.signal };
  const take = (sharing: "shared" | "locked") =>
    takeMountCache(builder, { id: "c", mode: 0o755, uid: 0, gid: 0, sharing });
  const [one, two] = await Promise.all([take("shared"), take("shared")]);
  expect(two.folder).toBe(one.folder);
  const locked = take("locked");
  for (const { lock } of [one, two]) lock[Symbol.dispose]();
  using lock = (await locked).lock;
  expect(lock.path).toBe(one.lock.path);
  const waiting = take("shared");
  over.abort(new Error("interrupted"));
  await expect(waiting).rejects.toThrow("interrupted");
});
