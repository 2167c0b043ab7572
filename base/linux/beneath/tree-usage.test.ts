import { execFileSync } from "node:child_process";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Directory } from "./directory.ts";
import { removePath } from "./remove-tree.ts";
import { treeUsage } from "./tree-usage.ts";

const MEBIBYTE = Buffer.alloc(1 << 20, 1);

let base: string;
let root: string;
beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), "r2k-usage-"));
  root = path.join(base, "root");
  mkdirSync(path.join(root, "a"), { recursive: true });
  writeFileSync(path.join(root, "a/file"), MEBIBYTE);
});
afterEach(() => removePath(base));

const blocksOf = (name: string) => statSync(path.join(root, name)).blocks * 512;

test("files and directories count, each file once whatever its names", async () => {
  linkSync(path.join(root, "a/file"), path.join(root, "again"));
  const expected = { used_bytes: blocksOf("a/file") + blocksOf("a"), inodes: 2 };
  expect(await treeUsage(root)).toEqual(expected);
});

test("what a link leads to does not count", async () => {
  writeFileSync(path.join(base, "outside"), MEBIBYTE);
  const before = await treeUsage(root);
  symlinkSync(base, path.join(root, "link"));
  symlinkSync(path.join(base, "outside"), path.join(root, "a/link"));
  const { used_bytes, inodes } = await treeUsage(root);
  expect(used_bytes - before.used_bytes).toBeLessThan(1 << 20);
  expect(inodes).toBe(before.inodes + 2);
  symlinkSync(base, path.join(base, "under-its-name"));
  expect((await treeUsage(path.join(base, "under-its-name"))).inodes).toBe(0);
});

test("nothing there is nothing used", async () => {
  const nothing = { used_bytes: 0, inodes: 0 };
  expect(await treeUsage(path.join(root, "none"))).toEqual(nothing);
});

test("a tree that is nested too deeply counts as its whole file system", async () => {
  let deepest = Directory.open(root);
  for (let level = 0; level < 600; level++) {
    using above = deepest;
    above.makeDirectory("d", 0o755);
    deepest = above.directory("d");
  }
  deepest[Symbol.dispose]();
  const { blocks, bsize } = statfsSync(root);
  expect((await treeUsage(root)).used_bytes).toBe(blocks * bsize);
});

test.runIf(process.getuid?.() === 0)("a mount is not entered", async () => {
  const before = await treeUsage(root);
  mkdirSync(path.join(root, "mount"));
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", path.join(root, "mount")]);
  try {
    writeFileSync(path.join(root, "mount/file"), MEBIBYTE);
    expect((await treeUsage(root)).inodes).toBe(before.inodes);
  } finally {
    execFileSync("umount", [path.join(root, "mount")]);
  }
});
