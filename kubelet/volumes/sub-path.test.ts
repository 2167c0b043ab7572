import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unmount } from "@raft2kube/linux/mount.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { mountSubPath } from "./sub-path.ts";

let dir: string;
let volume: string;
let target: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "r2k-subpath-"));
  volume = join(dir, "volume");
  target = join(dir, "target");
  await mkdir(volume);
});
afterEach(async () => {
  unmount(target);
  await rm(dir, { recursive: true });
});

describe("subPath", () => {
  test("mounts a directory, made when it is missing", async () => {
    await mountSubPath(volume, "a/b", target);
    await writeFile(join(target, "file"), "seen");
    expect(await readFile(join(volume, "a/b/file"), "utf8")).toBe("seen");
  });

  test("mounts a single file, through the volume's own links", async () => {
    await mkdir(join(volume, "..1"));
    await writeFile(join(volume, "..1/key"), "value");
    await symlink("..1", join(volume, "..data"));
    await symlink("..data/key", join(volume, "key"));
    await mountSubPath(volume, "key", target);
    expect(await readFile(target, "utf8")).toBe("value");
  });

  test.each([
    ["an absolute link", "/etc"],
    ["a relative link", "../../../../../../../../etc"],
  ])("refuses %s out of the volume", async (_, to) => {
    await symlink(to, join(volume, "link"));
    const mounting = mountSubPath(volume, "link", target);
    await expect(mounting).rejects.toMatchObject({ code: "InvalidPath" });
    const deeper = mountSubPath(volume, "link/r2k-new", target);
    await expect(deeper).rejects.toMatchObject({ code: "InvalidPath" });
  });

  test.each(["../x", "/etc"])("refuses the path %s", async (subPath) => {
    const mounting = mountSubPath(volume, subPath, target);
    await expect(mounting).rejects.toMatchObject({ code: "InvalidPath" });
  });
});
