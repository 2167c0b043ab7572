import { existsSync, mkdirSync, mkdtempDisposableSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { tryLock } from "@raft2kube/linux/file/flock.ts";
import { expect, test } from "vitest";
import { clearMountCaches, mountCaches } from "./mount-caches.ts";

test("caches of RUN mounts are removed while no build runs", async () => {
  using base = mkdtempDisposableSync(path.join(tmpdir(), "r2k-caches-"));
  const host = { root: path.join(base.path, "hand"), imagesDir: path.join(base.path, "images") };
  expect(await clearMountCaches(host)).toBe(0);
  mkdirSync(path.join(mountCaches(host), "one"), { recursive: true });
  mkdirSync(path.join(host.imagesDir, "builds"), { recursive: true });
  const file = path.join(host.imagesDir, "builds", "b.lock");
  writeFileSync(file, "");
  {
    using lock = tryLock(file);
    expect(lock).toBeDefined();
    expect(await clearMountCaches(host)).toBe(0);
  }
  expect(existsSync(mountCaches(host))).toBe(true);
  expect(await clearMountCaches(host)).toBe(1);
  expect(existsSync(mountCaches(host))).toBe(false);
});
